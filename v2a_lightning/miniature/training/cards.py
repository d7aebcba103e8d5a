"""A card for each of the miniature's models: what it is, what it learned from, and how."""

import json
from pathlib import Path

from safetensors import safe_open

from v2a_lightning.files import atomic_write, sha256_file

FOLDERS: dict[str, tuple[str, ...]] = {
    "clip": ("clip",),
    "clap": ("clap",),
    "audioldm": ("autoencoder", "diffusion", "vocoder"),
    "cnn14": ("cnn14",),
    "vggish": ("vggish",),
    "wav2clip": ("wav2clip",),
    "referee": ("referee",),
}
"""Each folder of weights, and the parts it is made of."""


def write_cards(output: Path, trained: dict[str, Path]) -> None:
    """Write `card.json` beside each folder's weights.

    Args:
        output: the folder of weights.
        trained: each part's tensors, whose metadata tell their recipe.
    """
    for folder, parts in FOLDERS.items():
        files = sorted((output / folder).rglob("*.safetensors"))
        card = {
            "name": f"miniature-{folder}",
            "trained": True,
            "data": "the miniature world's train split, seed 0 (v2a_lightning/miniature/world.py)",
            "licence": "Apache-2.0",
            "precision": "matrices float16, the rest float32",
            "parameters": sum(_parameters(file) for file in files),
            "recipe": {part: _recipe(trained[part]) for part in parts},
            "sha256": {str(file.relative_to(output / folder)): sha256_file(file) for file in files},
        }
        with atomic_write(output / folder / "card.json") as path:
            path.write_text(json.dumps(card, indent=2) + "\n")


def _recipe(file: Path) -> dict[str, float]:
    with safe_open(file, "pt") as tensors:
        return {key: float(value) for key, value in (tensors.metadata() or {}).items() if key != "format"}


def _parameters(file: Path) -> int:
    total = 0
    with safe_open(file, "pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 (a safetensors file is no dictionary)
            size = 1
            for length in tensors.get_slice(key).get_shape():
                size *= length
            total += size
    return total

"""A card for each of the miniature's models: what it is, what it learned from, and how."""

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from v2a_lightning.files import atomic_write, sha256_file
from v2a_lightning.miniature.world.scenes import WORLD_VERSION

FOLDERS: dict[str, tuple[str, ...]] = {
    "clip": ("clip",),
    "clap": ("clap",),
    "audioldm": ("autoencoder", "diffusion", "vocoder"),
    **{part: (part,) for part in ("cnn14", "vggish", "wav2clip", "referee")},
}
"""Each folder of weights, and the parts it is made of."""


def read_cards(output: Path) -> dict[str, dict[str, Any]]:
    """The cards that are there, by folder."""
    files = {folder: output / folder / "card.json" for folder in FOLDERS}
    return {folder: json.loads(file.read_text()) for folder, file in files.items() if file.is_file()}


def write_cards(output: Path, trained: dict[str, Path]) -> None:
    """Write `card.json` beside each folder's weights.

    Figures that `check` measured stay when every file has come back to the last bit; of other weights they say nothing.
    `trained` are each part's tensors, whose metadata hold their recipe.
    """
    before = read_cards(output)
    cards: dict[str, dict[str, Any]] = {}
    for folder, parts in FOLDERS.items():
        files = sorted((output / folder).rglob("*.safetensors"))
        cards[folder] = {
            "name": f"miniature-{folder}",
            "trained": True,
            "data": f"train split of the miniature world {WORLD_VERSION}, seed 0 (v2a_lightning/miniature/world.py)",
            "licence": "Apache-2.0",
            "precision": "matrices float16, the rest float32",
            "parameters": sum(_parameters(file) for file in files),
            "recipe": {part: _recipe(trained[part]) for part in parts},
            "sha256": {str(file.relative_to(output / folder)): sha256_file(file) for file in files},
        }
    same = before.keys() == cards.keys() and not changed(before, cards)
    for folder, card in cards.items():
        if same and "figures" in before[folder]:
            card["figures"] = before[folder]["figures"]
        with atomic_write(output / folder / "card.json") as path:
            path.write_text(json.dumps(card, indent=2) + "\n")


def changed(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """The folders whose weights are not the same to the last bit in two sets of cards."""
    digests = [{folder: card["sha256"] for folder, card in cards.items()} for cards in (before, after)]
    return [folder for folder in FOLDERS if digests[0].get(folder) != digests[1].get(folder)]


def _recipe(file: Path) -> dict[str, float]:
    with safe_open(file, "pt") as tensors:
        return {key: float(value) for key, value in sorted((tensors.metadata() or {}).items()) if key != "format"}


def _parameters(file: Path) -> int:
    with safe_open(file, "pt") as tensors:
        return sum(math.prod(tensors.get_slice(key).get_shape()) for key in tensors.keys())  # noqa: SIM118 (no dict)

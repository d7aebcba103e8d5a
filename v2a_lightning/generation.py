"""How a folder of generated sounds was made: `generation.json` beside the sounds, and in the cards of their scores."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.json_files import check, read_json

if TYPE_CHECKING:
    from v2a_lightning.foundation import AudioLDM
    from v2a_lightning.module import V2AMapper

GENERATION_FILE = "generation.json"
# What of the file belongs to single sounds and stays out of the cards.
SOUNDS = "sounds"


def describe_audioldm(model: "AudioLDM", steps: int | None = None, guidance: float | None = None) -> dict[str, Any]:
    """What the sounds depend on in AudioLDM.

    Args:
        model: the model.
        steps: asked for in place of its own.
        guidance: asked for in place of its own.
    """
    return {
        "audioldm": model.name,
        "audioldm_fingerprint": model.fingerprint,
        "sampler": model.sampler,
        "eta": model.eta,
        "steps": steps or model.steps,
        "guidance": model.guidance if guidance is None else guidance,
    }


def describe_mapper(mapper: "V2AMapper") -> dict[str, Any]:
    """What the embeddings depend on in the mapper."""
    aggregator = mapper.inference_aggregator or mapper.aggregator
    parts = (mapper.network, mapper.objective, aggregator)
    return {
        "mapper": ", ".join(type(part).__name__ for part in parts),
        "mapper_weights_sha256": weights_sha256(mapper),
        "mapper_steps": mapper.sampling_steps,
        "mapper_guidance": mapper.guidance,
    }


def weights_sha256(mapper: "V2AMapper") -> str:
    """Of the mapper's tensors by name: the same in a run, its checkpoint, and a folder of `save_pretrained`."""
    digest = hashlib.sha256()
    for name, tensor in sorted(mapper.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_generation(
    folder: Path, settings: Mapping[str, Any], sounds: Mapping[str, Mapping[str, Any]], *, adding: bool = False
) -> None:
    """Write `generation.json`.

    Args:
        folder: of the sounds.
        settings: how all of them were made.
        sounds: clip id -> what is special about its sound, such as its seed.
        adding: sounds that the file names already stay named if they were made with the same settings.
    """
    earlier = _read(folder / GENERATION_FILE) if adding and (folder / GENERATION_FILE).is_file() else {}
    named = earlier.pop(SOUNDS, {})
    # Compared as JSON has them: a tuple comes back as a list.
    kept = named if earlier == json.loads(json.dumps(settings)) else {}
    with atomic_write(folder / GENERATION_FILE) as temporary:
        temporary.write_text(json.dumps({**settings, SOUNDS: {**kept, **sounds}}, indent=1) + "\n")


def read_generation(folder: Path) -> tuple[dict[str, Any], set[str] | None]:
    """How the sounds of a folder were made, where their maker wrote it down: ({}, None) where not.

    Returns:
        the settings of all sounds, and the clip ids that were made with them, None when the file does not say.

    Raises:
        UsageError: when the file holds something else.
    """
    if not (folder / GENERATION_FILE).is_file():
        return {}, None
    settings = _read(folder / GENERATION_FILE)
    sounds = settings.pop(SOUNDS, None)
    return settings, None if sounds is None else set(sounds)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(path, dict, "file of settings of generated sounds")
    try:
        check(content.get(SOUNDS, {}), {str: dict}, SOUNDS)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    return content

"""Writing an AudioLDM in diffusers' folder layout."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from v2a_lightning.checkpoints.weights import read_weights, refuse_not_finite
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import SpeechT5HifiGan

UNCONDITIONAL_FILE = "unconditional.safetensors"


def build_scheduler(**overrides: Any) -> "DDIMScheduler":
    """The published AudioLDM's noise schedule; `overrides` are DDIMScheduler arguments such as `prediction_type`."""
    from diffusers import DDIMScheduler

    published = {
        "num_train_timesteps": 1000,
        "beta_start": 0.0015,
        "beta_end": 0.0195,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    return DDIMScheduler(**(published | overrides))


def save_audioldm(
    unet: "UNet2DConditionModel",
    vae: "AutoencoderKL",
    vocoder: "SpeechT5HifiGan",
    scheduler: Any,
    unconditional: Tensor,
    folder: Path | str,
) -> None:
    """Write a folder in diffusers' AudioLDM layout, the unconditional embedding (512,) standing for a text tower."""
    folder = Path(folder)
    parts: dict[str, Any] = {"unet": unet, "vae": vae, "vocoder": vocoder, "scheduler": scheduler}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    save_tensors({"embedding": unconditional}, folder / UNCONDITIONAL_FILE)
    index = {
        "_class_name": "AudioLDMPipeline",
        "scheduler": ["diffusers", type(scheduler).__name__],
        "text_encoder": [None, None],
        "tokenizer": [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "vocoder": ["transformers", "SpeechT5HifiGan"],
    }
    write_json(folder / "model_index.json", index)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors as safetensors."""
    from safetensors.torch import save_file

    with atomic_write(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)


def read_embedding(path: Path) -> Tensor:
    """The one embedding (512,) that a file of ours holds, float32.

    Raises:
        UsageError: when the file holds something else.
        RunFailure: when it cannot be read, or is damaged.
    """
    state = read_weights(path)
    if list(state) != ["embedding"] or state["embedding"].ndim != 1:
        raise UsageError(f"{path}: holds {', '.join(state)[:80]} and not one vector named embedding")
    refuse_not_finite(state, path)
    return state["embedding"].float()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object as indented JSON."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")

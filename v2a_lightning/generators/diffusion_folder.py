"""Folders in diffusers' layout of a latent diffusion model of log-mels: reading and writing their parts strictly."""

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import (
    State,
    find_weights,
    load_strictly,
    read_weights,
    refuse_not_finite,
    without_values,
)
from v2a_lightning.encoders.clap import read_tokenizer
from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write
from v2a_lightning.json_files import write_json

Sampler = Literal["ddim", "ddpm", "dpm++"]
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
}
UNCONDITIONAL_FILE = "unconditional.safetensors"
TEXT_LENGTH = 512
TRANSFORMERS_STEMS = ("model", "pytorch_model")
# What diffusers called an attention layer's parts before version 0.17, as the published AudioLDM's autoencoder does.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# A whole CLAP may stand where its text tower is looked for.
REST_OF_CLAP = r"^(audio_model|audio_projection)\.|^logit_scale"
# The published AudioLDM's and MusicLDM's noise schedule.
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0015,
    "beta_end": 0.0195,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def read_unet(path: Path, head_counts: Sequence[int] | None) -> Any:
    """The UNet, with the attention heads of its config, or `head_counts`; UsageError when these do not fit."""
    from diffusers import UNet2DConditionModel

    config: Any = UNet2DConditionModel.load_config(path / "unet", local_files_only=True)
    heads, widths = config.get("attention_head_dim", 8), config["block_out_channels"]
    if head_counts is None:
        if isinstance(heads, int):
            _warn_of_heads(path, heads, widths)
    elif len(head_counts) != len(widths) or any(w % count for w, count in zip(widths, head_counts, strict=True)):
        raise UsageError(f"{path}: head_counts {list(head_counts)} do not divide the UNet's levels {widths}")
    chosen = heads if head_counts is None else tuple(head_counts)
    return _read_diffusers(UNet2DConditionModel, path / "unet", config, attention_head_dim=chosen)


def _warn_of_heads(path: Path, heads: int, widths: list[int]) -> None:
    likely = [width // 32 for width in widths]
    warnings.warn(
        f"{path / 'unet'} says {heads} attention heads for every level, as the published folders of AudioLDM and "
        f"MusicLDM do; the originals were trained with 32 channels to a head. head_counts={likely} gives it those",
        stacklevel=2,
    )


def read_vae(path: Path) -> nn.Module:
    from diffusers import AutoencoderKL

    config = AutoencoderKL.load_config(path / "vae", local_files_only=True)
    return _read_diffusers(AutoencoderKL, path / "vae", config)  # type: ignore[no-any-return]


def read_vocoder(path: Path) -> nn.Module:
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    config = SpeechT5HifiGanConfig.from_pretrained(path / "vocoder", local_files_only=True)
    with without_values():
        vocoder = SpeechT5HifiGan(config)
    weights = find_weights(path / "vocoder", *TRANSFORMERS_STEMS)
    return load_strictly(vocoder, read_weights(weights), weights)


def read_text_tower(folder: Path) -> Any:
    """CLAP's text tower, alone in the folder or in a whole CLAP."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    config = ClapTextConfig.from_pretrained(folder, local_files_only=True)
    with without_values():
        tower = ClapTextModelWithProjection(config)
    weights = find_weights(folder, *TRANSFORMERS_STEMS)
    return load_strictly(tower, read_weights(weights), weights, left_over=REST_OF_CLAP)


def _read_diffusers(cls: Any, folder: Path, config: Any, **overrides: Any) -> Any:
    with without_values():
        module = cls.from_config(config, **overrides)
    weights = find_weights(folder, "diffusion_pytorch_model")
    return load_strictly(module, _attention_renamed(read_weights(weights)), weights)


def _attention_renamed(state: State) -> State:
    old = re.compile(r"(\.attentions\.\d+)\.(query|key|value|proj_attn)\.")
    return {old.sub(lambda match: f"{match[1]}.{OLD_ATTENTION[match[2]]}.", name): one for name, one in state.items()}


def scheduler_config(scheduler: Any) -> dict[str, Any]:
    """What makes one of diffusers' schedulers again, in plain values.

    Raises:
        UsageError: when it is none.
    """
    from diffusers import SchedulerMixin

    if not isinstance(scheduler, SchedulerMixin):
        raise UsageError(f"a scheduler is one of diffusers', such as DDIMScheduler, not a {type(scheduler).__name__}")
    plain: dict[str, Any] = json.loads(scheduler.to_json_string())  # type: ignore[attr-defined]
    return plain


def make_scheduler(path: Path, sampler: Sampler, config: Mapping[str, Any] | None = None) -> Any:
    """A sampler over the noise schedule that the folder's scheduler config describes, or another of diffusers'.

    Raises:
        UsageError: when diffusers has none of that name.
    """
    import diffusers

    name, options = SAMPLERS[sampler]
    if config is None:
        config = diffusers.DDIMScheduler.load_config(path / "scheduler", local_files_only=True)
    else:
        name, options = str(config.get("_class_name")), {}
    named = getattr(diffusers, name, None)
    if not (isinstance(named, type) and issubclass(named, diffusers.SchedulerMixin)):
        raise UsageError(f"scheduler: diffusers has no {name}; give a _class_name, as its configs do")
    return named.from_config(dict(config), **options)


def read_unconditional(path: Path) -> Tensor:
    """The embedding (D,) of no condition, stored or the text tower's of ""; UsageError when there is neither."""
    if (path / UNCONDITIONAL_FILE).is_file():
        return read_embedding(path / UNCONDITIONAL_FILE)
    if not (path / "text_encoder").is_dir() or not (path / "tokenizer").is_dir():
        raise UsageError(f"{path} has neither {UNCONDITIONAL_FILE} nor text_encoder and tokenizer to make it from")
    return _embedding_of_nothing(path)


@torch.no_grad()
def _embedding_of_nothing(path: Path) -> Tensor:
    tower = read_text_tower(path / "text_encoder")
    tokenizer = read_tokenizer(path / "tokenizer", tower.config.vocab_size)
    # diffusers pads the empty text to the embedding's width; masked padding changes nothing but the last digits.
    length = min(TEXT_LENGTH, tower.config.max_position_embeddings - 2)
    tokens = tokenizer([""], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    embedding: Tensor = tower(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds[0]
    return nn.functional.normalize(embedding, dim=0)


def read_embedding(path: Path) -> Tensor:
    """The one embedding (D,) that a file of ours holds, float32; UsageError when it holds something else."""
    state = read_weights(path)
    if list(state) != ["embedding"] or state["embedding"].ndim != 1:
        raise UsageError(f"{path}: holds {', '.join(state)[:80]} and not one vector named embedding")
    refuse_not_finite(state, path)
    return state["embedding"].float()


def build_scheduler(**overrides: Any) -> Any:
    """The published noise schedule; `overrides` are DDIMScheduler arguments such as `prediction_type`."""
    import diffusers

    scheduler: Any = diffusers.DDIMScheduler
    return scheduler(**(SCHEDULE | overrides))


def save_audioldm(unet: Any, vae: Any, vocoder: Any, scheduler: Any, unconditional: Tensor, folder: Path | str) -> None:
    """Write a folder in diffusers' AudioLDM layout, the unconditional embedding (D,) standing for a text tower."""
    folder = Path(folder)
    parts = {"unet": unet, "vae": vae, "vocoder": vocoder, "scheduler": scheduler}
    index: dict[str, Any] = {"_class_name": "AudioLDMPipeline", "text_encoder": [None, None], "tokenizer": [None, None]}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        index[name] = ["transformers" if name == "vocoder" else "diffusers", type(part).__name__]
    save_tensors({"embedding": unconditional}, folder / UNCONDITIONAL_FILE)
    write_json(folder / "model_index.json", index, indent=2)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    with atomic_write(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)

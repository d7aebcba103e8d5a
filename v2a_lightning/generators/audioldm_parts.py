"""Reading the parts of an AudioLDM folder in diffusers' layout, without its deprecated pipeline."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import State, find_weights, load_strictly, read_weights, without_values
from v2a_lightning.encoders.clap import read_tokenizer
from v2a_lightning.errors import UsageError
from v2a_lightning.generators.audioldm_folder import UNCONDITIONAL_FILE, read_embedding

Sampler = Literal["ddim", "ddpm", "dpm++"]
PARTS = ("unet", "vae", "vocoder", "scheduler")
TEXT_LENGTH = 512
DIFFUSERS_STEM, TRANSFORMERS_STEMS = "diffusion_pytorch_model", ("model", "pytorch_model")
# What diffusers called an attention layer's parts before version 0.17, as the published AudioLDM's autoencoder does.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# A whole CLAP may stand where its text tower is looked for.
REST_OF_CLAP = r"^(audio_model|audio_projection)\.|^logit_scale"


def check_folder(path: Path) -> Path:
    """The folder itself, once it is known to hold an AudioLDM.

    Raises:
        UsageError: when a part is missing.
    """
    missing = [name for name in PARTS if not (path / name).is_dir()]
    if missing:
        raise UsageError(
            f"{path} is no AudioLDM folder in diffusers' layout: it has no {', '.join(missing)}; an original .ckpt is "
            "converted when it is named as the checkpoint itself"
        )
    return path


def read_unet(path: Path, head_counts: Sequence[int] | None) -> Any:
    """The UNet, with the attention heads per level that its config, or `head_counts`, says.

    Raises:
        UsageError: when `head_counts` does not fit the UNet.
    """
    from diffusers import UNet2DConditionModel

    config: Any = UNet2DConditionModel.load_config(path / "unet", local_files_only=True)
    heads = config.get("attention_head_dim", 8)
    widths = config["block_out_channels"]
    if head_counts is None:
        if isinstance(heads, int):
            _warn_of_heads(path, heads, widths)
        chosen = heads
    else:
        if len(head_counts) != len(widths) or any(
            width % count for width, count in zip(widths, head_counts, strict=True)
        ):
            raise UsageError(f"audioldm head_counts {list(head_counts)} do not divide the UNet's levels {widths}")
        chosen = tuple(head_counts)
    return _read_diffusers(UNet2DConditionModel, path / "unet", config, attention_head_dim=chosen)


def _warn_of_heads(path: Path, heads: int, widths: list[int]) -> None:
    likely = [width // 32 for width in widths]
    warnings.warn(
        f"{path / 'unet'} says {heads} attention heads for every level, as the published AudioLDM folders do; the "
        f"original AudioLDM-S was trained with 32 channels to a head. head_counts={likely} gives it those",
        stacklevel=2,
    )


def read_vae(path: Path) -> nn.Module:
    """The autoencoder of log-mels."""
    from diffusers import AutoencoderKL

    return _read_diffusers(AutoencoderKL, path / "vae", AutoencoderKL.load_config(path / "vae", local_files_only=True))


def read_vocoder(path: Path) -> nn.Module:
    """The HiFi-GAN that turns log-mels into waves."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    config = SpeechT5HifiGanConfig.from_pretrained(path / "vocoder", local_files_only=True)
    with without_values():
        vocoder = SpeechT5HifiGan(config)
    weights = find_weights(path / "vocoder", *TRANSFORMERS_STEMS)
    return load_strictly(vocoder, read_weights(weights), weights)


def read_text_tower(folder: Path) -> Any:
    """CLAP's text tower."""
    from transformers import ClapTextConfig, ClapTextModelWithProjection

    config = ClapTextConfig.from_pretrained(folder, local_files_only=True)
    with without_values():
        tower = ClapTextModelWithProjection(config)
    weights = find_weights(folder, *TRANSFORMERS_STEMS)
    return load_strictly(tower, read_weights(weights), weights, left_over=REST_OF_CLAP)


def _read_diffusers(cls: Any, folder: Path, config: Any, **overrides: Any) -> Any:
    with without_values():
        module = cls.from_config(config, **overrides)
    weights = find_weights(folder, DIFFUSERS_STEM)
    return load_strictly(module, _attention_renamed(read_weights(weights)), weights)


def _attention_renamed(state: State) -> State:
    old = re.compile(r"(\.attentions\.\d+)\.(query|key|value|proj_attn)\.")
    return {old.sub(lambda match: f"{match[1]}.{OLD_ATTENTION[match[2]]}.", name): one for name, one in state.items()}


def make_scheduler(path: Path, sampler: Sampler) -> Any:
    """A sampler over the noise schedule that the folder's scheduler config describes."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

    config = DDIMScheduler.load_config(path / "scheduler", local_files_only=True)
    if sampler == "ddim":
        return DDIMScheduler.from_config(config)
    if sampler == "ddpm":
        return DDPMScheduler.from_config(config)
    return DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++")


def read_unconditional(path: Path) -> Tensor:
    """The embedding (512,) that stands for no condition: a stored vector, or what the folder's text tower makes of "".

    Raises:
        UsageError: when the folder has neither.
    """
    file = path / UNCONDITIONAL_FILE
    if file.is_file():
        return read_embedding(file)
    if not (path / "text_encoder").is_dir() or not (path / "tokenizer").is_dir():
        raise UsageError(f"{path} has neither {UNCONDITIONAL_FILE} nor text_encoder and tokenizer to make it from")
    return _embedding_of_nothing(path)


@torch.no_grad()
def _embedding_of_nothing(path: Path) -> Tensor:
    tower = read_text_tower(path / "text_encoder")
    tokenizer = read_tokenizer(path / "tokenizer", tower.config.vocab_size)
    # AudioLDM pads the empty text to the embedding's width; masked padding changes nothing but the last digits.
    length = min(TEXT_LENGTH, tower.config.max_position_embeddings - 2)
    tokens = tokenizer([""], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    embedding = tower(tokens.input_ids, attention_mask=tokens.attention_mask).text_embeds[0]
    return nn.functional.normalize(embedding, dim=0)

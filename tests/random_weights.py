"""Models as the miniature's or smaller, with random weights in the shipped layout: what most tests run on."""

from pathlib import Path
from typing import Any

import torch
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.generators.clap_match import write_self_test
from v2a_lightning.generators.diffusion_folder import build_scheduler, save_audioldm
from v2a_lightning.json_files import write_json
from v2a_lightning.miniature.models import (
    build_clap,
    build_clip,
    build_unet,
    build_vae,
    save_clap,
    save_clip,
    train_tokenizer,
)

SAMPLE_CAPTIONS = ("a dog barks near a red house", "rain falls on the roof", "two cars pass by", "a bell rings")


def write_random(folder: Path | str, seed: int = 0) -> Path:
    """Write `clip`, `clap` and `audioldm` with seeded random weights into `folder`, in the shipped weights' layout."""
    folder = Path(folder)
    tokenizer = train_tokenizer(SAMPLE_CAPTIONS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_clip(build_clip(len(tokenizer)), tokenizer, folder / "clip")
        save_clap(build_clap(len(tokenizer)), tokenizer, folder / "clap")
        clap = ClapEncoder(str(folder / "clap"))
        unconditional = clap.encode_text([""])[0]
        unet, vocoder = build_unet((32, 64, 96)), _build_vocoder()
        _make_audible(unet, vocoder)
        save_audioldm(unet, build_vae((8, 16, 16, 16)), vocoder, build_scheduler(), unconditional, folder / "audioldm")
    write_self_test(folder / "audioldm", clap)
    for kind in ("clip", "clap", "audioldm"):
        card = {"name": f"miniature-{kind}-random", "seed": seed, "trained": False}
        write_json(folder / kind / "card.json", card, indent=2)
    return folder


def _build_vocoder() -> SpeechT5HifiGan:
    """The miniature's, with few channels at the samples' rate, where it takes longest."""
    return SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=16_000,
            upsample_initial_channel=32,
            upsample_rates=[4, 40],
            upsample_kernel_sizes=[8, 80],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            normalize_before=False,
        )
    )


@torch.no_grad()
def _make_audible(unet: Any, vocoder: SpeechT5HifiGan) -> None:
    """Random weights give waveforms near zero that hardly depend on their condition; these are loud and do."""
    unet.class_embedding.weight.mul_(20)
    layers: list[Any] = [vocoder.conv_pre, *vocoder.upsampler, vocoder.conv_post]
    for layer in layers:
        weight = layer.weight
        transposed = isinstance(layer, torch.nn.ConvTranspose1d)
        inputs = weight.shape[0] * weight.shape[2] / layer.stride[0] if transposed else weight[0].numel()
        weight.normal_(std=inputs**-0.5)

"""An original AudioLDM `.ckpt` to a folder in diffusers' layout, with the right attention heads and its own CLAP.

The checkpoint's layout is that of latent diffusion models (CompVis), whose names diffusers converts, with AudioLDM's
additions: `film_emb` for the CLAP embedding, a HiFi-GAN in the first stage, and the averaged weights that the original
samples with.
"""

import hashlib
import os
import re
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from filelock import FileLock
from torch import nn

from v2a_lightning.checkpoints.frozen_model import quiet_libraries
from v2a_lightning.checkpoints.weights import State, load_strictly, read_weights, without_values
from v2a_lightning.encoders.clap import ClapEncoder
from v2a_lightning.encoders.clap_weights import clap_of_state
from v2a_lightning.errors import UsageError
from v2a_lightning.files import refusals, sha256_file
from v2a_lightning.generators.clap_match import write_self_test
from v2a_lightning.generators.diffusion_folder import build_scheduler, save_audioldm

CONVERTER = 1
"""Raised when the conversion changes, so that folders of an older one are not taken for its own."""
EMPTY_TEXT = (0, 2)
"""What RoBERTa's tokenizer makes of "": begin and end."""
UNET, AVERAGED, FIRST_STAGE, VOCODER = "model.diffusion_model.", "model_ema.", "first_stage_model.", "vocoder."
AUTOENCODER = tuple(FIRST_STAGE + part for part in ("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
KERNELS, RATES = [16, 16, 8, 4, 4], [5, 4, 2, 2, 2]


def converted(checkpoint: Path, cache: Path) -> Path:
    """The converted folder of an original `.ckpt`, made on first use in the folder `cache` of such folders."""
    status = checkpoint.stat()
    key = f"{CONVERTER}/{checkpoint.resolve()}/{status.st_size}/{status.st_mtime_ns}"
    folder = cache / f"{checkpoint.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{folder.name}.lock"):
        if not folder.is_dir():
            convert_audioldm(checkpoint, folder)
    return folder


def convert_audioldm(checkpoint: Path, folder: Path) -> Path:
    """Write what an original AudioLDM `.ckpt` holds as a folder in diffusers' layout, which appears when it is whole.

    Beside the UNet (averaged weights, 32 channels to a head), the autoencoder, the vocoder and the scheduler it has
    `unconditional.safetensors` in place of a text tower, `clap` with the CLAP it was trained with, and that CLAP's
    embedding of a fixed waveform, by which `doctor` finds out whether another CLAP is the same.

    Raises:
        UsageError: when the folder is there already, or the file is no AudioLDM checkpoint.
        RunFailure: when the disk is full, or the folder cannot be written to.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already; remove it to convert {checkpoint} again")
    state = read_weights(checkpoint)
    if not any(name.startswith(UNET) for name in state):
        raise UsageError(f"{checkpoint} is no original AudioLDM checkpoint: it has no tensor named {UNET}...")
    with refusals(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write(state, checkpoint, temporary)
            temporary.chmod(0o755)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _write(state: State, checkpoint: Path, folder: Path) -> None:
    from transformers import ClapFeatureExtractor

    with quiet_libraries(), torch.random.fork_rng(), torch.no_grad():
        clap: Any = clap_of_state(state, checkpoint)
        clap.eval()
        clap.save_pretrained(folder / "clap")
        features = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14_000)
        features.save_pretrained(folder / "clap")
        tokens = torch.tensor([EMPTY_TEXT])
        nothing = clap.text_projection(clap.text_model(tokens, attention_mask=torch.ones_like(tokens)).pooler_output)
        unconditional = nn.functional.normalize(nothing[0], dim=0)
        unet, vae, vocoder = (make(state, checkpoint) for make in (unet_of, vae_of, vocoder_of))
        save_audioldm(unet, vae, vocoder, build_scheduler(), unconditional, folder)
    write_self_test(folder, ClapEncoder(str(folder / "clap")))
    (folder / "source.txt").write_text(f"{checkpoint.name} sha256 {sha256_file(checkpoint)}\n")


def unet_of(checkpoint: State, source: Path) -> Any:
    """diffusers' UNet with an original checkpoint's weights, the averaged ones where they are kept."""
    import diffusers
    from diffusers.loaders import single_file_utils

    build: Any = diffusers.UNet2DConditionModel
    rename: Any = single_file_utils.convert_ldm_unet_checkpoint
    state = {name: tensor for name, tensor in checkpoint.items() if name.startswith(UNET)}
    state = {name: checkpoint.get(AVERAGED + name[6:].replace(".", ""), tensor) for name, tensor in state.items()}
    config = _unet_config({name[len(UNET) :]: tensor for name, tensor in state.items()})
    film = {name: state.pop(name) for name in list(state) if name.startswith(f"{UNET}film_emb.")}
    renamed = _whole(rename(state, config), state, source)
    renamed |= {name[len(UNET) :].replace("film_emb", "class_embedding"): tensor for name, tensor in film.items()}
    with without_values():
        unet = build(**config)
    return load_strictly(unet, renamed, source)


def _unet_config(state: State) -> dict[str, Any]:
    """A head has 32 channels, or 64 in the large model."""
    inputs = 1 + _largest(state, r"input_blocks\.(\d+)\.")
    downsamplers = [i for i in range(inputs) if f"input_blocks.{i}.0.op.weight" in state]
    layers = downsamplers[0] - 1
    first_blocks = range(1, inputs, layers + 1)
    channels = [state[f"input_blocks.{i}.0.out_layers.3.weight"].shape[0] for i in first_blocks]
    attends = [f"input_blocks.{i}.1.proj_in.weight" in state for i in first_blocks]
    head = 64 if channels[0] == 256 else 32
    return {
        "sample_size": 128,
        "in_channels": state["input_blocks.0.0.weight"].shape[1],
        "out_channels": state["out.2.weight"].shape[0],
        "down_block_types": ["CrossAttnDownBlock2D" if attention else "DownBlock2D" for attention in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if attention else "UpBlock2D" for attention in reversed(attends)],
        "block_out_channels": channels,
        "layers_per_block": layers,
        "cross_attention_dim": channels,
        "attention_head_dim": [max(1, width // head) for width in channels],
        "class_embed_type": "simple_projection",
        "projection_class_embeddings_input_dim": state["film_emb.weight"].shape[1],
        "class_embeddings_concat": True,
    }


def vae_of(checkpoint: State, source: Path) -> Any:
    """diffusers' autoencoder with an original checkpoint's weights and the latents' factor it was trained with."""
    import diffusers
    from diffusers.loaders import single_file_utils

    build: Any = diffusers.AutoencoderKL
    rename: Any = single_file_utils.convert_ldm_vae_checkpoint
    # Without the discriminator of its training and the vocoder.
    state = {name: tensor for name, tensor in checkpoint.items() if name.startswith(AUTOENCODER)}
    config = _vae_config({name[len(FIRST_STAGE) :]: tensor for name, tensor in state.items()})
    with without_values():
        vae = build(**config, scaling_factor=float(checkpoint["scale_factor"]))
    return load_strictly(vae, _whole(rename(state, config), state, source), source)


def _vae_config(state: State) -> dict[str, Any]:
    levels = 1 + _largest(state, r"encoder\.down\.(\d+)\.")
    channels = [state[f"encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in range(levels)]
    return {
        "sample_size": 512,
        "in_channels": state["encoder.conv_in.weight"].shape[1],
        "out_channels": state["decoder.conv_out.weight"].shape[0],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": channels,
        "latent_channels": state["post_quant_conv.weight"].shape[0],
        "layers_per_block": 1 + _largest(state, r"encoder\.down\.0\.block\.(\d+)\."),
    }


def _whole(renamed: State, state: State, source: Path) -> State:
    """UsageError for a part of which diffusers passed tensors over: it is built in another way."""
    if len(renamed) != len(state):
        raise UsageError(f"{source}: {len(state) - len(renamed)} tensors have no place in AudioLDM's architecture")
    return renamed


def vocoder_of(checkpoint: State, source: Path) -> Any:
    """transformers' HiFi-GAN with an original checkpoint's weights, weight normalisation worked in if it was kept."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    prefix = FIRST_STAGE + VOCODER
    state = {name[len(prefix) :]: tensor for name, tensor in checkpoint.items() if name.startswith(prefix)}
    for name in [name for name in state if name.endswith("weight_g")]:
        length, direction = state.pop(name), state.pop(name[:-1] + "v")
        state[name[:-2]] = torch._weight_norm(direction, length, 0)
    state = {re.sub(r"^ups\.", "upsampler.", name): tensor for name, tensor in state.items()}
    bins = state["conv_pre.weight"].shape[1]
    state |= {"mean": torch.zeros(bins), "scale": torch.ones(bins)}
    with without_values():
        vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**_vocoder_config(state)))
    return load_strictly(vocoder, state, source)


def _vocoder_config(state: State) -> dict[str, Any]:
    """The upsampling rates are in no tensor's shape: UsageError when they are not AudioLDM's for 16 kHz."""
    stages = 1 + _largest(state, r"upsampler\.(\d+)\.")
    kernels = [state[f"upsampler.{i}.weight"].shape[2] for i in range(stages)]
    if kernels != KERNELS:
        raise UsageError(f"the vocoder's kernels are {kernels}; AudioLDM's at 16 kHz has {KERNELS}")
    blocks = (1 + _largest(state, r"resblocks\.(\d+)\.")) // stages
    depth = 1 + _largest(state, r"resblocks\.0\.convs1\.(\d+)\.")
    return {
        "model_in_dim": state["conv_pre.weight"].shape[1],
        "sampling_rate": 16_000,
        "upsample_initial_channel": state["conv_pre.weight"].shape[0],
        "upsample_rates": RATES,
        "upsample_kernel_sizes": KERNELS,
        "resblock_kernel_sizes": [state[f"resblocks.{i}.convs1.0.weight"].shape[2] for i in range(blocks)],
        "resblock_dilation_sizes": [[2 * i + 1 for i in range(depth)] for _ in range(blocks)],
        "normalize_before": False,
    }


def _largest(state: State, pattern: str) -> int:
    return max(int(match.group(1)) for name in state if (match := re.match(pattern, name)))

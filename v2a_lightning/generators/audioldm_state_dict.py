"""An original AudioLDM checkpoint's tensors in diffusers' and transformers' names, and the architecture they tell of.

The layout is that of latent diffusion models (CompVis) with AudioLDM's additions: `film_emb` for the CLAP embedding, a
HiFi-GAN in the first stage, and the averaged weights the original samples with beside the trained ones.
"""

import re
from typing import Any

import torch
from torch import Tensor

from v2a_lightning.errors import UsageError

State = dict[str, Tensor]

UNET, AVERAGED, FIRST_STAGE, VOCODER = "model.diffusion_model.", "model_ema.", "first_stage_model.", "vocoder."
KERNELS, RATES = [16, 16, 8, 4, 4], [5, 4, 2, 2, 2]

RESNET = (
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
    ("emb_layers.1", "time_emb_proj"),
    ("skip_connection", "conv_shortcut"),
)
OUTSIDE = (
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("film_emb.", "class_embedding."),
    ("input_blocks.0.0.", "conv_in."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
    ("middle_block.0.", "mid_block.resnets.0."),
    ("middle_block.1.", "mid_block.attentions.0."),
    ("middle_block.2.", "mid_block.resnets.1."),
)
VAE = (
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"encoder\.down\.(\d+)\.block\.", r"encoder.down_blocks.\1.resnets."),
    (r"encoder\.down\.(\d+)\.downsample\.", r"encoder.down_blocks.\1.downsamplers.0."),
)


def unet_state(checkpoint: State) -> State:
    """The UNet's tensors in the original's names: the averaged ones where they are kept, as the original samples with
    them."""
    state = {name[len(UNET) :]: tensor for name, tensor in checkpoint.items() if name.startswith(UNET)}
    for name in state:
        averaged = AVERAGED + ("diffusion_model." + name).replace(".", "")
        state[name] = checkpoint.get(averaged, state[name])
    return state


def unet_config(state: State) -> dict[str, Any]:
    """diffusers' config of a UNet in the original's names. A head has 32 channels, or 64 in the large model."""
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


def rename_unet(state: State, layers: int) -> State:
    """The original's names to diffusers'; `layers` is the number of residual blocks at each level."""
    return {_unet_name(name, layers): tensor for name, tensor in state.items()}


def _unet_name(name: str, layers: int) -> str:
    for old, new in OUTSIDE:
        if name.startswith(old):
            name = new + name[len(old) :]
    if match := re.match(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.*)", name):
        side, index, part, rest = match.group(1), int(match.group(2)), int(match.group(3)), match.group(4)
        level, place = divmod(index - 1 if side == "input" else index, layers + 1)
        name = f"{'down' if side == 'input' else 'up'}_blocks.{level}." + _within_block(part, place, rest)
    if ".resnets." in name:
        for old, new in RESNET:
            name = name.replace(old, new)
    return name


def _within_block(part: int, place: int, rest: str) -> str:
    if rest.startswith("op."):
        return "downsamplers.0.conv." + rest[3:]
    if rest.startswith("conv."):
        return "upsamplers.0." + rest
    return f"{'attentions' if part else 'resnets'}.{place}.{rest}"


def vae_state(checkpoint: State) -> State:
    """The autoencoder's tensors in the original's names, without its training's discriminator and the vocoder."""
    wanted = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
    state = {name[len(FIRST_STAGE) :]: tensor for name, tensor in checkpoint.items() if name.startswith(FIRST_STAGE)}
    return {name: tensor for name, tensor in state.items() if name.startswith(wanted)}


def vae_config(state: State, scaling_factor: float) -> dict[str, Any]:
    """diffusers' config of an autoencoder in the original's names."""
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
        "scaling_factor": scaling_factor,
    }


def rename_vae(state: State) -> State:
    """The original's names to diffusers'. The original counts the decoder's levels from the finest."""
    levels = 1 + _largest(state, r"encoder\.down\.(\d+)\.")

    def up(match: re.Match[str]) -> str:
        part = "resnets." if match.group(2) == "block." else "upsamplers.0."
        return f"decoder.up_blocks.{levels - 1 - int(match.group(1))}.{part}"

    renamed: State = {}
    for name, tensor in state.items():
        name = re.sub(r"decoder\.up\.(\d+)\.(block\.|upsample\.)", up, name)
        name = re.sub(r"\.mid\.block_(\d)\.", lambda match: f".mid_block.resnets.{int(match.group(1)) - 1}.", name)
        for pattern, replacement in VAE:
            name = re.sub(pattern, replacement, name)
        is_projection = ".attentions." in name and name.endswith("weight") and tensor.ndim == 4
        renamed[name] = tensor[:, :, 0, 0] if is_projection else tensor
    return renamed


def vocoder_state(checkpoint: State) -> State:
    """The HiFi-GAN in transformers' names, with its weight normalisation, if it was kept, worked in."""
    prefix = FIRST_STAGE + VOCODER
    state = {name[len(prefix) :]: tensor for name, tensor in checkpoint.items() if name.startswith(prefix)}
    for name in [name for name in state if name.endswith("weight_g")]:
        length, direction = state.pop(name), state.pop(name[:-1] + "v")
        state[name[:-2]] = torch._weight_norm(direction, length, 0)
    renamed = {re.sub(r"^ups\.", "upsampler.", name): tensor for name, tensor in state.items()}
    bins = renamed["conv_pre.weight"].shape[1]
    return {**renamed, "mean": torch.zeros(bins), "scale": torch.ones(bins)}


def vocoder_config(state: State) -> dict[str, Any]:
    """transformers' config of AudioLDM's HiFi-GAN. Its upsampling rates are in no tensor's shape.

    Raises:
        UsageError: when it is none of AudioLDM's for 16 kHz.
    """
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
    """The largest number the pattern's group matches at the start of a name."""
    return max(int(match.group(1)) for name in state if (match := re.match(pattern, name)))

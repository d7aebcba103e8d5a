"""An AudioLDM checkpoint in the original's layout, written from diffusers' models: the way back, for tests."""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import ClapModel

from tests.encoders.laion_names import laion_state

State = dict[str, Tensor]

RESNET = (
    ("norm1.", "in_layers.0."),
    ("conv1.", "in_layers.2."),
    ("norm2.", "out_layers.0."),
    ("conv2.", "out_layers.3."),
    ("time_emb_proj.", "emb_layers.1."),
    ("conv_shortcut.", "skip_connection."),
)
OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "class_embedding": "film_emb",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}


def original_unet(unet: Any) -> State:
    """A UNet's tensors in the original's names."""
    layers = unet.config.layers_per_block
    attends = ["CrossAttn" in kind for kind in unet.config.up_block_types]
    return {_unet_name(name, layers, attends): tensor for name, tensor in unet.state_dict().items()}


def _unet_name(name: str, layers: int, attends: list[bool]) -> str:
    if ".resnets." in name:
        head, inner = re.match(r"(.*\.resnets\.\d+\.)(.*)", name).groups()
        for new, old in RESNET:
            inner = old + inner[len(new) :] if inner.startswith(new) else inner
        name = head + inner
    for new, old in OUTSIDE.items():
        if name.startswith(new + "."):
            return old + name[len(new) :]
    side, level, kind, place, rest = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name).groups()
    first = int(level) * (layers + 1) + (1 if side == "down" else 0)
    blocks = "input_blocks" if side == "down" else "output_blocks"
    if kind == "downsamplers":
        return f"{blocks}.{first + layers}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"{blocks}.{first + layers}.{2 if attends[int(level)] else 1}.{rest}"
    return f"{blocks}.{first + int(place)}.{int(kind == 'attentions')}.{rest}"


def original_vae(vae: Any) -> State:
    """An autoencoder's tensors in the original's names."""
    levels = len(vae.config.block_out_channels)
    return dict(_vae_item(name, tensor, levels) for name, tensor in vae.state_dict().items())


def _vae_item(name: str, tensor: Tensor, levels: int) -> tuple[str, Tensor]:
    if ".attentions." in name and name.endswith("weight") and tensor.ndim == 2:
        tensor = tensor[:, :, None, None]
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match.group(1)) + 1}", name)
    name = name.replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm")
    name = re.sub(r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1", name)
    name = name.replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out")
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets", lambda match: f"up.{levels - 1 - int(match.group(1))}.block", name)
    name = re.sub(
        r"up_blocks\.(\d)\.upsamplers\.0", lambda match: f"up.{levels - 1 - int(match.group(1))}.upsample", name
    )
    return name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut"), tensor


def write_original(path: Path, unet: Any, vae: Any, vocoder: Any, clap: ClapModel, averaged: Any = None) -> None:
    """Save a Lightning checkpoint as AudioLDM's training does.

    Args:
        path: the `.ckpt`.
        unet: diffusers' UNet.
        vae: diffusers' autoencoder.
        vocoder: transformers' HiFi-GAN.
        clap: transformers' CLAP.
        averaged: a UNet with the averaged weights, if any are kept.
    """
    state: State = {f"model.diffusion_model.{name}": tensor for name, tensor in original_unet(unet).items()}
    if averaged is not None:
        for name, tensor in original_unet(averaged).items():
            state["model_ema." + f"diffusion_model.{name}".replace(".", "")] = tensor
    state |= {f"first_stage_model.{name}": tensor for name, tensor in original_vae(vae).items()}
    state["first_stage_model.loss.logvar"] = torch.zeros(())
    for name, tensor in vocoder.state_dict().items():
        if name not in ("mean", "scale"):
            state["first_stage_model.vocoder." + name.replace("upsampler.", "ups.")] = tensor
    state |= laion_state(clap, "cond_stage_model.model.")
    state["scale_factor"] = torch.tensor(vae.config.scaling_factor)
    torch.save({"state_dict": state, "epoch": 1, "global_step": 2, "callbacks": {"x": Path("y")}}, path)

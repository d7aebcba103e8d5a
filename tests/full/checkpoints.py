"""Full-size checkpoints with random weights, in the layouts and under the names in which they are published."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.checkpoints.torchscript import tree_of
from tests.evaluation import plain
from tests.full import published
from tests.generators.original_audioldm import write_original


def write_all(folder: Path) -> dict[str, Path]:
    """Write every checkpoint of experiments/v2a_mapper.yaml. Those whose published sha256 is known go by other names,
    since their content is another.

    Returns:
        `clip`, `audioldm`, `cnn14`, `vggish` and `wav2clip` by their files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    files = {
        "clip": folder / "ViT-B-32-random.pt",
        "audioldm": folder / "audioldm-full-s-v2.ckpt",
        "cnn14": folder / "Cnn14_16k_random.pth",
        "vggish": folder / "vggish_random.pth",
        "wav2clip": folder / "Wav2CLIP_random.pt",
    }
    write_clip(files["clip"])
    write_audioldm(files["audioldm"])
    torch.save({"model": plain.published_cnn14(64, 527, 512, 16_000, 8000, random)}, files["cnn14"])
    torch.save(plain.published_vggish(64, 4096, random), files["vggish"])
    torch.save(plain.published_wav2clip(64, random), files["wav2clip"])
    return files


def write_clip(path: Path) -> None:
    """OpenAI's ViT-B/32: a TorchScript archive in half precision."""
    state = {name: tensor.half() for name, tensor in published.clip().state_dict().items()}
    sizes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49_408}
    state |= {name: torch.tensor(float(size)) for name, size in sizes.items()}
    torch.jit.script(tree_of(state)).save(str(path))


def write_audioldm(path: Path) -> None:
    """AudioLDM-S with its own CLAP, as its training saved it."""
    vocoder = published.audioldm_vocoder()
    make_audible(vocoder)
    write_original(path, published.audioldm_unet(), published.audioldm_vae(), vocoder, lively_clap())


def lively_clap() -> Any:
    """CLAP whose batch norm has seen something: fresh ones would hide a tensor that went to the wrong place."""
    model = published.clap()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-60, -20)
            module.running_var.uniform_(50, 400)
    return model.eval()


@torch.no_grad()
def make_audible(vocoder: Any) -> None:
    """Random weights as they come give waveforms near zero, which metrics would set aside as silent."""
    for layer in [vocoder.conv_pre, *vocoder.upsampler, vocoder.conv_post]:
        weight = layer.weight
        transposed = isinstance(layer, nn.ConvTranspose1d)
        inputs = weight.shape[0] * weight.shape[2] / layer.stride[0] if transposed else weight[0].numel()
        weight.normal_(std=inputs**-0.5)

"""An original AudioLDM `.ckpt` to a folder in diffusers' layout, with the right attention heads and its own CLAP."""

import hashlib
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import load_strictly, read_weights, without_values
from v2a_lightning.encoders.clap_weights import clap_of_state
from v2a_lightning.errors import UsageError
from v2a_lightning.files import refusals, sha256_file
from v2a_lightning.generators import audioldm_state_dict as names
from v2a_lightning.generators.audioldm_folder import build_scheduler, save_audioldm

if TYPE_CHECKING:
    from transformers import ClapModel

CONVERTER = 1
"""Raised when the conversion changes, so that folders of an older one are not taken for its own."""
EMPTY_TEXT = (0, 2)
"""What RoBERTa's tokenizer makes of "": begin and end."""


def converted(checkpoint: Path, cache: Path) -> Path:
    """The converted folder of an original checkpoint, made on first use.

    Args:
        checkpoint: the `.ckpt`.
        cache: folder of converted checkpoints; each is known by its file's content.
    """
    from filelock import FileLock

    status = checkpoint.stat()
    key = f"{CONVERTER}/{checkpoint.resolve()}/{status.st_size}/{status.st_mtime_ns}"
    folder = cache / f"{checkpoint.stem}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{folder.name}.lock"):
        if not folder.is_dir():
            convert_audioldm(checkpoint, folder)
    return folder


def convert_audioldm(checkpoint: Path, folder: Path) -> Path:
    """Write what an original AudioLDM checkpoint holds as a folder in diffusers' layout.

    Beside the UNet (averaged weights, 32 channels to a head), the autoencoder, the vocoder and the scheduler it has
    `unconditional.safetensors` in place of a text tower, `clap` with the CLAP it was trained with, and that CLAP's
    embedding of a fixed wave, by which `doctor` tells whether another CLAP is the same.

    Args:
        checkpoint: the `.ckpt`.
        folder: where to write; it appears when it is whole.

    Raises:
        UsageError: when the folder is there already, or the file is no AudioLDM checkpoint.
        RunFailure: when the disk is full, or the folder cannot be written to.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already; remove it to convert {checkpoint} again")
    state = read_weights(checkpoint)
    if not any(name.startswith(names.UNET) for name in state):
        raise UsageError(f"{checkpoint} is no original AudioLDM checkpoint: it has no tensor named {names.UNET}...")
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


def _write(state: dict[str, Tensor], checkpoint: Path, folder: Path) -> None:
    from v2a_lightning.checkpoints.frozen_model import quiet_libraries
    from v2a_lightning.encoders.clap import ClapEncoder
    from v2a_lightning.generators.clap_match import write_self_test

    with quiet_libraries(), torch.random.fork_rng(), torch.no_grad():
        clap: Any = _write_clap(state, checkpoint, folder / "clap")
        tokens = torch.tensor([EMPTY_TEXT])
        nothing = clap.text_projection(clap.text_model(tokens, attention_mask=torch.ones_like(tokens)).pooler_output)
        unconditional = nn.functional.normalize(nothing[0], dim=0)
        unet, vae, vocoder = (make(state, checkpoint) for make in (unet_of, vae_of, vocoder_of))
        save_audioldm(unet, vae, vocoder, build_scheduler(), unconditional, folder)
    write_self_test(folder, ClapEncoder(str(folder / "clap")))
    (folder / "source.txt").write_text(f"{checkpoint.name} sha256 {sha256_file(checkpoint)}\n")


def _write_clap(state: dict[str, Tensor], checkpoint: Path, folder: Path) -> "ClapModel":
    from transformers import ClapFeatureExtractor

    clap = clap_of_state(state, checkpoint).eval()
    clap.save_pretrained(folder)
    features = ClapFeatureExtractor(truncation="rand_trunc", frequency_min=50, frequency_max=14_000)
    features.save_pretrained(folder)
    return clap


def unet_of(state: dict[str, Tensor], source: Path) -> Any:
    """diffusers' UNet with an original checkpoint's weights."""
    from diffusers import UNet2DConditionModel

    original = names.unet_state(state)
    config = names.unet_config(original)
    with without_values():
        unet: Any = UNet2DConditionModel(**config)
    return load_strictly(unet, names.rename_unet(original, config["layers_per_block"]), source)


def vae_of(state: dict[str, Tensor], source: Path) -> Any:
    """diffusers' autoencoder with an original checkpoint's weights and the latents' factor it was trained with."""
    from diffusers import AutoencoderKL

    original = names.vae_state(state)
    with without_values():
        vae: Any = AutoencoderKL(**names.vae_config(original, float(state["scale_factor"])))
    return load_strictly(vae, names.rename_vae(original), source)


def vocoder_of(state: dict[str, Tensor], source: Path) -> Any:
    """transformers' HiFi-GAN with an original checkpoint's weights."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    original = names.vocoder_state(state)
    with without_values():
        vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(**names.vocoder_config(original)))
    return load_strictly(vocoder, original, source)

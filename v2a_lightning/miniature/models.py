"""The miniature's small foundation models: built with random weights, saved in exactly the formats of the large ones.

All are the large models' own classes with smaller numbers in the config, so nothing else tells the two apart.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip import CLIP
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from transformers import (
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from v2a_lightning.encoders.log_mel import AUDIOLDM_MEL, audioldm_log_mel
from v2a_lightning.generators.diffusion_folder import save_tensors
from v2a_lightning.json_files import write_json

EMBEDDING_DIM = 512
IMAGE_SIZE = 96
CONTEXT_LENGTH = 32
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
PADDING, END = 1, 2
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
KNOTS = (-5.0, -2.0, 0.5)
"""Natural logarithms at which the piecewise linear exponential bends."""
SPACING = AUDIOLDM_MEL.sample_rate / AUDIOLDM_MEL.hop
"""Hertz between two sinusoids: the frame rate."""


def train_tokenizer(captions: Iterable[str], vocabulary_size: int = 1024) -> RobertaTokenizer:
    """Byte-level byte-pair encoding learned from captions, with RoBERTa's special tokens at RoBERTa's places.

    The vocabulary always holds all 256 bytes, so any text can be encoded; `vocabulary_size` is an upper bound.
    """
    learned = ByteLevelBPETokenizer()
    learned.train_from_iterator(captions, vocabulary_size, 2, show_progress=False, special_tokens=list(SPECIAL_TOKENS))
    with TemporaryDirectory() as folder:
        learned.save_model(folder)
        tokenizer: RobertaTokenizer = RobertaTokenizer.from_pretrained(folder, model_max_length=CONTEXT_LENGTH)
        return tokenizer


def clip_config(vocabulary_size: int) -> dict[str, Any]:
    """open_clip's config of a CLIP with a ModifiedResNet of 16 channels and a text tower of two layers."""
    text = {
        "hf_tokenizer_name": "roberta",  # any name: a local folder's own tokenizer files are read
        "context_length": CONTEXT_LENGTH, "vocab_size": vocabulary_size, "width": 128, "heads": 4, "layers": 2,
        "pool_type": "eos", "eos_id": END, "pad_id": PADDING,
    }  # fmt: skip
    vision = {"image_size": IMAGE_SIZE, "layers": [1, 1, 1, 1], "width": 16}
    return {"embed_dim": EMBEDDING_DIM, "vision_cfg": vision, "text_cfg": text}


def build_clip(vocabulary_size: int) -> CLIP:
    """An open_clip CLIP: `encode_image` takes (B, 3, 96, 96) normalised by CLIP's mean and deviation, `encode_text`
    takes (B, 32) tokens; both give (B, 512)."""
    return CLIP(**clip_config(vocabulary_size))


def save_clip(model: CLIP, tokenizer: RobertaTokenizer, folder: Path | str) -> None:
    """Write an open_clip "local-dir:" folder."""
    preprocess = {
        "size": IMAGE_SIZE, "mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"
    }  # fmt: skip
    config = {"model_cfg": clip_config(len(tokenizer)), "preprocess_cfg": preprocess}
    _save_tokenizer(tokenizer, folder)
    write_json(Path(folder) / "open_clip_config.json", config, indent=2)
    save_tensors(model.state_dict(), Path(folder) / "open_clip_model.safetensors")


def build_clap(vocabulary_size: int) -> ClapModel:
    """A small HTSAT and a small RoBERTa. `get_audio_features` takes (B, 1, T <= 256, 64) log-mels: 2.55 s."""
    audio = ClapAudioConfig(
        spec_size=128,
        patch_size=8,  # a quarter of the tokens of the large one's 4, and as many numbers to a token as pixels
        patch_stride=[8, 8],
        depths=[2, 2],
        num_attention_heads=[2, 4],
        patch_embeds_hidden_size=64,
        hidden_size=128,
        num_hidden_layers=2,
    )
    text = ClapTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=CONTEXT_LENGTH + PADDING + 1,  # RoBERTa counts positions from the padding index
    )
    config = ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=EMBEDDING_DIM)
    return ClapModel(config)


def save_clap(model: ClapModel, tokenizer: RobertaTokenizer, folder: Path | str) -> None:
    """Write a transformers ClapModel folder with its tokenizer and `preprocessor_config.json`."""
    _save_tokenizer(tokenizer, folder)
    model.save_pretrained(folder)
    # A waveform to `build_clap`'s log-mel: 48 kHz, hop 480, the first 2.55 s, 256 frames of 64 bins.
    features = ClapFeatureExtractor(max_length_s=2.55, truncation="rand_trunc", frequency_min=50, frequency_max=14_000)
    features.save_pretrained(folder)


def build_unet(channels: tuple[int, ...] = (64, 96, 160), layers: int = 1) -> UNet2DConditionModel:
    """AudioLDM's UNet on latents (B, 8, T / 8, 8); attention on all levels but the finest, 32 channels to a head."""
    coarse = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * coarse,
        up_block_types=("CrossAttnUpBlock2D",) * coarse + ("UpBlock2D",),
        block_out_channels=channels,
        layers_per_block=layers,
        cross_attention_dim=channels,
        attention_head_dim=tuple(width // 32 for width in channels),
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=EMBEDDING_DIM,
        class_embeddings_concat=True,
    )


def build_vae(channels: tuple[int, ...] = (16, 32, 64, 64), scaling_factor: float = 1.0) -> AutoencoderKL:
    """An autoencoder of log-mels (B, 1, T, 64) to (B, 8, T / 8, 8). `register_to_config(scaling_factor=...)` sets the
    factor once the latents' spread is known."""
    return AutoencoderKL(
        sample_size=256,
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        latent_channels=8,
        layers_per_block=1,
        norm_num_groups=8,
        scaling_factor=scaling_factor,
    )


def build_vocoder() -> SpeechT5HifiGan:
    """HiFi-GAN from log-mels (B, T, 64) to waveforms (B, 160 T) at 16 kHz.

    It works at two rates only, frames and samples, and begins as a bank of sinusoids.
    """
    config = SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16_000,
        upsample_initial_channel=192,
        upsample_rates=[1, 160],
        upsample_kernel_sizes=[3, 512],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        normalize_before=False,
    )
    vocoder = SpeechT5HifiGan(config)
    begin_as_sinusoids(vocoder)
    return vocoder


def _save_tokenizer(tokenizer: RobertaTokenizer, folder: Path | str) -> None:
    """All the files of a RoBERTa tokenizer, so that old and new versions of transformers both read it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.model.save(str(folder))
    # How it was loaded is no part of what it is, and would change the fingerprint from one writing to the next.
    config = json.loads((folder / "tokenizer_config.json").read_text())
    settings = {key: value for key, value in config.items() if key not in ("is_local", "local_files_only")}
    write_json(folder / "tokenizer_config.json", settings, indent=2)


@torch.no_grad()
def begin_as_sinusoids(vocoder: Any) -> None:
    """Set the weights of a SpeechT5HifiGan with rates 1 and the hop, and three channels to a mel bin at the first.

    From random weights a vocoder of this size takes days to find tones. Here it begins as what it would have to find:
    the log-mel's exponential, spread over sinusoids at the multiples of the frame rate (which alone are in phase from
    frame to frame), added up. Training mends what that leaves: noise, attacks, and pitches between the multiples.
    """
    bins, first = AUDIOLDM_MEL.bins, vocoder.upsampler[0]
    synthesis = vocoder.upsampler[1]
    carriers = int(AUDIOLDM_MEL.sample_rate / 2 / SPACING)
    slopes, offset = _exponential(vocoder.config.leaky_relu_slope)
    share = _shares(carriers)
    vocoder.conv_pre.weight.mul_(0.05)
    first.weight.mul_(0.01)
    for number, knot in enumerate(KNOTS):
        rows = slice(number * bins, (number + 1) * bins)
        vocoder.conv_pre.weight[rows, :, 3] += torch.eye(bins)
        vocoder.conv_pre.bias[rows] = -knot
        first.weight[rows, :carriers, 1] += slopes[number] * share
    first.bias.zero_()
    first.bias[:carriers] = offset * share.sum(0)
    signs = torch.tensor([1.0, -1.0]).repeat(synthesis.weight.shape[1] // 2)
    waveforms = _sinusoids(synthesis.weight.shape[0], synthesis.weight.shape[2])
    synthesis.weight.mul_(0.1).add_(waveforms[:, None] * signs[:, None])
    synthesis.bias.zero_()
    # A rectifier's two halves, taken from opposite signs, add up to the waveform again.
    vocoder.conv_post.weight.mul_(0.1)
    vocoder.conv_post.weight[0, :, 3] += signs / (1.01 * len(signs) / 2)
    vocoder.conv_post.bias.zero_()
    for block in vocoder.resblocks:
        for convolution in block.convs2:
            convolution.weight.mul_(0.1)


def _exponential(slope: float) -> tuple[Tensor, float]:
    """Weights of leaky rectifiers bent at the knots, and a constant, that come near exp between -8 and 2.5."""
    point = torch.linspace(-8, 2.5, 400)
    columns = [F.leaky_relu(point - knot, slope) for knot in KNOTS]
    # An error counts by what it is heard as: relative, but less so where it is quiet.
    weight = (-0.7 * point).exp()[:, None]
    basis = torch.stack([*columns, torch.ones_like(point)], dim=1)
    solved = torch.linalg.lstsq(basis * weight, point.exp()[:, None] * weight).solution[:, 0]
    return solved[:-1], float(solved[-1])


def _shares(carriers: int) -> Tensor:
    """(bins, carriers): how a bin's magnitude is dealt out to the sinusoids in its band, as their amplitudes."""
    response = audioldm_log_mel(_tones(carriers, 4096)).exp()[:, 8]  # (carriers, bins) of unit tones
    weight = response / response.sum(1, keepdim=True)
    return (weight / response.sum(0).clamp(min=1e-3)).T


def _tones(carriers: int, samples: int) -> Tensor:
    frequencies = SPACING * torch.arange(1, carriers + 1)
    return torch.sin(2 * torch.pi * frequencies[:, None] * torch.arange(samples) / AUDIOLDM_MEL.sample_rate)


def _sinusoids(channels: int, length: int) -> Tensor:
    """(channels, length): windowed sinusoids whose overlapping copies, a hop apart, have unit amplitude."""
    frequencies = SPACING * (torch.arange(channels) % int(AUDIOLDM_MEL.sample_rate / 2 / SPACING) + 1)
    phases = 2 * torch.pi * torch.rand(channels)
    time = torch.arange(length) / AUDIOLDM_MEL.sample_rate
    overlap = length / 2 / AUDIOLDM_MEL.hop
    waveform = torch.cos(2 * torch.pi * frequencies[:, None] * time + phases[:, None])
    return waveform * torch.hann_window(length) / overlap

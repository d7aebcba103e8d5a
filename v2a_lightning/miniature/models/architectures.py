"""The miniature's small foundation models: built with random weights, saved in exactly the formats of the large ones.

The build functions return plain trainable modules; the save functions write what encoders and generators read. All
of them are the large models' own classes with smaller numbers in the config, so nothing else tells the two apart.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip import CLIP
from tokenizers import ByteLevelBPETokenizer
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

from v2a_lightning.encoders.clap import ClapEncoder
from v2a_lightning.generators.clap_match import write_self_test
from v2a_lightning.generators.diffusion_folder import build_scheduler, save_audioldm, save_tensors
from v2a_lightning.json_files import write_json
from v2a_lightning.miniature.models.vocoder_start import begin_as_sinusoids

EMBEDDING_DIM = 512
IMAGE_SIZE = 96
CONTEXT_LENGTH = 32
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BEGIN, PADDING, END = 0, 1, 2
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SAMPLE_CAPTIONS = ("a dog barks near a red house", "rain falls on the roof", "two cars pass by", "a bell rings")


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


def clip_config(vocabulary_size: int, width: int = 16, layers: tuple[int, ...] = (1, 1, 1, 1)) -> dict[str, Any]:
    """open_clip's config of a CLIP with a ModifiedResNet of `width` channels and a text tower of two layers."""
    text = {
        "hf_tokenizer_name": "roberta",  # any name: a local folder's own tokenizer files are read
        "context_length": CONTEXT_LENGTH, "vocab_size": vocabulary_size, "width": 128, "heads": 4, "layers": 2,
        "pool_type": "eos", "eos_id": END, "pad_id": PADDING,
    }  # fmt: skip
    vision = {"image_size": IMAGE_SIZE, "layers": list(layers), "width": width}
    return {"embed_dim": EMBEDDING_DIM, "vision_cfg": vision, "text_cfg": text}


def build_clip(vocabulary_size: int, width: int = 16, layers: tuple[int, ...] = (1, 1, 1, 1)) -> CLIP:
    """An open_clip CLIP: `encode_image` takes (B, 3, 96, 96) normalised by CLIP's mean and deviation, `encode_text`
    takes (B, 32) tokens; both give (B, 512)."""
    return CLIP(**clip_config(vocabulary_size, width, layers))


def save_clip(model: CLIP, tokenizer: RobertaTokenizer, folder: Path | str, **architecture: Any) -> None:
    """Write an open_clip "local-dir:" folder. `architecture` repeats what `build_clip` was given."""
    preprocess = {
        "size": IMAGE_SIZE, "mean": CLIP_MEAN, "std": CLIP_STD, "interpolation": "bicubic", "resize_mode": "shortest"
    }  # fmt: skip
    config = {"model_cfg": clip_config(len(tokenizer), **architecture), "preprocess_cfg": preprocess}
    _save_tokenizer(tokenizer, folder)
    write_json(Path(folder) / "open_clip_config.json", config, indent=2)
    save_tensors(model.state_dict(), Path(folder) / "open_clip_model.safetensors")


def build_clap(vocabulary_size: int, hidden: int = 64, depths: tuple[int, ...] = (2, 2)) -> ClapModel:
    """A small HTSAT and a small RoBERTa. `get_audio_features` takes (B, 1, T <= 256, 64) log-mels: 2.55 s."""
    audio = ClapAudioConfig(
        spec_size=128,
        patch_size=8,  # a quarter of the tokens of the large one's 4, and as many numbers to a token as pixels
        patch_stride=[8, 8],
        depths=list(depths),
        num_attention_heads=[2 * 2**stage for stage in range(len(depths))],
        patch_embeds_hidden_size=hidden,
        hidden_size=hidden * 2 ** (len(depths) - 1),
        num_hidden_layers=len(depths),
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


def build_clap_features() -> ClapFeatureExtractor:
    """What turns a waveform into `build_clap`'s log-mel: 48 kHz, hop 480, the first 2.55 s, 256 frames of 64 bins."""
    return ClapFeatureExtractor(max_length_s=2.55, truncation="rand_trunc", frequency_min=50, frequency_max=14_000)


def save_clap(model: ClapModel, tokenizer: RobertaTokenizer, folder: Path | str) -> None:
    """Write a transformers ClapModel folder with its tokenizer and `preprocessor_config.json`."""
    _save_tokenizer(tokenizer, folder)
    model.save_pretrained(folder)
    build_clap_features().save_pretrained(folder)


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


def build_vocoder(channels: int = 192) -> SpeechT5HifiGan:
    """HiFi-GAN from log-mels (B, T, 64) to waveforms (B, 160 T) at 16 kHz.

    It works at two rates only, frames and samples, and begins as a bank of sinusoids (`vocoder_start`).
    """
    config = SpeechT5HifiGanConfig(
        model_in_dim=64,
        sampling_rate=16_000,
        upsample_initial_channel=channels,
        upsample_rates=[1, 160],
        upsample_kernel_sizes=[3, 512],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        normalize_before=False,
    )
    vocoder = SpeechT5HifiGan(config)
    begin_as_sinusoids(vocoder)
    return vocoder


def write_random(folder: Path | str, captions: Iterable[str] = SAMPLE_CAPTIONS, seed: int = 0) -> Path:
    """Write `clip`, `clap` and `audioldm` with seeded random weights into `folder`, in the shipped weights' layout."""
    folder = Path(folder)
    tokenizer = train_tokenizer(captions)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_clip(build_clip(len(tokenizer)), tokenizer, folder / "clip")
        save_clap(build_clap(len(tokenizer)), tokenizer, folder / "clap")
        clap = ClapEncoder(str(folder / "clap"))
        unconditional = clap.encode_text([""])[0]
        unet, vocoder = build_unet(), build_vocoder()
        _make_audible(unet, vocoder)
        save_audioldm(unet, build_vae(), vocoder, build_scheduler(), unconditional, folder / "audioldm")
    write_self_test(folder / "audioldm", clap)
    for kind in ("clip", "clap", "audioldm"):
        card = {"name": f"miniature-{kind}-random", "seed": seed, "trained": False}
        write_json(folder / kind / "card.json", card, indent=2)
    return folder


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

"""CLAP: waveforms and texts to the embeddings that AudioLDM was trained on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from v2a_lightning.checkpoints.frozen_model import FrozenModel, Precision, checkpoint_files
from v2a_lightning.checkpoints.weights import find_weights, load_strictly, read_weights, without_values
from v2a_lightning.encoders.base import normalised
from v2a_lightning.encoders.clap_weights import clap_of_state
from v2a_lightning.encoders.laion import LaionClap
from v2a_lightning.encoders.log_mel import MelSpec, clap_log_mel
from v2a_lightning.errors import UsageError
from v2a_lightning.media import resample

SOURCE_RATE = 16_000
TEXT_LENGTH = 77
LAION_MEL = MelSpec(sample_rate=48_000, n_fft=1024, hop=480, bins=64, low=50.0, high=14_000.0)


@dataclass(frozen=True)
class Listening:
    """A CLAP's input: spectrogram, samples, and the seconds a waveform is first cut or padded to."""

    mel: MelSpec = LAION_MEL
    samples: int = 480_000
    window_seconds: float = 10.24


class ClapEncoder(FrozenModel):
    """A CLAP without fusion: waveforms and texts to embeddings.

    Waveforms are prepared as AudioLDM prepares its training targets (haoheliu/AudioLDM, clap/encoders.py): made 16 kHz
    so that nothing above 8 kHz is left, centred, scaled to a peak of 0.5, cut or zero-padded to the model's window
    (10.24 s), resampled to 48 kHz. The original then takes a random 10 s of the 10.24, here always the first, and a
    file's first channel, where here waveforms are the mean of all.

    Args:
        checkpoint: a transformers ClapModel folder, LAION's `.pt`, or an original AudioLDM `.ckpt`, whose own CLAP is
            taken; or anything `v2a_lightning.checkpoints.registry.resolve` finds one of these by.
        tokenizer: folder of the RoBERTa tokenizer, for files that bring none; only texts need it.
        backend: what computes the embeddings. `laion_clap` is for LAION's `.pt` alone and gives the same numbers.
        batch_size: waveforms, or texts, encoded at once.
        dtype: precision of the weights.
    """

    kind = "clap"

    def __init__(
        self,
        checkpoint: str = "miniature",
        tokenizer: str | None = None,
        backend: Literal["transformers", "laion_clap"] = "transformers",
        batch_size: int = 32,
        dtype: Precision = "float32",
    ) -> None:
        super().__init__(checkpoint, dtype)
        if backend not in ("transformers", "laion_clap"):
            raise UsageError(f"clap backend {backend!r} is neither transformers nor laion_clap")
        self.tokenizer = tokenizer
        self.backend = backend
        self.batch_size = batch_size

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings, 512; from the config where there is one."""
        if not self._parts and (self.path / "config.json").is_file():
            return int(json.loads((self.path / "config.json").read_text())["projection_dim"])
        return int(self._part("model").projection_dim)

    @property
    def sample_rate(self) -> int:
        """Of the model's input, in Hz; waveforms of other rates are resampled."""
        return int(self._part("listening").mel.sample_rate)

    @property
    def has_tokenizer(self) -> bool:
        """Whether texts can be read."""
        return self.tokenizer is not None or (_part_of(self.path, "tokenizer") / "tokenizer_config.json").is_file()

    def summary(self) -> str:
        texts = "reads texts" if self.has_tokenizer else "has no tokenizer, which only texts need"
        if self.has_tokenizer:
            self.encode_text([""])
        return f"{self.embedding_dim} wide, {self.sample_rate} Hz, {texts}"

    def _locate(self) -> Path:
        """A generator's folder stands for the CLAP in it: AudioLDM's converted `clap`, MusicLDM's `text_encoder`."""
        path = super()._locate()
        inside = "text_encoder" if (path / "feature_extractor").is_dir() else "clap"
        return path / inside if (path / inside).is_dir() else path

    def files(self) -> list[Path]:
        beside = _part_of(self.path, "feature_extractor")
        return super().files() + (checkpoint_files(beside) if beside != self.path else [])

    def settings(self) -> dict[str, Any]:
        """The recipe that prepares waveforms; not the backend, since both give the same numbers."""
        return {"recipe": "audioldm-first-crop-1"}

    @torch.no_grad()
    def encode_audio(self, waveforms: Tensor | NDArray[np.float32], sample_rate: int) -> Tensor:
        """Embed mono waveforms (N, samples), float in [-1, 1].

        Returns:
            (N, D) float32 on the encoder's device, L2-normalised. Row i depends on waveform i alone.
        """
        array = np.asarray(torch.as_tensor(waveforms).cpu().numpy(), dtype=np.float32)
        if array.ndim != 2:
            raise ValueError(f"waveforms have the shape (N, samples), not {array.shape}")
        starts = range(0, len(array), self.batch_size)
        parts = [self._encode_waveforms(array[i : i + self.batch_size], sample_rate) for i in starts]
        return normalised(parts, self.embedding_dim, self.device)

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: (N, D) float32 on the encoder's device, L2-normalised."""
        parts = [self._encode_texts(texts[i : i + self.batch_size]) for i in range(0, len(texts), self.batch_size)]
        return normalised(parts, self.embedding_dim, self.device)

    def target(
        self, waveforms: Tensor | NDArray[np.float32], sample_rate: int, _labels: Sequence[str] | None = None
    ) -> Tensor:
        """The condition of a generator that is conditioned on CLAP, for these very sounds: (N, 1, D)."""
        return self.encode_audio(waveforms, sample_rate)[:, None]

    def prepare(self, waveform: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """One waveform (samples,) at any rate to what the spectrogram is made of, at the model's own rate."""
        listening = self._part("listening")
        window = round(listening.window_seconds * SOURCE_RATE)
        waveform = resample(waveform, sample_rate, SOURCE_RATE)
        waveform = waveform - waveform.mean()
        waveform = 0.5 * waveform / (np.abs(waveform).max() + 1e-8)
        waveform = np.pad(waveform, (0, max(0, window - len(waveform))))[:window]
        waveform = 0.5 * waveform / max(float(np.abs(waveform).max()), 1e-12)
        return resample(waveform.astype(np.float32), SOURCE_RATE, listening.mel.sample_rate)[: listening.samples]

    def _encode_waveforms(self, waveforms: NDArray[np.float32], sample_rate: int) -> Tensor:
        prepared = torch.from_numpy(np.stack([self.prepare(waveform, sample_rate) for waveform in waveforms]))
        listening = self._part("listening")
        embeddings: Tensor = self._part("model").audio(prepared.to(self.device), listening.mel, self.dtype)
        return embeddings

    def _encode_texts(self, texts: Sequence[str]) -> Tensor:
        model = self._part("model")
        if "tokenizer" not in self._parts:
            self._parts["tokenizer"] = self._read_tokenizer(model.vocabulary_size)
        tokenizer = self._parts["tokenizer"]
        length = min(TEXT_LENGTH, tokenizer.model_max_length)
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        embeddings: Tensor = model.text(tokens.input_ids.to(self.device), tokens.attention_mask.to(self.device))
        return embeddings

    def _load(self) -> dict[str, Any]:
        path = self.path
        if self.backend == "laion_clap":
            return {"model": LaionClap(path), "listening": Listening()}
        return {"listening": listening_of(path), "model": TransformersClap(path)}

    def _read_tokenizer(self, vocabulary_size: int) -> Any:
        if not self.has_tokenizer:
            raise UsageError(f"clap: {self.path} brings no tokenizer; give tokenizer, a RoBERTa tokenizer's folder")
        return read_tokenizer(Path(self.tokenizer or _part_of(self.path, "tokenizer")), vocabulary_size)


class TransformersClap(nn.Module):
    """transformers' ClapModel behind two methods that mean the same in every version of it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.clap: Any = _folder_model(path) if path.is_dir() else clap_of_state(read_weights(path), path)
        self.projection_dim = self.clap.config.projection_dim
        self.vocabulary_size = self.clap.text_model.config.vocab_size

    def audio(self, waveforms: Tensor, mel: MelSpec, dtype: torch.dtype) -> Tensor:
        """Waveforms (B, samples) at the model's rate to (B, D), not normalised."""
        features = clap_log_mel(waveforms, mel).to(dtype)
        embeddings: Tensor = self.clap.audio_projection(self.clap.audio_model(input_features=features).pooler_output)
        return embeddings

    def text(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask (B, length) to (B, D), not normalised."""
        embeddings: Tensor = self.clap.text_projection(self.clap.text_model(tokens, attention_mask=mask).pooler_output)
        return embeddings


def _folder_model(path: Path) -> Any:
    from transformers import ClapConfig, ClapModel

    config: Any = ClapConfig.from_pretrained(path, local_files_only=True)
    with without_values():
        model = ClapModel(config)
    weights = find_weights(path, "model", "pytorch_model")
    return load_strictly(model, read_weights(weights), weights)


def listening_of(path: Path) -> Listening:
    """A ClapModel folder's input by its configs; a single file holds LAION's CLAP, whose input is `Listening()`.

    Raises:
        UsageError: when the folder is no ClapModel's, or holds a fused one, which AudioLDM was not trained with.
    """
    if not path.is_dir():
        return Listening()
    from transformers import ClapConfig, ClapFeatureExtractor

    preprocessor = _part_of(path, "feature_extractor")
    for folder, name in ((path, "config.json"), (preprocessor, "preprocessor_config.json")):
        if not (folder / name).is_file():
            raise UsageError(f"{path} is no CLAP folder: there is no {folder / name}")
    audio: Any = ClapConfig.from_pretrained(path, local_files_only=True).audio_config
    if audio.enable_fusion:
        raise UsageError(f"{path} is a fused CLAP; AudioLDM's embeddings come from a CLAP without fusion")
    features = ClapFeatureExtractor.from_pretrained(preprocessor, local_files_only=True)
    rate, low, high = features.sampling_rate, features.frequency_min, features.frequency_max
    mel = MelSpec(rate, features.fft_window_size, features.hop_length, features.feature_size, low, high)
    frames = audio.spec_size * (audio.spec_size // audio.num_mel_bins)
    return Listening(mel, round(features.max_length_s * mel.sample_rate), frames * mel.hop / mel.sample_rate)


def _part_of(path: Path, name: str) -> Path:
    """Where a CLAP's spectrogram or tokenizer is described: in its folder, or beside MusicLDM's `text_encoder`."""
    return path.parent / name if path.name == "text_encoder" else path


def read_tokenizer(folder: Path, vocabulary_size: int) -> Any:
    """A tokenizer from a folder, sure to be whole: transformers may give one of five tokens for a folder without files.

    Raises:
        UsageError: when the folder holds no tokenizer, or one of another vocabulary than the model's.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} holds no tokenizer that can be read: {str(error).splitlines()[0]}") from error
    if len(tokenizer) != vocabulary_size:
        raise UsageError(
            f"the tokenizer in {folder} has {len(tokenizer)} tokens and the model {vocabulary_size}; its files "
            "(vocab.json, merges.txt) are missing or belong to another model"
        )
    return tokenizer

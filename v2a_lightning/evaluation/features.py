"""From a waveform, a text or a video to the features that metrics take: preparation, networks, and their cache."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from v2a_lightning.encoders import ClapEncoder
from v2a_lightning.encoders.clap import SOURCE_RATE
from v2a_lightning.evaluation.extractors import Extractor, load_extractor
from v2a_lightning.files import atomic_write
from v2a_lightning.media import resample

Waveform = NDArray[np.float32]
Sound = tuple[Tensor | Waveform, int]
"""Mono samples (N,) in [-1, 1] and their rate in Hz."""
Features = dict[str, Tensor]

CHANNELS = "mean of all channels"
RESAMPLER = "soxr HQ"
# VGGish needs 0.975 s for one example.
SHORTEST_SECONDS = 1.0
KINDS = {"tagger": "cnn14", "vggish": "vggish", "wav2clip": "wav2clip"}


@dataclass(frozen=True)
class Crop:
    """Which part of a sound is used.

    Args:
        seconds: the first so many, shorter sounds filled up with silence; None for all of every sound.
    """

    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and self.seconds < SHORTEST_SECONDS:
            raise ValueError(f"at least {SHORTEST_SECONDS:g} s of a sound must be used, not {self.seconds:g}")

    def __str__(self) -> str:
        part = "all of the sound" if self.seconds is None else f"the first {self.seconds:g} s"
        return f"{part}, less its mean, filled with silence to {self.seconds or SHORTEST_SECONDS:g} s"

    def prepare(self, waveform: Waveform, rate: int, target_rate: int) -> Waveform:
        """(N,) at `rate` to (M,) at `target_rate`: cut, less its mean, resampled, filled up with silence."""
        if self.seconds is not None:
            waveform = waveform[: round(self.seconds * rate)]
        if len(waveform):
            centred = (waveform - waveform.mean(dtype=np.float64)).astype(np.float32)
            waveform = resample(centred, rate, target_rate)
        if self.seconds is not None:
            waveform = waveform[: round(self.seconds * target_rate)]
        missing = round((self.seconds or SHORTEST_SECONDS) * target_rate) - len(waveform)
        return np.pad(waveform, (0, max(0, missing)))


class FeatureExtractor(ABC):
    """Turns a sound into named features, one sound at a time: no sound's features depend on a batch.

    A metric of one's own may bring one (`AudioMetric.extractors`). Its network is loaded when it is first used.

    Args:
        device: where the network runs.
        crop: which part of a sound is used.
    """

    name: str
    """Its kind and checkpoint, as cards say it."""
    label: str = ""
    """ "miniature" for the shipped small world's networks."""
    needs_video: ClassVar[bool] = False
    cached: ClassVar[bool] = True
    """Whether features are kept by the content of the sound alone."""

    def __init__(self, device: torch.device | str, crop: Crop) -> None:
        self.device, self.part = device, crop

    def to(self, device: torch.device | str) -> None:
        """Run the network elsewhere."""
        self.device = device

    @property
    def crop(self) -> str:
        """Which part of a sound it uses, in words."""
        return str(self.part)

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Hertz to which sounds are brought."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Of its weights and settings."""

    @property
    def weights_sha256(self) -> str:
        """Of its weights."""
        return self.fingerprint

    @abstractmethod
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` to float32 features on the CPU; `video` is the clip's, for extractors that need it."""


class NetworkFeatures(FeatureExtractor):
    """Features of one of this package's networks: "cnn14", "vggish" or "wav2clip"."""

    def __init__(self, kind: str, checkpoint: str, device: torch.device | str, crop: Crop) -> None:
        super().__init__(device, crop)
        self.kind, self.checkpoint = kind, checkpoint
        self.name = f"{kind}:{Path(checkpoint).name}"
        self.label = "miniature" if checkpoint == "miniature" else ""

    @cached_property
    def network(self) -> Extractor[Any]:
        """The network."""
        return load_extractor(self.kind, self.checkpoint).to(self.device)

    def to(self, device: torch.device | str) -> None:
        super().to(device)
        if "network" in vars(self):
            self.network.to(device)

    @property
    def sample_rate(self) -> int:
        return self.network.sample_rate

    @property
    def weights_sha256(self) -> str:
        return self.network.weights_sha256 or ""

    @property
    def fingerprint(self) -> str:
        return self.network.fingerprint

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        prepared = torch.from_numpy(self.part.prepare(waveform, rate, self.sample_rate)).to(self.device)
        return {name: feature.float().cpu() for name, feature in self.network.extract(prepared).items()}


class ClapFeatures(FeatureExtractor):
    """{"embedding": (512,)} of CLAP, L2-normalised, by AudioLDM's recipe."""

    crop = "AudioLDM's: centred, peak 0.5, the first seconds of CLAP's window"
    # Nothing above half of it is heard.
    sample_rate = SOURCE_RATE

    def __init__(self, checkpoint: str, device: torch.device | str) -> None:
        super().__init__(device, Crop())
        self.checkpoint, self.name = checkpoint, f"clap:{Path(checkpoint).name}"
        self.label = "miniature" if checkpoint == "miniature" else ""

    @cached_property
    def encoder(self) -> ClapEncoder:
        """The CLAP."""
        return ClapEncoder(self.checkpoint).to(self.device).load()

    def to(self, device: torch.device | str) -> None:
        super().to(device)
        if "encoder" in vars(self):
            self.encoder.to(device)

    @cached_property
    def fingerprint(self) -> str:
        return str(self.encoder.fingerprint)

    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        return {"embedding": self.encoder.encode_audio(waveform[None], rate)[0].float().cpu()}

    def extract_text(self, text: str) -> Tensor:
        """A text's embedding (512,)."""
        return self.encoder.encode_text([text])[0].float().cpu()


class WaveformFeatures(FeatureExtractor):
    """The feature "waveform": the prepared sound (N,) itself, at 16 kHz, for metrics without a network."""

    name, fingerprint, sample_rate, cached = "waveform", "waveform", 16_000, False

    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        return {"": torch.from_numpy(self.part.prepare(waveform, rate, self.sample_rate))}


class FeatureCache:
    """Features by the content of the sound and the extractor, never by a file's name.

    Args:
        folder: where features are kept for the next time; None keeps nothing.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.hits, self.misses = 0, 0

    def extract(self, extractor: FeatureExtractor, waveform: Waveform, rate: int, video: Path | None) -> Features:
        """What `extractor.extract` gives, read from the folder where it was extracted before."""
        if self.folder is None or not extractor.cached:
            return extractor.extract(waveform, rate, video)
        key = f"{extractor.fingerprint}/{extractor.crop}/{RESAMPLER}/{content_sha256(waveform, rate)}"
        return self.recall(key, lambda: extractor.extract(waveform, rate))

    def recall(self, key: str, make: Callable[[], Features]) -> Features:
        """What `make` gives, read from the folder where it was made before under the same key."""
        if self.folder is None:
            return make()
        digest = hashlib.sha256(key.encode()).hexdigest()
        path = self.folder / digest[:2] / f"{digest}.safetensors"
        try:
            features = load_file(path)
            self.hits += 1
        except (FileNotFoundError, SafetensorError):
            # A damaged entry is as good as none: it is written again.
            self.misses += 1
            features = make()
            with atomic_write(path) as temporary:
                save_file({name: feature.contiguous() for name, feature in features.items()}, temporary)
        return features


def as_waveform(sound: Sound) -> tuple[Waveform, int]:
    """The sound as a float32 array; ValueError when it is not (N,)."""
    samples, rate = sound
    given = samples.detach().float().cpu().numpy() if isinstance(samples, Tensor) else np.asarray(samples, np.float32)
    if given.ndim != 1:
        raise ValueError(f"a sound is (N,), not {given.shape}")
    return given, rate


def content_sha256(samples: NDArray[Any], rate: int = 0) -> str:
    """Stands for the content of a sound (with its rate) or of frames."""
    return hashlib.sha256(f"{rate}/".encode() + np.ascontiguousarray(samples).tobytes()).hexdigest()


def make_extractors(
    needed: set[str], networks: Mapping[str, str], clap: str | None, device: str, crop: Crop
) -> dict[str, FeatureExtractor]:
    """The suite's own extractors that metrics need, by the names in `AudioMetric.needs`, of these checkpoints."""
    found: dict[str, FeatureExtractor] = {
        name: NetworkFeatures(KINDS[name], checkpoint, device, crop)
        for name, checkpoint in networks.items()
        if name in needed
    }
    if clap is not None and "clap" in needed:
        found["clap"] = ClapFeatures(clap, device)
    if "waveform" in needed:
        found["waveform"] = WaveformFeatures(device, crop)
    return found

"""Ears: extractors with the recipe that prepares their waves, loaded on first use, their features kept by content."""

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.evaluation.extractors import Extractor, load_extractor
from v2a_lightning.evaluation.sounds import RESAMPLER, Crop, Wave
from v2a_lightning.files import atomic_write

Features = dict[str, Tensor]


class Described(Protocol):
    """What a metric card says of whatever heard the sounds."""

    @property
    def name(self) -> str:
        """Its kind and checkpoint."""
        ...

    @property
    def label(self) -> str:
        """ "miniature" for the shipped small world's networks, else nothing."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hertz at which it hears."""
        ...

    @property
    def crop(self) -> str:
        """Which part of a sound it hears, in words."""
        ...

    @property
    def weights_sha256(self) -> str:
        """Of its weights."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of its weights and settings."""
        ...


class Ear(Described, Protocol):
    """Whatever turns a sound into named features."""

    def hear(self, wave: Wave, rate: int) -> Features:
        """(N,) at `rate` to float32 features on the CPU."""
        ...


class Onlooker(Described, Protocol):
    """Whatever compares a sound with the film it belongs to."""

    def compare(self, wave: Wave, rate: int, media: Path) -> dict[str, float]:
        """Scores of one clip by their names in the catalogue."""
        ...


class ExtractorEar:
    """Hears through one of this package's extractors, one sound at a time: no sound's features depend on a batch.

    Args:
        kind: "cnn14", "vggish" or "wav2clip".
        checkpoint: "miniature", a folder, or the published file.
        device: where the network runs.
        crop: which part of a sound is heard.
    """

    def __init__(self, kind: str, checkpoint: str | Path, device: torch.device | str, crop: Crop) -> None:
        self.kind, self.checkpoint, self.device, self.part = kind, str(checkpoint), device, crop
        self.name = f"{kind}:{Path(self.checkpoint).name}"
        self.label = "miniature" if self.checkpoint == "miniature" else ""

    @cached_property
    def extractor(self) -> Extractor[Any]:
        """The network."""
        return load_extractor(self.kind, self.checkpoint).to(self.device)

    @property
    def sample_rate(self) -> int:
        """Hertz at which the network hears."""
        return self.extractor.sample_rate

    @property
    def crop(self) -> str:
        """Which part of a sound it hears, in words."""
        return str(self.part)

    @property
    def weights_sha256(self) -> str:
        """Of its weights file."""
        return self.extractor.weights_sha256 or ""

    @property
    def fingerprint(self) -> str:
        """Of its weights and configuration."""
        return self.extractor.fingerprint

    @torch.no_grad()
    def hear(self, wave: Wave, rate: int) -> Features:
        """(N,) at `rate` to the extractor's features."""
        prepared = torch.from_numpy(self.part.prepare(wave, rate, self.sample_rate)).to(self.device)
        return {name: feature.float().cpu() for name, feature in self.extractor.hear(prepared).items()}


class ClapEar:
    """Hears through CLAP, by AudioLDM's recipe: {"clap": (512,)}, L2-normalised.

    Args:
        checkpoint: as `v2a_lightning.encoders.ClapEncoder` takes it.
        device: where the network runs.
    """

    crop = "AudioLDM's: centred, peak 0.5, the first seconds of CLAP's window"

    def __init__(self, checkpoint: str, device: torch.device | str) -> None:
        self.checkpoint, self.device = checkpoint, device
        self.name = f"clap:{Path(checkpoint).name}"
        self.label = "miniature" if checkpoint == "miniature" else ""

    @cached_property
    def encoder(self) -> Any:
        """The CLAP."""
        from v2a_lightning.encoders import ClapEncoder

        return ClapEncoder(self.checkpoint).to(self.device).load()

    @property
    def sample_rate(self) -> int:
        """Hertz to which sounds are brought before CLAP's own rate: nothing above half of it is heard."""
        from v2a_lightning.encoders.clap import SOURCE_RATE

        return SOURCE_RATE

    @property
    def weights_sha256(self) -> str:
        """CLAP's fingerprint covers its weights, which may be several files."""
        return self.fingerprint

    @cached_property
    def fingerprint(self) -> str:
        """Of its weights and settings."""
        return str(self.encoder.fingerprint)

    def hear(self, wave: Wave, rate: int) -> Features:
        """(N,) at `rate` to its embedding."""
        return {"clap": self.encoder.encode_audio(wave[None], rate)[0].float().cpu()}

    def read(self, text: str) -> Tensor:
        """A text's embedding (512,)."""
        return self.encoder.encode_text([text])[0].float().cpu()


class FeatureCache:
    """Features by the content of the sound and the ear that heard it; never by a file's name.

    Args:
        folder: where features are kept for the next time; None keeps nothing.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.hits, self.misses = 0, 0

    def hear(self, ear: Ear, wave: Wave, rate: int) -> Features:
        """What `ear.hear` gives, read from the folder where it was heard before."""
        if self.folder is None:
            return ear.hear(wave, rate)
        key = f"{ear.fingerprint}/{ear.crop}/{RESAMPLER}/{content_sha256(wave, rate)}"
        return self.recall(key, lambda: ear.hear(wave, rate))

    def recall(self, key: str, make: Callable[[], Features]) -> Features:
        """What `make` gives, read from the folder where it was made before under the same key."""
        if self.folder is None:
            return make()
        digest = hashlib.sha256(key.encode()).hexdigest()
        path = self.folder / digest[:2] / f"{digest}.safetensors"
        features = _read(path)
        if features is None:
            self.misses += 1
            features = make()
            _write(path, features)
        else:
            self.hits += 1
        return features


def content_sha256(samples: NDArray[Any], rate: int = 0) -> str:
    """Stands for the content of a sound (with its rate) or of a picture."""
    return hashlib.sha256(f"{rate}/".encode() + np.ascontiguousarray(samples).tobytes()).hexdigest()


def _read(path: Path) -> Features | None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (FileNotFoundError, SafetensorError):
        # A damaged entry is as good as none: it is written again.
        return None


def _write(path: Path, features: Features) -> None:
    from safetensors.torch import save_file

    with atomic_write(path) as temporary:
        save_file({name: feature.contiguous() for name, feature in features.items()}, temporary)

"""Feature extractors through packages that this project does not depend on: PaSST, ImageBind, Synchformer.

Each is used where its package is installed. Their weights come the way the packages fetch them.
"""

import hashlib
import importlib.util
import os
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar
from unittest.mock import patch

import torch
from torch import nn

from v2a_lightning.checkpoints.weights import refuse_not_finite
from v2a_lightning.distances import cosines
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.features import Crop, FeatureExtractor, Features, Waveform
from v2a_lightning.media import is_picture, resample, write_waveform

Model = TypeVar("Model", bound=nn.Module)
FORCE_VARIABLE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
PASST_CLASSES = 527


class PackageExtractor(FeatureExtractor):
    """A network of another package, known by its tensors.

    Subclasses say what has to be importable (`modules`) and how to get it (`install`).

    Raises:
        UsageError: when a module is not installed.
    """

    title: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    install: ClassVar[str]

    def __init__(self, device: torch.device | str, crop: Crop) -> None:
        super().__init__(device, crop)
        for module in self.modules:
            if importlib.util.find_spec(module) is None:
                raise UsageError(f"{self.title} needs the package {module}, which is not installed: {self.install}")

    @abstractmethod
    def build(self) -> nn.Module:
        """The package's model, with the weights it fetches."""

    @cached_property
    def model(self) -> Any:
        """The model, frozen."""
        return fetched(self.title, self.build, self.device)

    @cached_property
    def fingerprint(self) -> str:
        """Of the network's tensors."""
        return module_sha256(self.model)


class PasstFeatures(PackageExtractor):
    """{"logits": (527,), "embedding": (768,)} at 32 kHz; of more than 10 s, the mean over windows."""

    name, title, sample_rate = "passt:passt_s_swa_p16_128_ap476", "PaSST", 32_000
    modules, install = ("hear21passt", "torchaudio"), "pip install hear21passt torchaudio"

    def build(self) -> nn.Module:
        """The package's model."""
        from hear21passt.base import get_basic_model

        model: nn.Module = get_basic_model(mode="all")
        return model

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` to logits and embedding."""
        prepared = torch.from_numpy(self.part.prepare(waveform, rate, self.sample_rate)).to(self.device)
        both = self.model.get_scene_embeddings(prepared[None])[0].float().cpu()
        return {"logits": both[:PASST_CLASSES].contiguous(), "embedding": both[PASST_CLASSES:].contiguous()}


class ImageBindFeatures(PackageExtractor):
    """{"score": 100 x cosine} of three pieces of 2 s and five pieces of two frames, as ImageBind's loaders cut them.

    Weights: CC-BY-NC-SA 4.0.
    """

    name, title, sample_rate = "imagebind:imagebind_huge", "ImageBind", 16_000
    modules, install = ("imagebind", "torchaudio"), "pip install imagebind-unofficial torchaudio"
    crop = "ImageBind's: 3 pieces of 2 s over the sound, 5 of 2 frames over the video"
    needs_video, cached = True, False

    def build(self) -> nn.Module:
        """The package's model."""
        from imagebind.models.imagebind_model import imagebind_huge

        model: nn.Module = imagebind_huge(pretrained=True)
        return model

    @torch.no_grad()
    def extract(self, waveform: Waveform, rate: int, video: Path | None = None) -> Features:
        """(N,) at `rate` and its video to {"score": ()}."""
        from imagebind import data
        from imagebind.models.imagebind_model import ModalityType

        assert video is not None
        load = data.load_and_transform_vision_data if is_picture(video) else data.load_and_transform_video_data
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sound.wav"
            write_waveform(path, resample(waveform, rate, self.sample_rate), self.sample_rate)
            audio = data.load_and_transform_audio_data([str(path)], self.device)
        outputs = self.model({ModalityType.AUDIO: audio, ModalityType.VISION: load([str(video)], self.device)})
        return {"score": 100.0 * cosines(outputs[ModalityType.AUDIO].cpu(), outputs[ModalityType.VISION].cpu())[0]}


def fetched(name: str, build: Callable[[], Model], device: torch.device | str) -> Model:
    """A package's model with the weights it fetches, frozen. What the package reads of a pickle is tensors alone.

    Raises:
        RunFailure: when the weights cannot be fetched or read, or are not finite.
    """
    try:
        # torch.load executes nothing here, whatever the package asks of it.
        with patch.dict(os.environ, {FORCE_VARIABLE: "1"}):
            model = build()
    except (OSError, RuntimeError, UnpicklingError) as error:
        raise RunFailure(f"the weights of {name} cannot be had: {' '.join(str(error).split())[:300]}") from error
    refuse_not_finite(model.state_dict(), name)
    return model.to(device).eval().requires_grad_(False)


def module_sha256(module: nn.Module) -> str:
    """Of a module's tensors by name: stands for weights whose file a package keeps to itself."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()

"""Encoders small enough for a test: real modules with the signatures and promises of the foundation models."""

import hashlib
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms.functional import normalize

WIDTH = 512


class _Small:
    def __init__(self, seed: int, inputs: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(inputs, WIDTH, generator=generator)
        self.seed = seed
        self.calls = 0
        self.devices: list[str] = []

    @property
    def name(self) -> str:
        return f"{type(self).__name__}:{self.seed}"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def embedding_dim(self) -> int:
        return WIDTH

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        self.devices.append(str(device))
        return self

    def project(self, features: Tensor) -> Tensor:
        self.calls += 1
        return functional.normalize(features @ self.weight, dim=-1)


class SmallClip(_Small):
    """Sees 8 x 8 averages of what CLIP's usual transform (short side, middle, normalise) leaves."""

    image_size = 32

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed, 8 * 8 * 3)

    def preprocess(self, frames: Tensor) -> Tensor:
        from PIL import Image
        from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

        resize = Compose([Resize(self.image_size, InterpolationMode.BICUBIC), CenterCrop(self.image_size)])
        images = [resize(Image.fromarray(frame)) for frame in frames.cpu().numpy()]
        pixels = torch.stack([torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8) for image in images])
        pixels = pixels.view(-1, self.image_size, self.image_size, 3).permute(0, 3, 1, 2).float() / 255
        return normalize(pixels, [0.5] * 3, [0.25] * 3)

    def encode_frames(self, frames: Tensor) -> Tensor:
        return self.project(nn.functional.adaptive_avg_pool2d(self.preprocess(frames), 8).flatten(1))


class SquashingClip(SmallClip):
    """Another transform: it squashes the picture and cuts nothing off."""

    def preprocess(self, frames: Tensor) -> Tensor:
        pixels = frames.permute(0, 3, 1, 2).float() / 255
        return nn.functional.interpolate(pixels, size=(self.image_size, self.image_size), mode="area")


class SmallClap(_Small):
    """Hears the energy in 64 bands."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed, 64)

    def target(self, waveforms: Any, sample_rate: int, _labels: Sequence[str] | None = None) -> Tensor:
        return self.encode_audio(waveforms, sample_rate)[:, None]

    def encode_audio(self, waveforms: Any, sample_rate: int) -> Tensor:
        spectrum = torch.fft.rfft(torch.as_tensor(waveforms)).abs()
        bands = nn.functional.adaptive_avg_pool1d(spectrum[:, None], 64)[:, 0]
        return self.project(torch.log1p(bands))

"""Cnn14 of PANNs: the AudioSet tagger behind FD, KL and IS.

Source: Q. Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio Pattern Recognition", 2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.evaluation.extractors.extractor import Extractor, check_waveforms
from v2a_lightning.evaluation.extractors.frontends import DecibelMel

BLOCKS = 6


@dataclass(frozen=True)
class Cnn14Config:
    """Cnn14's front end and widths; the defaults are the published 16 kHz network.

    Args:
        sample_rate: hertz of the waveforms.
        window: samples of an STFT window.
        hop: samples between two windows.
        low: lowest frequency of the mel filters in hertz.
        high: highest frequency of the mel filters in hertz.
        mel_bands: number of mel filters.
        width: channels of the first block; each of the six blocks doubles them.
        classes: number of tags.
    """

    sample_rate: int = 16_000
    window: int = 512
    hop: int = 160
    low: float = 50.0
    high: float = 8_000.0
    mel_bands: int = 64
    width: int = 64
    classes: int = 527


class TaggerOutput(NamedTuple):
    """What a tagger gives: `logits` (B, classes) before any sigmoid or softmax, and `embedding` (B, 32 x width)."""

    logits: Tensor
    embedding: Tensor


class Cnn14(Extractor[Cnn14Config]):
    """Six blocks of two 3x3 convolutions over the log-mel picture; `forward(waveforms (B, N)) -> TaggerOutput`.

    The embedding is the one FD is computed on ("2048"): after the first linear layer and its ReLU, one per clip.
    Parameters bear PANNs' names.
    """

    kind = "cnn14"
    config_class = Cnn14Config

    def __init__(self, config: Cnn14Config | None = None) -> None:
        config = config or Cnn14Config()
        super().__init__(config)
        self.logmel_extractor = DecibelMel(
            config.sample_rate, config.window, config.hop, config.mel_bands, config.low, config.high
        )
        self.bn0 = nn.BatchNorm2d(config.mel_bands)
        widths = [1] + [config.width * 2**block for block in range(BLOCKS)]
        for block in range(BLOCKS):
            self.add_module(f"conv_block{block + 1}", ConvolutionBlock(widths[block], widths[block + 1]))
        self.fc1 = nn.Linear(widths[-1], widths[-1])
        self.fc_audioset = nn.Linear(widths[-1], config.classes)
        self.sample_rate = config.sample_rate
        # Five poolings halve the frames; one must be left.
        self.minimum_samples = max(config.hop * (2 ** (BLOCKS - 1) - 1), config.window // 2 + 1)

    def forward(self, waveforms: Tensor) -> TaggerOutput:
        """(B, N) waveforms at `sample_rate` -> logits and embedding."""
        check_waveforms(waveforms, self.minimum_samples, self.kind)
        picture = self.logmel_extractor(waveforms)[:, None]  # (B, 1, frames, bands)
        picture = self.bn0(picture.transpose(1, 3)).transpose(1, 3)
        for block in range(BLOCKS):
            picture = self.get_submodule(f"conv_block{block + 1}")(picture)
            if block < BLOCKS - 1:
                picture = F.avg_pool2d(picture, 2)
            picture = F.dropout(picture, 0.2, self.training)
        over_time = picture.mean(dim=3)
        pooled = F.dropout(over_time.amax(dim=2) + over_time.mean(dim=2), 0.5, self.training)
        embedding = F.dropout(F.relu(self.fc1(pooled)), 0.5, self.training)
        return TaggerOutput(self.fc_audioset(embedding), embedding)

    def extract(self, waveform: Tensor) -> dict[str, Tensor]:
        """(N,) -> {"logits": (classes,), "embedding": (32 x width,)}."""
        output = self(waveform[None])
        return {"logits": output.logits[0], "embedding": output.embedding[0]}

    @classmethod
    def published_config(cls, tensors: Mapping[str, Tensor]) -> Cnn14Config:
        """16 kHz or 32 kHz, by the number of frequencies its mel filters take."""
        width = tensors["conv_block1.conv1.weight"].shape[0]
        classes = tensors["fc_audioset.weight"].shape[0]
        frequencies = tensors["logmel_extractor.melW"].shape[0]
        if frequencies not in (257, 513):
            raise KeyError("logmel_extractor.melW of 257 or 513 rows")
        rate = {} if frequencies == 257 else {"sample_rate": 32_000, "window": 1024, "hop": 320, "high": 14_000.0}
        return Cnn14Config(width=width, classes=classes, **rate)  # type: ignore[arg-type]

    @classmethod
    def published_tensors(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the Fourier matrices, which the front end computes."""
        return {name: tensor for name, tensor in tensors.items() if not name.startswith("spectrogram_extractor.")}


class ConvolutionBlock(nn.Module):
    """Two 3x3 convolutions, each with batch norm and ReLU."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outgoing, outgoing, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outgoing)
        self.bn2 = nn.BatchNorm2d(outgoing)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, incoming, H, W) -> (B, outgoing, H, W)."""
        picture = F.relu(self.bn1(self.conv1(picture)))
        return F.relu(self.bn2(self.conv2(picture)))

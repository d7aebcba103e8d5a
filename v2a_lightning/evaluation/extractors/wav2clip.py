"""Wav2CLIP: sounds in CLIP's space, the sound's side of the CLIP-score.

Source: H.-H. Wu et al., "Wav2CLIP: Learning Robust Audio Representations From CLIP", ICASSP 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.evaluation.extractors.extractor import Extractor, check_waveforms
from v2a_lightning.evaluation.extractors.frontends import standardised_log_spectrogram


@dataclass(frozen=True)
class Wav2CLIPConfig:
    """Channels of the first convolution and width of CLIP's space, the hidden layer's too; by default the published."""

    width: int = 64
    embedding: int = 512


class Wav2CLIP(Extractor[Wav2CLIPConfig]):
    """A ResNet-18 over the spectrogram and two linear layers; `forward(waveforms (B, N) at 16 kHz) -> (B, embedding)`.

    The embedding is not normalised here; the CLIP-score takes cosines. Every clip is standardised by itself.
    """

    kind = "wav2clip"
    config_class = Wav2CLIPConfig
    sample_rate = 16_000
    minimum_samples = 257

    def __init__(self, config: Wav2CLIPConfig | None = None) -> None:
        config = config or Wav2CLIPConfig()
        super().__init__(config)
        self.audio_encoder = ResNet18(config.width)
        self.audio_transform = Projection(8 * config.width, config.embedding)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, N) waveforms at 16 kHz -> (B, embedding)."""
        check_waveforms(waveforms, self.minimum_samples, self.kind)
        embeddings: Tensor = self.audio_transform(self.audio_encoder(standardised_log_spectrogram(waveforms)[:, None]))
        return embeddings

    def extract(self, waveform: Tensor) -> dict[str, Tensor]:
        """(N,) -> {"audio": (embedding,)}."""
        return {"audio": self(waveform[None])[0]}

    @classmethod
    def published_config(cls, tensors: Mapping[str, Tensor]) -> Wav2CLIPConfig:
        """Widths as the file has them."""
        return Wav2CLIPConfig(
            width=tensors["audio_encoder.conv1.weight"].shape[0],
            embedding=tensors["audio_transform.sequential.3.weight"].shape[0],
        )

    @classmethod
    def published_tensors(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The audio side alone, without the unused classifier and the spectrogram's window."""
        unused = ("audio_encoder.fc.", "audio_encoder.spectrogram.")
        audio = {name: tensor for name, tensor in tensors.items() if name.startswith("audio_")}
        return {name: tensor for name, tensor in audio.items() if not name.startswith(unused)}


class ResNet18(nn.Module):
    """ResNet-18 over one-channel pictures: (B, 1, H, W) -> (B, 8 x width), averaged over the picture."""

    def __init__(self, width: int) -> None:
        from torchvision.models.resnet import BasicBlock

        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(BasicBlock(width, width), BasicBlock(width, width))
        self.layer2 = _stage(width, 2 * width)
        self.layer3 = _stage(2 * width, 4 * width)
        self.layer4 = _stage(4 * width, 8 * width)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, 8 x width)."""
        picture = F.max_pool2d(F.relu(self.bn1(self.conv1(picture))), 3, stride=2, padding=1)
        features: Tensor = self.layer4(self.layer3(self.layer2(self.layer1(picture))))
        return features.mean(dim=(2, 3))


class Projection(nn.Module):
    """From the ResNet's features into CLIP's space: (B, incoming) -> (B, outgoing)."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.sequential = nn.Sequential(
            nn.Linear(incoming, outgoing), nn.ReLU(), nn.Dropout(0.1), nn.Linear(outgoing, outgoing)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, incoming) -> (B, outgoing)."""
        mapped: Tensor = self.sequential(features)
        return mapped


def _stage(incoming: int, outgoing: int) -> nn.Sequential:
    from torchvision.models.resnet import BasicBlock

    first = BasicBlock(incoming, outgoing, stride=2)
    first.downsample = nn.Sequential(nn.Conv2d(incoming, outgoing, 1, stride=2, bias=False), nn.BatchNorm2d(outgoing))
    return nn.Sequential(first, BasicBlock(outgoing, outgoing))

"""VGGish: the embedding FAD is defined on.

Source: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017; names and layout are
those of the PyTorch weights in wide use (torchvggish).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from v2a_lightning.evaluation.extractors.extractor import Extractor, check_waveforms
from v2a_lightning.evaluation.extractors.frontends import VGGishExamples

# Widths in units of the first layer's; 0 halves the picture.
LAYERS = (1, 0, 2, 0, 4, 4, 0, 8, 8, 0)


@dataclass(frozen=True)
class VGGishConfig:
    """Channels of the first convolution, units of the hidden layers and of the embedding; by default the published."""

    width: int = 64
    hidden: int = 4096
    embedding: int = 128


class VGGish(Extractor[VGGishConfig]):
    """`forward(waveforms (B, N) at 16 kHz) -> (B, examples, embedding)`, one embedding for every 0.96 s.

    The embedding is the last linear layer's output without the ReLU that the PyTorch port puts behind it, and without
    the PCA and the 8-bit quantisation of AudioSet's release: the features of Google's FAD.
    """

    kind = "vggish"
    config_class = VGGishConfig

    def __init__(self, config: VGGishConfig | None = None) -> None:
        config = config or VGGishConfig()
        super().__init__(config)
        self.examples = VGGishExamples()
        self.features = _convolutions(config.width)
        flat = LAYERS[-2] * config.width * 6 * 4
        self.embeddings = nn.Sequential(
            nn.Linear(flat, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Linear(config.hidden, config.embedding),
        )
        self.sample_rate = self.examples.sample_rate
        self.minimum_samples = self.examples.minimum_samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, N) waveforms at 16 kHz -> (B, N // 0.96 s, embedding)."""
        check_waveforms(waveforms, self.minimum_samples, self.kind)
        examples = self.examples(waveforms)
        pictures = self.features(examples.flatten(0, 1)[:, None])
        # Channels last before flattening, as the TensorFlow original had them.
        embeddings: Tensor = self.embeddings(pictures.permute(0, 2, 3, 1).flatten(1))
        by_clip: Tensor = embeddings.unflatten(0, examples.shape[:2])
        return by_clip

    def extract(self, waveform: Tensor) -> dict[str, Tensor]:
        """(N,) -> {"examples": (examples, embedding)}."""
        return {"examples": self(waveform[None])[0]}

    @classmethod
    def published_config(cls, tensors: Mapping[str, Tensor]) -> VGGishConfig:
        """Widths as the file has them."""
        return VGGishConfig(
            width=tensors["features.0.weight"].shape[0],
            hidden=tensors["embeddings.0.weight"].shape[0],
            embedding=tensors["embeddings.4.weight"].shape[0],
        )

    @classmethod
    def published_tensors(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the PCA, which some copies of the file carry along."""
        return {name: tensor for name, tensor in tensors.items() if not name.startswith("pproc.")}


def _convolutions(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 1
    for units in LAYERS:
        if units == 0:
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, units * width, 3, padding=1), nn.ReLU()]
            channels = units * width
    return nn.Sequential(*layers)

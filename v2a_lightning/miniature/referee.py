"""The referee: a classifier that learned true sounds only and enters no metric, and so can judge what was generated."""

from pathlib import Path

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import load_strictly, read_weights
from v2a_lightning.encoders.log_mel import audioldm_log_mel
from v2a_lightning.miniature.world.events import EVENT_NAMES

WEIGHTS = Path(__file__).parent / "weights"


class Referee(nn.Module):
    """Convolutions over frequency, then a recurrent network over time.

    Unlike the metrics' extractors (stacks of two-dimensional convolutions with pooling), it reads a spectrogram in
    order.
    """

    def __init__(self, classes: int = len(EVENT_NAMES), width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, (3, 5), stride=(2, 2), padding=(1, 2)),
            nn.GroupNorm(8, width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, stride=(2, 2), padding=1),
            nn.GroupNorm(8, width),
            nn.GELU(),
        )
        self.memory = nn.GRU(width * 16, 96, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(192, 1)
        self.head = nn.Sequential(nn.LayerNorm(192), nn.Linear(192, classes))

    def forward(self, waveforms: Tensor) -> Tensor:
        """(B, classes) logits of waveforms (B, samples) at 16 kHz."""
        # Level is no mark of a class, so the loudest bin is brought to zero.
        mel = audioldm_log_mel(waveforms)
        mel = (mel - mel.amax(dim=(1, 2), keepdim=True)).clamp(min=-9.0) / 3 + 1
        picture = self.stem(mel.unsqueeze(1))
        hidden, _ = self.memory(picture.permute(0, 2, 1, 3).flatten(2))
        weight = self.attention(hidden).softmax(dim=1)
        logits: Tensor = self.head((weight * hidden).sum(1))
        return logits


@torch.inference_mode()
def accuracy(referee: Referee, waveforms: Tensor, events: Tensor, batch: int = 64) -> float:
    """Share of waveforms (B, samples) whose event (B,) the referee names."""
    named = torch.cat([referee(piece).argmax(-1) for piece in waveforms.split(batch)])
    return float((named == events).float().mean())


def load_referee(folder: Path = WEIGHTS / "referee") -> Referee:
    """The trained referee from its folder."""
    weights = folder / "model.safetensors"
    return load_strictly(Referee(), read_weights(weights), weights).requires_grad_(False)

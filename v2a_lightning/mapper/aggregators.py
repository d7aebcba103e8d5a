"""From a clip's frames to the one embedding a mapper is conditioned on."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.mapper.base import Aggregator, uniform
from v2a_lightning.randomness import Generators


class RandomFrame(Aggregator):
    """One real frame, drawn again at every call."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """See `Aggregator.forward`."""
        chosen = (uniform(len(frames), generator, frames.device) * mask.sum(1)).long()
        return _pick(frames, mask, chosen)


class MiddleFrame(Aggregator):
    """The middle one of the real frames; of an even number, the first of the second half."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """See `Aggregator.forward`."""
        return _pick(frames, mask, mask.sum(1) // 2)


class AverageFrames(Aggregator):
    """The mean of the real frames."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """See `Aggregator.forward`."""
        return F.normalize(frames.masked_fill(~mask[..., None], 0.0).sum(1), dim=-1)


class MaxFrames(Aggregator):
    """The largest value of each element over the real frames."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """See `Aggregator.forward`."""
        return F.normalize(frames.masked_fill(~mask[..., None], -torch.inf).amax(1), dim=-1)


class AttentionPooling(Aggregator):
    """A mean of the real frames with learned weights; it starts as the plain mean.

    Args:
        dim: width of an embedding.
        heads: attention heads; each weighs the frames in its own way for its own part of the elements.
    """

    def __init__(self, dim: int = 512, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.scores = nn.Linear(dim, heads)
        nn.init.zeros_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        """See `Aggregator.forward`."""
        real = mask[..., None]
        frames = frames.masked_fill(~real, 0.0)
        # Elements of a unit vector are small; scaled, a weight of ordinary size makes a difference.
        scores = self.scores(frames * frames.shape[-1] ** 0.5).masked_fill(~real, -torch.inf)
        weights = scores.softmax(1)
        pooled = torch.einsum("bth,bthd->bhd", weights, frames.unflatten(-1, (self.heads, -1)))
        return F.normalize(pooled.flatten(1).float(), dim=-1)


def _pick(frames: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """The real frame with number `chosen` (B,) among the real frames of each clip: (B, D)."""
    is_chosen = mask & (mask.cumsum(1) == chosen[:, None] + 1)
    return F.normalize(frames[torch.arange(len(frames), device=frames.device), is_chosen.int().argmax(1)], dim=-1)

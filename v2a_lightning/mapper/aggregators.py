"""From a clip's frames to the one embedding a mapper is conditioned on."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import WIDTH, Aggregator, Frames, uniform
from v2a_lightning.randomness import Generators


class RandomFrame(Aggregator):
    """One real frame, drawn again at every call."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        chosen = (uniform(len(frames), generator, frames.device) * mask.sum(1)).long()
        return _pick(frames, mask, chosen)


class MiddleFrame(Aggregator):
    """The middle one of the real frames; of an even number, the first of the second half."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        return _pick(frames, mask, mask.sum(1) // 2)


class AverageFrames(Aggregator):
    """The mean of the real frames."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        return F.normalize(frames.masked_fill(~mask[..., None], 0.0).sum(1), dim=-1)


class MaxFrames(Aggregator):
    """The largest value of each element over the real frames."""

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        return F.normalize(frames.masked_fill(~mask[..., None], -torch.inf).amax(1), dim=-1)


class AttentionPooling(Aggregator):
    """A mean of the real frames with learned weights; it starts as the plain mean.

    Args:
        dim: width of a frame embedding; 512 when not given.
        heads: attention heads; each weighs the frames in its own way for its own part of the elements.
    """

    def __init__(self, dim: int | None = None, heads: int = 8) -> None:
        super().__init__()
        self.dim, self.heads = dim or WIDTH, heads
        if self.dim % heads:
            raise UsageError(f"AttentionPooling: {heads} heads do not divide a width of {self.dim}; give other heads")
        self.scores = nn.Linear(self.dim, heads)
        nn.init.zeros_(self.scores.weight)
        nn.init.zeros_(self.scores.bias)

    def forward(self, frames: Tensor, mask: Tensor, generator: Generators) -> Tensor:
        frames = frames.masked_fill(~mask[..., None], 0.0)
        weights = self._weights(frames, mask)
        pooled = torch.einsum("bth,bthd->bhd", weights, frames.unflatten(-1, (self.heads, -1)))
        return F.normalize(pooled.flatten(1).float(), dim=-1)

    @torch.no_grad()
    def weights(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The mean of the heads' weights, (B, T)."""
        return self._weights(frames.masked_fill(~mask[..., None], 0.0), mask).float().mean(-1)

    def _weights(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Of each head: (B, T, heads)."""
        # Elements of a unit vector are small; scaled, a weight of ordinary size makes a difference.
        scores: Tensor = self.scores(frames * frames.shape[-1] ** 0.5).masked_fill(~mask[..., None], -torch.inf)
        return scores.softmax(1)


class JointAggregator(Aggregator):
    """Of several encoders: aggregates each one's frames, and joins the results.

    Args:
        aggregators: an aggregator for each encoder, by the encoder's name in `data.encoder`.
    """

    joins = True

    def __init__(self, aggregators: dict[str, Aggregator]) -> None:
        super().__init__()
        self.aggregators = nn.ModuleDict(aggregators)

    def forward(self, frames: Frames, mask: Tensor, generator: Generators) -> Tensor:
        """(B, T, D_i) by the encoder's name to (B, sum of D_i), L2-normalised.

        Raises:
            UsageError: when the encoders are not those of the aggregators.
        """
        given = sorted(frames) if isinstance(frames, Mapping) else ["one without a name"]
        if not isinstance(frames, Mapping) or given != sorted(self.aggregators):
            names = ", ".join(sorted(self.aggregators))
            raise UsageError(f"JointAggregator is for the encoders {names}, and the data has {', '.join(given)}")
        parts = [one(frames[name], mask, generator) for name, one in self.aggregators.items()]
        return F.normalize(torch.cat(parts, dim=-1), dim=-1)


def _pick(frames: Tensor, mask: Tensor, chosen: Tensor) -> Tensor:
    """The real frame with number `chosen` (B,) among the real frames of each clip: (B, D)."""
    is_chosen = mask & (mask.cumsum(1) == chosen[:, None] + 1)
    return F.normalize(frames[torch.arange(len(frames), device=frames.device), is_chosen.int().argmax(1)], dim=-1)

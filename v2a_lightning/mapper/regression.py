"""The regression objective of the paper, and that of every mapper solved in closed form."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.mapper.base import Network, Objective
from v2a_lightning.randomness import Generators


class Regression(Objective):
    """Deterministic: one forward pass of the network.

    Args:
        dim: width of a condition.
        distance: "mse", the mean square over elements of the scaled targets, or "cosine", one minus the cosine.
        target_scale: see `Objective`.
    """

    def __init__(
        self, dim: int | None = None, distance: Literal["mse", "cosine"] = "mse", target_scale: float | None = None
    ) -> None:
        super().__init__(dim, target_scale)
        self.distance = distance

    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        prediction = self._predict(network, condition)
        if self.distance == "cosine":
            return (1 - F.cosine_similarity(prediction, target, dim=-1)).mean(-1)
        return F.mse_loss(prediction, self.scaled(target), reduction="none").flatten(1).mean(-1)

    @torch.no_grad()
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        """See `Objective.sample`; `steps`, `guidance` and `generator` change nothing."""
        return self.unscaled(self._predict(network, condition))

    def _predict(self, network: Network, condition: Tensor) -> Tensor:
        # A network made for denoising gets a target and a noise level of zero; a regressor ignores both.
        x = condition.new_zeros(len(condition), *network.target_shape)
        return network(x, condition.new_zeros(len(condition)), condition).float()

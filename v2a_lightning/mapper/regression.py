"""The regression objective of the paper, and that of every mapper solved in closed form."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from v2a_lightning.mapper.base import Network, Objective
from v2a_lightning.randomness import Generators


class Regression(Objective):
    """The network answers the condition in one go; nothing is drawn.

    Args:
        dim: width of an embedding.
        distance: "mse", the mean square over elements of the scaled embeddings, or "cosine", one minus the cosine.
    """

    def __init__(self, dim: int = 512, distance: Literal["mse", "cosine"] = "mse") -> None:
        super().__init__(dim)
        self.distance = distance

    def loss(self, network: Network, condition: Tensor, target: Tensor, generator: Generators) -> Tensor:
        """See `Objective.loss`."""
        prediction = self._answer(network, condition)
        if self.distance == "cosine":
            return 1 - F.cosine_similarity(prediction, target, dim=-1)
        return F.mse_loss(prediction, target * self.scale, reduction="none").mean(-1)

    @torch.no_grad()
    def sample(self, network: Network, condition: Tensor, steps: int, guidance: float, generator: Generators) -> Tensor:
        """See `Objective.sample`; `steps`, `guidance` and `generator` change nothing."""
        return F.normalize(self._answer(network, condition), dim=-1)

    def _answer(self, network: Network, condition: Tensor) -> Tensor:
        # A network made for denoising sees a target and a level that are always zero; a regressor looks at neither.
        return network(torch.zeros_like(condition), condition.new_zeros(len(condition)), condition).float()

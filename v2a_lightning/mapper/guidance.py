"""Classifier-free guidance: conditions dropped in training, and followed more or less closely in sampling."""

import torch
from torch import Tensor, nn

from v2a_lightning.mapper.base import Denoiser, Module, Network, uniform
from v2a_lightning.randomness import Generators


class ConditionDropout(Module):
    """Replaces some conditions by a learned null condition, and guides a network by the difference.

    Formula: Ho and Salimans 2021, equation 6, as `null + (conditional - null) * scale`.

    Args:
        dim: width C of a condition.
        probability: share of training samples whose condition is dropped.
    """

    def __init__(self, dim: int, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.null = nn.Parameter(torch.randn(dim) * dim**-0.5)

    def forward(self, condition: Tensor, generator: Generators) -> Tensor:
        """(B, C) conditions, some dropped while training; unchanged in evaluation."""
        if not self.training:
            return condition
        dropped = uniform(len(condition), generator, condition.device) < self.probability
        # Always in the graph, even when no row is dropped: DDP waits for the gradient of every parameter.
        return torch.where(dropped[:, None], self.null.to(condition.dtype), condition)

    def denoiser(self, network: Network, condition: Tensor, times: Tensor, scale: float) -> Denoiser:
        """A guided `network.denoiser`. Scales other than 1 run both branches as one batch of twice the size."""
        if scale == 1.0:
            return network.denoiser(condition, times)
        null = self.null.to(condition.dtype).expand_as(condition)
        both = network.denoiser(torch.cat([condition, null]), times)

        def guided(x: Tensor, step: int) -> Tensor:
            conditional, unconditional = both(torch.cat([x, x]), step).chunk(2)
            return unconditional + (conditional - unconditional) * scale

        return guided

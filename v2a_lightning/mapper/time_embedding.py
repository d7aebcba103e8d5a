"""The embedding of the noise level."""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Sines and cosines of the noise level at geometrically spaced frequencies, then two linear layers.

    A function of a real number rather than a table of timesteps, so that one network serves any number of training
    timesteps and the continuous levels of flow matching. Formula: Vaswani et al. 2017, section 3.5, as used for
    timesteps by Ho et al. 2020.

    Args:
        dim: width of the embedding, even.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layers = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        """(N,) noise levels on [0, 1000) to (N, dim)."""
        half = self.dim // 2
        exponents = torch.arange(half, device=t.device, dtype=torch.float32) / half
        angles = t.float()[:, None] * torch.exp(-math.log(10_000.0) * exponents)
        result: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return result

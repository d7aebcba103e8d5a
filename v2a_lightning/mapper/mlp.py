"""The light mappers: one hidden layer, or a few."""

import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.mapper.base import Denoiser, Network
from v2a_lightning.mapper.time_embedding import TimeEmbedding


class MLPMapper(Network):
    """A multilayer perceptron on the condition, the time and the noisy target side by side.

    The first layer is kept as three, so that sampling computes the condition's and the times' part once.

    Args:
        dim: width of embeddings.
        hidden: width of hidden layers.
        depth: hidden layers; those after the first are residual.
        dropout: probability of dropping an element of a hidden layer.
    """

    def __init__(self, dim: int = 512, hidden: int = 2048, depth: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.time = TimeEmbedding(dim)
        self.from_condition = nn.Linear(dim, hidden)
        self.from_time = nn.Linear(dim, hidden, bias=False)
        self.from_target = nn.Linear(dim, hidden, bias=False)
        self.head = Head(dim, hidden, depth, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`."""
        return self.head(self._part_of_condition(condition) + self._part_of_time(t) + self.from_target(x))

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        """See `Network.denoiser`."""
        conditions, moments = self._part_of_condition(condition), self._part_of_time(times)
        return lambda x, step: self.head(conditions + moments[step] + self.from_target(x))

    def _part_of_condition(self, condition: Tensor) -> Tensor:
        return self.from_condition(condition * self.dim**0.5)

    def _part_of_time(self, t: Tensor) -> Tensor:
        return self.from_time(self.time(t))


class MLPRegressor(Network):
    """Linear, SiLU, LayerNorm, Linear: the regression mapper that public re-implementations agree on.

    Args:
        dim: width of embeddings.
        hidden: width of hidden layers.
        depth: hidden layers; those after the first are residual.
        dropout: probability of dropping an element of a hidden layer.
    """

    def __init__(self, dim: int = 512, hidden: int = 2048, depth: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.dim = dim
        self.from_condition = nn.Linear(dim, hidden)
        self.head = Head(dim, hidden, depth, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored."""
        return self.head(self.from_condition(condition * self.dim**0.5))


class Head(nn.Module):
    """From the first hidden layer, before its nonlinearity, to the answer."""

    def __init__(self, dim: int, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth - 1))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.out = nn.Linear(hidden, dim)
        # The first answer is about zero, the mean of targets, so that the loss starts at one.
        nn.init.normal_(self.out.weight, std=0.01 * hidden**-0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, hidden) to (B, dim)."""
        hidden = self.norms[0](self.dropout(F.silu(hidden)))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            hidden = norm(hidden + self.dropout(F.silu(layer(hidden))))
        return self.out(hidden)

"""The light mappers: one hidden layer, or a few."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.mapper.base import WIDTH, Denoiser, Module, Network, TimeEmbedding


class MLPMapper(Network):
    """A multilayer perceptron on the condition, the time and the noisy target side by side.

    The first layer is kept as three, so that sampling computes the condition's and the times' part once.

    Args:
        dim: width of the time embedding, and of conditions and targets where those are not given.
        hidden: width of hidden layers.
        depth: hidden layers; those after the first are residual.
        dropout: probability of dropping an element of a hidden layer.
        **widths: see `Network`; the tokens of a target are predicted side by side.
    """

    def __init__(
        self, dim: int = WIDTH, hidden: int = 2048, depth: int = 2, dropout: float = 0.0, **widths: int | None
    ) -> None:
        super().__init__(dim, **widths)
        numbers = self.target_shape[0] * self.target_shape[1]
        self.time = TimeEmbedding(dim)
        self.from_condition = nn.Linear(self.condition_dim, hidden)
        self.from_time = nn.Linear(dim, hidden, bias=False)
        self.from_target = nn.Linear(numbers, hidden, bias=False)
        self.head = Head(numbers, hidden, depth, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return self._predict(self._of_condition(condition) + self.from_time(self.time(t)), x)

    def denoiser(self, condition: Tensor, times: Tensor) -> Denoiser:
        conditions, levels = self._of_condition(condition), self.from_time(self.time(times))
        return lambda x, step: self._predict(conditions + levels[step], x)

    def _of_condition(self, condition: Tensor) -> Tensor:
        result: Tensor = self.from_condition(condition * self.condition_dim**0.5)
        return result

    def _predict(self, hidden: Tensor, x: Tensor) -> Tensor:
        return torch.unflatten(self.head(hidden + self.from_target(x.flatten(1))), 1, self.target_shape)


class MLPRegressor(Network):
    """Linear, SiLU, LayerNorm, Linear: the regression mapper that public re-implementations agree on.

    Args:
        dim: width of conditions and targets where those are not given.
        hidden: width of hidden layers.
        depth: hidden layers; those after the first are residual.
        dropout: probability of dropping an element of a hidden layer.
        **widths: see `Network`; the tokens of a target are predicted side by side.
    """

    def __init__(
        self, dim: int = WIDTH, hidden: int = 2048, depth: int = 1, dropout: float = 0.0, **widths: int | None
    ) -> None:
        super().__init__(dim, **widths)
        self.from_condition = nn.Linear(self.condition_dim, hidden)
        self.head = Head(self.target_shape[0] * self.target_shape[1], hidden, depth, dropout)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored."""
        predicted = self.head(self.from_condition(condition * self.condition_dim**0.5))
        return predicted.reshape(-1, *self.target_shape)


class Head(Module):
    """From the first hidden layer, before its nonlinearity, to the prediction."""

    def __init__(self, outputs: int, hidden: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth - 1))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.out = nn.Linear(hidden, outputs)
        # The first prediction is about zero, the mean of targets, so that the loss starts at one.
        nn.init.normal_(self.out.weight, std=0.01 * hidden**-0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, hidden) to (B, outputs)."""
        hidden = self.norms[0](self.dropout(F.silu(hidden)))
        for layer, norm in zip(self.layers, self.norms[1:], strict=True):
            hidden = norm(hidden + self.dropout(F.silu(layer(hidden))))
        result: Tensor = self.out(hidden)
        return result

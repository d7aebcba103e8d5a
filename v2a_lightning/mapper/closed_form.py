"""Mappers with nothing to train: solved at once from all training pairs, or not at all.

They are networks for the Regression objective, so that sampling, evaluation, checkpoints and generation treat them as
any other mapper. Each has one number that gradients reach, the length of its answer: so the same training loop, DDP
and EMA run on them unchanged, and the direction, which is all that is heard, stays as solved.
"""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.errors import RunFailure
from v2a_lightning.mapper.base import Network


class Identity(Network):
    """No mapper: the CLIP embedding is taken for a CLAP embedding.

    Args:
        dim: width of an embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.length = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored."""
        return condition * self.dim**0.5 * self.length


class ClosedForm(Network):
    """A network whose tables are solved for, not trained.

    Args:
        dim: width of an embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__()
        self.dim = dim
        self.length = nn.Parameter(torch.ones(()))

    @abstractmethod
    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        """Fit to all training pairs, (N, dim) and (N, dim), L2-normalised."""

    @abstractmethod
    def answer(self, condition: Tensor) -> Tensor:
        """(B, dim) to (B, dim) in the space of the targets given to `solve`."""

    @property
    @abstractmethod
    def solved(self) -> bool:
        """Whether `solve` has been called, now or before the checkpoint was written."""

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored.

        Raises:
            RunFailure: before `solve`.
        """
        if not self.solved:
            raise RunFailure(f"{type(self).__name__} has not been solved: run `fit` first, or load its checkpoint")
        return self.answer(condition) * self.dim**0.5 * self.length


class _Affine(ClosedForm):
    """An affine map, kept as parameters without gradients: DDP broadcasts buffers at every step, and these not."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.weight = _table(torch.zeros(dim, dim))
        self.bias = _table(torch.zeros(dim))

    @property
    def solved(self) -> bool:
        return bool(self.weight.any())

    def answer(self, condition: Tensor) -> Tensor:
        return condition @ self.weight + self.bias

    def _keep(self, weight: Tensor, mean_condition: Tensor, mean_target: Tensor) -> None:
        self.weight.data.copy_(weight)
        self.bias.data.copy_(mean_target - mean_condition @ weight)


class RidgeRegression(_Affine):
    """The affine map of least squared error plus `strength` times the squared size of its matrix, intercept free.

    Args:
        dim: width of an embedding.
        strength: weight of the penalty, as scikit-learn's `Ridge(alpha)`.
    """

    def __init__(self, dim: int = 512, strength: float = 1.0) -> None:
        super().__init__(dim)
        self.strength = strength

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        """See `ClosedForm.solve`."""
        x, mean_condition, y, mean_target = _centred(conditions, targets)
        penalty = self.strength * torch.eye(self.dim, dtype=x.dtype, device=x.device)
        self._keep(torch.linalg.solve(x.T @ x + penalty, x.T @ y), mean_condition, mean_target)


class OrthogonalProcrustes(_Affine):
    """The rotation or reflection that brings the centred conditions closest to the centred targets.

    Formula: Schönemann 1966; with `U S V'` the singular value decomposition of `X'Y`, it is `U V'`.

    Args:
        dim: width of an embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__(dim)

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        """See `ClosedForm.solve`."""
        x, mean_condition, y, mean_target = _centred(conditions, targets)
        left, _, right = torch.linalg.svd(x.T @ y)
        self._keep(left @ right, mean_condition, mean_target)


class NearestNeighbour(ClosedForm):
    """The target of the training pair whose condition has the largest cosine with the one asked about.

    Args:
        dim: width of an embedding.
    """

    def __init__(self, dim: int = 512) -> None:
        super().__init__(dim)
        self.conditions = _table(torch.zeros(0, dim))
        self.targets = _table(torch.zeros(0, dim))

    @property
    def solved(self) -> bool:
        return len(self.conditions) > 0

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        """See `ClosedForm.solve`."""
        self.conditions.data = F.normalize(conditions, dim=-1).to(self.conditions)
        self.targets.data = targets.to(self.targets)

    def answer(self, condition: Tensor) -> Tensor:
        """See `ClosedForm.answer`."""
        return self.targets[(condition @ self.conditions.T).argmax(-1)]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # The number of pairs is not known before a checkpoint is read.
        for name, table in (("conditions", self.conditions), ("targets", self.targets)):
            if prefix + name in state_dict:
                table.data = table.data.new_empty(state_dict[prefix + name].shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _table(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)


def _centred(conditions: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x, y = conditions.double(), targets.double()
    mean_x, mean_y = x.mean(0), y.mean(0)
    return x - mean_x, mean_x, y - mean_y, mean_y

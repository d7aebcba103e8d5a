"""Mappers with nothing to train: solved at once from all training pairs, or not at all.

They are networks for the Regression objective, so that sampling, evaluation, checkpoints and generation treat them as
any other mapper. Each has one number that gradients reach, the length of its prediction: so the same training loop, DDP
and EMA run on them unchanged, and the direction, which alone matters, stays as solved.
"""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.mapper.base import WIDTH, Network


class ClosedForm(Network):
    """A network whose tables are solved for, not trained.

    Args:
        dim: width of conditions and targets where those are not given.
        **widths: see `Network`.
    """

    def __init__(self, dim: int = WIDTH, **widths: int | None) -> None:
        super().__init__(dim, **widths)
        self.numbers = self.target_shape[0] * self.target_shape[1]
        self.length = nn.Parameter(torch.ones(()))
        self._make_tables()

    def _make_tables(self) -> None:
        """Make what is solved for, and refuse widths that do not fit."""

    @abstractmethod
    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        """Fit to all training pairs, (P, C) and (P, N, D), L2-normalised."""

    @abstractmethod
    def predict(self, condition: Tensor) -> Tensor:
        """(B, C) to (B, N * D) in the space of the targets given to `solve`."""

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """See `Network.forward`; `x` and `t` are ignored.

        Raises:
            RunFailure: before `solve`.
        """
        if not self.solved:
            raise RunFailure(f"{type(self).__name__} has not been solved: run `fit` first, or load its checkpoint")
        predicted = self.predict(condition) * self.target_shape[1] ** 0.5 * self.length
        return torch.unflatten(predicted, 1, self.target_shape)


class Identity(ClosedForm):
    """No mapper: the condition is taken for the target.

    Raises:
        UsageError: when the two have different shapes.
    """

    def _make_tables(self) -> None:
        if self.target_shape != (1, self.condition_dim):
            raise UsageError(
                f"Identity needs a target of one token as wide as the condition: the condition is {self.condition_dim} "
                f"wide, and the target has {self.target_shape[0]} tokens of width {self.target_shape[1]}"
            )

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        pass

    def predict(self, condition: Tensor) -> Tensor:
        return condition


class _Affine(ClosedForm):
    """An affine map, kept as parameters without gradients: DDP broadcasts buffers at every step, and these not."""

    def _make_tables(self) -> None:
        self.weight = _table(torch.zeros(self.condition_dim, self.numbers))
        self.bias = _table(torch.zeros(self.numbers))

    @property
    def solved(self) -> bool:  # type: ignore[override]
        """Whether `solve` has been called, now or before the checkpoint was written."""
        return bool(self.weight.any())

    @abstractmethod
    def _matrix(self, x: Tensor, y: Tensor) -> Tensor:
        """(C, N * D) from centred pairs, (P, C) and (P, N * D), in double precision."""

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        x, y = conditions.double(), targets.flatten(1).double()
        mean_x, mean_y = x.mean(0), y.mean(0)
        weight = self._matrix(x - mean_x, y - mean_y)
        self.weight.data.copy_(weight)
        self.bias.data.copy_(mean_y - mean_x @ weight)

    def predict(self, condition: Tensor) -> Tensor:
        return condition @ self.weight + self.bias


class RidgeRegression(_Affine):
    """The affine map of least squared error plus `strength` times the squared size of its matrix, intercept free.

    Args:
        dim: width of conditions and targets where those are not given.
        strength: weight of the penalty, as scikit-learn's `Ridge(alpha)`.
        **widths: see `Network`.
    """

    def __init__(self, dim: int = WIDTH, strength: float = 1.0, **widths: int | None) -> None:
        super().__init__(dim, **widths)
        self.strength = strength

    def _matrix(self, x: Tensor, y: Tensor) -> Tensor:
        penalty = self.strength * torch.eye(self.condition_dim, dtype=x.dtype, device=x.device)
        result: Tensor = torch.linalg.solve(x.T @ x + penalty, x.T @ y)
        return result


class OrthogonalProcrustes(_Affine):
    """The rotation or reflection that brings the centred conditions closest to the centred targets.

    Formula: Schönemann 1966; with `U S V'` the singular value decomposition of `X'Y`, it is `U V'`.
    """

    def _matrix(self, x: Tensor, y: Tensor) -> Tensor:
        left, _, right = torch.linalg.svd(x.T @ y, full_matrices=False)
        return torch.matmul(left, right)


class NearestNeighbour(ClosedForm):
    """The target of the training pair whose condition has the largest cosine with the given one."""

    def _make_tables(self) -> None:
        self.conditions = _table(torch.zeros(0, self.condition_dim))
        self.targets = _table(torch.zeros(0, self.numbers))

    @property
    def solved(self) -> bool:  # type: ignore[override]
        """Whether `solve` has been called, now or before the checkpoint was written."""
        return len(self.conditions) > 0

    def solve(self, conditions: Tensor, targets: Tensor) -> None:
        self.conditions.data = F.normalize(conditions, dim=-1).to(self.conditions)
        self.targets.data = targets.flatten(1).to(self.targets)

    def predict(self, condition: Tensor) -> Tensor:
        return self.targets[(condition @ self.conditions.T).argmax(-1)]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # The number of pairs is not known before a checkpoint is read.
        for name, table in (("conditions", self.conditions), ("targets", self.targets)):
            if prefix + name in state_dict:
                table.data = table.data.new_empty(state_dict[prefix + name].shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _table(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)

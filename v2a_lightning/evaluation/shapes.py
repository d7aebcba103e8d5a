"""What features may look like before a metric takes them."""

import torch
from torch import Tensor


def stored_rows(state: list[Tensor] | Tensor, width: int) -> Tensor:
    """The features (N, width) that a torchmetrics state of flattened pieces holds.

    Features are flattened because torchmetrics gathers an empty list of another process as a tensor of one dimension.
    """
    pieces = [state] if isinstance(state, Tensor) else state
    return torch.cat(pieces).reshape(-1, width) if pieces else torch.empty(0, width)


def check_features(generated: Tensor, reference: Tensor, *, minimum: int, paired: bool = False) -> None:
    """Two sets of features (N, D) and (M, D) of finite values.

    Args:
        generated: (N, D).
        reference: (M, D).
        minimum: fewest rows in either.
        paired: row i of one belongs to row i of the other, so N == M.

    Raises:
        ValueError: naming the shapes, or that a value is not finite.
    """
    shapes = f"{tuple(generated.shape)} and {tuple(reference.shape)}"
    if generated.ndim != 2 or reference.ndim != 2 or generated.shape[1] != reference.shape[1]:
        raise ValueError(f"features are (N, D) and (M, D), not {shapes}")
    if paired and len(generated) != len(reference):
        raise ValueError(f"paired features have equally many rows, not {shapes}")
    if min(len(generated), len(reference)) < minimum:
        raise ValueError(f"at least {minimum} samples are needed on either side; there are {shapes}")
    if not (torch.isfinite(generated).all() and torch.isfinite(reference).all()):
        raise ValueError("features hold values that are not finite")

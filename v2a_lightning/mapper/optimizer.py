"""The optimiser of a run that names none."""

from collections.abc import Iterable
from typing import Any

from torch.optim import AdamW


def adamw(parameters: Iterable[Any]) -> AdamW:
    """AdamW with the settings of the public prior whose size is the paper's, in one pass over the weights."""
    return AdamW(parameters, lr=1.1e-4, betas=(0.9, 0.99), eps=1e-6, weight_decay=6.02e-2, fused=True)

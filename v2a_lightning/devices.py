"""Where to compute, and how to get there."""

from typing import TYPE_CHECKING

from v2a_lightning.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def choose_device(wanted: str) -> str:
    """The device itself, or for "auto" a GPU when there is one; UsageError when this machine has no such device."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"--device {wanted}: not to be had here ({str(error).splitlines()[0]})") from error
    return wanted


def send(tensor: "Tensor", device: "torch.device | str", dtype: "torch.dtype | None" = None) -> "Tensor":
    """The tensor on a device; to a GPU without waiting until that has done what it was given before.

    CUDA reads ordinary memory before such a call returns, so that the tensor may change or go afterwards.
    """
    return tensor.to(device, dtype, non_blocking=str(device).startswith("cuda"))


def is_remote(tensor: "Tensor") -> bool:
    """Whether the processor has to wait before it can read a tensor's values, as with one on a GPU."""
    return tensor.device.type != "cpu"

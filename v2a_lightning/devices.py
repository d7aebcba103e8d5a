"""Where to compute."""

from v2a_lightning.errors import UsageError


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

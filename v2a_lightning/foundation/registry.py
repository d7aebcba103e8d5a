"""Where checkpoints come from."""

from pathlib import Path

from v2a_lightning.errors import UsageError

MINIATURE = "miniature"


def resolve(checkpoint: str, kind: str) -> Path:
    """The file or folder that a checkpoint's name stands for."""
    if checkpoint == MINIATURE:
        path = Path(__file__).resolve().parent.parent / "miniature" / "weights" / kind
    else:
        path = Path(checkpoint).expanduser()
    if not path.exists():
        raise UsageError(f"{kind} checkpoint {checkpoint!r} is not there: {path} does not exist")
    return path

"""Clips that are not used, and why."""

from dataclasses import dataclass
from pathlib import Path

from v2a_lightning.media.errors import PASSING


@dataclass(frozen=True)
class Reject:
    """A clip that is not used.

    Args:
        clip_id: the clip.
        path: its file, or where it should be.
        reason: one of `v2a_lightning.media.Reason`.
        detail: what was found.
        stamp: size and time of the file; a file that has changed since is tried again.
    """

    clip_id: str
    path: str
    reason: str
    detail: str = ""
    stamp: str = ""

    @property
    def is_final(self) -> bool:
        """Whether trying again would end the same way."""
        return self.reason not in PASSING and self.stamp == file_stamp(self.path)


def file_stamp(path: Path | str) -> str:
    """Size and modification time of a file; empty when there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"

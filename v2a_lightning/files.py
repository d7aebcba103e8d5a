"""Writing files so that a reader sees the old one or the new one, never half of one, and never outside its folder."""

import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from v2a_lightning.errors import RunFailure, UsageError

# What a disk or its rights refuse.
REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
# Where safetensors puts the system's number of an error.
NUMBER = re.compile(r"\(os error (\d+)\)")
# In bytes.
LONGEST_NAME = 255
# Of a file's own name in that of its temporary, and what tells temporaries apart.
STEM_LENGTH, TEMPORARY = 40, re.compile("[a-z0-9_]{8}")


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved onto `path` when the block ends well and removed when it does not.

    It is on the disk before it gets its name, and keeps the suffix of `path`, by which many writers choose their
    format. RunFailure when the disk is full, or the folder cannot be written to; soundfile, numpy and torch do not say
    so: let them write into memory.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:STEM_LENGTH]}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise RunFailure(f"{path} cannot be written: {error.strerror}") from error
    temporary = Path(name)
    try:
        with refusals(path):
            yield temporary
            _to_disk(temporary)
            # mkstemp makes files only their owner can read; a result is as readable as any other file.
            temporary.chmod(0o666 & ~_umask())
            os.replace(temporary, path)
            _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def refusals(path: Path | str) -> Iterator[None]:
    """Raise RunFailure for what a disk or its rights refuse while `path` is written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if (reason := refusal(error)) is None:
            raise
        raise RunFailure(f"{path} cannot be written: {reason}") from error


def refusal(error: BaseException) -> str | None:
    """What a disk or its rights refused, in the system's words; None for an error of another kind."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, SafetensorError) and (told := NUMBER.search(str(error))):
        number = int(told[1])
    return os.strerror(number) if number in REFUSALS else None


def reserve(path: Path | str) -> None:
    """Give a file with holes its room, or raise OSError: writing through a map of it would end with a signal."""
    size = os.stat(path).st_size
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    elif shutil.disk_usage(Path(path).parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def remove_temporaries(folder: Path, stems: Iterable[str]) -> None:
    """Remove what killed `atomic_write`s left in a folder, of files with these stems. Nobody may be writing them."""
    wanted = {stem[:STEM_LENGTH] for stem in stems}
    for path in folder.glob(".*"):
        stem, _, unique = path.stem[1:].rpartition(".")
        if stem in wanted and TEMPORARY.fullmatch(unique):
            path.unlink()


def path_of_id(folder: Path | str, identifier: str, suffix: str) -> Path:
    """The file of a clip id in a folder; UsageError for an id whose file would stand outside of it."""
    refuse_unsafe_id(identifier, suffix)
    return Path(folder, f"{identifier}{suffix}")


def refuse_unsafe_id(identifier: str, suffix: str = "") -> None:
    """Raise UsageError for a clip id that is no plain file name: ids come from files that others wrote."""
    name = f"{identifier}{suffix}"
    unsafe = identifier in ("", ".", "..") or any(one in "/\\" or ord(one) < 32 or ord(one) == 127 for one in name)
    if unsafe or len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise UsageError(f"the clip id {identifier[:80]!r} cannot be the name of a file")


def refuse_inputs_as_outputs(inputs: Iterable[Path | str], outputs: Iterable[Path | str], option: str) -> None:
    """Raise UsageError, naming the first, where an output is an input; `option`, such as `--output`, is to change."""
    read = {_identity(path): path for path in inputs}
    for path in outputs:
        if (lost := read.get(_identity(path))) is not None:
            raise UsageError(f"{lost} is an input and would be written over; give another {option}")


def sha256_file(path: Path | str) -> str:
    """Hexadecimal sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(path: Path | str) -> tuple[int, int] | str:
    """Equal for two names of one file, links and other spellings included."""
    # Through a folder that is yet to be made, as in `new/../video.mp4`, only the resolved name is there.
    resolved = os.path.realpath(path)
    try:
        status = os.stat(resolved)
    except OSError:
        return resolved
    return status.st_dev, status.st_ino


def _to_disk(path: Path) -> None:
    is_folder = path.is_dir()
    if is_folder and sys.platform == "win32":
        return  # It opens no folders.
    handle = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems have no such thing, for folders above all.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

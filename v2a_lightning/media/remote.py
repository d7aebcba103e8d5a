"""Media files that are no plain files of this machine: behind a URL, or inside a tar."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias, TypeGuard, cast

from fsspec import open as open_url
from fsspec.core import url_to_fs

from v2a_lightning.errors import RunFailure
from v2a_lightning.media.errors import MediaError

COMPRESSIONS = {".tgz": "gzip", ".tar.gz": "gzip", ".tar.bz2": "bz2", ".tar.xz": "xz", ".tar.zst": "zstd"}
ARCHIVE_SUFFIXES = (".tar", *COMPRESSIONS)


@dataclass(frozen=True)
class RemoteFile:
    """A media file by its place in something else.

    Args:
        root: path or fsspec URL of a folder or a tar.
        inside: its name there, with the folders before it.
        offset: where it begins in a tar, decompressed; None in a folder.
        size: its bytes.
        stamp: changes with the file.
    """

    root: str
    inside: str
    offset: int | None = None
    size: int = 0
    stamp: str = ""

    def __str__(self) -> str:
        """Its URL, with which fsspec opens it."""
        return f"{self.root}/{self.inside}" if self.offset is None else f"tar://{self.inside}::{self.root}"

    @property
    def name(self) -> str:
        """Its own name, without folders."""
        return PurePosixPath(self.inside).name

    @property
    def stem(self) -> str:
        """The same without its suffix."""
        return PurePosixPath(self.inside).stem

    @property
    def suffix(self) -> str:
        """Of its name, with the dot."""
        return PurePosixPath(self.inside).suffix

    def read(self) -> bytes:
        """Its content; MediaError when it cannot be had."""
        # Every protocol has errors of its own, and few of them are an OSError.
        try:
            if is_packed(self):
                with ArchiveReader() as archive:
                    return archive.read(self)
            system, root = url_to_fs(self.root)
            if self.offset is None:
                return cast(bytes, system.cat_file(f"{root}/{self.inside}"))
            return cast(bytes, system.cat_file(root, start=self.offset, end=self.offset + self.size))
        except FileNotFoundError as error:
            raise MediaError(self, "missing") from error
        except Exception as error:
            raise MediaError(self, "unreachable", f"{error}".splitlines()[0] if f"{error}" else repr(error)) from error


MediaPath: TypeAlias = Path | RemoteFile


def is_packed(path: object) -> TypeGuard[RemoteFile]:
    """Whether all that stands before a file in its tar has to be decompressed to reach it."""
    return isinstance(path, RemoteFile) and path.offset is not None and compression_of(path.root) is not None


def compression_of(url: str) -> str | None:
    """How a tar is compressed, in fsspec's words, by its name; None when it is not."""
    return next((kind for suffix, kind in COMPRESSIONS.items() if url.lower().endswith(suffix)), None)


@contextmanager
def local_file(path: MediaPath) -> Iterator[Path]:
    """A file on this machine's disk for a block; one from elsewhere is a copy that is removed afterwards."""
    if isinstance(path, Path):
        yield path
        return
    content = path.read()
    with tempfile.TemporaryDirectory(prefix="v2a-media-") as folder:
        copy = Path(folder, f"clip{path.suffix}")
        copy.write_bytes(content)
        try:
            yield copy
        except MediaError as error:
            raise MediaError(path, error.reason, error.detail) from error


class ArchiveReader:
    """Reads members of compressed tars. In the order of their places each tar is decompressed once."""

    def __init__(self) -> None:
        self._root = ""
        self._stream: IO[bytes] | None = None
        self._opened = ExitStack()

    def __enter__(self) -> "ArchiveReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def read(self, file: RemoteFile) -> bytes:
        """A member's content; RunFailure for a tar that is damaged or that cannot be reached."""
        assert file.offset is not None
        try:
            if self._stream is None or file.root != self._root or self._stream.tell() > file.offset:
                self._opened.close()
                opened = open_url(file.root, "rb", compression=compression_of(file.root))
                self._stream, self._root = self._opened.enter_context(opened), file.root
            self._stream.seek(file.offset)
            content = self._stream.read(file.size)
        except Exception as error:
            raise RunFailure(f"{file.root} cannot be read ({error}); fetch it again") from error
        if len(content) != file.size:
            raise RunFailure(f"{file.root} ends inside {file.inside}; fetch it again")
        return content

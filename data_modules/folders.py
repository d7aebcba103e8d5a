"""A folder on a disk or behind any fsspec URL, in which files appear whole or not at all."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import atomic_write


@dataclass(frozen=True)
class Folder:
    """Where files are: a local path, or a URL such as `s3://bucket/folder`, for which fsspec needs its package."""

    url: str
    _system: Any = field(init=False, repr=False, compare=False)
    _root: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(str(self.url))
        except (ImportError, ValueError) as error:
            raise UsageError(f"{self.url}: {error}") from error
        object.__setattr__(self, "_system", system)
        object.__setattr__(self, "_root", root.rstrip("/"))
        if (path := self.local_path) and path.exists() and not path.is_dir():
            raise UsageError(f"{self.url} is a file, and a folder is wanted")

    @property
    def local_path(self) -> Path | None:
        """Where it is on this machine; None behind a URL."""
        return Path(self._root) if "file" in self._system.protocol else None

    def names(self, folder: str = "", suffix: str = "") -> list[str]:
        """Sorted names of what is in a subfolder, but hidden (unfinished) files; none when it is not there."""
        return list(self.sizes(folder, suffix))

    def sizes(self, folder: str = "", suffix: str = "") -> dict[str, int]:
        """The same names with the bytes of each."""
        path = f"{self._root}/{folder}".rstrip("/")
        # Other processes write here too.
        self._system.invalidate_cache()
        try:
            entries = self._system.ls(path, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise RunFailure(f"{self.url} cannot be listed: {error.strerror or error}") from error
        there = {entry["name"].rstrip("/"): int(entry.get("size") or 0) for entry in entries}
        found = {name.rpartition("/")[2]: size for name, size in there.items() if name != path}
        return {name: found[name] for name in sorted(found) if name.endswith(suffix) and not name.startswith(".")}

    def read(self, name: str) -> bytes:
        """Content of a file."""
        content: bytes = self._system.cat_file(f"{self._root}/{name}")
        return content

    def open(self, name: str) -> Any:
        """A readable, seekable file: for taking some columns and not the whole."""
        path = f"{self._root}/{name}"
        return path if self.local_path else self._system.open(path, "rb")

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._system.rm_file(f"{self._root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that a reader sees all of it or nothing. Object stores show an object when it is complete."""
        if self.local_path:
            with atomic_write(Path(self._root, name)) as temporary:
                temporary.write_bytes(content)
        else:
            self._system.pipe_file(f"{self._root}/{name}", content)

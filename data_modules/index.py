"""The index of an embedding store: which shards were written, how large they are, and the checksum of each.

Each writer keeps a list of its own shards, `index-<rank>-<token>.json`, and writes it anew after every shard; together
the lists are the index, so writers need not wait for one another. A shard that is listed and not there was lost. One
that is there and not listed was written by an earlier version, or its writer was killed just then: it is read like any
other, and listed when the next writer begins.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.progress import say
from v2a_lightning.errors import RunFailure, UsageError

STORE_VERSION = 2
"""1 had no index. A store of version 1 opens, and its shards are listed when it is written to."""
PREFIX, SUFFIX = "index-", ".json"
SHARD_SUFFIX = ".parquet"
Entries = dict[str, "ShardEntry"]
"""Shards by their path in the store."""


@dataclass(frozen=True)
class ShardEntry:
    """What the index says of a shard: its rows, its size in bytes and the sha256 of its content."""

    rows: int
    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes, rows: int) -> "ShardEntry":
        """The entry of a shard's content."""
        return cls(rows, len(content), hashlib.sha256(content).hexdigest())


class IndexWriter:
    """One writer's list of its shards."""

    def __init__(self, folder: Folder, rank: int) -> None:
        self.folder = folder
        self.name = f"{PREFIX}{rank:05d}-{secrets.token_hex(4)}{SUFFIX}"
        self._entries: Entries = {}

    def add(self, path: str, entry: ShardEntry) -> None:
        """List a shard that was written."""
        self._entries[path] = entry
        _write_list(self.folder, self.name, self._entries)


def read_index(folder: Folder) -> Entries:
    """Every listed shard.

    Raises:
        RunFailure: when a list is damaged.
        UsageError: when it is of a newer version.
    """
    return {path: entry for entries in _read_lists(folder).values() for path, entry in entries.items()}


def lost_shards(folder: Folder) -> Entries:
    """The shards that are listed and not there."""
    # In this order, since a shard is listed after it was written.
    index = read_index(folder)
    there = _paths(folder, {path.partition("/")[0] for path in index})
    return {path: entry for path, entry in index.items() if path not in there}


def mend_index(folder: Folder, subfolders: Iterable[str], rows_of: Callable[[str, bytes], int]) -> None:
    """Take lost shards from the index, saying so, and list those that are not in it. Only while nobody else writes.

    Args:
        folder: of the store.
        subfolders: its parts.
        rows_of: the number of rows of a shard, given its path and content; a RunFailure when it is damaged.
    """
    if lost := lost_shards(folder):
        rows = sum(entry.rows for entry in lost.values())
        say(f"{folder.url}: {len(lost)} shards with {rows} rows are lost, such as {min(lost)}; they are made again")
        for name, entries in _read_lists(folder).items():
            if left := {path: entry for path, entry in entries.items() if path not in lost}:
                _write_list(folder, name, left)
            else:
                folder.remove(name)
    unlisted = sorted(_paths(folder, subfolders) - read_index(folder).keys())
    if unlisted:
        say(f"{folder.url}: listing {len(unlisted)} shards of an earlier version, or of a writer that was killed")
        contents = ((path, folder.read(path)) for path in unlisted)
        found = {path: ShardEntry.of(content, rows_of(path, content)) for path, content in contents}
        _write_list(folder, f"{PREFIX}found-{secrets.token_hex(4)}{SUFFIX}", found)


def _write_list(folder: Folder, name: str, entries: Mapping[str, ShardEntry]) -> None:
    shards = {path: [entry.rows, entry.size, entry.sha256] for path, entry in entries.items()}
    folder.write(name, (json.dumps({"version": STORE_VERSION, "shards": shards}, indent=0) + "\n").encode())


def _read_lists(folder: Folder) -> dict[str, Entries]:
    """Every writer's list by its name."""
    names = [name for name in folder.names(suffix=SUFFIX) if name.startswith(PREFIX)]
    return {name: _read_list(folder, name) for name in names}


def _read_list(folder: Folder, name: str) -> Entries:
    try:
        content = json.loads(folder.read(name))
        version, shards = content["version"], content["shards"]
        if isinstance(version, int) and version > STORE_VERSION:
            raise UsageError(
                f"{folder.url} was written by a newer version (store version {version}; this one reads up to "
                f"{STORE_VERSION}); update this program, or give another data.store"
            )
        return {str(path): ShardEntry(int(rows), int(size), str(hash)) for path, (rows, size, hash) in shards.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RunFailure(
            f"{folder.url}/{name} is damaged ({type(error).__name__}: {error}); delete it and run `embed` again, which "
            "lists the shards anew"
        ) from error


def _paths(folder: Folder, subfolders: Iterable[str]) -> set[str]:
    return {f"{subfolder}/{name}" for subfolder in subfolders for name in folder.names(subfolder, SHARD_SUFFIX)}

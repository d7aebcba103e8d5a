"""Parquet shards with an index: many small files with one table in them, written by one process each and read as one.

Each writer keeps a list of its own shards, `index-<rank>-<token>.json`, and writes it anew after every shard; together
the lists are the index, so writers need not wait for one another. A listed shard that is not there was lost. One that
is there and not listed was written by an earlier version, or its writer was killed just then: it is read like any
other, and listed by `mend_index`.
"""

import hashlib
import io
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.progress import say

STORE_VERSION = 2
"""1 had no index. A store of version 1 opens, and its shards are listed when it is written to."""
SHARD_SUFFIX = ".parquet"
PARTS = ("frames-", "audio-", "rejects-")
# What reading a damaged file raises, whichever part of it is damaged.
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError)


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


Index = dict[str, ShardEntry]
"""Shards by their path in the store."""


@dataclass(frozen=True)
class Shard:
    """Some columns of a shard; `numbers` is how many its list column has, whether that was read or not."""

    path: str
    table: pa.Table
    metadata: dict[str, str]
    numbers: int


def read_index(folder: Folder) -> Index:
    """Every listed shard; RunFailure when a list is damaged, UsageError when it is of a newer version."""
    return {path: entry for name in _lists(folder) for path, entry in _read_list(folder, name).items()}


def lost_shards(folder: Folder) -> Index:
    """The shards that are listed and not there."""
    # In this order, since a shard is listed after it was written.
    index = read_index(folder)
    there = _paths(folder)
    return {path: entry for path, entry in index.items() if path not in there}


def mend_index(folder: Folder) -> None:
    """Log and forget lost shards, and list unlisted ones; one list then has all. Only while nobody else writes."""
    lists, index, there = _lists(folder), read_index(folder), _paths(folder)
    lost, unlisted = sorted(index.keys() - there), sorted(there - index.keys())
    if lost:
        rows = sum(index[path].rows for path in lost)
        say(f"{folder.url}: {len(lost)} shards with {rows} rows are lost, such as {lost[0]}; they are made again")
    if unlisted:
        say(f"{folder.url}: listing {len(unlisted)} shards of an earlier version, or of a writer that was killed")
    if lost or unlisted:
        kept = {path: entry for path, entry in index.items() if path in there}
        found = {path: _entry_of(folder, path) for path in unlisted}
        _write_list(folder, f"index-mended-{secrets.token_hex(4)}.json", kept | found)
        for name in lists:
            folder.remove(name)


def _entry_of(folder: Folder, path: str) -> ShardEntry:
    content = folder.read(path)
    try:
        return ShardEntry.of(content, pq.read_metadata(pa.BufferReader(content)).num_rows)
    except DAMAGE as error:
        raise damaged(folder, path, error) from error


def _paths(folder: Folder) -> set[str]:
    """Every shard that is there."""
    parts = [name for name in folder.names() if name.startswith(PARTS)]
    return {f"{part}/{name}" for part in parts for name in folder.names(part, SHARD_SUFFIX)}


def _lists(folder: Folder) -> list[str]:
    return [name for name in folder.names(suffix=".json") if name.startswith("index-")]


def _write_list(folder: Folder, name: str, entries: Index) -> None:
    shards = {path: [entry.rows, entry.size, entry.sha256] for path, entry in entries.items()}
    folder.write(name, (json.dumps({"version": STORE_VERSION, "shards": shards}, indent=0) + "\n").encode())


def _read_list(folder: Folder, name: str) -> Index:
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


def read_shards(folder: Folder, subfolder: str, columns: Sequence[str], whole: bool = False) -> Iterator[Shard]:
    """Some columns of each shard of a subfolder, in the order of the shards' names.

    With `whole`, all of each shard is read, and its checksum compared with the index's; otherwise its size, and the
    checksums of the pages that are read. RunFailure when a shard is damaged or lost, naming it.
    """
    index = {path: entry for path, entry in read_index(folder).items() if path.startswith(f"{subfolder}/")}
    sizes = {f"{subfolder}/{name}": size for name, size in folder.sizes(subfolder, SHARD_SUFFIX).items()}
    if lost := sorted(index.keys() - sizes.keys()):
        rows = sum(index[path].rows for path in lost)
        raise RunFailure(
            f"{folder.url}: {len(lost)} shards with {rows} rows are lost, such as {lost[0]}; put them back, or run "
            "`embed`, which makes them again"
        )
    for path, size in sizes.items():
        try:
            yield _read_shard(folder, path, size, columns, index.get(path), whole)
        except DAMAGE as error:
            raise damaged(folder, path, error) from error


def _read_shard(
    folder: Folder, path: str, size: int, columns: Sequence[str], entry: ShardEntry | None, whole: bool
) -> Shard:
    if entry is not None and size != entry.size:
        raise ValueError(f"it has {size} bytes where {entry.size} were written")
    content = folder.read(path) if whole else None
    if content is not None and entry is not None and ShardEntry.of(content, entry.rows) != entry:
        raise ValueError("its checksum is another than when it was written")
    source = folder.open(path) if content is None else pa.BufferReader(content)
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        table = file.read(columns=list(columns))
        numbers = _list_numbers(file.metadata)
        metadata = {key.decode(): value.decode() for key, value in (file.schema_arrow.metadata or {}).items()}
    # The footer has no checksum of its own, and says how many rows to read.
    if entry is not None and len(table) != entry.rows:
        raise ValueError(f"it has {len(table)} rows where {entry.rows} were written")
    table.validate(full=True)
    for name in columns:
        column = table[name]
        if not _is_written_as(name, column.type) or column.null_count:
            raise ValueError(f"its column {name} is of type {column.type}, {column.null_count} values are missing")
    return Shard(path, table, metadata, numbers)


def damaged(folder: Folder, path: str, why: BaseException | str) -> RunFailure:
    """The error of a shard that cannot be what was written."""
    reason = f"{why}".splitlines() or [type(why).__name__]
    return RunFailure(f"{folder.url}/{path} is damaged ({reason[0]}); delete it and run `embed` again")


def _is_written_as(name: str, kind: pa.DataType) -> bool:
    if name in ("frames", "audio"):
        return bool(pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))
    return bool(pa.types.is_integer(kind) if name == "num_frames" else pa.types.is_string(kind))


def _list_numbers(metadata: Any) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(chunk.num_values for chunk in chunks if "." in chunk.path_in_schema)


class IndexWriter:
    """One writer's list of its shards."""

    def __init__(self, folder: Folder, rank: int) -> None:
        self.folder = folder
        self.name = f"index-{rank:05d}-{secrets.token_hex(4)}.json"
        self._entries: Index = {}

    def add(self, path: str, entry: ShardEntry) -> None:
        """List a shard that was written."""
        self._entries[path] = entry
        _write_list(self.folder, self.name, self._entries)


class ShardWriter:
    """Collects rows and writes them as shards of its own: no two writers share a file.

    A shard is written when it has `rows` rows, or its first one is `seconds` old, so that little is lost when the
    process is killed; then `written` is called. Values of list columns are arrays of any shape. An empty `subfolder` is
    all of the folder.
    """

    def __init__(
        self,
        folder: Folder,
        subfolder: str,
        schema: Mapping[str, pa.DataType],
        metadata: Mapping[str, str],
        rank: int = 0,
        rows: int = 1024,
        seconds: float = 60.0,
        written: Callable[[str, ShardEntry], None] = lambda path, entry: None,
    ) -> None:
        self.folder = folder
        self.schema = pa.schema(list(schema.items()), dict(metadata))
        self.rows = rows
        self.seconds = seconds
        self.written = written
        self._prefix = f"{subfolder}/part-{rank:05d}-{secrets.token_hex(4)}".lstrip("/")
        self._number = 0
        self._pending: list[Mapping[str, Any]] = []
        self._since = 0.0

    def append(self, row: Mapping[str, Any]) -> None:
        """Take a row: a value for each column."""
        if not self._pending:
            self._since = time.monotonic()
        self._pending.append(row)
        if len(self._pending) >= self.rows or time.monotonic() - self._since >= self.seconds:
            self.flush()

    def flush(self) -> None:
        """Write what has been taken; every page carries a checksum."""
        if not self._pending:
            return
        table = pa.table([self._column(field) for field in self.schema], schema=self.schema)
        buffer = io.BytesIO()
        # Embeddings do not compress and do not repeat; ids and labels are small beside them.
        pq.write_table(table, buffer, compression="none", use_dictionary=False, write_page_checksum=True)
        path = f"{self._prefix}-{self._number:06d}{SHARD_SUFFIX}"
        self.folder.write(path, buffer.getvalue())
        self.written(path, ShardEntry.of(buffer.getvalue(), len(table)))
        self._number += 1
        self._pending = []

    def _column(self, field: pa.Field) -> pa.Array:
        values = [row[field.name] for row in self._pending]
        if pa.types.is_list(field.type):
            dtype = field.type.value_type.to_pandas_dtype()
            values = [np.asarray(value, dtype).reshape(-1) for value in values]
        return pa.array(values, field.type)

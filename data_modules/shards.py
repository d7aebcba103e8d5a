"""Parquet shards: many small files with one table in them, written by one process each and read as one."""

import io
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from v2a_lightning.data_modules.folders import Folder
from v2a_lightning.data_modules.index import SHARD_SUFFIX, ShardEntry, read_index
from v2a_lightning.errors import RunFailure

# What reading a damaged file raises, whichever part of it is damaged.
DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Shard:
    """Some columns of a shard.

    Args:
        path: in the store.
        table: the columns.
        metadata: as it was written.
        numbers: how many numbers the shard's list column has, whether it was read or not.
    """

    path: str
    table: pa.Table
    metadata: dict[str, str]
    numbers: int


def _write_shard(folder: Folder, name: str, table: pa.Table, metadata: Mapping[str, str]) -> ShardEntry:
    """Write a table with its metadata; every page carries a checksum. Returns what an index says of it."""
    table = table.replace_schema_metadata(dict(metadata))
    buffer = io.BytesIO()
    # Embeddings do not compress and do not repeat; ids and labels are small beside them.
    pq.write_table(table, buffer, compression="none", use_dictionary=False, write_page_checksum=True)
    folder.write(name, buffer.getvalue())
    return ShardEntry.of(buffer.getvalue(), len(table))


def read_shards(folder: Folder, subfolder: str, columns: Sequence[str], whole: bool = False) -> Iterator[Shard]:
    """Some columns of each shard of a subfolder, in the order of the shards' names.

    Args:
        folder: of the store.
        subfolder: a part of it.
        columns: which.
        whole: read all of each shard, and compare its checksum with the index's. Otherwise its size is compared, and
            the checksums of the pages that are read.

    Raises:
        RunFailure: when a shard is damaged or lost, naming it.
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
        yield _read_shard(folder, path, size, columns, index.get(path), whole)


def _read_shard(
    folder: Folder, path: str, size: int, columns: Sequence[str], entry: ShardEntry | None, whole: bool
) -> Shard:
    try:
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
        _check_columns(table, columns)
    except DAMAGE as error:
        raise damaged(folder, path, error) from error
    return Shard(path, table, metadata, numbers)


def damaged(folder: Folder, path: str, why: BaseException | str) -> RunFailure:
    """The error of a shard that cannot be what was written."""
    reason = f"{why}".splitlines() or [type(why).__name__]
    return RunFailure(f"{folder.url}/{path} is damaged ({reason[0]}); delete it and run `embed` again")


def rows_of(folder: Folder, path: str, content: bytes) -> int:
    """How many rows a shard has; a RunFailure when it is damaged."""
    try:
        return int(pq.read_metadata(pa.BufferReader(content)).num_rows)
    except DAMAGE as error:
        raise damaged(folder, path, error) from error


def _check_columns(table: pa.Table, columns: Sequence[str]) -> None:
    """Raises ValueError unless every column is there, has the type it is written with, and a value in each row."""
    for name in columns:
        column = table[name]
        if name == "num_frames":
            right = pa.types.is_integer(column.type)
        elif name in ("frames", "audio"):
            right = pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type)
        else:
            right = pa.types.is_string(column.type)
        if not right or column.null_count:
            raise ValueError(f"its column {name} is of type {column.type}, {column.null_count} values are missing")


def _list_numbers(metadata: Any) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    return sum(chunk.num_values for chunk in chunks if "." in chunk.path_in_schema)


def embedding_column(rows: Sequence[NDArray[Any]], dtype: str) -> pa.Array:
    """Embeddings of shape (T, D) or (D,), T free in each row, as a list column of T * D numbers."""
    flat = [np.ascontiguousarray(row, dtype=dtype).reshape(-1) for row in rows]
    offsets = np.cumsum([0, *(len(row) for row in flat)], dtype=np.int32)
    values = np.concatenate(flat) if flat else np.zeros(0, dtype)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def column_values(column: pa.ChunkedArray) -> NDArray[Any]:
    """All numbers of a list column, one row after the other."""
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(chunks) if len(chunks) != 1 else chunks[0]


def list_lengths(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """How many numbers each row of a list column has."""
    chunks = [np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks]
    return np.concatenate(chunks).astype(np.int64) if chunks else np.zeros(0, np.int64)


class ShardWriter:
    """Collects rows and writes them as shards of its own: no two writers share a file.

    Args:
        folder: where to.
        subfolder: the table's part of the folder; empty for all of it.
        schema: names and types of the columns; `embeddings` names those given as arrays.
        metadata: written into every shard.
        rank: the process, for the shard's name.
        rows: a shard is written when it has this many rows,
        seconds: or when its first row is this old, so that little is lost when the process is killed.
        written: called for every shard that was written.
    """

    def __init__(
        self,
        folder: Folder,
        subfolder: str,
        schema: Mapping[str, Any],
        metadata: Mapping[str, str],
        rank: int = 0,
        rows: int = 1024,
        seconds: float = 60.0,
        written: Callable[[str, ShardEntry], None] = lambda path, entry: None,
    ) -> None:
        self.folder = folder
        self.subfolder = subfolder
        self.schema = dict(schema)
        self.metadata = metadata
        self.rows = rows
        self.seconds = seconds
        self.written = written
        self._prefix = f"part-{rank:05d}-{secrets.token_hex(4)}"
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
        """Write what has been taken."""
        if not self._pending:
            return
        columns = {name: self._column(name, kind) for name, kind in self.schema.items()}
        name = f"{self._prefix}-{self._number:06d}{SHARD_SUFFIX}"
        path = f"{self.subfolder}/{name}" if self.subfolder else name
        self.written(path, _write_shard(self.folder, path, pa.table(columns), self.metadata))
        self._number += 1
        self._pending = []

    def _column(self, name: str, kind: Any) -> pa.Array:
        values = [row[name] for row in self._pending]
        if pa.types.is_list(kind):
            return embedding_column(values, kind.value_type.to_pandas_dtype())
        return pa.array(values, kind)

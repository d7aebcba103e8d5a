"""Parquet shards: many small files with one table in them, written by one process each and read as one."""

import io
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data_modules.folders import Folder
from v2a_lightning.errors import RunFailure

SUFFIX = ".parquet"


def write_shard(folder: Folder, name: str, table: pa.Table, metadata: Mapping[str, str]) -> None:
    """Write a table with its metadata; every page carries a checksum."""
    table = table.replace_schema_metadata(dict(metadata))
    buffer = io.BytesIO()
    # Embeddings do not compress and do not repeat; ids and labels are small beside them.
    pq.write_table(table, buffer, compression="none", use_dictionary=False, write_page_checksum=True)
    folder.write(name, buffer.getvalue())


def read_shards(folder: Folder, subfolder: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of each shard of a subfolder, in the order of the shards' names.

    Raises:
        RunFailure: when a shard is damaged.
    """
    for name in folder.names(subfolder, SUFFIX):
        path = _joined(subfolder, name)
        try:
            yield pq.read_table(folder.open(path), columns=list(columns), page_checksum_verification=True)
        except (pa.ArrowInvalid, OSError) as error:
            raise RunFailure(
                f"{folder.url}/{path} is damaged ({str(error).splitlines()[0]}); delete it and run again"
            ) from error


def shard_metadata(folder: Folder, subfolder: str) -> dict[str, str]:
    """Metadata of the first shard of a subfolder; empty when there is no shard."""
    names = folder.names(subfolder, SUFFIX)
    if not names:
        return {}
    found = pq.read_schema(folder.open(_joined(subfolder, names[0]))).metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


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


def _joined(subfolder: str, name: str) -> str:
    return f"{subfolder}/{name}" if subfolder else name


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
    ) -> None:
        self.folder = folder
        self.subfolder = subfolder
        self.schema = dict(schema)
        self.metadata = metadata
        self.rows = rows
        self.seconds = seconds
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
        name = _joined(self.subfolder, f"{self._prefix}-{self._number:06d}{SUFFIX}")
        write_shard(self.folder, name, pa.table(columns), self.metadata)
        self._number += 1
        self._pending = []

    def _column(self, name: str, kind: Any) -> pa.Array:
        values = [row[name] for row in self._pending]
        if pa.types.is_list(kind):
            return embedding_column(values, kind.value_type.to_pandas_dtype())
        return pa.array(values, kind)

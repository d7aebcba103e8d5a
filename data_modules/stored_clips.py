"""What the shards of a store hold, as one row a clip: where the shards' order ends and that of the clips begins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.data_modules.clips import checked_id
from v2a_lightning.data_modules.shards import Shard, damaged
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.errors import RunFailure

# Strings with 64-bit offsets: the paths of many clips are more than 2 GB.
FACTS = pa.schema(
    [*((name, pa.large_string()) for name in ("clip_id", "label", "split", "path")), ("num_frames", pa.int64())]
)
# What no id may hold or be, and how long it may be with a suffix; `refuse_unsafe_id` looks at each such id.
SUSPECT, LONGEST = r"[/\\\x00-\x1f\x7f]|^\.{0,2}$", 250


@dataclass(frozen=True)
class Layout:
    """Shape and type of a tensor, such as a tower's embeddings: one row a clip."""

    shape: tuple[int, ...]
    dtype: torch.dtype


Allocate = Callable[[Mapping[str, Layout]], Mapping[str, Tensor]]
"""Makes the tensors of some layouts, all zeros."""


@dataclass(frozen=True)
class StoredClips:
    """N clips that every tower of a spec has.

    Args:
        facts: clip_id, label, split, path and num_frames of each: N rows of `FACTS`.
        embeddings: (N, T, D) by subfolder of a tower, zeros where a clip has fewer than T vectors.
    """

    facts: pa.Table
    embeddings: Mapping[str, Tensor]

    @property
    def lengths(self) -> Tensor:
        """(N,) how many frames each clip has."""
        return torch.from_numpy(self.facts["num_frames"].to_numpy().copy())

    def longest(self, clip_ids: Sequence[str] | None) -> int:
        """The most frames that one of some clips has, or one of all."""
        facts = self.facts
        if clip_ids is not None:
            facts = facts.filter(pc.is_in(facts["clip_id"], pa.array(clip_ids, pa.large_string())))
        return int(pc.max(facts["num_frames"]).as_py() or 1)

    def column(self, name: str) -> list[str]:
        """A column of strings."""
        column: list[str] = self.facts[name].to_pylist()
        return column

    def classes(self, name: str) -> list[str]:
        """A column of few different strings, of which equal ones are one object."""
        encoded = self.facts[name].combine_chunks().dictionary_encode()
        values = np.array([*encoded.dictionary.to_pylist(), ""], object)
        column: list[str] = values[encoded.indices.to_numpy()].tolist()
        return column


def zeros(layouts: Mapping[str, Layout]) -> dict[str, Tensor]:
    """Tensors in memory."""
    return {name: torch.zeros(layout.shape, dtype=layout.dtype) for name, layout in layouts.items()}


def read_clips(store: EmbeddingStore, spec: StoreSpec, facts: pa.Table, allocate: Allocate = zeros) -> StoredClips:
    """The embeddings of some clips, in the order of their facts."""
    rows = {clip_id: row for row, clip_id in enumerate(facts["clip_id"].to_pylist())}
    longest = pc.max(facts["num_frames"]).as_py() or 1
    layouts = {tower.subfolder: _layout(store, tower, len(facts), longest) for tower in spec.towers}
    embeddings = allocate(layouts)
    for tower in spec.towers:
        _read(store, tower, rows, embeddings[tower.subfolder])
    return StoredClips(facts, embeddings)


def read_facts(store: EmbeddingStore, spec: StoreSpec, clip_ids: Sequence[str] | None = None) -> pa.Table:
    """Everything but the embeddings, of the clips that all towers have: in the order of `clip_ids`, or all, by id."""
    first, *others = spec.towers
    tables = [_checked(store, shard) for shard, _, _ in tower_shards(store, first, FACTS.names[:-1])]
    facts = pa.concat_tables(tables) if tables else FACTS.empty_table()
    rows = {clip_id: row for row, clip_id in enumerate(facts["clip_id"].to_pylist())}
    known = rows.keys() & store.complete(others) if others else rows.keys()
    wanted = sorted(known) if clip_ids is None else [one for one in dict.fromkeys(clip_ids) if one in known]
    return facts.take(pa.array([rows[clip_id] for clip_id in wanted], pa.int64())).combine_chunks()


def _checked(store: EmbeddingStore, shard: Shard) -> pa.Table:
    refuse_unsafe_ids(f"{store.url}/{shard.path}", shard.table["clip_id"])
    return shard.table.select(FACTS.names).cast(FACTS)


def refuse_unsafe_ids(where: str, clip_ids: pa.ChunkedArray) -> None:
    """UsageError when an id cannot be the name of a file, naming where it stands."""
    suspect = pc.or_(pc.match_substring_regex(clip_ids, SUSPECT), pc.greater(pc.binary_length(clip_ids), LONGEST))
    for clip_id in clip_ids.filter(suspect).to_pylist():
        checked_id(where, clip_id)


def tower_shards(
    store: EmbeddingStore, tower: Tower, columns: Sequence[str], whole: bool = False
) -> Iterator[tuple[Shard, NDArray[np.int64], int]]:
    """Each shard, how many vectors each of its clips has, and their width; a RunFailure when these contradict it.

    They are compared before memory is allocated: for a wrong number of frames that would be too much.
    """
    counted = ["num_frames"] if tower.kind == "frames" else []
    width = 0
    for shard in store.shards(tower, [*columns, *counted], whole):
        table = shard.table
        counts = table["num_frames"].to_numpy().astype(np.int64) if counted else np.full(len(table), tower.tokens)
        total = int(counts.sum())
        if not len(counts) or counts.min() < 1 or shard.numbers % total or not shard.numbers:
            raise damaged(store.folder, shard.path, f"num_frames counts {total} frames in {shard.numbers} numbers")
        width, before = shard.numbers // total, width
        if before not in (0, width):
            raise damaged(store.folder, shard.path, f"its embeddings have {width} numbers, those before it {before}")
        yield shard, counts, width


def _layout(store: EmbeddingStore, tower: Tower, count: int, longest: int) -> Layout:
    """As the first shard has it; of no width when there is none."""
    tokens = longest if tower.kind == "frames" else tower.tokens
    for shard, _, width in tower_shards(store, tower, [tower.kind]):
        numbers = np.dtype(shard.table[tower.kind].type.value_type.to_pandas_dtype())
        return Layout((count, tokens, width), torch.from_numpy(np.empty(0, numbers)).dtype)
    return Layout((count, tokens, 0), torch.float32)


def _read(store: EmbeddingStore, tower: Tower, rows: Mapping[str, int], result: Tensor) -> None:
    """Put a tower's embeddings into the rows (N, T, D) of their clips."""
    for shard, counts, width in tower_shards(store, tower, ["clip_id", tower.kind], whole=True):
        lists = shard.table[tower.kind].combine_chunks()
        if not np.array_equal(lists.value_lengths().to_numpy(), counts * width):
            raise damaged(store.folder, shard.path, f"num_frames is not what its {tower.kind} have")
        values = torch.from_numpy(lists.flatten().to_numpy(zero_copy_only=False).copy()).view(-1, width)
        clip_ids = shard.table["clip_id"].to_pylist()
        _refuse_not_finite(f"{store.url}/{shard.path}", values, clip_ids, counts)
        _place(result, values, np.array([rows.get(clip_id, -1) for clip_id in clip_ids], dtype=np.int64), counts)


def _refuse_not_finite(path: str, values: Tensor, clip_ids: Sequence[str], counts: NDArray[Any]) -> None:
    """RunFailure where values (sum of counts, D) of clips are not finite: earlier versions stored such embeddings."""
    # A sum is not finite when one of its parts is not, and takes a fraction of the time that looking at each does.
    if bool(values.float().sum().isfinite()):
        return
    clips = sorted(set(np.repeat(clip_ids, counts)[~values.isfinite().all(1).numpy()]))
    if not clips:
        return
    named = ", ".join(clips[:5]) + (", ..." if len(clips) > 5 else "")
    raise RunFailure(
        f"{path}: the embeddings of {len(clips)} clips hold values that are not finite ({named}); delete this shard "
        "and run `embed` again, which rejects such clips"
    )


def _place(result: Tensor, values: Tensor, targets: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Copy a shard's embeddings (sum of counts, D) to the rows (-1: to none) their clips have in the result."""
    clips = np.repeat(targets, counts)
    positions = np.arange(len(clips)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = torch.from_numpy((clips >= 0) & (positions < result.shape[1]))
    # Flat row numbers let one index_copy_ serve clips of any number of frames.
    flat = torch.from_numpy(clips * result.shape[1] + positions)
    result.view(-1, result.shape[2]).index_copy_(0, flat[kept], values[kept].to(result.dtype))

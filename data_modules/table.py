"""Embeddings in memory: a batch is a few gathers from large tensors, so that loading costs next to nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from v2a_lightning.data_modules.clips import Clip, checked_id
from v2a_lightning.data_modules.shards import Shard, damaged
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.devices import send
from v2a_lightning.encoders.base import SOLE
from v2a_lightning.errors import RunFailure
from v2a_lightning.widths import Widths

Batch = dict[str, Any]


@dataclass(frozen=True)
class EmbeddingTable:
    """N clips and their embeddings, in the precision of the store.

    Args:
        clip_ids: their ids.
        labels: their labels.
        splits: names of their splits.
        paths: their media files.
        frames: (N, T, D); a clip with fewer than T frames is filled with zeros. Of several encoders, by their names.
        lengths: (N,) how many frames each clip has.
        target: (N, tokens, D), or None for clips without sound.
    """

    clip_ids: list[str]
    labels: list[str]
    splits: list[str]
    paths: list[str]
    frames: Tensor | Mapping[str, Tensor]
    lengths: Tensor
    target: Tensor | None

    def __len__(self) -> int:
        return len(self.clip_ids)

    def rows(self, clips: Sequence[Clip]) -> list[int]:
        """The rows of those of some clips that are here."""
        rows = {clip_id: row for row, clip_id in enumerate(self.clip_ids)}
        return [rows[clip.clip_id] for clip in clips if clip.clip_id in rows]

    def described_by(self, clips: Sequence[Clip]) -> "EmbeddingTable":
        """The same embeddings with the labels that `clips` have today."""
        labels = dict(zip(self.clip_ids, self.labels, strict=True)) | {clip.clip_id: clip.label for clip in clips}
        return replace(self, labels=[labels[clip_id] for clip_id in self.clip_ids])

    def batch(self, rows: Sequence[int]) -> Batch:
        """The batch every data module gives: clip_id, label, frames, frame_mask and, where there is sound, target."""
        device = self.lengths.device
        index = send(torch.as_tensor(rows, dtype=torch.long), device)
        views = self.frames if isinstance(self.frames, Mapping) else {SOLE: self.frames}
        chosen = {name: view.index_select(0, index).float() for name, view in views.items()}
        longest = next(iter(chosen.values())).shape[1]
        batch: Batch = {
            "clip_id": [self.clip_ids[row] for row in rows],
            "label": [self.labels[row] for row in rows],
            "frames": chosen if isinstance(self.frames, Mapping) else chosen[SOLE],
            "frame_mask": torch.arange(longest, device=device) < self.lengths.index_select(0, index)[:, None],
        }
        if self.target is not None:
            batch["target"] = self.target.index_select(0, index).float()
        return batch


class EmbeddingDataset(Dataset[Batch]):
    """Some rows of a table. `__getitems__` gives a whole batch; the DataLoader's collate function has nothing to do."""

    def __init__(self, table: EmbeddingTable, rows: Sequence[int]) -> None:
        self.table = table
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        return self.table.batch([self.rows[index]])

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.table.batch([self.rows[index] for index in indices])


def load_table(store: EmbeddingStore, spec: StoreSpec, clip_ids: Sequence[str] | None = None) -> EmbeddingTable:
    """Read the clips that every tower of a spec has, in the order of `clip_ids`, or all, sorted by id.

    RunFailure when a shard is damaged or lost, or holds values that are not finite; it is named, and the clips.
    """
    known = _known(store, spec)
    wanted = sorted(known) if clip_ids is None else [clip_id for clip_id in dict.fromkeys(clip_ids) if clip_id in known]
    rows = {clip_id: row for row, clip_id in enumerate(wanted)}
    facts = [known[clip_id] for clip_id in wanted]
    lengths = torch.tensor([fact["num_frames"] for fact in facts], dtype=torch.long)
    longest = int(lengths.max()) if len(lengths) else 1
    frames = {key: _read(store, tower, rows, longest) for key, tower in spec.by_encoder.items()}
    return EmbeddingTable(
        clip_ids=wanted,
        labels=[fact["label"] for fact in facts],
        splits=[fact["split"] for fact in facts],
        paths=[fact["path"] for fact in facts],
        frames=frames[SOLE] if isinstance(spec.frames, Tower) else frames,
        lengths=lengths,
        target=None if spec.audio is None else _read(store, spec.audio, rows, spec.audio.tokens),
    )


def widths_of(store: EmbeddingStore, spec: StoreSpec) -> Widths:
    """Widths of the embeddings of a store, from the first shard of each encoder."""

    def width(tower: Tower) -> int:
        return next(_shards(store, tower, ["clip_id"]))[2]

    frames = {key: (tower.encoder, width(tower)) for key, tower in spec.by_encoder.items()}
    if spec.audio is None:
        return Widths(frames)
    return Widths(frames, spec.audio.encoder, spec.audio.tokens, width(spec.audio))


def _known(store: EmbeddingStore, spec: StoreSpec) -> dict[str, dict[str, Any]]:
    """Everything but the embeddings, of the clips that all towers have."""
    facts: dict[str, dict[str, Any]] = {}
    first, *others = spec.towers
    for shard, _, _ in _shards(store, first, ["clip_id", "label", "split", "path"]):
        for fact in shard.table.to_pylist():
            facts[checked_id(f"{store.url}/{shard.path}", fact["clip_id"])] = fact
    complete = store.complete(others) if others else facts
    return {clip_id: fact for clip_id, fact in facts.items() if clip_id in complete}


def _shards(
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


def _read(store: EmbeddingStore, tower: Tower, rows: dict[str, int], longest: int) -> Tensor:
    """A tower's embeddings as (N, longest, D), zeros where a clip has fewer."""
    result = torch.zeros(0, longest, 0)
    for shard, counts, width in _shards(store, tower, ["clip_id", tower.kind], whole=True):
        lists = shard.table[tower.kind].combine_chunks()
        if not np.array_equal(lists.value_lengths().to_numpy(), counts * width):
            raise damaged(store.folder, shard.path, f"num_frames is not what its {tower.kind} have")
        values = torch.from_numpy(lists.flatten().to_numpy(zero_copy_only=False).copy()).view(-1, width)
        clip_ids = shard.table["clip_id"].to_pylist()
        _refuse_not_finite(f"{store.url}/{shard.path}", values, np.repeat(clip_ids, counts))
        if not result.shape[2]:
            result = torch.zeros(len(rows), longest, width, dtype=values.dtype)
        _place(result, values, np.array([rows.get(clip_id, -1) for clip_id in clip_ids], dtype=np.int64), counts)
    return result


def _refuse_not_finite(path: str, values: Tensor, clip_ids: NDArray[Any]) -> None:
    """RunFailure where values (V, D) of clips (V,) are not finite: earlier versions stored such embeddings."""
    # A sum is not finite when one of its parts is not, and takes a fraction of the time that looking at each does.
    if bool(values.float().sum().isfinite()):
        return
    clips = sorted(set(clip_ids[~values.isfinite().all(1).numpy()]))
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

"""Embeddings in memory: a batch is a few gathers from large tensors, so that loading costs next to nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from v2a_lightning.data_modules.clips import Clip
from v2a_lightning.data_modules.compacted import open_compacted
from v2a_lightning.data_modules.store import EmbeddingStore
from v2a_lightning.data_modules.stored_clips import read_clips, read_facts, tower_shards
from v2a_lightning.data_modules.towers import StoreSpec, Tower
from v2a_lightning.devices import send
from v2a_lightning.encoders.base import SOLE
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
    """The clips that every tower of a spec has.

    Of a compacted store it is all of them, sorted by id: they are mapped and not read, and all processes of a machine
    share them. Otherwise `clip_ids` alone are read, in their order, or all. RunFailure when a shard is damaged or lost,
    or holds values that are not finite; it is named, and the clips.
    """
    clips = open_compacted(store, spec) or read_clips(store, spec, read_facts(store, spec, clip_ids))
    longest = clips.longest(clip_ids)
    frames = {key: clips.embeddings[tower.subfolder][:, :longest] for key, tower in spec.by_encoder.items()}
    return EmbeddingTable(
        clip_ids=clips.column("clip_id"),
        labels=clips.classes("label"),
        splits=clips.classes("split"),
        paths=clips.column("path"),
        frames=frames[SOLE] if isinstance(spec.frames, Tower) else frames,
        lengths=clips.lengths,
        target=None if spec.audio is None else clips.embeddings[spec.audio.subfolder],
    )


def widths_of(store: EmbeddingStore, spec: StoreSpec) -> Widths:
    """Widths of the embeddings of a store, from the first shard of each encoder."""

    def width(tower: Tower) -> int:
        return next(tower_shards(store, tower, []))[2]

    frames = {key: (tower.encoder, width(tower)) for key, tower in spec.by_encoder.items()}
    if spec.audio is None:
        return Widths(frames)
    return Widths(frames, spec.audio.encoder, spec.audio.tokens, width(spec.audio))

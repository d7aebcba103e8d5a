"""The clips that a mapper was trained on, as they stand in its run's embedding store."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.app.demo.explanation import Neighbour, nearest_of
from v2a_lightning.data_modules.store import EmbeddingStore


class TrainingClips:
    """The clips a mapper was trained on, in the embedding store of its run."""

    title = "Nearest training clips"

    def __init__(self, url: str) -> None:
        self.store = EmbeddingStore(url)

    @property
    def are_there(self) -> bool:
        """Whether the store holds frames and one kind of target."""
        return bool(self.store.towers("frames")) and len(self.store.towers("audio")) == 1

    @cached_property
    def clips(self) -> tuple[list[str], Tensor]:
        """Label and id of each clip of the training split, and the embeddings (clips, N * D)."""
        frames, audio = self.store.towers("frames")[0], self.store.towers("audio")[0]
        shards = self.store.shards(frames, ["clip_id", "label", "split"])
        facts = [row for shard in shards for row in shard.table.to_pylist()]
        labels = {row["clip_id"]: row["label"] for row in facts if row["split"] == "train"}
        names: list[str] = []
        rows: list[Any] = []
        for shard in self.store.shards(audio, ["clip_id", "audio"]):
            for clip_id, row in zip(shard.table["clip_id"].to_pylist(), shard.table["audio"], strict=True):
                if clip_id in labels:
                    names.append(f"{labels[clip_id]} ({clip_id})")
                    rows.append(row.values.to_numpy())
        return names, torch.from_numpy(np.stack(rows).astype(np.float32))

    def nearest(self, target: Tensor) -> list[Neighbour]:
        """See `Neighbours`."""
        names, embeddings = self.clips
        return nearest_of(target, embeddings, names)

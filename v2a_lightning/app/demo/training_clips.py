"""The clips that a mapper was trained on, as they stand in its run's embedding store."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2a_lightning.data_modules.store import EmbeddingStore


def training_clips(store: EmbeddingStore) -> tuple[list[str], Tensor]:
    """Label and id of each clip of the training split, and the targets (clips, N * D)."""
    frames, audio = store.towers("frames")[0], store.towers("audio")[0]
    shards = store.shards(frames, ["clip_id", "label", "split"])
    facts = [row for shard in shards for row in shard.table.to_pylist()]
    labels = {row["clip_id"]: row["label"] for row in facts if row["split"] == "train"}
    names: list[str] = []
    rows: list[Any] = []
    for shard in store.shards(audio, ["clip_id", "audio"]):
        for clip_id, row in zip(shard.table["clip_id"].to_pylist(), shard.table["audio"], strict=True):
            if clip_id in labels:
                names.append(f"{labels[clip_id]} ({clip_id})")
                rows.append(row.values.to_numpy())
    return names, torch.from_numpy(np.stack(rows).astype(np.float32))

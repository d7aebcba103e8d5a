"""Why a sound sounds as it does: which frames counted, and what the mapper's target lies near."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from torch.nn.functional import normalize

from v2a_lightning.miniature.world.events import EVENTS
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.runs import CONFIG_FILE, run_of

NEAREST = 5
CAPTIONS = [f"{event.name} {event.verb}" for event in EVENTS]


@dataclass(frozen=True)
class Neighbours:
    """Things in the space of a mapper's targets.

    Args:
        title: what they are.
        read: gives their names and their embeddings (things, N * D).
    """

    title: str
    read: Callable[[], tuple[list[str], Tensor]]

    @cached_property
    def content(self) -> tuple[list[str], Tensor]:
        """Read once."""
        names, embeddings = self.read()
        return names, normalize(embeddings.float().cpu(), dim=-1)

    def nearest(self, target: Tensor) -> list[tuple[str, float]]:
        """The names of the nearest to a target (N, D), nearest first, and their cosines with it."""
        names, embeddings = self.content
        best = (embeddings @ normalize(target.flatten().float().cpu(), dim=0)).topk(min(NEAREST, len(names)))
        return [(names[index], value) for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)]


def find_neighbours(checkpoint: str, pipeline: V2APipeline) -> Neighbours | None:
    """The training clips in the store of the checkpoint's run; without it, of the miniature its captions."""
    config = run_of(Path(checkpoint)) / CONFIG_FILE
    data = (yaml.safe_load(config.read_text()) or {}).get("data") if config.is_file() else None
    arguments: Mapping[str, Any] = (data or {}).get("init_args") or {}
    url = arguments.get("store") or (str(Path(arguments["root"], "store")) if "root" in arguments else None)
    if url is not None:
        # They bring Lightning, whose import takes seconds.
        from v2a_lightning.app.demo.training_clips import training_clips
        from v2a_lightning.data_modules.store import EmbeddingStore

        store = EmbeddingStore(url)
        if store.towers("frames") and store.towers("audio"):
            return Neighbours("Nearest training clips", lambda: training_clips(store))
    if not pipeline.generator.name.endswith(":miniature"):
        return None
    captions = "Nearest captions of the miniature's events"
    return Neighbours(captions, lambda: (CAPTIONS, pipeline.generator.target_of_text(CAPTIONS).flatten(1)))


def frame_weights(pipeline: V2APipeline, frames: Any) -> list[float] | None:
    """How much the mapper's aggregator makes of each frame of uint8 (T, H, W, 3); None where it weighs none."""
    if isinstance(pipeline.encoder, Mapping):
        return None
    aggregator = pipeline.mapper.inference_aggregator or pipeline.mapper.aggregator
    encoded = pipeline.encoder.encode_frames(frames)[None].float().to(pipeline.device)
    weights = aggregator.weights(encoded, torch.ones_like(encoded[..., 0], dtype=torch.bool))
    return None if weights is None else weights[0].tolist()

"""Why a sound sounds as it does: which frames counted, and what the mapper's target lies near."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from torch import Tensor
from torch.nn.functional import normalize

from v2a_lightning.miniature.world.events import EVENTS
from v2a_lightning.pipeline import V2APipeline
from v2a_lightning.runs import CONFIG_FILE, run_of

NEAREST = 5
CAPTIONS = [f"{event.name} {event.verb}" for event in EVENTS]
Neighbour = tuple[str, float]
"""What it is, and its cosine with the target."""


class Neighbours(Protocol):
    """Things in the space of a mapper's targets."""

    title: str

    def nearest(self, target: Tensor) -> list[Neighbour]:
        """The nearest to a target (N, D), nearest first."""
        ...


class Captions:
    """Captions of the miniature's events, by CLAP's text tower."""

    title = "Nearest captions of the miniature's events"

    def __init__(self, pipeline: V2APipeline) -> None:
        self.pipeline = pipeline

    @cached_property
    def embeddings(self) -> Tensor:
        """(28, N * D)"""
        return self.pipeline.generator.target_of_text(CAPTIONS).flatten(1).float().cpu()

    def nearest(self, target: Tensor) -> list[Neighbour]:
        """See `Neighbours`."""
        return nearest_of(target, self.embeddings, CAPTIONS)


def find_neighbours(checkpoint: str, pipeline: V2APipeline) -> Neighbours | None:
    """The training clips in the store of the checkpoint's run; without it, of the miniature its captions."""
    config = run_of(Path(checkpoint)) / CONFIG_FILE
    data = (yaml.safe_load(config.read_text()) or {}).get("data") if config.is_file() else None
    arguments: Mapping[str, Any] = (data or {}).get("init_args") or {}
    url = arguments.get("store") or (str(Path(arguments["root"], "store")) if "root" in arguments else None)
    if url is not None:
        from v2a_lightning.app.demo.training_clips import TrainingClips  # it brings Lightning

        clips = TrainingClips(url)
        if clips.are_there:
            return clips
    return Captions(pipeline) if pipeline.generator.name.endswith(":miniature") else None


def frame_weights(pipeline: V2APipeline, frames: Any) -> list[float] | None:
    """How much the mapper's aggregator makes of each frame of uint8 (T, H, W, 3); None where it weighs none."""
    if isinstance(pipeline.encoder, Mapping):
        return None
    aggregator = pipeline.mapper.inference_aggregator or pipeline.mapper.aggregator
    encoded = pipeline.encoder.encode_frames(frames)[None].float().to(pipeline.device)
    weights = aggregator.weights(encoded, torch.ones_like(encoded[..., 0], dtype=torch.bool))
    return None if weights is None else weights[0].tolist()


def nearest_of(target: Tensor, embeddings: Tensor, names: Sequence[str]) -> list[Neighbour]:
    """The rows (rows, N * D) nearest to a target (N, D), by name."""
    cosines = normalize(embeddings, dim=-1) @ normalize(target.flatten().float().cpu(), dim=0)
    best = cosines.topk(min(NEAREST, len(names)))
    return [(names[index], value) for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)]

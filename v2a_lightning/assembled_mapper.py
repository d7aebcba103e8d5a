"""A mapper put together: from frame embeddings to what a generator is conditioned on. Needs no Trainer."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from v2a_lightning.checkpoints.weights import without_values
from v2a_lightning.components import construct
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper.base import Aggregator, Frames, Network, Objective
from v2a_lightning.randomness import Generators
from v2a_lightning.saved_mapper import PARTS, OnTheHub, read_mapper, save_pretrained


class Mapper(nn.Module, OnTheHub):
    """Aggregator, network and objective together: from frame embeddings to what a generator is conditioned on.

    `save_pretrained(folder)` writes weights, config and a card; `push_to_hub("owner/name")` puts them on the Hub.

    Args:
        network: what predicts.
        objective: noise, loss and sampling.
        aggregator: one condition from a clip's frames.
        inference_aggregator: replaces the aggregator outside training.
        sampling_steps: network evaluations for one target.
        guidance: scale of classifier-free guidance; 1 is the plain conditional model.
        seed: of all that is drawn.

    Raises:
        UsageError: when the parts are made for different widths, or the inference aggregator has weights.
    """

    init_from: str | None = None
    """The mapper whose weights the training began with."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        aggregator: Aggregator,
        inference_aggregator: Aggregator | None = None,
        sampling_steps: int = 50,
        guidance: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if inference_aggregator is not None and list(inference_aggregator.parameters()):
            name = type(inference_aggregator).__name__
            raise UsageError(f"inference_aggregator: {name} has weights, so it has to be trained as the aggregator")
        if objective.dim is not None and objective.dim != network.condition_dim:
            raise UsageError(
                f"model.objective {type(objective).__name__} is made for conditions of width {objective.dim} (dim) and "
                f"model.network {type(network).__name__} for {network.condition_dim} (condition_dim)"
            )
        self.network = network
        self.objective = objective
        self.aggregator = aggregator
        self.inference_aggregator = inference_aggregator
        self.sampling_steps = sampling_steps
        self.guidance = guidance
        self.seed = seed

    def describe(self) -> dict[str, Any]:
        """How to make this mapper again, but for its optimiser: plain values, as in a YAML."""
        parts = {name: getattr(self, name) for name in (*PARTS, "inference_aggregator")}
        described = {name: part.describe() if part is not None else None for name, part in parts.items()}
        settings = {name: getattr(self, name) for name in ("sampling_steps", "guidance", "seed")}
        return {**described, **settings, **({"init_from": self.init_from} if self.init_from else {})}

    @torch.no_grad()
    def sample(
        self,
        frames: Frames,
        frame_mask: Tensor | None = None,
        *,
        generator: Generators,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Draw one target for each clip.

        Args:
            frames: (B, T, D) frame embeddings, L2-normalised; of several encoders, a dict of them.
            frame_mask: (B, T), true where a frame is real; all are when not given.
            generator: one for the batch, or one for each clip; with the latter a clip never depends on its neighbours.
            steps: instead of `sampling_steps`.
            guidance: instead of `guidance`.

        Returns:
            (B, N, D) float32, L2-normalised unless the objective has a `target_scale`.
        """
        if frame_mask is None:
            some = frames if isinstance(frames, Tensor) else next(iter(frames.values()))
            frame_mask = torch.ones(some.shape[:2], dtype=torch.bool, device=some.device)
        return self.objective.sample(
            self.network,
            self.condition(self.inference_aggregator or self.aggregator, frames, frame_mask, generator),
            self.sampling_steps if steps is None else steps,
            self.guidance if guidance is None else guidance,
            generator,
        )

    def condition(self, aggregator: Aggregator, frames: Frames, mask: Tensor, generator: Generators) -> Tensor:
        """Conditions (B, C) of frames (B, T, D) with a mask (B, T); UsageError when the widths do not fit."""
        wanted = getattr(aggregator, "dim", None)
        if isinstance(frames, Tensor) and wanted not in (None, frames.shape[-1]):
            raise UsageError(f"frame embeddings have width {frames.shape[-1]} and the aggregator {wanted}")
        if not isinstance(frames, Tensor) and not aggregator.joins:
            raise UsageError(
                f"{type(aggregator).__name__} takes the frames of one encoder, and the data has several "
                f"({', '.join(frames)}); give model.aggregator JointAggregator"
            )
        condition: Tensor = aggregator(frames, mask, generator)
        if condition.shape[-1] != self.network.condition_dim:
            raise UsageError(
                f"frame embeddings have width {condition.shape[-1]} and the network {self.network.condition_dim}"
            )
        return condition

    def _save_pretrained(self, save_directory: Path) -> None:
        save_pretrained(self, save_directory)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:  # type: ignore[override]
        """A mapper ready to sample from: of a checkpoint file, a folder of `save_pretrained`, or a Hugging Face name.

        Raises:
            UsageError: when there is no mapper there.
        """
        saved = read_mapper(source)
        config = dict(saved.config)
        origin = config.pop("init_from", None)
        with without_values():
            mapper = construct(cls, config, saved.path)
        saved.load_into(mapper)
        mapper.init_from = origin
        return mapper.eval()

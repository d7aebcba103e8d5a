"""The generator protocol: what makes sound of the condition that a mapper predicts."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from v2a_lightning.components import Identified
from v2a_lightning.errors import RunFailure, UsageError


@dataclass(frozen=True)
class Condition:
    """What a generator is conditioned on: `tokens` vectors of `width` numbers, each L2-normalised or not."""

    tokens: int = 1
    width: int = 512
    normalized: bool = True


@dataclass(frozen=True)
class Agreement:
    """Whether an encoder gives the targets a generator was trained with: True, False, or None where nothing tells."""

    same: bool | None
    evidence: str


class Generator(Identified, ABC):
    """Makes sound of conditions. Callbacks, pipeline, commands and studies know this and no generator by name.

    One of your own has `sample_rate`, `condition` and `generate`; with `target` it can be trained for without another
    encoder. Its constructor's arguments are plain values, which its description in cards and saved pipelines repeats.
    """

    channels: int = 1
    batch_size: int = 8
    """Sounds made at once."""
    bytes_per_second: float = 0.0
    """Memory for each second of each of them beside the weights; 0 where that is next to nothing, or not known."""
    reports_steps: bool = False
    """Whether `generate` takes `on_step`, which it calls after each sampling step of each batch."""
    scheduler: Any = None
    """diffusers' scheduler that is sampled with, where there is one; another may be put in its place."""
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""

    @property
    @abstractmethod
    def condition(self) -> Condition:
        """The shape of what it is conditioned on."""

    @abstractmethod
    def generate(
        self,
        condition: Tensor,
        *,
        seconds: float,
        seeds: Sequence[int],
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Make sound.

        Args:
            condition: (B, N, D), or (B, D) where N is 1.
            seconds: length of each waveform.
            seeds: one per row; a row's sound depends on its own condition and seed alone.
            steps: sampling steps, if not the generator's own.
            guidance: guidance scale, if not the generator's own.

        Returns:
            (B, samples) float32 on the CPU; not clipped.

        Raises:
            ValueError: when shapes or the number of seeds do not fit.
            UsageError: when steps or guidance are out of range, or the generator has none.
            RunFailure: when a condition is not finite.
        """

    def target(
        self, waveforms: Tensor | NDArray[np.float32], sample_rate: int, labels: Sequence[str] | None = None
    ) -> Tensor:
        """The condition (B, N, D) float32 under which the generator would make these very sounds.

        They are (B, samples) float in [-1, 1] at `sample_rate` Hz, with labels for generators that take texts.
        """
        raise UsageError(f"{self.name} does not compute targets; name an encoder that does")

    def target_of_text(self, texts: Sequence[str]) -> Tensor:
        """(B, N, D) float32: the condition that texts stand for, of a generator that reads texts."""
        raise UsageError(f"{self.name} reads no texts; mix them in the visual encoder's space (--text_space clip)")

    def sampling(self, steps: int | None = None, guidance: float | None = None) -> dict[str, Any]:
        """The steps and the guidance that are taken when these are given, for the record of what was generated.

        Raises:
            UsageError: when they are out of range, or the generator has none.
        """
        given = {"steps": steps, "guidance": guidance}
        if unknown := [name for name, value in given.items() if value is not None]:
            raise UsageError(f"{self.name} has no {unknown[0]} to set; leave --{unknown[0]} out")
        return {}

    def agreement(self, _encoder: Any) -> Agreement | None:
        """Whether an encoder's embeddings are what it was trained with; None when it cannot compare."""
        return None

    def load(self) -> Self:
        return self

    def to(self, device: torch.device | str) -> Self:
        self.device = torch.device(device)
        return self

    def checked(self, condition: Tensor, seeds: Sequence[int], seconds: float) -> Tensor:
        """What `generate` was given, as float32 (B, N, D).

        Raises:
            ValueError: when shapes, the number of seeds or the seconds do not fit.
            RunFailure: when a number is not finite.
        """
        tokens, width = self.condition.tokens, self.condition.width
        rows = condition[:, None] if condition.ndim == 2 and tokens == 1 else condition
        if rows.ndim != 3 or rows.shape[1:] != (tokens, width):
            short = f" or (B, {width})" if tokens == 1 else ""
            raise ValueError(f"a condition has the shape (B, {tokens}, {width}){short}, not {tuple(condition.shape)}")
        if len(seeds) != len(rows):
            raise ValueError(f"{len(seeds)} seeds for {len(rows)} conditions; give one per row")
        if not 0 < seconds < math.inf:
            raise ValueError(f"seconds is a number above 0, not {seconds:g}")
        if not torch.isfinite(rows).all():
            raise RunFailure(
                "a condition is not finite: the mapper's weights are not, or the precision is too narrow for them "
                "(--trainer.precision 16-true is, on a CPU above all; 32-true and bf16-mixed are not)"
            )
        return rows.float()

"""What a call of a pipeline is for, checked before anything is read, and how far it is."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from v2a_lightning.errors import UsageError
from v2a_lightning.progress import PATIENCE_SECONDS
from v2a_lightning.randomness import Generators, clip_seed
from v2a_lightning.sources import Frames, find_sources
from v2a_lightning.steering import Space, Steering

OnProgress = Callable[[int, int], None]
"""Is called with the steps done and the steps in all."""


@dataclass(frozen=True)
class Request:
    """The arguments of `V2APipeline.__call__`.

    Raises:
        TypeError: when a source is nothing of the kind.
        UsageError: when a number is out of its range, or there are not as many of a thing as sources.
    """

    source: Any
    prompt: str | Sequence[str] | None
    negative_prompt: str | Sequence[str] | None
    prompt_strength: float
    negative_strength: float
    prompt_space: Space
    num_waveforms_per_prompt: int
    best_of: int
    num_inference_steps: int | None
    guidance_scale: float | None
    seconds: float | None
    seed: int | None
    generator: Generators | None
    name: str | Sequence[str] | None

    def __post_init__(self) -> None:
        names = ("num_waveforms_per_prompt", "best_of", "num_inference_steps")
        counts = {name: getattr(self, name) for name in names}
        check_numbers(counts, {"seconds": self.seconds}, {"guidance_scale": self.guidance_scale})
        if self.seed is not None and self.generator is not None:
            raise UsageError("seed and generator are two ways to say which noise; give one of them")
        waveforms = len(self.sources) * self.num_waveforms_per_prompt
        if isinstance(self.generator, Sequence) and len(self.generator) != waveforms:
            raise UsageError(f"{len(self.generator)} generators for {waveforms} waveforms; give one, or one for each")
        assert len(self.steerings) == len(self.names)

    @property
    def many(self) -> bool:
        """Whether a list was given."""
        return isinstance(self.source, list | tuple)

    @cached_property
    def sources(self) -> list[Path | Frames]:
        """Files, and frames uint8 (T, H, W, 3)."""
        return find_sources(self.source)

    @cached_property
    def steerings(self) -> list[Steering]:
        """How texts change the sound of each source."""
        texts = zip(self._each("prompt"), self._each("negative_prompt"), strict=True)
        options = self.prompt_strength, self.negative_strength, self.prompt_space
        return [Steering(text, negative, *options) for text, negative in texts]

    @cached_property
    def names(self) -> list[str]:
        """What the noise of each source belongs to."""
        usual = [
            source.stem if isinstance(source, Path) else str(index) if self.many else ""
            for index, source in enumerate(self.sources)
        ]
        return [given or own for given, own in zip(self._each("name"), usual, strict=True)]

    def seeds(self, index: int, window: int) -> list[int]:
        """Of a source's window: candidate by candidate, waveform by waveform."""
        each, name = self.best_of, self.names[index]
        rows = range(self.num_waveforms_per_prompt * each)
        if self.generator is None:
            return [clip_seed(self.seed or 0, f"{name}/{window}" if window else name, row) for row in rows]
        first = index * self.num_waveforms_per_prompt
        one = self.generator
        return [_draw(one[first + row // each] if isinstance(one, Sequence) else one) for row in rows]

    def _each(self, argument: str) -> list[str | None]:
        """An argument for each source."""
        value, sources = getattr(self, argument), len(self.sources)
        if value is None or isinstance(value, str):
            return [value] * sources
        if len(value) != sources:
            raise UsageError(f"{argument} has {len(value)} entries for {sources} sources; give one, or one for each")
        return list(value)


def check_numbers(
    counts: Mapping[str, int | None], positive: Mapping[str, float | None], others: Mapping[str, float | None]
) -> None:
    """Refuse what cannot be made.

    Args:
        counts: by name, whole numbers of at least 1, or None.
        positive: numbers above 0.
        others: numbers of at least 0.

    Raises:
        UsageError: when a number is out of its range.
    """
    for name, number in counts.items():
        if number is not None and (not isinstance(number, Integral) or number < 1):
            raise UsageError(f"{name} is at least 1, not {number}")
    for name, value in positive.items():
        if value is not None and not 0 < value < math.inf:
            raise UsageError(f"{name} is a number above 0, not {value:g}")
    for name, value in others.items():
        if value is not None and not 0 <= value < math.inf:
            raise UsageError(f"{name} is a number of at least 0, not {value:g}")


@contextmanager
def steps_shown(total: int, bar: Mapping[str, Any], on_progress: OnProgress | None) -> Iterator[Callable[[], None]]:
    """Show a bar with the time left; yields what is to be called after each step.

    Args:
        total: steps in all.
        bar: tqdm's options.
        on_progress: is called after each step, too.
    """
    numbers = count(1)
    with tqdm(**{"total": total, "delay": PATIENCE_SECONDS, "unit": "step", **bar}) as shown:

        def step() -> None:
            shown.update()
            if on_progress is not None:
                on_progress(next(numbers), total)

        yield step


def _draw(generator: torch.Generator) -> int:
    return int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))

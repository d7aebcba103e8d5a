"""Many inputs to sound: in batches, on one device or shared by several, with the time left."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v2a_lightning.errors import RunFailure, UsageError, V2AError
from v2a_lightning.files import path_of_id
from v2a_lightning.media import MediaError, copy_with_sound, is_picture, write_waveform
from v2a_lightning.processes import spawned_processes
from v2a_lightning.progress import progress

if TYPE_CHECKING:
    from torch import Tensor

    from v2a_lightning.pipeline import V2APipeline

Parts = tuple[str, str | None, str | None]
"""Checkpoint, encoder and generator of a pipeline."""
OnShare = Callable[[float], None]
"""Is called with the share of a batch that is done."""


@dataclass(frozen=True)
class Input:
    """A file, the names of its sounds, and what is recorded of it."""

    file: Path
    names: Sequence[str]
    source: dict[str, str]


@dataclass
class Outcome:
    """What became of an input: its sounds by name, or the reason why there are none; and lines for the terminal."""

    input: Input
    sounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    reason: str | None = None
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Order:
    """How sounds are made, wherever.

    Args:
        folder: where they are written to.
        options: of the pipeline's call.
    """

    folder: Path
    options: dict[str, Any]

    def make(self, pipeline: "V2APipeline", batch: Sequence[Input], on_share: OnShare | None = None) -> list[Outcome]:
        """Make and write the sounds of some inputs together; where that fails, of each by itself."""
        report = None if on_share is None else lambda done, total: on_share(done / total)
        try:
            paths = [[path_of_id(self.folder, name, ".wav") for name in one.names] for one in batch]
            source = batch[0].file if len(batch) == 1 else [one.file for one in batch]
            made: Any = pipeline(source, **self.options, on_progress=report)
            sounds = [made] if len(batch) == 1 else made
            for one, waveforms in zip(batch, sounds, strict=True):
                if not waveforms.isfinite().all():
                    # A file could not tell.
                    raise RunFailure(f"{one.file}: the sound is not finite")
        except V2AError as error:
            if len(batch) == 1:
                return [Outcome(batch[0], reason=str(error))]
            return [outcome for one in batch for outcome in self.make(pipeline, [one])]
        return [self._write(pipeline, *one) for one in zip(batch, paths, sounds, strict=True)]

    def _write(self, pipeline: "V2APipeline", one: Input, paths: Sequence[Path], waveforms: "Tensor") -> Outcome:
        outcome = Outcome(one)
        for sample, (path, waveform) in enumerate(zip(paths, waveforms, strict=True)):
            write_waveform(path, waveform.numpy(), pipeline.sample_rate)
            outcome.lines.append(str(path))
            copied = self._copy(pipeline, one.file, path, waveform, outcome.lines) if moves(one.file) else {}
            outcome.sounds[path.stem] = {**one.source, "seed": self.options["seed"], "sample": sample, **copied}
        return outcome

    def _copy(
        self, pipeline: "V2APipeline", file: Path, path: Path, waveform: "Tensor", lines: list[str]
    ) -> dict[str, str]:
        """Write a copy of a clip with its sound.

        Returns:
            the copy's name, or why there is none.
        """
        place = waveform.numpy(), pipeline.sample_rate, path.parent, path.stem
        try:
            copy = copy_with_sound(file, *place, seconds=self.options["seconds"])
        except (MediaError, UsageError) as error:
            lines.append(f"{path}: there is no copy of the clip with it: {error}")
            return {"no_video": str(error)}
        lines.append(str(copy))
        return {"video": copy.name}


def moves(file: Path) -> bool:
    """Whether there is to be a copy of the input with its sound."""
    try:
        return not is_picture(file)
    except MediaError:
        return False


def outcomes(
    order: Order, pipeline: "V2APipeline", parts: Parts, devices: Sequence[str], inputs: Sequence[Input], batch: int
) -> Generator[Outcome]:
    """Make the sounds of all inputs; each outcome as soon as it is known.

    Args:
        order: how.
        pipeline: on the first device; the others open their own.
        parts: of which they do.
        devices: each has a process of its own where there are several.
        inputs: whose sounds are wanted.
        batch: how many inputs are made together.
    """
    batches = [inputs[start : start + batch] for start in range(0, len(inputs), batch)]
    with progress("generating", len(inputs)) as advance:
        if len(devices) == 1:
            pipeline.set_progress_bar_config(disable=True)
            for one in batches:
                yield from order.make(pipeline, one, lambda share, one=one: advance(0, share * len(one)))  # type: ignore[misc]
                advance(len(one))
            return
        with ExitStack() as stack:
            pools = [stack.enter_context(spawned_processes(1)) for _ in devices]
            for pool in pools:
                stack.callback(pool.shutdown, cancel_futures=True)
            for pool, device in zip(pools, devices, strict=True):
                pool.submit(_open, parts, device).result()
            made = [pools[index % len(pools)].submit(_make, order, one) for index, one in enumerate(batches)]
            for future in as_completed(made):
                yield from future.result()
                advance(len(future.result()))


_opened: list["V2APipeline"] = []
"""Of a process that makes some of the sounds."""


def _open(parts: Parts, device: str) -> None:
    from v2a_lightning.pipeline import V2APipeline

    pipeline = V2APipeline.from_pretrained(*parts, device)
    pipeline.set_progress_bar_config(disable=True)
    _opened.append(pipeline)


def _make(order: Order, batch: Sequence[Input]) -> list[Outcome]:
    return order.make(_opened[0], batch)

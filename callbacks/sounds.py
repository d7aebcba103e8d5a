"""The sounds of one evaluation: the files they are in, and what is written down of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from v2a_lightning.callbacks.clip_selection import MappedClip
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.files import path_of_id, remove_temporaries
from v2a_lightning.generation import GenerationRecord
from v2a_lightning.generators import Generator
from v2a_lightning.media import write_waveform
from v2a_lightning.progress import Advance
from v2a_lightning.randomness import clip_seed
from v2a_lightning.ranks import gather_lists, rank_and_count


class Stages:
    """How far generating and scoring are, each of which counts for one half; one may be ahead of the other."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._generated, self._scored, self._stopped = 0, 0, False

    def generating(self, clips: float) -> None:
        """So much of the next batch is generated; ends the generation that nobody waits for any more."""
        if self._stopped:
            raise RunFailure("generation was stopped")
        self._advance(0, (self._generated + clips - self._scored) / 2)

    def generated_batch(self, clips: int, failed: int) -> None:
        """A batch is generated, of which these clips will not be scored."""
        self._generated += clips
        self._scored += failed
        self._advance(failed, (self._generated - self._scored) / 2)

    def scored_clip(self) -> None:
        """One more is scored."""
        self._scored += 1
        self._advance(1, (self._generated - self._scored) / 2)

    def stop(self) -> None:
        """No more is wanted."""
        self._stopped = True


@dataclass
class Sounds:
    """What one process generated of its share of the clips. Every sound is a file: what is scored is what can be heard.

    Args:
        folder: gets the wav files of the clips in `kept`.
        scratch: gets the others.
        sample_rate: of the waveforms, in Hz.
        seed: of the noise.
        record: writes down what was made; None where nothing is kept.
        made: clips whose sounds an earlier call, which was stopped, left in `folder`.
        clips: those that were made into sound and scored.
        failures: the clips that were not, and why.
    """

    folder: Path
    scratch: Path
    kept: Collection[str]
    sample_rate: int
    seed: int
    record: GenerationRecord | None = None
    made: frozenset[str] = frozenset()
    clips: list[MappedClip] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def take_up(self) -> None:
        """Take over what an earlier call left. Every process has to call it; they all get what the first one sees."""
        found: list[str] = []
        if self.record is not None and rank_and_count()[0] == 0:
            self.record.begin()
            remove_temporaries(self.folder, self.kept)
            found = [clip_id for clip_id in self.record.sounds if self.path(clip_id).is_file()]
        self.made = frozenset(gather_lists(found)) & frozenset(self.kept)

    def write_down(self) -> None:
        """Put what was scored and what failed since the last time on the disk."""
        if self.record is None:
            return
        known = self.record.sounds.keys() | self.record.left_out.keys()
        scored = {clip.clip_id: {"seed": self.seed_of(clip.clip_id)} for clip in self.clips}
        failed = {one["clip_id"]: {"reason": one["reason"]} for one in self.failures}
        self.record.add(
            {name: sound for name, sound in scored.items() if name in self.kept and name not in known},
            {name: outcome for name, outcome in failed.items() if name not in known},
        )

    def close(self) -> None:
        """Let the next call take over."""
        if self.record is not None:
            self.record.close()

    def seed_of(self, clip_id: str) -> int:
        """A clip's own seed: its noise is the same in every epoch, batch and process."""
        return clip_seed(self.seed, clip_id)

    def path(self, clip_id: str) -> Path:
        """The wav file of a clip; UsageError when its id cannot be the name of a file."""
        return path_of_id(self.folder if clip_id in self.kept else self.scratch, clip_id, ".wav")

    def make(
        self, batch: Sequence[MappedClip], generator: Generator, seconds: float, on_step: Callable[[float], None]
    ) -> list[MappedClip]:
        """Generate a batch's sounds, write those that are missing, and return the clips that have one.

        `on_step` is called with the share of the steps that is done times the clips, where the generator reports them.
        """
        finite = [clip for clip in batch if clip.embedding.isfinite().all()]
        seeds = [self.seed_of(clip.clip_id) for clip in finite]
        waveforms: Sequence[Tensor] = ()
        if finite:
            conditions = torch.stack([clip.embedding for clip in finite]).to(generator.device)
            steps, done = generator.sampling().get("steps", 1), count(1)
            step = {"on_step": lambda: on_step(len(batch) * next(done) / steps)}
            reported: dict[str, Any] = step if generator.reports_steps else {}
            waveforms = list(generator.generate(conditions, seconds=seconds, seeds=seeds, **reported).cpu())
        made = dict(zip([clip.clip_id for clip in finite], waveforms, strict=True))
        return [clip for clip in batch if self._is_written(clip.clip_id, made.get(clip.clip_id))]

    def _is_written(self, clip_id: str, waveform: Tensor | None) -> bool:
        """Write a clip's waveform if it is missing; False, with the reason among the failures, where it cannot be."""
        try:
            if waveform is None or not waveform.isfinite().all():
                # Whole-number samples could not tell.
                what = "the mapper's embedding" if waveform is None else "the generated sound"
                raise RunFailure(f"{clip_id}: {what} is not finite")
            path = self.path(clip_id)
        except (RunFailure, UsageError) as error:
            self.fail(clip_id, str(error))
            return False
        if clip_id not in self.made:
            write_waveform(path, waveform.numpy(), self.sample_rate)
        return True

    def fail(self, clip_id: str, reason: str) -> None:
        """Leave a clip out."""
        self.failures.append({"clip_id": clip_id, "reason": reason})

    def take_back(self, clip_id: str, reason: str) -> None:
        """Leave out a clip whose sound is written."""
        self.path(clip_id).unlink(missing_ok=True)
        self.fail(clip_id, reason)

    def records(self, run: Path, data: Any) -> list[dict[str, Any]]:
        """For each kept file of a run's folder what a report needs to show it beside its clip."""
        return [
            {
                "clip_id": clip.clip_id,
                "label": clip.label,
                "source": str(data.source(clip.clip_id)),
                "wave": str(self.path(clip.clip_id).relative_to(run)),
                "seed": self.seed_of(clip.clip_id),
            }
            for clip in self.clips
            if clip.clip_id in self.kept
        ]

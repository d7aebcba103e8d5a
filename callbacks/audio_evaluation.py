"""Every epoch: sound from the mapper's embeddings, scored against true sound and frames, and written to listen to."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from v2a_lightning.callbacks.clip_selection import MappedClip, Selection, mapped_clips, own_batches
from v2a_lightning.callbacks.evaluation_files import clip_files, describe_generation, write_evaluation
from v2a_lightning.callbacks.logged_clips import LoggedClip, log_evaluation, media_loggers
from v2a_lightning.callbacks.sounds import Sounds, Stages
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.evaluation.suite import EvaluationSuite
from v2a_lightning.generation import GenerationRecord
from v2a_lightning.generators import Generator
from v2a_lightning.media import prefetch
from v2a_lightning.progress import progress
from v2a_lightning.ranks import gather_lists, rank_and_count
from v2a_lightning.runs import EVALUATION_FILE


class AudioEvaluation(Callback):
    """Drives the generator with the embeddings that `validation_step` returned, and logs `val/fd`, `val/fad`, `val/kl`,
    `val/is` and `val/cs` through the module, so that checkpoints, early stopping and sweeps can go by them.

    What is scored is what is written: 24-bit wav files, read again and compared with the clips' own files, as the
    `evaluate` command does it. The options beside the sounds, `evaluate.yaml`, give it the same numbers.

    All processes share the generation. An epoch without an evaluation keeps the last values where ModelCheckpoint looks
    for them, and logs none.

    Args:
        generator: what makes the sound.
        suite: what scores it: the first `seconds` of every sound, unless it has a length of its own.
        clips: validation clips that are made into sound; always the same ones.
        test_clips: clips of a test or validate command; None takes all.
        every_n_epochs: evaluates the first epoch, every n-th and the last.
        seconds: length of the generated sounds.
        seed: of the noise and of the choice of clips; a clip's noise is the same every epoch.
        wave_files: sounds kept as wav files at each evaluated epoch of a fit; None keeps all.
        logged_sounds: clips that Weights & Biases and TensorBoard show at each evaluation.
    """

    def __init__(
        self,
        generator: Generator,
        suite: EvaluationSuite,
        clips: int = 64,
        test_clips: int | None = None,
        every_n_epochs: int = 1,
        seconds: float = 10.0,
        seed: int = 0,
        wave_files: int | None = None,
        logged_sounds: int = 4,
    ) -> None:
        if clips < 1 or every_n_epochs < 1:
            raise ValueError(f"clips and every_n_epochs are at least 1, not {clips} and {every_n_epochs}")
        if (test_clips is not None and test_clips < 1) or not 0 < seconds < math.inf:
            raise ValueError(f"test_clips is at least 1 and seconds above 0, not {test_clips} and {seconds}")
        if (wave_files is not None and wave_files < 0) or logged_sounds < 0:
            raise ValueError(f"wave_files and logged_sounds are at least 0, not {wave_files} and {logged_sounds}")
        self.generator = generator
        # What is compared is as much of the true sounds as is generated.
        self.suite = suite.limited_to(seconds)
        self.clips = clips
        self.test_clips = test_clips
        self.every_n_epochs = every_n_epochs
        self.seconds = seconds
        self.seed = seed
        self.wave_files = wave_files
        self.logged_sounds = logged_sounds
        # Of the last test or validate command: what could not be scored, in a line; "" when nothing.
        self.left_out = ""
        self._last: dict[str, float] = {}
        self._selection = Selection(clips, seed)

    # ---- Lightning's hooks. Those of a callback run before the module's of the same name. ----

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a new selection."""
        self._selection = Selection(self.clips if _fitting(trainer) else self.test_clips, self.seed)

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any, **__: Any
    ) -> None:
        """Keep the batch's clips that are in the selection."""
        if self._is_due(trainer):
            self._selection.add(mapped_clips(batch, outputs))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate when it is this epoch's turn."""
        if self._is_due(trainer):
            self._last = self._evaluate(trainer, pl_module, "val")
        elif not trainer.sanity_checking:
            self._log_for_monitors(pl_module, "val", self._last)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate."""
        self._evaluate(trainer, pl_module, "test")

    def state_dict(self) -> dict[str, Any]:
        """The last values, for the epochs between a resume and the next evaluation."""
        return {"last": self._last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them up again."""
        self._last = dict(state_dict["last"])

    # ---- The evaluation ----

    def _is_due(self, trainer: Trainer) -> bool:
        if trainer.sanity_checking:
            return False
        epoch = trainer.current_epoch
        last = trainer.max_epochs is not None and epoch + 1 == trainer.max_epochs
        return not _fitting(trainer) or epoch == 0 or last or (epoch + 1) % self.every_n_epochs == 0

    def _evaluate(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> dict[str, float]:
        began = time.perf_counter()
        chosen, data = self._selection.gather(), _data(trainer)
        generation = describe_generation(self.generator, pl_module, self.seed, self.seconds)
        with TemporaryDirectory() as scratch:
            sounds = self._sounds(trainer, stage, [clip.clip_id for clip in chosen], Path(scratch), generation)
            with closing(sounds):
                self._generate_and_add(sounds, chosen, trainer)
                failures = gather_lists(sounds.failures)
                if len(failures) == len(chosen):
                    reason = f"; the first: {failures[0]['reason']}" if failures else ""
                    raise RunFailure(f"no clip could be made into sound and scored{reason}")
                values = self._computed(data)
                self._log_for_monitors(pl_module, stage, values)
                self.left_out = _failed(failures, len(chosen), sounds.folder)
                seconds = time.perf_counter() - began
                floors = {f"{name}_floor": value for name, value in self.suite.floors().items()}
                measured = {**values, **floors, "failed_clips": len(failures), "evaluation_seconds": seconds}
                _log_for_loggers(trainer, stage, measured)
                if not _leaves_nothing(trainer):
                    order, run = [clip.clip_id for clip in chosen], Path(str(trainer.log_dir))
                    summary = self._summary(trainer, stage, values)
                    write_evaluation(sounds, run, self.suite, data, generation, failures, order, summary)
                    self._show(trainer, stage, sounds, values)
        return values

    def _sounds(
        self, trainer: Trainer, stage: str, chosen: Sequence[str], scratch: Path, generation: Mapping[str, Any]
    ) -> Sounds:
        """Where the sounds go: the run's folder, or nowhere for long."""
        if _leaves_nothing(trainer):
            return Sounds(scratch, scratch, frozenset(), self.generator.sample_rate, self.seed)
        name = f"epoch_{trainer.current_epoch:03d}" if _fitting(trainer) else stage
        kept = set(chosen[: self.wave_files if _fitting(trainer) else None])
        folder = Path(str(trainer.log_dir)) / "audio" / name
        record = GenerationRecord(folder, generation, rank_and_count()[0])
        return Sounds(folder, scratch, kept, self.generator.sample_rate, self.seed, record)

    def _generate_and_add(self, sounds: Sounds, chosen: Sequence[MappedClip], trainer: Trainer) -> None:
        """Generate, write and score a batch at a time, but for the sounds that a stopped call left.

        A clip that cannot be made into sound, or whose true sound cannot be read, is counted, not scored.
        """
        device, visible = trainer.strategy.root_device, trainer.progress_bar_callback is not None
        generator = self.generator.to(device)
        self.suite.reset()
        self.suite.run_on(device)
        self.suite.load()
        sounds.take_up()
        batches = own_batches(chosen, generator.batch_size, lambda clip: clip.clip_id in sounds.made)
        with progress("generating and scoring", sum(map(len, batches)), visible=visible) as advance:
            shown = Stages(advance)
            made = self._made(sounds, batches, generator, shown)
            for clips in prefetch(made, 1, shown.stop) if generates_ahead(device) else made:
                self._add(sounds, clips, _data(trainer), shown)
                sounds.write_down()

    def _made(
        self, sounds: Sounds, batches: Iterable[list[MappedClip]], generator: Generator, shown: Stages
    ) -> Iterator[list[MappedClip]]:
        """Of each batch the clips that have their sounds."""
        if generator.device.type == "cuda":  # which a thread does not know from the one that started it
            torch.cuda.set_device(generator.device)
        for batch in batches:
            made = batch
            if any(clip.clip_id not in sounds.made for clip in batch):
                made = sounds.make(batch, generator, self.seconds, shown.generating)
            shown.generated_batch(len(batch), failed=len(batch) - len(made))
            yield made

    def _add(self, sounds: Sounds, clips: Iterable[MappedClip], data: Any, shown: Stages) -> None:
        """Hand clips' sounds over to the suite. Where that is not possible the sound is taken back."""
        by_id = {clip.clip_id: clip for clip in clips}
        files = []
        for clip_id, clip in by_id.items():
            try:
                files.append(clip_files(data, clip, sounds.path(clip_id), self.suite))
            except UsageError as error:
                sounds.take_back(clip_id, str(error))
                shown.scored_clip()
        for file, failure in self.suite.add_files(files):
            if failure is None:
                sounds.clips.append(by_id[file.clip_id])
            else:
                sounds.take_back(file.clip_id, str(failure))
            shown.scored_clip()

    def _computed(self, data: Any) -> dict[str, float]:
        """The numbers; a warning for each of the first that is missing, unless the data has no true sound."""
        values = self.suite.compute()
        for name, reason in self.suite.scores().missing.items():
            if data.has_audio and self.suite.numbers[name].headline:
                rank_zero_warn(f"{name} cannot be computed: {reason}")
        return values

    def _show(self, trainer: Trainer, stage: str, sounds: Sounds, values: Mapping[str, float]) -> None:
        """Have the loggers show this process's first clips and the scores."""
        data, loggers = _data(trainer), media_loggers(trainer.loggers) if trainer.is_global_zero else []
        clips = [
            LoggedClip(f"{clip.label} {clip.clip_id}".strip(), sounds.path(clip.clip_id), data.source(clip.clip_id))
            for clip in sounds.clips[: self.logged_sounds if loggers else 0]
        ]
        if loggers:
            log_evaluation(loggers, stage, trainer.global_step, clips, values, self.seconds, data.has_audio)

    @staticmethod
    def _log_for_monitors(pl_module: LightningModule, stage: str, values: Mapping[str, float]) -> None:
        """Log for ModelCheckpoint, EarlyStopping and the schedules, every epoch, and not for the loggers: they get a
        value where one was measured, and Lightning wants the same options at every call."""
        for name, value in values.items():
            pl_module.log(f"{stage}/{name}", value, logger=False, sync_dist=True)

    def _summary(self, trainer: Trainer, stage: str, values: Mapping[str, float]) -> dict[str, Any]:
        return {
            "stage": stage,
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": self.seconds,
            "sample_rate": self.generator.sample_rate,
            "has_audio": bool(_data(trainer).has_audio),
            "metrics": dict(values),
        }


def _failed(failures: Sequence[Mapping[str, str]], count: int, folder: Path) -> str:
    """What could not be scored, in a line that is also a warning."""
    if not failures:
        return ""
    line = f"{len(failures)} of {count} clips could not be scored"
    rank_zero_warn(f"{line}; the first: {failures[0]['reason']}")
    return f"{line}, for the reasons in {folder / EVALUATION_FILE}; the first: {failures[0]['reason']}"


def _log_for_loggers(trainer: Trainer, stage: str, measured: Mapping[str, float]) -> None:
    """One row, at the step of Lightning's own row of this validation: the last one that was taken."""
    named = {f"{stage}/{name}": float(value) for name, value in measured.items()}
    for logger in trainer.loggers:
        logger.log_metrics({**named, "epoch": trainer.current_epoch}, step=max(0, trainer.global_step - 1))
        logger.save()


def generates_ahead(device: torch.device) -> bool:
    """Whether a batch is generated while the one before is scored: a processor has nothing to gain by it."""
    return device.type != "cpu"


def _leaves_nothing(trainer: Trainer) -> bool:
    return bool(getattr(trainer, "fast_dev_run", False))


def _fitting(trainer: Trainer) -> bool:
    """Whether this is a fit's own validation rather than a command of its own."""
    return trainer.state.fn == TrainerFn.FITTING


def _data(trainer: Trainer) -> Any:
    return trainer.datamodule  # type: ignore[attr-defined]

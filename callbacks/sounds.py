"""The sounds of one evaluation: what a process made, and what is written down of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger
from torch import Tensor

from callbacks.sharing import MappedClip
from v2a_lightning.media import write_wave
from v2a_lightning.randomness import clip_seed


@dataclass
class Sounds:
    """What one process made of its share of the clips.

    Args:
        sample_rate: of the waves, in Hz.
        seed: of the noise.
        clips: those that were made into sound.
        waves: (N,) for each of them.
        references: the true sound of each, where the data has any.
        failures: the clips that were not, and why.
    """

    sample_rate: int
    seed: int
    clips: list[MappedClip] = field(default_factory=list)
    waves: list[Tensor] = field(default_factory=list)
    references: list[Tensor] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    @property
    def seeds(self) -> list[int]:
        """Each clip's own seed: its noise is the same in every epoch, batch and process."""
        return [clip_seed(self.seed, clip.clip_id) for clip in self.clips]

    def write(self, run: Path, folder: Path, kept: Collection[str], data: Any) -> list[dict[str, Any]]:
        """Write the waves of the clips in `kept` to `folder`.

        Args:
            run: the run's folder, in which `folder` is.
            folder: gets `<clip id>.wav` files.
            kept: ids of clips.
            data: the data module, which knows where a clip is from.

        Returns:
            For each file what a report needs to show it beside its clip.
        """
        records = []
        for clip, wave, seed in zip(self.clips, self.waves, self.seeds, strict=True):
            if clip.clip_id not in kept:
                continue
            path = folder / f"{clip.clip_id}.wav"
            write_wave(path, wave.numpy(), self.sample_rate)
            source, place = str(data.source(clip.clip_id)), str(path.relative_to(run))
            records.append(
                {"clip_id": clip.clip_id, "label": clip.label, "source": source, "wave": place, "seed": seed}
            )
        return records

    def show(self, loggers: Sequence[Logger], name: str, step: int, count: int) -> None:
        """Send the first `count` sounds to Weights & Biases, where it is among the loggers."""
        online = [logger for logger in loggers if isinstance(logger, WandbLogger)]
        if not online or not count or not self.waves:
            return
        import wandb

        shown = [
            wandb.Audio(wave.numpy(), sample_rate=self.sample_rate, caption=f"{clip.label} {clip.clip_id}".strip())
            for clip, wave in list(zip(self.clips, self.waves, strict=True))[:count]
        ]
        for logger in online:
            logger.experiment.log({name: shown, "trainer/global_step": step})

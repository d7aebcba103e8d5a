"""How the mapper closes the gap between what CLIP sees and what CLAP hears, epoch by epoch."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from v2a_lightning.callbacks.clip_selection import MappedClip, Selection, mapped_clips
from v2a_lightning.files import atomic_write
from v2a_lightning.reports.charts import draw_scatter
from v2a_lightning.reports.domain_gap import FOLDS, Embeddings, measure_gap, principal_axes, project


class DomainGap(Callback):
    """Draws CLIP, CLAP and mapped embeddings of validation clips on the principal axes of the first two, which stay the
    same all through a run, and logs how far the mapped ones are from CLAP's: `val/gap_centroid`,
    `val/gap_separability`, `val/gap_frechet`.

    Args:
        clips: how many validation clips; always the same ones.
        every_n_epochs: draws the first epoch and every n-th.
        seed: another seed picks other clips.
    """

    def __init__(self, clips: int = 512, every_n_epochs: int = 10, seed: int = 0) -> None:
        if clips < FOLDS or every_n_epochs < 1:
            raise ValueError(f"clips is at least {FOLDS} and every_n_epochs 1, not {clips} and {every_n_epochs}")
        self.clips = clips
        self.every_n_epochs = every_n_epochs
        self.seed = seed
        self._selection = Selection(clips, seed)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a new selection."""
        self._selection = Selection(self.clips, self.seed)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any, **__: Any
    ) -> None:
        """Keep the batch's clips that are in the selection."""
        if self._is_due(trainer) and "target" in batch:
            self._selection.add(mapped_clips(batch, outputs))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure, log and draw when it is this epoch's turn."""
        if not self._is_due(trainer):
            return
        clips = self._selection.gather()
        if len(clips) < FOLDS:
            rank_zero_warn(f"the domain gap needs at least {FOLDS} clips with sound, and there are {len(clips)}")
            return
        sets = _sets(clips)
        gap = measure_gap(sets["mapped"], sets["CLAP"])
        for name, value in dataclasses.asdict(gap).items():
            pl_module.log(f"val/gap_{name}", value, sync_dist=True)
        folder = Path(str(trainer.log_dir)) / "domain_gap"
        if trainer.is_global_zero and not getattr(trainer, "fast_dev_run", False):
            self._draw(sets, folder, trainer.current_epoch, dataclasses.asdict(gap))

    def _is_due(self, trainer: Trainer) -> bool:
        epoch = trainer.current_epoch
        return not trainer.sanity_checking and (epoch == 0 or (epoch + 1) % self.every_n_epochs == 0)

    def _draw(self, sets: dict[str, Embeddings], folder: Path, epoch: int, gap: dict[str, float]) -> None:
        stem = folder / f"epoch_{epoch:03d}"
        # CLIP's embeddings have CLAP's width for ViT-B/32, and only then a place in the same picture.
        shown = {name: one for name, one in sets.items() if one.shape[1] == sets["CLAP"].shape[1]}
        mean, axes = principal_axes([one for name, one in shown.items() if name != "mapped"])
        points = {name: project(one, mean, axes) for name, one in shown.items()}
        draw_scatter(points, f"After epoch {epoch}", stem.with_suffix(".png"))
        spots = {name: one.round(4).tolist() for name, one in points.items()}
        with atomic_write(stem.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps({"epoch": epoch, "gap": gap, "points": spots}))


def _sets(clips: list[MappedClip]) -> dict[str, Embeddings]:
    """Embeddings (N, D) by where they are from; CLIP's are the means of a clip's frames, normalised."""
    rows = {
        "CLIP": [torch.nn.functional.normalize(clip.frames.mean(0), dim=0) for clip in clips],
        "CLAP": [clip.audio.flatten() for clip in clips if clip.audio is not None],
        "mapped": [clip.embedding.flatten() for clip in clips],
    }
    return {name: torch.stack(one).numpy() for name, one in rows.items()}

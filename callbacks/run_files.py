"""What a run leaves beside its figures: which clips they are about, and a page that shows them."""

from collections import Counter
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from v2a_lightning.data_modules import ClipDataModule
from v2a_lightning.json_files import write_json
from v2a_lightning.reports.run_page import write_report
from v2a_lightning.runs import CLIPS_FILE


class RunReport(Callback):
    """Writes `report.html` into the run's folder after a fit, a validation or a test.

    Args:
        clips: how many clips it shows.
    """

    def __init__(self, clips: int = 12) -> None:
        self.clips = clips

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the page, once loggers have written their last rows."""
        if getattr(trainer, "fast_dev_run", False) or not trainer.is_global_zero or stage == "predict":
            return
        for logger in trainer.loggers:
            logger.save()
        write_report(Path(str(trainer.loggers[0].log_dir)), self.clips)


class UsedClips(Callback):
    """Writes `clips.json` into the run's folder and tells Weights & Biases.

    It says, for each split that is used, how many clips there really are and the hash of their ids, and how many clips
    were named but not used, by reason. Figures with equal hashes are about the same clips; a metric card made from all
    of a split has that hash too, and so has the summary of the manifest.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write it; the data is ready when callbacks are."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not trainer.loggers or not isinstance(data, ClipDataModule):
            return
        reasons = Counter(reject.reason for reject in data.rejects)
        used = {"splits": data.used_clips(stage), "not_used": dict(reasons.most_common())}
        write_json(Path(str(trainer.loggers[0].log_dir)) / CLIPS_FILE, used)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.config.update({"clips": used}, allow_val_change=True)

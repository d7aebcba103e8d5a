"""The page of a run, written when it ends."""

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from v2a_lightning.reports.run_page import write_report


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
        folder = Path(str(trainer.loggers[0].log_dir))
        rank_zero_info(f"Open {write_report(folder, self.clips)}")

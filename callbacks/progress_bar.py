"""The bar of a run: Lightning's, with what says how well it goes."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from v2a_lightning.progress import REFRESH_SECONDS


class RunProgressBar(RichProgressBar):
    """Lightning's bar without the end of the run's name, and drawn by the thread that prints.

    By another thread, as Lightning's own, it may erase a line that is printed at that moment when bars come or go.
    """

    def __init__(self) -> None:
        super().__init__()
        self._refreshed = 0.0

    def refresh(self, hard: bool = False) -> None:
        """Draw, unless that was done just now."""
        now = time.monotonic()
        if self.progress is not None and (hard or now - self._refreshed >= REFRESH_SECONDS):
            self._refreshed = now
            self.progress.refresh()

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What stands beside the bar."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

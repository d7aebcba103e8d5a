"""A short fit for test_progress: work and messages inside a validation, under Lightning's bar, and lines at the end."""

import logging
import sys
import time
import warnings

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from v2a_lightning import progress as bars
from v2a_lightning.app.messages import quiet_lightning
from v2a_lightning.callbacks import RunProgressBar

bars.PATIENCE_SECONDS = 0.0
bars.LINE_SECONDS = float(sys.argv[1])


class Work(Callback):
    """Twice three things to do, and a message of each kind."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with bars.progress("outer work", 3) as outer, bars.progress("inner work", 3) as inner:
            for number in range(3):
                time.sleep(0.15)
                inner(1)
                outer(0, 0.5)
                time.sleep(0.15)
                outer(1)
                print(f"printed {number} in epoch {trainer.current_epoch}")
        rank_zero_info(f"logged in epoch {trainer.current_epoch}")
        rank_zero_warn(f"warned in epoch {trainer.current_epoch}")
        bars.say(f"said in epoch {trainer.current_epoch}")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        rank_zero_info("logged in teardown")


quiet_lightning()
warnings.formatwarning = lambda message, *_: f"{message}\n"  # type: ignore[assignment]
warnings.filterwarnings("ignore", message=".*does not have many workers")
logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "available" not in record.msg)
trainer = Trainer(
    max_epochs=2,
    limit_train_batches=2,
    limit_val_batches=2,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_model_summary=False,
    accelerator="cpu",
    callbacks=[Work(), RunProgressBar()],
)
trainer.fit(BoringModel())
print("scores: 1\npage: report.html\nnext: generate")

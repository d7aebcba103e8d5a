"""When `last.ckpt` is written: first, when it is old, and at the end, however the end comes."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer

from tests.mapper.small import PairsModule, narrow_transformer, small_mapper, trainer
from v2a_lightning.callbacks import LastCheckpoint, last_checkpoint
from v2a_lightning.errors import UsageError


class Stop(Callback):
    """Ends the run in an epoch's middle."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        trainer.should_stop = trainer.current_epoch == 3


class Written(LastCheckpoint):
    """Notes the epochs that were written; a minute passes between two looks at the clock."""

    def __init__(self, minutes: float) -> None:
        super().__init__(minutes)
        self.epochs: list[int] = []

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        assert Path(filepath).name == "last.ckpt"
        self.epochs.append(trainer.current_epoch)


@pytest.mark.parametrize(
    ("minutes", "options", "epochs"),
    [
        (0, {}, [0, 1, 2, 3, 4, 5]),
        (3, {}, [0, 3, 5]),
        (60, {}, [0, 5]),
        (60, {"max_epochs": -1, "max_steps": 5}, [0, 2]),
        (60, {"callbacks": [Stop()]}, [0, 3]),
    ],
)
def test_it_is_written_when_it_is_old_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minutes: float, options: dict[str, Any], epochs: list[int]
) -> None:
    clock = iter(range(0, 100_000, 60))
    monkeypatch.setattr(last_checkpoint, "monotonic", lambda: next(clock))
    written = Written(minutes)
    callbacks = [written, *options.pop("callbacks", [])]
    run = trainer(
        tmp_path, enable_checkpointing=True, limit_val_batches=0, callbacks=callbacks, **{"max_epochs": 6, **options}
    )
    run.fit(small_mapper(network=narrow_transformer()), datamodule=PairsModule(training=8))
    assert written.epochs == epochs
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


def test_minutes_are_not_negative() -> None:
    with pytest.raises(UsageError, match="minutes is at least 0, not -1"):
        LastCheckpoint(minutes=-1)

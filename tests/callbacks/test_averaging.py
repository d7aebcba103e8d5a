"""The average of the weights: its formula, how soon it forgets its start, and what is scored, saved and resumed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.mapper.small import PairsModule, small_transformer
from v2a_lightning.callbacks import ExponentialAverage
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import AverageFrames, Regression
from v2a_lightning.module import V2AMapper

VGGSOUND_CLIPS, EPOCHS, BATCH = 180_055, 200, 448


def averaged(average: ExponentialAverage, weights: list[float]) -> float:
    """What the average holds after a model of one weight had these, one after the other."""
    model = nn.Linear(1, 1, bias=False)
    mean = AveragedModel(model)
    for weight in weights:
        nn.init.constant_(model.weight, weight)
        average.update(mean, model)
    return float(mean.module.weight.detach())


def test_the_decay_is_the_public_priors() -> None:
    average = ExponentialAverage()
    assert [average.decay_at(n) for n in (0, 1, 7)] == pytest.approx([0.0, 1 - 2 ** (-2 / 3), 0.75])
    assert average.decay_at(10**9) == 0.9999
    assert ExponentialAverage(decay=0.9, min_decay=0.5).decay_at(1) == 0.5


@pytest.mark.parametrize("devices", [1, 8, 64])
def test_less_than_a_hundredth_of_the_start_is_left_however_many_devices(devices: int) -> None:
    average = ExponentialAverage()
    # The batch is that of all devices, so their number changes nothing; were it each device's own, this would hold too.
    for batch in (BATCH, BATCH * devices):
        steps = math.ceil(VGGSOUND_CLIPS / batch) * EPOCHS
        left = math.prod(average.decay_at(update) for update in range(1, min(steps, 20_000)))
        assert left < 0.01


def test_updates_are_the_formulas() -> None:
    average = ExponentialAverage(decay=0.6)
    expected = 1.0
    for update, weight in enumerate([4.0, -2.0, 3.0], start=1):
        expected = average.decay_at(update) * expected + (1 - average.decay_at(update)) * weight
    assert averaged(average, [1.0, 4.0, -2.0, 3.0]) == pytest.approx(expected, rel=1e-6)
    assert averaged(average, [1.0] + [0.0] * 500) < 0.01


class Weights(Callback):
    """Notes the model's weights before, in and after validation."""

    def __init__(self) -> None:
        self.seen: dict[str, list[torch.Tensor]] = {"trained": [], "validated": []}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.trained = pl_module.network.trunk.projection.weight.detach().clone()  # type: ignore[union-attr]

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if not trainer.sanity_checking:
            self.seen["trained"].append(self.trained)
            weight = pl_module.network.trunk.projection.weight.detach().clone()  # type: ignore[union-attr]
            self.seen["validated"].append(weight)


def fit(*callbacks: Callback, **options: Any) -> V2AMapper:
    torch.manual_seed(0)
    mapper = V2AMapper(
        small_transformer(), Regression(), AverageFrames(), optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2)
    )
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0, callbacks=list(callbacks), **{"max_epochs": 2, **options},
    )  # fmt: skip
    trainer.fit(mapper, datamodule=PairsModule(), ckpt_path=None)
    mapper.last_trainer = trainer
    return mapper


def test_a_constant_decay_is_torchs_to_the_last_bit() -> None:
    theirs = fit(WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(0.8)))
    ours = fit(ExponentialAverage(decay=0.8, min_decay=0.8))
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name


def test_before_it_has_begun_the_trained_weights_are_validated_and_saved(tmp_path: Path) -> None:
    weights = Weights()
    # Six steps an epoch: the first validation is before the average begins, the second after.
    mapper = fit(ExponentialAverage(update_starting_at_step=8), weights)
    (early, late) = range(0, len(weights.seen["trained"]), len(weights.seen["trained"]) // 2)
    assert torch.equal(weights.seen["trained"][early], weights.seen["validated"][early])
    assert not torch.equal(weights.seen["trained"][late], weights.seen["validated"][late])

    never = fit(ExponentialAverage(update_starting_at_step=10**6))
    never.last_trainer.save_checkpoint(tmp_path / "never.ckpt")
    plain = fit()
    saved = torch.load(tmp_path / "never.ckpt", weights_only=True)["state_dict"]
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, never.state_dict()[name])
        assert torch.equal(weight, saved[name])
    assert not torch.equal(mapper.network.trunk.projection.weight, plain.network.trunk.projection.weight)


@pytest.mark.parametrize("wrong", [{"decay": 1.5}, {"min_decay": 0.5, "decay": 0.4}, {"power": 0.0}, {"inv_gamma": 0}])
def test_what_is_no_average_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="averaging: "):
        ExponentialAverage(**wrong)

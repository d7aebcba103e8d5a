"""Mappers in closed form: fit once, then run as any other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging

from tests.mapper.small import PairsModule, batch_of, small_mapper, trainer
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import (
    AverageFrames,
    Identity,
    NearestNeighbour,
    OrthogonalProcrustes,
    Regression,
    RidgeRegression,
)
from v2a_lightning.module import V2AMapper


def number(metrics: dict[str, torch.Tensor], name: str) -> float:
    return float(metrics[name])


@pytest.mark.parametrize("make", [RidgeRegression, OrthogonalProcrustes, NearestNeighbour, Identity])
def test_closed_forms_run_like_any_mapper(tmp_path: Path, make: Any) -> None:
    data = PairsModule(training=24)
    mapper = small_mapper(network=make(), objective=Regression())
    run = trainer(tmp_path, callbacks=[EMAWeightAveraging(decay=0.5)])
    run.fit(mapper, datamodule=data)
    logged = number(run.callback_metrics, "val/cosine")
    batch = batch_of(data.training_pairs, range(24))
    conditions = AverageFrames()(batch["frames"], batch["frame_mask"], torch.Generator())
    by_hand = make()
    if make is not Identity:
        by_hand.solve(conditions, batch["target"])
    expected = Regression().sample(by_hand, conditions, 1, 1.0, torch.Generator())
    found = mapper.sample(batch["frames"], batch["frame_mask"], generator=torch.Generator())
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    run.save_checkpoint(tmp_path / "mapper.ckpt")
    again = V2AMapper.from_pretrained(tmp_path / "mapper.ckpt")
    (scores,) = trainer(tmp_path).validate(again, datamodule=data, verbose=False)
    assert scores["val/cosine"] == pytest.approx(logged, abs=1e-5)


def test_a_closed_form_wants_the_whole_training_set(tmp_path: Path) -> None:
    mapper = small_mapper(network=RidgeRegression(), objective=Regression())
    with pytest.raises(UsageError, match="give the Trainer a datamodule"):
        trainer(tmp_path).fit(mapper, PairsModule().train_dataloader())

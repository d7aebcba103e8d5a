"""Two processes: the same scores as one, with shards of different sizes, and training that waits for nobody."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging

from tests.mapper.small import PairsModule, small_transformer
from v2a_lightning.mapper import AttentionPooling, Diffusion, FlowMatching, Regression, RidgeRegression
from v2a_lightning.module import V2AMapper

METRICS = ("loss", "embedding_fd", "cosine", "cosine_unrelated", "recall@1")


def mapper(**changes: Any) -> V2AMapper:
    torch.manual_seed(0)
    parts: dict[str, Any] = {"network": small_transformer(), "objective": Diffusion(), "aggregator": AttentionPooling()}
    return V2AMapper(**{**parts, "sampling_steps": 3, "seed": 1, **changes})


def trainer(devices: int, **changes: Any) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp_spawn" if devices > 1 else "auto",
        use_distributed_sampler=False,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        max_epochs=1,
        **changes,
    )


@pytest.mark.parametrize("clips", [2, 7])
def test_scores_are_those_of_one_process(clips: int) -> None:
    # Seven clips in batches of two are two batches for either process, of different sizes; two are one clip each.
    one, two = trainer(1), trainer(2)
    one.validate(mapper(), datamodule=PairsModule(validation=clips), verbose=False)
    two.validate(mapper(), datamodule=PairsModule(validation=clips), verbose=False)
    for name in METRICS:
        expected = float(one.callback_metrics[f"val/{name}"])
        assert float(two.callback_metrics[f"val/{name}"]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objective": FlowMatching()},
        {"objective": Regression()},
        {"network": RidgeRegression(), "objective": Regression()},
    ],
    ids=["diffusion", "flow", "regression", "closed"],
)
def test_training_ends_with_more_batches_on_one_process_than_on_the_other(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    # Nine clips in batches of two: three validation batches for one process, two for the other.
    data = PairsModule(training=16, validation=9)
    run = trainer(2, callbacks=[EMAWeightAveraging(decay=0.5)], num_sanity_val_steps=0)
    run.fit(mapper(**changes), datamodule=data)
    assert run.global_step == 4
    assert run.callback_metrics["val/cosine"].isfinite()

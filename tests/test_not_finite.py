"""A step that is not finite: noticed before it does harm, named by clip, and left out as often as is allowed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor

from tests.mapper.small import PairsModule, narrow_transformer
from v2a_lightning import devices
from v2a_lightning.app.lightning_cli import refuse_other_weights
from v2a_lightning.callbacks import ExponentialAverage
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.mapper import AverageFrames, Diffusion, Regression
from v2a_lightning.mapper.optimization import adamw
from v2a_lightning.module import V2AMapper

BAD = 5
PRECISIONS = ["32-true", "bf16-mixed", "16-mixed"]


class BadClip(PairsModule):
    """One clip whose embedding is not finite; the ids of the others say that they are fine."""

    def __init__(self, value: float = math.nan, validation: bool = False, **options: Any) -> None:
        super().__init__(**options)
        (self.validation_pairs if validation else self.training_pairs).audio[BAD] = value


class TooLarge(Regression):
    """A loss that overflows while its gradients do not."""

    def loss(self, network: Any, condition: Tensor, target: Tensor, generator: Any) -> Tensor:
        losses = super().loss(network, condition, target, generator)
        return losses + torch.where(target.abs().amax((1, 2)) > 0.99, torch.inf, 0.0)


def mapper(objective: Any = None, **options: Any) -> V2AMapper:
    torch.manual_seed(0)
    options = {"optimizer": lambda p: torch.optim.AdamW(p, lr=1e-3), **options}
    return V2AMapper(narrow_transformer(), objective or Regression(), AverageFrames(), seed=1, **options)


def trainer(**options: Any) -> Trainer:
    return Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, num_sanity_val_steps=0,
        **{"max_epochs": 1, "limit_val_batches": 0, "log_every_n_steps": 1, **options},
    )  # fmt: skip


def of(precision: str) -> dict[str, Any]:
    """Options of the Trainer; by name it would not scale losses on a CPU."""
    if precision == "16-mixed":
        return {"plugins": [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=256.0))]}
    return {"precision": precision}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_run_stops_at_the_step_and_names_the_clip(value: float, precision: str) -> None:
    # 24 clips in one batch: the step is the first, so its weights are those it began with.
    data, model = BadClip(value, batch_size=24), mapper()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(RunFailure, match=rf"training step 0: the loss is not finite, with the clips clip0_00000{BAD};"):
        trainer(**of(precision), gradient_clip_val=0.5).fit(model, datamodule=data)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_a_loss_that_overflows_alone_is_noticed() -> None:
    data = PairsModule(batch_size=24)
    data.training_pairs.audio[BAD] = torch.nn.functional.one_hot(torch.tensor(3), 512).float()
    with pytest.raises(RunFailure, match=rf"the loss is not finite, with the clips clip0_00000{BAD};"):
        trainer().fit(mapper(TooLarge()), datamodule=data)


def test_gradients_that_are_not_finite_stop_it_too() -> None:
    model = mapper()
    model.network.trunk.projection.weight.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(RunFailure, match=r"training step 0: the gradients are not finite, .* and 16 more"):
        trainer().fit(model, datamodule=PairsModule(batch_size=24))


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_share_of_the_steps_may_be_left_out(precision: str) -> None:
    # Six steps an epoch, of which one has the clip: two of twelve.
    model = mapper(skip_not_finite=0.17)
    run = trainer(max_epochs=2, **of(precision), gradient_clip_val=0.5)
    run.fit(model, datamodule=BadClip())
    assert run.global_step == 12
    assert run.callback_metrics["train/steps_left_out"] == 2
    assert all(weight.isfinite().all() for weight in model.state_dict().values())
    with pytest.raises(RunFailure, match="the loss is not finite"):
        trainer(max_epochs=2, **of(precision)).fit(mapper(skip_not_finite=0.1), datamodule=BadClip())


def test_a_step_that_is_left_out_leaves_no_trace() -> None:
    model = mapper(skip_not_finite=1.0)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    run = trainer()
    run.fit(model, datamodule=BadClip(batch_size=24))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("every", [1, 4, 50])
def test_on_a_gpu_the_optimiser_leaves_it_out_and_it_is_found_later(
    monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    weights, options = [], {"optimizer": adamw, "skip_not_finite": 1.0}
    for is_remote in (False, True):
        monkeypatch.setattr(devices, "is_remote", lambda tensor, is_remote=is_remote: is_remote)
        model = mapper(**options)
        run = trainer(log_every_n_steps=every, gradient_clip_val=0.5, max_epochs=2)
        run.fit(model, datamodule=BadClip())
        assert model._guard.left_out == 2
        weights.append(model.state_dict())
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())

    model = mapper(optimizer=adamw)
    with pytest.raises(RunFailure, match=rf"training step \d: the loss is not finite, .* clip0_00000{BAD};"):
        trainer(log_every_n_steps=every).fit(model, datamodule=BadClip())
    assert all(weight.isfinite().all() for weight in model.state_dict().values())


def test_how_many_were_left_out_is_saved(tmp_path: Path) -> None:
    run = trainer()
    run.fit(mapper(skip_not_finite=0.5), datamodule=BadClip())
    run.save_checkpoint(tmp_path / "one.ckpt")
    again = mapper(skip_not_finite=0.5)
    trainer(max_epochs=2).fit(again, datamodule=BadClip(), ckpt_path=tmp_path / "one.ckpt")
    assert again._guard.left_out == 2


@pytest.mark.parametrize("part", ["state_dict", "current_model_state"])
@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_a_checkpoint_is_refused_by_file_and_tensor(tmp_path: Path, part: str, value: float) -> None:
    path, name = tmp_path / "one.ckpt", "network.trunk.projection.weight"
    run = trainer(callbacks=[ExponentialAverage(decay=0.5)])
    run.fit(mapper(), datamodule=PairsModule())
    run.save_checkpoint(path)
    refuse_other_weights(path, mapper())
    content = torch.load(path, weights_only=True)
    content[part][name] = content[part][name].clone()
    content[part][name].view(-1)[3] = value
    for legacy in (False, True):
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(RunFailure, match=rf"one\.ckpt: tensor '{name}' holds values .* another checkpoint"):
            refuse_other_weights(path, mapper())


def test_validation_names_the_clip() -> None:
    with pytest.raises(RunFailure, match=rf"the true embedding is not finite for the clips clip10_00000{BAD}"):
        trainer(limit_val_batches=1.0).validate(mapper(Diffusion()), datamodule=BadClip(validation=True))
    wrong = mapper()
    wrong.network.trunk.projection.weight.data.fill_(math.nan)
    with pytest.raises(RunFailure, match="the sampled embedding is not finite for the clips clip10_000000, clip"):
        trainer(limit_val_batches=1.0).validate(wrong, datamodule=PairsModule())


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(UsageError, match=r"model\.skip_not_finite is a share, 0 to 1"):
        mapper(skip_not_finite=share)


class Gradients(Callback):
    """Notes the gradients that the optimiser was given."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.found = torch.cat([one.grad.flatten() for one in pl_module.parameters() if one.grad is not None])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_the_default_optimiser_clips_at_any_precision(precision: str, algorithm: str) -> None:
    weights = []
    for optimizer in (adamw, lambda p: torch.optim.AdamW(p, 1.1e-4, (0.9, 0.99), 1e-6, 6.02e-2)):
        model, gradients = mapper(optimizer=optimizer), Gradients()
        clipped = {"gradient_clip_val": 1e-4, "gradient_clip_algorithm": algorithm}
        run = trainer(**of(precision), callbacks=[gradients], limit_train_batches=1, **clipped)
        run.fit(model, datamodule=PairsModule())
        largest = gradients.found.norm() if algorithm == "norm" else gradients.found.abs().max()
        assert largest == pytest.approx(1e-4, rel=0.01)
        weights.append(model.state_dict())
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name], rtol=1e-4, atol=1e-6)


def test_a_loss_scaler_may_overflow() -> None:
    # Two to the thirtieth is too large for gradients of 16 bits: the scaler halves it until it is not.
    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**30))
    model = mapper(optimizer=adamw)
    before = model.network.trunk.projection.weight.clone()
    trainer(plugins=[plugin], max_epochs=6, gradient_clip_val=0.5).fit(model, datamodule=PairsModule())
    assert plugin.scaler.get_scale() < 2.0**30
    assert model._guard.left_out == 0
    assert not torch.equal(model.network.trunk.projection.weight, before)
    assert all(weight.isfinite().all() for weight in model.state_dict().values())

"""V2AMapper in the Trainer: what it learns, logs, draws, saves and refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

from tests.mapper.small import DIM, Pairs, PairsModule, batch_of, small_mapper, small_transformer, trainer, unit_vectors
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.mapper import (
    AttentionPooling,
    AverageFrames,
    Diffusion,
    Identity,
    RandomFrame,
    Regression,
    WarmupCosine,
)
from v2a_lightning.module import V2AMapper
from v2a_lightning.randomness import clip_seed, generators

METRICS = {"val/loss", "val/embedding_fd", "val/cosine", "val/cosine_unrelated", "val/recall@1"}


def number(metrics: dict[str, torch.Tensor], name: str) -> float:
    return float(metrics[name])


def test_eight_pairs_are_learnt_by_heart(tmp_path: Path) -> None:
    mapper = small_mapper(optimizer=lambda p: torch.optim.AdamW(p, lr=2e-3), sampling_steps=10)
    data = PairsModule(training=8, batch_size=8)
    data.validation_pairs = data.training_pairs
    fit = trainer(tmp_path, max_epochs=150, limit_val_batches=0)
    fit.fit(mapper, datamodule=data)
    assert number(fit.callback_metrics, "train/loss") < 0.2
    (scores,) = trainer(tmp_path).validate(mapper, datamodule=data, verbose=False)
    assert scores["val/cosine"] > 0.9
    assert scores["val/recall@1"] == 1.0
    assert scores["val/cosine"] > scores["val/cosine_unrelated"] + 0.3


def test_metrics_are_logged_and_can_be_monitored(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val/embedding_fd", filename="best")
    run = trainer(tmp_path, callbacks=[best], enable_checkpointing=True)
    run.fit(small_mapper(), datamodule=PairsModule())
    assert set(run.callback_metrics) >= METRICS
    assert set(run.callback_metrics) >= {"train/loss", "train/loss_step", "train/gradient_norm"}
    assert number(run.callback_metrics, "train/gradient_norm") > 0
    assert (tmp_path / "best.ckpt").exists()
    assert float(best.best_model_score) == number(run.callback_metrics, "val/embedding_fd")


def test_scores_of_known_embeddings_by_hand(tmp_path: Path) -> None:
    data = PairsModule(validation=7)
    mapper = small_mapper(network=Identity(), objective=Regression())
    (scores,) = trainer(tmp_path).validate(mapper, datamodule=data, verbose=False)
    batch = batch_of(data.validation_pairs, range(7))
    found = AverageFrames()(batch["frames"], batch["frame_mask"], torch.Generator())
    cosine = found @ batch["target"][:, 0].T
    assert scores["val/cosine"] == pytest.approx(float(cosine.diagonal().mean()), abs=1e-6)
    unrelated = (cosine.sum() - cosine.diagonal().sum()) / (7 * 6)
    assert scores["val/cosine_unrelated"] == pytest.approx(float(unrelated), abs=1e-6)
    assert scores["val/recall@1"] == pytest.approx(float((cosine.argmax(1) == torch.arange(7)).float().mean()))
    assert scores["val/loss"] == pytest.approx(float((found - batch["target"][:, 0]).square().sum(1).mean()), rel=1e-4)


def test_validation_repeats_itself_and_leaves_the_random_stream_alone(tmp_path: Path) -> None:
    mapper, data = small_mapper(aggregator=RandomFrame()), PairsModule()
    first = trainer(tmp_path).validate(mapper, datamodule=data, verbose=False)
    second = trainer(tmp_path).validate(mapper, datamodule=data, verbose=False)
    assert first == second
    batch = batch_of(data.validation_pairs, range(4))
    before = torch.get_rng_state()
    mapper.validation_step(batch, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_draws_from_seed_and_step_alone(tmp_path: Path) -> None:
    batch = batch_of(Pairs(4), range(4))
    mapper = small_mapper(network=small_transformer(dropout=0.5), aggregator=RandomFrame())
    torch.nn.init.normal_(mapper.network.trunk.projection.weight, std=0.05)
    mapper.log = lambda *args, **options: None  # type: ignore[method-assign]
    losses = []
    for stream in (1, 2):
        torch.manual_seed(stream)
        before = torch.get_rng_state()
        losses.append(mapper.training_step(batch, 0))
        assert torch.equal(torch.get_rng_state(), before)
    assert losses[0] == losses[1]
    assert mapper.training_step(batch, 1) != losses[0]
    mapper.seed = 6
    assert mapper.training_step(batch, 0) != losses[0]


def test_embeddings_are_kept_for_callbacks_and_are_the_clips_own() -> None:
    mapper, pairs = small_mapper().eval(), Pairs(5)
    together = mapper.validation_step(batch_of(pairs, range(5)), 0)
    assert together["clip_id"] == [f"clip0_{index:06d}" for index in range(5)]
    alone = mapper.predict_step(batch_of(pairs, [3]), 0)
    torch.testing.assert_close(alone["embedding"], together["embedding"][3:4], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together["embedding"].norm(dim=-1), torch.ones(5, 1))
    own = generators([clip_seed(5, "clip0_000003")])
    by_hand = mapper.sample(batch_of(pairs, [3])["frames"][:, :2], generator=own)
    torch.testing.assert_close(by_hand, alone["embedding"], rtol=1e-4, atol=1e-5)


def test_steps_and_guidance_can_be_given_for_one_call() -> None:
    mapper = small_mapper().eval()
    torch.nn.init.normal_(mapper.network.trunk.projection.weight, std=0.05)
    frames = unit_vectors(2).view(2, 1, DIM)

    def draw(**options: Any) -> torch.Tensor:
        return mapper.sample(frames, generator=generators([1, 2]), **options)

    assert torch.equal(draw(), draw(steps=4, guidance=1.0))
    assert not torch.allclose(draw(), draw(steps=5))
    assert not torch.allclose(draw(), draw(guidance=3.0))


def test_clips_without_sound_are_mapped_and_not_scored(tmp_path: Path) -> None:
    data = PairsModule()
    silent = [data.validation_pairs[index] for index in range(7)]
    for clip in silent:
        del clip["target"]
    data.validation_pairs = silent  # type: ignore[assignment]
    run = trainer(tmp_path)
    assert run.test(small_mapper(), datamodule=data, verbose=False) == [{}]
    outputs = run.predict(small_mapper(), datamodule=data)
    assert sum(len(output["clip_id"]) for output in outputs) == 7
    assert outputs[0]["embedding"].shape == (2, 1, DIM)


def test_test_scores_have_their_own_names(tmp_path: Path) -> None:
    (scores,) = trainer(tmp_path).test(small_mapper(), datamodule=PairsModule(), verbose=False)
    assert set(scores) >= {name.replace("val/", "test/") for name in METRICS}


def test_one_clip_is_too_few_to_score(tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="embedding metrics need two clips and there is one"):
        trainer(tmp_path).validate(small_mapper(), datamodule=PairsModule(validation=1), verbose=False)


def test_weight_decay_spares_vectors_and_schedule_learns_the_runs_length(tmp_path: Path) -> None:
    mapper = small_mapper(
        optimizer=lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.1),
        lr_scheduler=lambda o: WarmupCosine(o, warmup_steps=2),
    )
    run = trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    run.fit(mapper, datamodule=PairsModule())
    matrices, vectors = run.optimizers[0].param_groups
    assert matrices["weight_decay"] == 0.1
    assert vectors["weight_decay"] == 0.0
    assert {parameter.ndim for parameter in vectors["params"]} == {1}
    assert any(parameter is mapper.objective.conditions.null for parameter in vectors["params"])
    assert run.lr_scheduler_configs[0].scheduler.total_steps == 12
    assert matrices["lr"] == pytest.approx(0.0, abs=1e-9)


def test_half_precision_trains_and_samples_in_full(tmp_path: Path) -> None:
    mapper = small_mapper(aggregator=AttentionPooling(), guidance=2.0)
    run = trainer(tmp_path, precision="bf16-mixed")
    run.fit(mapper, datamodule=PairsModule())
    assert number(run.callback_metrics, "train/loss") == pytest.approx(1.0, abs=0.2)
    assert number(run.callback_metrics, "val/loss") == pytest.approx(1.0, abs=0.2)
    (output, *_) = run.predict(mapper, datamodule=PairsModule())
    assert output["embedding"].dtype == torch.float32
    torch.testing.assert_close(output["embedding"].norm(dim=-1), torch.ones(2, 1))


def test_averaged_weights_are_validated_and_saved(tmp_path: Path) -> None:
    # An average that forgets nothing keeps the first step's weights.
    average = EMAWeightAveraging(decay=1.0)
    mapper = small_mapper(optimizer=lambda p: torch.optim.AdamW(p, lr=1e-2))
    run = trainer(tmp_path, max_epochs=2, callbacks=[average])
    run.fit(mapper, datamodule=PairsModule())
    run.save_checkpoint(tmp_path / "mapper.ckpt")
    logged = number(run.callback_metrics, "val/loss")
    again = V2AMapper.from_pretrained(tmp_path / "mapper.ckpt")
    (scores,) = trainer(tmp_path).validate(again, datamodule=PairsModule(), verbose=False)
    assert scores["val/loss"] == pytest.approx(logged, rel=1e-5)
    (plain,) = trainer(tmp_path).validate(small_mapper(), datamodule=PairsModule(), verbose=False)
    assert scores["val/loss"] != pytest.approx(plain["val/loss"], rel=1e-3)


def test_frames_of_another_width_are_refused() -> None:
    with pytest.raises(UsageError, match="frame embeddings have width 768 and the network 512"):
        small_mapper().sample(F.normalize(torch.randn(1, 2, 768), dim=-1), generator=generators([1]))


def test_an_untrained_inference_aggregator_is_refused() -> None:
    with pytest.raises(UsageError, match="AttentionPooling has weights"):
        small_mapper(inference_aggregator=AttentionPooling())


def test_the_seed_is_lightnings_unless_given() -> None:
    seed_everything(321, verbose=False)
    assert small_mapper(seed=None).seed == 321
    assert small_mapper(seed=7).seed == 7


def test_a_target_of_another_shape_is_refused(tmp_path: Path) -> None:
    mapper = small_mapper(network=small_transformer(tokens=2))
    with pytest.raises(UsageError, match="the data's targets are 1x512 numbers and the network's 2x512"):
        trainer(tmp_path).fit(mapper, datamodule=PairsModule())


@pytest.mark.parametrize("make", [lambda: Diffusion(), lambda: Regression()])
def test_targets_of_several_tokens_are_learnt(tmp_path: Path, make: Any) -> None:
    data = PairsModule(training=8, batch_size=8, tokens=2)
    data.validation_pairs = data.training_pairs
    network = small_transformer(tokens=2)
    mapper = small_mapper(network=network, objective=make(), optimizer=lambda p: torch.optim.AdamW(p, lr=2e-3))
    fit = trainer(tmp_path, max_epochs=60, limit_val_batches=0)
    fit.fit(mapper, datamodule=data)
    assert number(fit.callback_metrics, "train/loss") < 0.5
    (scores,) = trainer(tmp_path).validate(mapper, datamodule=data, verbose=False)
    assert scores["val/cosine"] > scores["val/cosine_unrelated"] + 0.2
    (output, *_) = trainer(tmp_path).predict(mapper, datamodule=data)
    assert output["embedding"].shape == (2, 2, DIM)

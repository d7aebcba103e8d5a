"""Diffusion: the loss by hand, and samplers that find what a network knows."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.mapper.small import awake, small_transformer, unit_targets, unit_vectors
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import Diffusion, MLPMapper, Network
from v2a_lightning.randomness import generators, randn


class Oracle(Network):
    """Knows the target of every condition, and answers what the objective asks it to predict."""

    def __init__(self, objective: Diffusion, targets: Tensor) -> None:
        super().__init__()
        self.dim = 512
        self.objective = objective
        self.targets = targets * 512**0.5

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        steps = (t * self.objective.timesteps / 1000).round().long()
        kept = self.objective.schedule.alphas_cumprod[steps][:, None, None]
        noise = (x - kept.sqrt() * self.targets) / (1 - kept).sqrt()
        answers = {
            "sample": self.targets,
            "epsilon": noise,
            "v_prediction": kept.sqrt() * noise - (1 - kept).sqrt() * self.targets,
        }
        return answers[self.objective.prediction_type]


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm++"])
@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
@pytest.mark.parametrize("schedule", ["squaredcos_cap_v2", "linear", "scaled_linear", "sigmoid"])
def test_an_oracle_finds_its_target(sampler, prediction, schedule) -> None:
    objective = Diffusion(sampler=sampler, prediction_type=prediction, beta_schedule=schedule)
    targets = unit_targets(3, seed=5)
    found = objective.sample(Oracle(objective, targets), unit_vectors(3), 20, 1.0, torch.Generator().manual_seed(0))
    assert F.cosine_similarity(found, targets, dim=-1).min() > 0.99


@pytest.mark.parametrize("timesteps", [50, 300])
@pytest.mark.parametrize("schedule", ["squaredcos_cap_v2", "linear"])
def test_other_numbers_of_timesteps_end_in_noise_too(timesteps, schedule) -> None:
    kept = Diffusion(timesteps=timesteps, beta_schedule=schedule).schedule.alphas_cumprod
    assert kept[0] > 0.8
    assert kept[-1] < 1e-3


@pytest.mark.parametrize("steps", [1, 7, 64, 1000])
def test_any_number_of_steps_ends_at_the_target(steps) -> None:
    objective = Diffusion()
    targets = unit_targets(2, seed=5)
    found = objective.sample(Oracle(objective, targets), unit_vectors(2), steps, 1.0, torch.Generator().manual_seed(0))
    assert F.cosine_similarity(found, targets, dim=-1).min() > 0.99
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 1))


def test_loss_is_the_mean_square_of_the_scaled_embedding() -> None:
    network, objective = awake(small_transformer()), Diffusion(condition_dropout=0.0)
    condition, target = unit_vectors(4), unit_targets(4, seed=1)
    losses = objective.loss(network, condition, target, torch.Generator().manual_seed(3))

    generator = torch.Generator().manual_seed(3)
    t = (torch.rand(4, generator=generator) * 1000).long()
    torch.rand(4, generator=generator)  # the draw that drops conditions
    noise = torch.randn(4, 1, 512, generator=generator)
    beta = [min(1 - _cosine((i + 1) / 1000) / _cosine(i / 1000), 0.999) for i in range(1000)]
    kept = torch.tensor(beta, dtype=torch.float64).neg().add(1).cumprod(0)[t].float()[:, None, None]
    scaled = target * 22.627417
    prediction = network(kept.sqrt() * scaled + (1 - kept).sqrt() * noise, t.float(), condition)
    torch.testing.assert_close(losses, (prediction - scaled).square().mean((1, 2)), rtol=1e-3, atol=1e-4)


def _cosine(share: float) -> float:
    """The cosine schedule of Nichol and Dhariwal 2021."""
    return float(torch.cos(torch.tensor((share + 0.008) / 1.008 * torch.pi / 2, dtype=torch.float64)) ** 2)


def test_answering_zero_costs_one() -> None:
    losses = Diffusion().loss(small_transformer(), unit_vectors(4), unit_targets(4, seed=1), torch.Generator())
    torch.testing.assert_close(losses, torch.ones(4), rtol=0.02, atol=0.0)


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
def test_an_oracle_has_no_loss(prediction) -> None:
    objective = Diffusion(prediction_type=prediction)
    targets = unit_targets(8, seed=5)
    losses = objective.loss(Oracle(objective, targets), unit_vectors(8), targets, torch.Generator().manual_seed(0))
    assert losses.max() < 1e-4


def test_conditions_are_dropped_as_often_as_told_and_only_in_training() -> None:
    objective = Diffusion(condition_dropout=0.1)
    conditions = unit_vectors(2000)
    dropped = (objective.conditions(conditions, torch.Generator().manual_seed(0)) == objective.conditions.null).all(1)
    assert 0.08 < dropped.float().mean() < 0.12
    objective.eval()
    assert torch.equal(objective.conditions(conditions, torch.Generator()), conditions)


def test_the_null_condition_always_gets_a_gradient() -> None:
    objective = Diffusion(condition_dropout=0.0)
    objective.loss(awake(small_transformer()), unit_vectors(2), unit_targets(2), torch.Generator()).sum().backward()
    assert objective.conditions.null.grad is not None


def sampled(network: Network, objective: Diffusion, guidance: float, seeds: list[int]) -> Tensor:
    return objective.sample(network, unit_vectors(8)[: len(seeds)], 8, guidance, generators(seeds))


def test_guidance_is_null_plus_scaled_difference() -> None:
    network, objective = awake(small_transformer()), Diffusion()
    condition, x, times = unit_vectors(3), torch.randn(3, 1, 512), torch.tensor([700.0])
    conditional = network(x, times.expand(3), condition)
    null = network(x, times.expand(3), objective.conditions.null.expand(3, -1))
    for scale in (0.0, 1.0, 2.5):
        guided = objective.conditions.denoiser(network, condition, times, scale)(x, 0)
        torch.testing.assert_close(guided, null + (conditional - null) * scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm++"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_clips_embedding_does_not_depend_on_its_batch(sampler, guidance) -> None:
    network, objective = awake(small_transformer()), Diffusion(sampler=sampler)
    together = sampled(network, objective, guidance, [1, 2, 3])
    alone = torch.cat(
        [
            objective.sample(network, unit_vectors(8)[row : row + 1], 8, guidance, generators([seed]))
            for row, seed in enumerate([1, 2, 3])
        ]
    )
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_ddim_without_eta_draws_once() -> None:
    objective = Diffusion(eta=0.0)
    generator = torch.Generator().manual_seed(0)
    objective.sample(awake(small_transformer()), unit_vectors(2), 5, 1.0, generator)
    expected = torch.Generator().manual_seed(0)
    randn((2, 1, 512), expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_sampled_embeddings_stay_in_the_ball_under_strong_guidance() -> None:
    network = awake(small_transformer())
    found = sampled(network, Diffusion(prediction_type="epsilon"), 100.0, [1, 2])
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 1))


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_numbers_of_steps_are_refused(steps) -> None:
    with pytest.raises(UsageError, match=f"sampling_steps is {steps}: give 1 to 1000"):
        Diffusion().sample(small_transformer(), unit_vectors(1), steps, 1.0, torch.Generator())


def test_one_generator_per_row_or_an_error() -> None:
    with pytest.raises(ValueError, match="2 generators for a batch of 3 rows"):
        Diffusion().loss(small_transformer(), unit_vectors(3), unit_targets(3), generators([1, 2]))


def test_a_schedule_first_used_in_inference_mode_can_be_trained_on() -> None:
    network, objective = awake(small_transformer()), Diffusion()
    with torch.inference_mode():
        objective.loss(network, unit_vectors(2), unit_targets(2), torch.Generator())
    objective.loss(network, unit_vectors(2), unit_targets(2), torch.Generator()).sum().backward()


def test_targets_of_several_tokens_and_of_another_scale() -> None:
    widths = {"condition_dim": 24, "target_dim": 20, "tokens": 3}
    network = awake(MLPMapper(16, hidden=32, **widths))
    for scale, objective in ((20**0.5, Diffusion(24)), (0.5, Diffusion(24, target_scale=0.5))):
        target = unit_targets(4, seed=1, dim=20, tokens=3) * (1 if objective.target_scale is None else 5)
        losses = objective.eval().loss(network, unit_vectors(4, dim=24), target, generators([1, 2, 3, 4]))
        alone = objective.loss(network, unit_vectors(4, dim=24)[2:3], target[2:3], generators([3]))
        torch.testing.assert_close(losses[2:3], alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(objective.scaled(target), target * scale)
        found = objective.sample(network, unit_vectors(4, dim=24), 5, 2.0, generators([1, 2, 3, 4]))
        assert found.shape == (4, 3, 20)
        is_unit = torch.allclose(found.norm(dim=-1), torch.ones(4, 3), atol=1e-4)
        assert is_unit == (objective.target_scale is None)
        torch.testing.assert_close(objective.unscaled(objective.scaled(target)), target, atol=1e-5, rtol=1e-4)

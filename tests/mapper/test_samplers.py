"""Samplers: the numbers of every schedule and number of steps, and that they draw from the distribution they should."""

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.mapper.small import small_transformer
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import Diffusion, FlowMatching, Network
from v2a_lightning.mapper.samplers import DDIM, trailing_times
from v2a_lightning.randomness import generators

SCHEDULES = ["squaredcos_cap_v2", "linear", "scaled_linear", "sigmoid"]
PREDICTIONS = ["sample", "epsilon", "v_prediction"]


class Halves(Network):
    """Answers half of what it sees: the cheapest network whose answer depends on x."""

    def __init__(self) -> None:
        super().__init__(4)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return 0.5 * x


@pytest.mark.parametrize("timesteps", [1000, 1, 2, 20, 333])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_number_of_steps_has_finite_numbers_from_full_noise_to_the_target(schedule, timesteps) -> None:
    kept = Diffusion(timesteps=timesteps, beta_schedule=schedule).schedule.alphas_cumprod
    for steps, eta in product(range(1, timesteps + 1), (0.0, 0.5, 1.0)):
        sampler = DDIM(kept, steps, eta, torch.Generator())
        times, then = sampler.times.numpy(), sampler.then.numpy()
        assert (len(times), times[0], then[-1]) == (steps, timesteps - 1, 1.0)
        assert (sampler.now.numpy()[1:] == then[:-1]).all(), "each step begins where the one before it ended"
        variance = sampler.noise_kept.numpy() ** 2 + sampler.spread.numpy() ** 2
        assert abs(variance - (1 - then)).max() < 1e-6


@pytest.mark.parametrize(("sampler", "eta"), [("ddpm", 1.0), ("ddim", 0.0), ("ddim", 1.0), ("dpm++", 1.0)])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_samples_are_finite(schedule, prediction, sampler, eta) -> None:
    for timesteps, counts in ((1000, [1, 2, 5, 7, 61]), (12, range(1, 13))):
        objective = Diffusion(4, timesteps, schedule, prediction, sampler=sampler, eta=eta)
        for steps in counts:
            found = objective.sample(Halves(), torch.zeros(2, 4), steps, 1.0, generators([1, 2]))
            torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 1))


def test_flow_matching_is_finite_at_every_number_of_steps() -> None:
    for shift, steps in [*product((0.3, 5.0), range(1, 12)), (1.0, 1000), (1.0, 1500)]:
        found = FlowMatching(4, shift=shift).sample(Halves(), torch.zeros(2, 4), steps, 1.0, generators([1, 2]))
        torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 1))


class OfNormal(Network):
    """Knows that targets are normal around `mean` with standard deviation 0.5, and predicts the best it can."""

    mean = torch.tensor([0.8, -0.3])

    def __init__(self, objective: Diffusion) -> None:
        super().__init__(2)
        self.objective = objective

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        kept = self.objective.schedule.alphas_cumprod[(t * self.objective.timesteps / 1000).round().long()][:, None]
        gain = kept.sqrt() * 0.25 / (kept * 0.25 + 1 - kept)
        return self.mean + gain * (x - kept.sqrt() * self.mean)


@pytest.mark.parametrize("steps", [100, 150, 600])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_draws_from_the_distribution_whose_denoiser_it_is_given(eta, steps) -> None:
    kept = Diffusion(2).schedule.alphas_cumprod
    network, generator = OfNormal(Diffusion(2)), torch.Generator().manual_seed(0)
    sampler = DDIM(kept, steps, eta, generator)
    x = torch.randn(4000, 2, generator=generator)
    for index, t in enumerate(sampler.times):
        x = sampler.step(network(x, t.expand(len(x)), x), x, index)
    torch.testing.assert_close(x.mean(0), network.mean, atol=0.03, rtol=0.0)
    torch.testing.assert_close(x.std(0), torch.full((2,), 0.5), atol=0.025, rtol=0.0)


def test_each_amount_of_eta_is_another_sample_and_one_is_ddpm() -> None:
    conditions = torch.zeros(1, 4)
    ddpm = Diffusion(4, sampler="ddpm").sample(Halves(), conditions, 8, 1.0, generators([1]))
    found = [Diffusion(4, eta=eta).sample(Halves(), conditions, 8, 1.0, generators([1])) for eta in (0.0, 0.5, 1.0)]
    assert torch.equal(found[2], ddpm)
    assert not any(torch.allclose(one, other) for one, other in ((found[0], found[1]), (found[1], found[2])))


def test_the_quickstarts_twenty_steps_are_those_of_diffusers() -> None:
    from diffusers import DDIMScheduler

    objective = Diffusion(4)
    scheduler = DDIMScheduler(
        trained_betas=objective.schedule.betas.numpy(), prediction_type="sample", timestep_spacing="trailing",
        clip_sample=False,
    )  # fmt: skip
    scheduler.set_timesteps(20)
    assert torch.equal(trailing_times(1000, 20), scheduler.timesteps)
    rows = generators([1, 2])
    x = torch.stack([torch.randn(1, 4, generator=row) for row in rows])
    for t in scheduler.timesteps:
        target = 0.5 * x * (2 / (0.5 * x).norm(dim=-1, keepdim=True).clamp(min=2))
        x = scheduler.step(target, t, x, eta=1.0, generator=rows).prev_sample
    mine = objective.sample(Halves(), torch.zeros(2, 4), 20, 1.0, generators([1, 2]))
    assert torch.equal(torch.nn.functional.normalize(x, dim=-1), mine)


@pytest.mark.parametrize("wrong", [{"eta": -0.1}, {"eta": 1.1}, {"timesteps": 0}])
def test_what_is_no_diffusion_is_refused(wrong) -> None:
    with pytest.raises(UsageError, match="timesteps is at least 1 and eta from 0 to 1"):
        Diffusion(**wrong)


@pytest.mark.parametrize("wrong", [{"shift": 0.0}, {"shift": -1.0}])
def test_a_shift_is_positive(wrong) -> None:
    with pytest.raises(UsageError, match="shift is above 0"):
        FlowMatching(**wrong)


def test_flow_matching_takes_a_step_at_least() -> None:
    with pytest.raises(UsageError, match="sampling_steps is 0"):
        FlowMatching().sample(small_transformer(), torch.zeros(1, 512), 0, 1.0, torch.Generator())


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
@pytest.mark.parametrize("sampler", ["ddim", "dpm++"])
def test_sampling_reads_nothing_that_training_has_moved_to_a_gpu(prediction: str, sampler: str) -> None:
    objective = Diffusion(4, prediction_type=prediction, sampler=sampler)
    before = objective.sample(Halves(), torch.zeros(2, 4), 8, 1.0, generators([1, 2]))
    # diffusers moves them to where what it adds noise to is.
    objective.schedule.alphas_cumprod = objective.schedule.alphas_cumprod.to("meta")
    again = objective.sample(Halves(), torch.zeros(2, 4), 8, 1.0, generators([1, 2]))
    assert torch.equal(before, again)
    new = Diffusion(4, prediction_type=prediction, sampler=sampler)
    new.schedule.alphas_cumprod = new.schedule.alphas_cumprod.to("meta")
    assert torch.equal(before, new.sample(Halves(), torch.zeros(2, 4), 8, 1.0, generators([1, 2])))

"""Flow matching: the loss by hand, and a path that ends at the target."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.mapper.small import awake, small_transformer, unit_targets, unit_vectors
from v2a_lightning.mapper import FlowMatching, Network
from v2a_lightning.randomness import generators


class Oracle(Network):
    def __init__(self, targets: Tensor) -> None:
        super().__init__()
        self.dim = 512
        self.targets = targets * 512**0.5

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        return (x - self.targets) / (t[:, None, None] / 1000).clamp(min=1e-6)


@pytest.mark.parametrize("steps", [1, 10])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_an_oracle_finds_its_target(steps, shift) -> None:
    targets = unit_targets(3, seed=5)
    objective = FlowMatching(shift=shift)
    found = objective.sample(Oracle(targets), unit_vectors(3), steps, 1.0, torch.Generator().manual_seed(0))
    assert F.cosine_similarity(found, targets, dim=-1).min() > 0.999


def test_loss_is_the_mean_square_of_the_velocity() -> None:
    network, objective = awake(small_transformer()), FlowMatching(condition_dropout=0.0)
    condition, target = unit_vectors(4), unit_targets(4, seed=1)
    losses = objective.loss(network, condition, target, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    level = torch.rand(4, generator=generator)
    torch.rand(4, generator=generator)
    noise, scaled = torch.randn(4, 1, 512, generator=generator), target * 512**0.5
    noisy = (1 - level[:, None, None]) * scaled + level[:, None, None] * noise
    expected = (network(noisy, level * 1000, condition) - (noise - scaled)).square().mean((1, 2))
    torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-4)


def test_an_oracle_has_no_loss() -> None:
    targets = unit_targets(4, seed=5)
    losses = FlowMatching().loss(Oracle(targets), unit_vectors(4), targets, torch.Generator().manual_seed(1))
    assert losses.max() < 1e-4


def test_a_clips_embedding_does_not_depend_on_its_batch() -> None:
    network, objective, conditions = awake(small_transformer()), FlowMatching(), unit_vectors(3)
    together = objective.sample(network, conditions, 5, 2.0, generators([1, 2, 3]))
    alone = objective.sample(network, conditions[1:2], 5, 2.0, generators([2]))
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)

"""Regression: the loss by hand, and answers that draw nothing."""

import torch
import torch.nn.functional as F

from tests.mapper.small import awake, small_transformer, unit_targets, unit_vectors
from v2a_lightning.mapper import MLPRegressor, Regression


def test_square_loss_by_hand() -> None:
    network = awake(MLPRegressor())
    condition, target = unit_vectors(3), unit_targets(3, seed=1)
    losses = Regression().loss(network, condition, target, torch.Generator())
    answer = network(torch.zeros(3, 1, 512), torch.zeros(3), condition)
    torch.testing.assert_close(losses, (answer - target * 512**0.5).square().sum((1, 2)) / 512)


def test_cosine_loss_by_hand() -> None:
    network = awake(MLPRegressor())
    condition, target = unit_vectors(3), unit_targets(3, seed=1)
    losses = Regression(distance="cosine").loss(network, condition, target, torch.Generator())
    answer = F.normalize(network(torch.zeros(3, 1, 512), torch.zeros(3), condition), dim=-1)
    torch.testing.assert_close(losses, 1 - (answer * target).sum((1, 2)))


def test_samples_are_the_normalised_answer_whatever_the_generator() -> None:
    network, objective = awake(MLPRegressor()), Regression()
    first = objective.sample(network, unit_vectors(3), 50, 1.0, torch.Generator().manual_seed(1))
    assert torch.equal(first, objective.sample(network, unit_vectors(3), 1, 4.0, torch.Generator().manual_seed(2)))
    torch.testing.assert_close(first.norm(dim=-1), torch.ones(3, 1))


def test_a_denoising_network_can_be_regressed_and_all_of_it_trains() -> None:
    network = awake(small_transformer())
    Regression().loss(network, unit_vectors(3), unit_targets(3), torch.Generator()).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())

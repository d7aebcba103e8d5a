"""Solved mappers against scikit-learn and SciPy."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.mapper.small import unit_targets, unit_vectors
from v2a_lightning.errors import RunFailure, UsageError
from v2a_lightning.mapper import Identity, NearestNeighbour, OrthogonalProcrustes, Regression, RidgeRegression

DIM = 16
X, TARGETS = unit_vectors(60, 1, DIM), unit_targets(60, 2, DIM)
Y = TARGETS[:, 0]
NEW = unit_vectors(5, 3, DIM)


def answers(network) -> torch.Tensor:
    return network(torch.zeros(5, 1, DIM), torch.zeros(5), NEW)[:, 0].detach() / DIM**0.5


def test_ridge_regression_is_scikit_learns() -> None:
    from sklearn.linear_model import Ridge

    network = RidgeRegression(DIM, strength=0.7)
    network.solve(X, TARGETS)
    expected = torch.from_numpy(Ridge(0.7).fit(X.double().numpy(), Y.double().numpy()).predict(NEW.double().numpy()))
    torch.testing.assert_close(answers(network), expected.float(), rtol=1e-4, atol=1e-5)


def test_procrustes_is_scipys_on_centred_clouds() -> None:
    from scipy.linalg import orthogonal_procrustes

    network = OrthogonalProcrustes(DIM)
    network.solve(X, TARGETS)
    rotation, _ = orthogonal_procrustes((X - X.mean(0)).numpy(), (Y - Y.mean(0)).numpy())
    expected = (NEW - X.mean(0)) @ torch.from_numpy(rotation) + Y.mean(0)
    torch.testing.assert_close(answers(network), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(network.weight @ network.weight.T, torch.eye(DIM), rtol=1e-4, atol=1e-5)


def test_nearest_neighbour_answers_a_training_target() -> None:
    from sklearn.neighbors import NearestNeighbors

    network = NearestNeighbour(DIM)
    network.solve(X, TARGETS)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine").fit(X.numpy()).kneighbors(NEW.numpy())[1][:, 0]
    torch.testing.assert_close(answers(network), Y[nearest])


def test_identity_is_no_mapper() -> None:
    found = Regression(DIM).sample(Identity(DIM), NEW, 1, 1.0, torch.Generator())
    torch.testing.assert_close(found[:, 0], NEW)


@pytest.mark.parametrize("make", [RidgeRegression, OrthogonalProcrustes, NearestNeighbour])
def test_solved_mappers_survive_a_state_dict(make) -> None:
    network = make(DIM)
    network.solve(X, TARGETS)
    again = make(DIM)
    again.load_state_dict(network.state_dict())
    assert again.solved
    assert torch.equal(answers(again), answers(network))


@pytest.mark.parametrize("make", [RidgeRegression, OrthogonalProcrustes, NearestNeighbour])
def test_unsolved_mappers_say_so(make) -> None:
    with pytest.raises(RunFailure, match=f"{make.__name__} has not been solved"):
        answers(make(DIM))


@pytest.mark.parametrize("make", [Identity, RidgeRegression, OrthogonalProcrustes, NearestNeighbour])
def test_gradients_reach_the_length_only(make) -> None:
    network = make(DIM)
    if hasattr(network, "solve"):
        network.solve(X, TARGETS)
    Regression(DIM).loss(network, NEW, TARGETS[:5], torch.Generator()).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is not None] == ["length"]
    direction = F.normalize(answers(network), dim=-1)
    nn.init.constant_(network.length, 3.0)
    torch.testing.assert_close(F.normalize(answers(network), dim=-1), direction)
    assert not list(network.buffers())


@pytest.mark.parametrize("make", [RidgeRegression, OrthogonalProcrustes, NearestNeighbour])
def test_a_solved_map_goes_between_widths_and_to_several_tokens(make) -> None:
    network = make(condition_dim=DIM, target_dim=6, tokens=2)
    targets = unit_targets(60, 2, 6, tokens=2)
    network.solve(X, targets)
    found = Regression().sample(network, X[:5], 1, 1.0, torch.Generator())
    assert found.shape == (5, 2, 6)
    nearer = (
        F.cosine_similarity(found, targets[:5], dim=-1).mean()
        - F.cosine_similarity(found, targets[5:10], dim=-1).mean()
    )
    assert nearer > 0.2


def test_a_closed_form_map_is_ridge_regressions_on_every_token() -> None:
    targets = unit_targets(60, 2, 6, tokens=2)
    both = RidgeRegression(condition_dim=DIM, target_dim=6, tokens=2)
    both.solve(X, targets)
    for token in range(2):
        one = RidgeRegression(condition_dim=DIM, target_dim=6)
        one.solve(X, targets[:, token : token + 1])
        torch.testing.assert_close(both.weight[:, 6 * token : 6 * token + 6], one.weight)


def test_identity_wants_one_width() -> None:
    with pytest.raises(UsageError, match="the condition is 768 wide, and the target has 1 tokens of width 512"):
        Identity(condition_dim=768)

"""Networks: sizes, what they look at, and that sampling's short cuts change nothing."""

import pytest
import torch

from tests.mapper.small import awake, small_transformer, unit_targets, unit_vectors
from v2a_lightning.mapper import MLPMapper, MLPRegressor, Network, TransformerMapper, TransformerRegressor


def parameters(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_default_transformer_has_the_papers_size() -> None:
    with torch.device("meta"):
        assert parameters(TransformerMapper()) == 48_774_656
        assert parameters(TransformerMapper()) == pytest.approx(48.83e6, rel=2e-3)


def test_77_registers_give_the_public_priors_size() -> None:
    with torch.device("meta"):
        assert parameters(TransformerMapper(registers=77)) == pytest.approx(48_832_896, rel=2e-3)


def test_regression_mlp_is_that_of_public_reimplementations() -> None:
    assert parameters(MLPRegressor()) == 2_103_808


def test_transformer_has_four_tokens_and_registers_are_more() -> None:
    for registers, tokens in ((0, 4), (77, 81)):
        network = small_transformer(registers=registers)
        seen = []
        block = network.trunk.blocks[0]
        block.key_value.register_forward_hook(lambda _, args, out, seen=seen: seen.append(args[0].shape[1]))
        network(torch.randn(2, 1, 512), torch.zeros(2), unit_vectors(2))
        assert sum(seen) == tokens


@pytest.mark.parametrize("make", [small_transformer, lambda: small_transformer(registers=3), MLPMapper])
def test_denoiser_computes_what_forward_does(make) -> None:
    network = awake(make())
    x, condition, times = torch.randn(5, 1, 512), unit_vectors(5), torch.tensor([999.0, 400.0, 0.0])
    denoise = network.denoiser(condition, times)
    for step, time in enumerate(times):
        expected = network(x, time.expand(5), condition)
        assert expected.abs().mean() > 0.01
        torch.testing.assert_close(denoise(x, step), expected, rtol=1e-4, atol=1e-4)


def test_sampling_runs_the_condition_through_the_layers_once() -> None:
    network = small_transformer()
    rows = []
    network.trunk.blocks[0].feed_forward_gate.register_forward_hook(lambda _, args, out: rows.append(args[0].shape))
    denoise = network.denoiser(unit_vectors(5), torch.arange(10.0))
    for step in range(10):
        denoise(torch.randn(5, 1, 512), step)
    # Five conditions once, ten times once, and then only the target's and the output's token.
    assert rows == [torch.Size([5, 1, 512]), torch.Size([10, 1, 512])] + [torch.Size([5, 2, 512])] * 10


@pytest.mark.parametrize("make", [small_transformer, MLPMapper])
def test_denoising_networks_look_at_everything(make) -> None:
    network = awake(make())
    x, t, condition = 20 * unit_targets(1, seed=3), torch.tensor([500.0]), unit_vectors(1)
    answer = network(x, t, condition)
    for changed in ((-x, t, condition), (x, t - 400, condition), (x, t, unit_vectors(1, seed=1))):
        assert (network(*changed) - answer).abs().max() > 1e-3


@pytest.mark.parametrize("make", [lambda: TransformerRegressor(depth=2, heads=2), MLPRegressor])
def test_regressors_ignore_target_and_time(make) -> None:
    network = awake(make())
    condition = unit_vectors(2)
    first = network(torch.randn(2, 1, 512), torch.rand(2), condition)
    assert torch.equal(first, network(torch.randn(2, 1, 512), torch.rand(2), condition))
    assert not torch.equal(first, network(torch.randn(2, 1, 512), torch.rand(2), unit_vectors(2, seed=1)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: small_transformer(registers=2),
        lambda: TransformerRegressor(depth=2, heads=2),
        MLPMapper,
        lambda: MLPRegressor(depth=2),
    ],
)
def test_every_parameter_gets_a_gradient_and_none_is_a_buffer(make) -> None:
    network = awake(make())
    network(torch.randn(3, 1, 512), torch.rand(3) * 1000, unit_vectors(3)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())
    # DDP would broadcast buffers before each step, also of an uneven validation.
    assert not list(network.buffers())


def test_dropout_acts_in_training_only() -> None:
    network = awake(small_transformer(dropout=0.5))
    inputs = torch.randn(2, 1, 512), torch.zeros(2), unit_vectors(2)
    assert not torch.equal(network(*inputs), network(*inputs))
    network.eval()
    assert torch.equal(network(*inputs), network(*inputs))


def test_networks_say_how_they_were_made() -> None:
    words = small_transformer(registers=3).describe()
    assert words["class_path"] == "v2a_lightning.mapper.TransformerMapper"
    assert words["init_args"]["depth"] == 2
    assert words["init_args"]["registers"] == 3
    assert words["init_args"]["dim_head"] == 64


@pytest.mark.parametrize("size", ["depth", "heads"])
def test_a_size_of_zero_is_refused_by_name(size: str) -> None:
    with pytest.raises(ValueError, match=f"at least 1, not {size}=0"):
        small_transformer(**{size: 0})


WIDTHS = {"condition_dim": 24, "target_dim": 20, "tokens": 3}


@pytest.mark.parametrize(
    "make",
    [
        lambda: TransformerMapper(16, depth=2, heads=2, dim_head=8, ff_mult=1, **WIDTHS),
        lambda: TransformerMapper(16, depth=1, heads=2, dim_head=8, ff_mult=1, registers=2, **WIDTHS),
        lambda: TransformerRegressor(16, depth=2, heads=2, dim_head=8, ff_mult=1, **WIDTHS),
        lambda: MLPMapper(16, hidden=32, **WIDTHS),
        lambda: MLPRegressor(16, hidden=32, **WIDTHS),
    ],
)
def test_conditions_targets_and_networks_have_widths_of_their_own(make) -> None:
    network = awake(make())
    assert (network.dim, network.condition_dim, network.target_shape) == (16, 24, (3, 20))
    x, condition, times = torch.randn(5, 3, 20), unit_vectors(5, dim=24), torch.tensor([900.0, 10.0])
    denoise = network.denoiser(condition, times)
    for step, time in enumerate(times):
        expected = network(x, time.expand(5), condition)
        assert expected.shape == (5, 3, 20)
        torch.testing.assert_close(denoise(x, step), expected, rtol=1e-4, atol=1e-4)
    network(x, times[0].expand(5), condition).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_the_tokens_of_a_target_are_told_apart() -> None:
    network = awake(TransformerMapper(16, depth=2, heads=2, dim_head=8, ff_mult=1, **WIDTHS))
    x, condition, t = torch.randn(1, 3, 20), unit_vectors(1, dim=24), torch.tensor([500.0])
    found = network(x, t, condition)
    assert (found[0, 0] - found[0, 1]).abs().max() > 1e-3
    assert (network(x[:, [1, 0, 2]], t, condition) - found).abs().max() > 1e-4


def test_weights_of_one_token_and_one_width_have_their_old_names() -> None:
    names = set(small_transformer().state_dict())
    assert {name.partition(".")[0] for name in names} == {"time", "roles", "output_token", "trunk"}

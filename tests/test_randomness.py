"""Noise belongs to a clip: another one gets another, the same one the same, whatever stands beside it."""

import torch

from v2a_lightning.randomness import clip_seed, generators, randn


def test_a_seed_follows_run_clip_and_sample() -> None:
    seeds = [clip_seed(0, "a"), clip_seed(1, "a"), clip_seed(0, "b"), clip_seed(0, "a", 1)]
    assert len(set(seeds)) == 4
    assert clip_seed(0, "a") == seeds[0]
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_two_clips_get_different_noise_and_each_the_same_in_any_batch() -> None:
    seeds = [clip_seed(0, name) for name in "abc"]
    noise = randn((3, 4, 5), generators(seeds))
    assert torch.equal(randn((1, 4, 5), generators(seeds[1:2]))[0], noise[1])
    correlation = torch.corrcoef(randn((3, 10_000), generators(seeds)))
    assert (correlation - torch.eye(3)).abs().max() < 0.05

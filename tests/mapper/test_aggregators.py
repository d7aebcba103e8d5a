"""Aggregators: what they choose, that padding never matters, and that answers are normalised."""

import pytest
import torch
import torch.nn.functional as F

from tests.mapper.small import unit_vectors
from v2a_lightning.errors import UsageError
from v2a_lightning.mapper import (
    AttentionPooling,
    AverageFrames,
    JointAggregator,
    MaxFrames,
    MiddleFrame,
    RandomFrame,
)
from v2a_lightning.randomness import generators

FRAMES = unit_vectors(3 * 5).view(3, 5, 512)
MASK = torch.tensor([[True] * 5, [True, True, True, False, False], [True, False, False, False, False]])
MAKERS = [RandomFrame, MiddleFrame, AverageFrames, MaxFrames, AttentionPooling]


def trained(make):
    aggregator = make()
    for parameter in aggregator.parameters():
        parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    return aggregator


@pytest.mark.parametrize("make", MAKERS)
def test_padding_never_matters(make) -> None:
    aggregator = trained(make)
    clean = aggregator(FRAMES, MASK, generators([1, 2, 3]))
    for rubbish in (1e4, torch.nan):
        dirty = FRAMES.masked_fill(~MASK[..., None], rubbish)
        assert torch.equal(aggregator(dirty, MASK, generators([1, 2, 3])), clean)


@pytest.mark.parametrize("make", MAKERS)
def test_answers_are_normalised_and_one_frame_is_itself(make) -> None:
    answer = trained(make)(FRAMES, MASK, generators([1, 2, 3]))
    assert answer.shape == (3, 512)
    torch.testing.assert_close(answer.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(answer[2], FRAMES[2, 0])


def test_random_frame_is_drawn_again_at_every_call_and_evenly() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([RandomFrame()(FRAMES, MASK, generator) for _ in range(300)])
    for clip, real in enumerate((5, 3, 1)):
        shares = [(drawn[:, clip] == F.normalize(FRAMES[clip, k], dim=-1)).all(1).float().mean() for k in range(real)]
        assert sum(shares) == pytest.approx(1.0)
        assert min(shares) > 0.6 / real


def test_random_frame_belongs_to_the_clip_not_to_its_batch() -> None:
    together = RandomFrame()(FRAMES, MASK, generators([4, 5, 6]))
    assert torch.equal(RandomFrame()(FRAMES[1:2], MASK[1:2], generators([5])), together[1:2])


def test_middle_frame() -> None:
    answer = MiddleFrame()(FRAMES, MASK, torch.Generator())
    torch.testing.assert_close(answer, torch.stack([FRAMES[0, 2], FRAMES[1, 1], FRAMES[2, 0]]))


@pytest.mark.parametrize(("count", "middle"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_middle_frame_of_an_even_number_is_the_first_of_the_second_half(count, middle) -> None:
    mask = (torch.arange(5) < count)[None]
    torch.testing.assert_close(MiddleFrame()(FRAMES[:1], mask, torch.Generator()), FRAMES[:1, middle])


def test_middle_frame_of_scattered_real_ones() -> None:
    mask = torch.tensor([[False, True, False, True, True]])
    torch.testing.assert_close(MiddleFrame()(FRAMES[:1], mask, torch.Generator()), FRAMES[:1, 3])


def test_average_and_maximum() -> None:
    average, largest = (make()(FRAMES, MASK, torch.Generator())[1] for make in (AverageFrames, MaxFrames))
    torch.testing.assert_close(average, F.normalize(FRAMES[1, :3].mean(0), dim=-1))
    torch.testing.assert_close(largest, F.normalize(FRAMES[1, :3].max(0).values, dim=-1))


def test_attention_pooling_starts_as_the_average_and_learns() -> None:
    aggregator = AttentionPooling()
    answer = aggregator(FRAMES, MASK, torch.Generator())
    torch.testing.assert_close(answer, AverageFrames()(FRAMES, MASK, torch.Generator()))
    (answer @ unit_vectors(1)[0]).sum().backward()
    assert aggregator.scores.weight.grad.any()


def test_several_encoders_are_aggregated_each_and_joined() -> None:
    joint = JointAggregator({"clip": MiddleFrame(), "dino": trained(lambda: AttentionPooling(24, heads=4))})
    frames = {"dino": unit_vectors(15, dim=24).view(3, 5, 24), "clip": FRAMES}
    found = joint(frames, MASK, generators([1, 2, 3]))
    parts = [MiddleFrame()(FRAMES, MASK, []), joint.aggregators["dino"](frames["dino"], MASK, [])]
    torch.testing.assert_close(found, torch.cat(parts, 1) / 2**0.5)
    described = joint.describe()["init_args"]["aggregators"]["dino"]
    assert described["init_args"] == {"dim": 24, "heads": 4}


def test_encoders_that_are_not_the_aggregators_are_named() -> None:
    joint = JointAggregator({"clip": MiddleFrame(), "dino": MiddleFrame()})
    with pytest.raises(UsageError, match=r"for the encoders clip, dino, and the data has clip$"):
        joint({"clip": FRAMES}, MASK, [])


def test_heads_divide_the_width() -> None:
    with pytest.raises(UsageError, match="8 heads do not divide a width of 20"):
        AttentionPooling(20)


def test_attention_says_how_much_each_frame_counts() -> None:
    assert AverageFrames().weights(FRAMES, MASK) is None
    plain = AttentionPooling().weights(FRAMES, MASK)
    torch.testing.assert_close(plain, MASK / MASK.sum(1, keepdim=True))
    one_head = AttentionPooling(heads=1)
    one_head.scores.weight.data.normal_(generator=torch.Generator().manual_seed(1))
    weights = one_head.weights(FRAMES, MASK)
    pooled = F.normalize((weights[..., None] * FRAMES).sum(1), dim=-1)
    torch.testing.assert_close(one_head(FRAMES, MASK, torch.Generator()), pooled)

import math

import pytest
import torch

from v2a_lightning.evaluation import InceptionScore, KullbackLeibler, SigmoidKullbackLeibler, SplitInceptionScore
from v2a_lightning.evaluation.divergence import inception_score


def logits(count: int, classes: int, seed: int) -> torch.Tensor:
    return 3 * torch.randn(count, classes, generator=torch.Generator().manual_seed(seed))


def softmax_divergence(generated: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return torch.stack([KullbackLeibler().score(*pair) for pair in zip(generated, reference, strict=True)])


def sigmoid_divergence(generated: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    return torch.stack([SigmoidKullbackLeibler().score(*pair) for pair in zip(generated, reference, strict=True)])


def test_softmax_divergence_by_hand() -> None:
    reference, generated = torch.tensor([[0.5, 0.5], [0.9, 0.1]]), torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    found = softmax_divergence(generated.log(), reference.log())
    expected = [0.0, 0.9 * math.log(1.8) + 0.1 * math.log(0.2)]
    assert found.tolist() == pytest.approx(expected, abs=1e-7)


def test_sigmoid_divergence_by_hand() -> None:
    p, q = torch.tensor([[0.8, 0.3]]), torch.tensor([[0.4, 0.6]])
    expected = 0.8 * math.log(0.8 / 0.4) + 0.3 * math.log(0.3 / 0.6)
    assert float(sigmoid_divergence(q.logit(), p.logit())) == pytest.approx(expected, abs=1e-6)


def test_equal_inputs_have_no_divergence_and_others_have() -> None:
    a, b = logits(6, 20, 0), logits(6, 20, 1)
    assert softmax_divergence(a, a).abs().max() == 0
    assert sigmoid_divergence(a, a).abs().max() == 0
    assert (softmax_divergence(a, b) > 0).all()
    assert not torch.allclose(softmax_divergence(a, b), softmax_divergence(b, a)), "the direction matters"


def test_extreme_logits_stay_finite() -> None:
    sure, other = torch.tensor([[500.0, -500.0]]), torch.tensor([[-500.0, 500.0]])
    assert float(softmax_divergence(other, sure)) == pytest.approx(1000.0)
    assert torch.isfinite(sigmoid_divergence(other, sure)).all()
    assert float(inception_score(torch.cat([sure, other]))) == pytest.approx(2.0)


def test_inception_score_of_one_hot_and_uniform() -> None:
    one_hot = 1000 * torch.eye(7).repeat(3, 1)
    assert float(inception_score(one_hot)) == pytest.approx(7.0)
    assert float(inception_score(torch.zeros(5, 7))) == pytest.approx(1.0)
    assert float(inception_score(1000 * torch.eye(7)[:1].repeat(4, 1))) == pytest.approx(1.0)


def test_inception_score_written_out() -> None:
    scores = logits(12, 5, 0)
    tags = scores.double().softmax(1)
    mean = tags.mean(0)
    expected = math.exp(sum(float((p * (p / mean).log()).sum()) for p in tags) / 12)
    assert float(inception_score(scores)) == pytest.approx(expected)
    weights = torch.tensor([[2.0, 0, 1, 0, 3, 0, 0, 0, 1, 0, 0, 5], [1.0] * 12])
    drawn = scores.repeat_interleave(weights[0].long(), dim=0)
    assert inception_score(scores, weights).tolist() == pytest.approx([float(inception_score(drawn)), expected])


def test_splits_as_public_tools_report_them() -> None:
    one_hot = 1000 * torch.eye(4).repeat(50, 1)
    mean = float(SplitInceptionScore().value([one_hot]))
    assert 3 < mean <= 4
    assert mean < float(inception_score(one_hot)), "parts of a set are less varied than the set"
    with pytest.raises(ValueError, match="10 parts need 10 sounds; there are 9"):
        SplitInceptionScore().value([one_hot[:9]])


def test_splits_written_out() -> None:
    # Of 23 sounds in 10 parts of 2, three are in none.
    found = logits(23, 5, 3)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(2020)).tolist()
    scores = [float(inception_score(found[order[start : start + 2]])) for start in range(0, 20, 2)]
    assert float(SplitInceptionScore().value([found])) == pytest.approx(sum(scores) / 10)


def test_streams_equal_the_whole() -> None:
    made, own = logits(30, 9, 0), logits(30, 9, 1)
    kl, sigmoid, inception = KullbackLeibler(), SigmoidKullbackLeibler(), InceptionScore()
    for start in range(0, 30, 8):
        part = slice(start, start + 8)
        kl.update(made[part], own[part])
        sigmoid.update(made[part], own[part])
        inception.update(made[part])
    assert float(kl.compute()) == pytest.approx(float(softmax_divergence(made, own).mean()))
    assert float(sigmoid.compute()) == pytest.approx(float(sigmoid_divergence(made, own).mean()))
    assert float(inception.compute()) == pytest.approx(float(inception_score(made)))


@pytest.mark.parametrize("metric", [KullbackLeibler(), InceptionScore()])
def test_nothing_seen_is_said(metric: KullbackLeibler | InceptionScore) -> None:
    with pytest.raises(ValueError, match="at least one"):
        metric.compute()

import pytest
import torch
import torch.nn.functional as F

from v2a_lightning.distances import compare_embeddings, frechet_distance, retrieval_ranks


def normal(count: int, width: int, seed: int) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_recall_at_its_edges() -> None:
    # All predictions point a little below the first of twelve targets: target n is the n-th closest, counted from 0.
    angles = torch.tensor([-0.04, *(0.1 * n for n in range(12))])
    points = torch.stack([angles.cos(), angles.sin()], 1)
    predicted, target = points[:1].expand(12, 2), points[1:]
    assert retrieval_ranks(predicted, target).tolist() == list(range(12))
    found = compare_embeddings(predicted, target)
    assert [found[f"recall@{k}"] for k in (1, 5, 10)] == pytest.approx([1 / 12, 5 / 12, 10 / 12])


def test_written_out() -> None:
    predicted, target = normal(12, 5, 0), normal(12, 5, 1)
    found = compare_embeddings(predicted, target)
    p, t = F.normalize(predicted, dim=1), F.normalize(target, dim=1)
    cosine = p @ t.T
    assert found["cosine"] == pytest.approx(float(cosine.diagonal().mean()), rel=1e-5)
    others = [float(cosine[i, j]) for i in range(12) for j in range(12) if i != j]
    assert found["cosine_unrelated"] == pytest.approx(sum(others) / len(others), rel=1e-4)
    places = [sorted(range(12), key=lambda j, i=i: -float(cosine[i, j])).index(i) for i in range(12)]
    assert retrieval_ranks(predicted, target).tolist() == places
    assert found["recall@5"] == sum(place < 5 for place in places) / 12
    assert found["embedding_fd"] == pytest.approx(frechet_distance(p, t), rel=1e-6)


def test_a_constant_prediction_retrieves_nothing() -> None:
    target = torch.ones(6, 4)
    assert retrieval_ranks(target, target).tolist() == [5] * 6


def test_mean_seeking_is_seen_by_the_distance_and_not_by_the_cosine() -> None:
    target = F.normalize(normal(300, 8, 0) + 1.0, dim=1)
    mean = target.mean(0, keepdim=True).repeat(300, 1)
    random = target[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    blurred_found, varied_found = compare_embeddings(mean, target), compare_embeddings(random, target)
    assert blurred_found["cosine"] > varied_found["cosine"]
    assert blurred_found["embedding_fd"] > varied_found["embedding_fd"]
    assert blurred_found["embedding_kad"] > varied_found["embedding_kad"]


def test_targets_that_are_one_and_the_same_have_no_kernel_distance() -> None:
    values = compare_embeddings(torch.eye(4)[:3], torch.eye(4)[3:].expand(3, -1))
    assert "embedding_kad" not in values
    assert values["cosine"] == values["recall@1"] == 0.0


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\) and \(3, 4\)"):
        compare_embeddings(torch.ones(2, 4), torch.ones(3, 4))
    with pytest.raises(ValueError, match="at least 2 samples"):
        compare_embeddings(torch.ones(1, 4), torch.ones(1, 4))

"""The parts of the analyses that can be told right or wrong by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from v2a_lightning.experiments.failures import nearest_classes
from v2a_lightning.experiments.interpolation import choose_pairs, slerp
from v2a_lightning.experiments.keeping import kept
from v2a_lightning.experiments.pages import Item, Section, players, write_page


def test_slerp_walks_the_great_circle_evenly() -> None:
    first, second = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0])
    points = slerp(first, second, 10)
    angles = torch.atan2(points[:, 1], points[:, 0])
    assert torch.allclose(angles, torch.linspace(0, math.pi / 2, 10), atol=1e-6)
    assert torch.allclose(points.norm(dim=1), torch.ones(10), atol=1e-6)
    assert torch.equal(points[:, 2], torch.zeros(10))


def test_slerp_between_equal_and_opposite_directions() -> None:
    one = torch.tensor([0.6, 0.8])
    assert torch.allclose(slerp(one, one, 5), one.expand(5, -1), atol=1e-6)
    with pytest.raises(ValueError, match="no one way"):
        slerp(one, -one, 5)


def test_pairs_are_of_different_classes_and_always_the_same() -> None:
    random = torch.Generator().manual_seed(0)
    batch = {
        "clip_id": [f"clip{row}" for row in range(8)],
        "label": ["dog", "cat", "dog", "bell", "rain", "cat", "bell", "rain"],
        "frames": torch.randn(8, 3, 4, generator=random),
        "frame_mask": torch.ones(8, 3, dtype=torch.bool),
    }
    pairs = choose_pairs([batch], 5)
    assert [pair.labels for pair in pairs] == [("bell", "dog"), ("cat", "rain")]
    assert pairs[0].clip_ids == ("clip3", "clip0")
    assert torch.equal(pairs[0].pictures[1], batch["frames"][0, 1])
    assert len(choose_pairs([batch], 1)) == 1


def test_the_nearest_class_leaves_the_clip_itself_out() -> None:
    heard = F.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), dim=1)
    labels = ["a", "a", "b", "b"]
    assert nearest_classes(heard, heard, labels) == labels
    # The only clip of its class has no other clip to stand for it.
    assert nearest_classes(heard[:1], heard[[0, 2, 3]], ["a", "b", "b"])[0] == "b"


def test_an_analysis_is_computed_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, float]:
        calls.append(1)
        return {"cosine": 0.5}

    assert kept(tmp_path / "a.json", compute) == {"cosine": 0.5}
    assert kept(tmp_path / "a.json", compute) == {"cosine": 0.5}
    assert len(calls) == 1


def test_an_analysis_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        kept(tmp_path / "a.json", lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_one_file_with_its_sounds_inside(tmp_path: Path) -> None:
    wave = np.sin(np.arange(8000, dtype=np.float32) / 10) * 0.5
    items = [Item("dog & cat", players({"1 of 2": wave, "2 of 2": wave * 0.1}, 16_000), code="abc_000001")]
    path = write_page(tmp_path / "page.html", "Title", "Why", "miniature", [Section("Pairs", items, "note")])
    text = path.read_text()
    assert text.count("<audio") == 2
    assert text.count("data:audio/flac;base64,") == 2
    assert "dog &amp; cat" in text
    assert "figures do not compare with real data" in text
    assert "http" not in text

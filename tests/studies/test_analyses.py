"""The parts of the analyses that can be told right or wrong by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from v2a_lightning.reports.pages import Item, Section, players, write_sounds_page
from v2a_lightning.studies.analyses.interpolation import choose_pairs, largest_step, slerp
from v2a_lightning.studies.analyses.subgroups import (
    STYLE,
    ClipScores,
    class_means,
    like_another,
    nearest_classes,
    subgroups_of,
)
from v2a_lightning.studies.trained_runs import cached_json
from v2a_lightning.studies.write import copy_into


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
    assert torch.equal(pairs[0].pictures[""][1], batch["frames"][0, 1])
    assert len(choose_pairs([batch], 1)) == 1
    views = {"narrow": batch["frames"][..., :2], "wide": batch["frames"]}
    several = choose_pairs([{**batch, "frames": views}], 1)[0].pictures
    assert torch.equal(several["wide"], pairs[0].pictures[""])
    assert torch.equal(several["narrow"], pairs[0].pictures[""][:, :2])


def test_the_nearest_class_is_that_of_the_nearest_mean() -> None:
    heard = F.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.0, 1.0], [0.1, 1.0]]), dim=1)
    known = class_means(zip(["a", "a", "b", "b"], heard, strict=True))
    assert list(known) == ["a", "b"]
    assert torch.allclose(known["a"], F.normalize(heard[0] + heard[1], dim=0))
    assert nearest_classes(torch.tensor([[0.9, 0.2], [0.3, 0.4]]), known) == ["a", "b"]


def test_classes_like_another_are_the_nearest_to_one() -> None:
    angles = {"a": 0.0, "b": 0.1, "c": 1.0, "d": 2.0, "e": 3.0, "f": 4.0, "g": 5.0, "h": 5.6}
    means = {name: torch.tensor([math.cos(angle), math.sin(angle)]) for name, angle in angles.items()}
    assert like_another(means) == {"a", "b"}
    assert like_another({"a": means["a"]}) == set()


def test_a_clips_subgroups_come_from_what_is_in_it() -> None:
    scene = {"entrance": "occluder", "count": 1, "visible_from": 0.2, "visible_to": 0.6}
    attributes = {"one": {"scenes": [scene], "boundary": 1.0}, "two": {"scenes": [scene, scene], "boundary": 0.5}}
    hidden, behind = "object in view less than half of the time", "behind something (not at the side)"
    assert subgroups_of(ClipScores("one", "dog", 0.0, "dog"), attributes) == [hidden, behind]
    assert "two scenes in the clip" in subgroups_of(ClipScores("two", "dog", 0.0, "dog"), attributes)
    assert subgroups_of(ClipScores("one", "dog", 0.0, "dog", style=True), attributes) == [STYLE]
    # Of real clips nobody wrote down what is in them.
    assert subgroups_of(ClipScores("real", "dog", 0.0, "dog"), {}) == []


def test_an_analysis_is_computed_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, float]:
        calls.append(1)
        return {"cosine": 0.5}

    assert cached_json(tmp_path / "a.json", compute) == {"cosine": 0.5}
    assert cached_json(tmp_path / "a.json", compute) == {"cosine": 0.5}
    assert len(calls) == 1


def test_an_analysis_of_other_settings_or_without_its_files_is_computed_again(tmp_path: Path) -> None:
    calls: list[int] = []
    page = tmp_path / "page.html"

    def compute() -> dict[str, list[int]]:
        calls.append(1)
        page.write_text("page")
        return {"steps": [len(calls)]}

    settings = {"steps": (1, 2)}
    for expected in (1, 1):
        assert cached_json(tmp_path / "a.json", compute, settings, [page]) == {"steps": [expected]}
    assert cached_json(tmp_path / "a.json", compute, {"steps": (1, 3)}, [page]) == {"steps": [2]}
    page.unlink()
    assert cached_json(tmp_path / "a.json", compute, {"steps": (1, 3)}, [page]) == {"steps": [3]}
    assert copy_into(tmp_path / "study", page).read_text() == "page"


def test_the_largest_step_is_told_from_an_even_way() -> None:
    even = [[1 - point / 9, point / 9] for point in range(10)]
    assert largest_step(even) == pytest.approx(1 / 9)
    assert largest_step([[1.0, 0.0]] * 5 + [[0.2, 1.0]] * 5) == 1.0
    # Of no change at all nothing is a step.
    assert largest_step([[1.0, 1.0]] * 10) == 0.0


def test_an_analysis_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        cached_json(tmp_path / "a.json", lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_one_file_with_its_sounds_inside(tmp_path: Path) -> None:
    waveform = np.sin(np.arange(8000, dtype=np.float32) / 10) * 0.5
    items = [Item("dog & cat", players({"1 of 2": waveform, "2 of 2": waveform * 0.1}, 16_000), code="abc_000001")]
    path = write_sounds_page(tmp_path / "page.html", "Title", "Why", "miniature", [Section("Pairs", items, "note")])
    text = path.read_text()
    assert text.count("<audio") == 2
    assert text.count("data:audio/flac;base64,") == 2
    assert "dog &amp; cat" in text
    assert "figures do not compare with real data" in text
    assert "http" not in text

"""Two processes: the same scores as one, with shards of different sizes, and training that waits for nobody."""

import json
import math
import subprocess
from pathlib import Path

import pytest

from tests.mapper.two_processes import KINDS, trained, validated

Scores = dict[str, dict[str, float]]
METRICS = ("loss", "embedding_fd", "cosine", "cosine_unrelated", "recall@1")


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory, quick_python: Path) -> Scores:
    path = tmp_path_factory.mktemp("two") / "scores.json"
    command = [str(quick_python), "-m", "tests.mapper.two_processes", str(path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return dict(json.loads(path.read_text()))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("clips", [2, 7])
def test_scores_are_those_of_one_process(of_two: Scores, clips: int) -> None:
    of_one = validated(clips, devices=1)
    for name in METRICS:
        assert of_two[f"{clips} clips"][f"val/{name}"] == pytest.approx(of_one[f"val/{name}"], abs=1e-5)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
def test_training_ends_with_more_batches_on_one_process_than_on_the_other(of_two: Scores, kind: str) -> None:
    assert of_two[kind]["steps"] == 5
    assert all(math.isfinite(of_two[kind][f"val/{name}"]) for name in METRICS)


@pytest.mark.timeout(1200)
def test_two_processes_take_the_steps_of_one_on_the_same_batches(of_two: Scores) -> None:
    # Regression draws nothing, so only the order of sums differs; Adam would make much of that in its first steps.
    of_one = trained("plain descent", devices=1)
    assert of_two["plain descent"]["steps"] == of_one["steps"] == 5
    for name in METRICS:
        assert of_two["plain descent"][f"val/{name}"] == pytest.approx(of_one[f"val/{name}"], rel=1e-5, abs=1e-6)

"""The benchmark of a training step, at a tiny size: what it writes."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "benchmarks" / "step.py"


@pytest.fixture
def step() -> ModuleType:
    spec = importlib.util.spec_from_file_location("step", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_and_their_table(step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "ALLOCATORS", {"keeping freed memory": step.KEEPING})
    sizes = {"batch": 4, "prior_batch": 1, "sampling_batch": 2, "sampling_steps": 2, "depth": 1, "square": 64}
    small = step.Settings(**sizes, repeats=1, threads=1)
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin step -->\n<!-- end step -->\nafter\n")
    step.benchmark(small, tmp_path, readme)
    report = json.loads((tmp_path / "step.json").read_text())
    figures = report["results"]["keeping freed memory"]
    assert figures["training step, share of sgemm"] > 0
    assert 0 <= figures["waiting for data, share of a step"] < 1
    assert report["settings"]["batch"] == 4
    table = (tmp_path / "step.md").read_text()
    assert "| training, clips/s |" in table
    assert "MALLOC_TRIM_THRESHOLD_=" in table
    assert table.count("reached") + table.count("**missed**") == 3
    assert readme.read_text() == f"before\n<!-- begin step -->\n{table.strip()}\n<!-- end step -->\nafter\n"


def test_a_goal_is_held_against_the_best_column(step: ModuleType) -> None:
    slow = {
        "training step, share of sgemm": 0.5,
        "training, times as fast": 30.0,
        "waiting for data, share of a step": 0.2,
    }
    fast = {
        "training step, share of sgemm": 0.95,
        "training, times as fast": 20.0,
        "waiting for data, share of a step": 0.1,
    }
    share, times, waiting = step._reached({"slow": slow, "fast": fast})
    assert share == "- training step, share of sgemm: 0.95 (allocator fast), goal at least 0.92: reached"
    assert times == "- training, times as fast: 30 (allocator slow), goal at least 27: reached"
    assert waiting == "- waiting for data, share of a step: 0.1 (allocator fast), goal at most 0.05: **missed**"


def test_the_readme_has_a_place_for_the_table(step: ModuleType) -> None:
    assert step.README.read_text().count("<!-- begin step -->") == 1


def test_a_steps_operations_are_those_of_its_layers(step: ModuleType) -> None:
    training = step.TrainingStep(step._mapper(depth=2), 3)
    feed_forward = 3 * 512 * 2048  # multiplications of a token in one block
    tokens = 3 * (4 + 1)  # all four in the first block, only the output's in the last
    assert training.flops == pytest.approx(3 * 2 * tokens * feed_forward, rel=0.35)
    assert training.flops > 3 * 2 * tokens * feed_forward

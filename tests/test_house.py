"""Imports run one way through the rooms: see experiments/benchmarks/house.py."""

import subprocess
import sys

import pytest

from experiments.benchmarks.house import House, survey


@pytest.fixture(scope="module")
def house() -> House:
    return survey()


def test_imports_run_one_way(house: House) -> None:
    assert house.circles() == []
    assert house.arrows_up() == []
    assert house.hidden == []
    assert house.miniature_entered() == []


def test_the_pipeline_loads_no_metric() -> None:
    code = (
        "import sys, v2a_lightning.pipeline; print(*(name for name in sys.modules if name.startswith('v2a_lightning')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "v2a_lightning.pipeline" in loaded
    assert [name for name in loaded if name.startswith(("v2a_lightning.evaluation", "v2a_lightning.callbacks"))] == []


def test_the_mapper_knows_torch_only(house: House) -> None:
    rooms = {house.room(other) for one, other in house.imports if house.room(one) == "mapper"}
    assert rooms <= {"mapper", "ground"}

"""A folder as the project's own, with studies at their tiny size on small models with random weights."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from v2a_lightning.studies import runner
from v2a_lightning.studies.plan import Options
from v2a_lightning.studies.workers import ReusedProcess, environment

PROJECT = Path(__file__).parents[2]
BASE = "base.yaml"


def random_base(weights: Path) -> dict[str, Any]:
    """experiments/ablations/base.yaml with random weights."""
    config: dict[str, Any] = yaml.safe_load((PROJECT / "experiments/ablations/base.yaml").read_text())
    data, evaluation = config["data"]["init_args"], config["evaluation"]["init_args"]
    data["encoder"]["init_args"]["checkpoint"] = str(weights / "clip")
    data["clap"]["init_args"]["checkpoint"] = str(weights / "clap")
    data["decoding"] = {"num_workers": 1}
    config["model"]["init_args"]["network"]["init_args"]["hidden"] = 64
    config["trainer"]["limit_train_batches"] = 1
    evaluation["generator"]["init_args"]["checkpoint"] = str(weights / "audioldm")
    extractors = {"tagger": "cnn14", "vggish": "vggish", "wav2clip": "wav2clip", "clip": "clip"}
    evaluation["suite"]["init_args"] = {kind: str(weights / name) for kind, name in extractors.items()}
    return config


@pytest.fixture(scope="session")
def project(random_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Any folder, with a base on random weights and room for data and runs: studies are found by name."""
    folder = tmp_path_factory.mktemp("project")
    (folder / BASE).write_text(yaml.safe_dump(random_base(random_weights)))
    return folder


class SharedProcess(ReusedProcess):
    """A worker that outlives the study it works for: importing the libraries takes longer than a tiny run."""

    def close(self) -> None:
        """The session ends it."""

    def end(self) -> None:
        """End it."""
        super().close()


@pytest.fixture(scope="session")
def shared_process(project: Path) -> Iterator[SharedProcess]:
    """A worker for all studies of the session, which starts in the folder of the first test that runs something."""
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    process = SharedProcess({**environment(1), "PYTHONPATH": path})
    yield process
    process.end()


@pytest.fixture
def in_project(project: Path, shared_process: SharedProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder as the working directory; studies are run by the session's worker."""
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(runner, "start_processes", lambda workers: [shared_process])
    return project


@pytest.fixture
def tiny(tmp_path: Path) -> Options:
    """One seed at the tiny size on random weights, into a folder of the test's own."""
    return Options(seeds=1, size="tiny", base=(BASE,), output=tmp_path / "studies")

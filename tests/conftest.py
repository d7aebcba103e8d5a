"""What tests of several rooms share: small models with random weights, and a few real clips."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before anything imports a library that would look at them: no test may touch the network.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["WANDB_MODE"] = "offline"

import pytest
import torch
import yaml
from filelock import FileLock

from tests.installation import install
from tests.quick_python import start

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
LONGEST = (
    "studies/test_targets", "app/test_fit", "app/test_embed", "callbacks/test_audio_evaluation", "app/test_demo",
    "studies/test_sweeps", "studies/test_runner", "test_wheel", "test_extending", "docs/test_notebook",
    "docs/test_pages", "generators/test_protocol", "studies/test_configs", "test_resume", "app/test_generate",
    "evaluation/test_distributed", "miniature/test_check", "test_module", "studies/test_faults", "app/test_stopping",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, by what was measured; the rest stays in its order."""
    rank = {f"tests/{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Path:
    """A folder that `make` fills: by the first of pytest-xdist's workers that wants it, for all of them to read."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """Every foundation model and extractor at the miniature's size or below, with random weights: `<kind>/`."""

    def make(folder: Path) -> None:
        shutil.copytree(weights, folder, dirs_exist_ok=True)
        _write_random_extractors(folder)

    return made_once(tmp_path_factory, "random-weights", make)


def _write_random_extractors(folder: Path) -> None:
    from v2a_lightning.evaluation.extractors.cnn14 import Cnn14, Cnn14Config
    from v2a_lightning.evaluation.extractors.vggish import VGGish, VGGishConfig
    from v2a_lightning.evaluation.extractors.wav2clip import Wav2CLIP, Wav2CLIPConfig

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Cnn14(Cnn14Config(width=2, classes=28)).save_pretrained(folder / "cnn14")
        VGGish(VGGishConfig(width=4, hidden=32)).save_pretrained(folder / "vggish")
        Wav2CLIP(Wav2CLIPConfig(width=4)).save_pretrained(folder / "wav2clip")


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered world of 28 clips: 24 to train on and 4 to test, in which this process keeps its store."""
    from v2a_lightning.miniature.world.render import render_world

    made = made_once(tmp_path_factory, "world", lambda folder: render_world(folder, 28, workers=1))
    return shutil.copytree(made, tmp_path_factory.mktemp("world"), dirs_exist_ok=True)


@pytest.fixture
def tiny_config(random_weights: Path, tiny_world: Path, tmp_path: Path) -> dict[str, Any]:
    """experiments/quickstart.yaml with random weights and at a size at which an epoch takes seconds."""
    config = yaml.safe_load((EXPERIMENTS / "quickstart.yaml").read_text())
    return make_tiny(config, random_weights, tiny_world, tmp_path)


def make_tiny(config: dict[str, Any], weights: Path, world: Path, output: Path) -> dict[str, Any]:
    """Any experiment's config on the tiny world: two epochs, two steps of AudioLDM, seven clips of validation."""
    config["run"]["root"] = str(output / "runs")
    data, evaluation = config["data"], config["evaluation"]["init_args"]
    data["class_path"] = "v2a_lightning.data_modules.VGGSoundDataModule"
    data["init_args"] |= {
        "csv": str(world / "vggsound.csv"), "media": str(world / "clips"), "store": str(world / "store"),
        "frames": {"frames_per_second": 2, "duration": 2.56}, "audio": {"sample_rate": 16000, "duration": 2.56},
        "encoder": _model("ClipEncoder", weights / "clip"), "clap": _model("ClapEncoder", weights / "clap"),
        "batch_size": 4, "splits": {"validation_clips": 7, "validation_fraction": 0.0}, "decoding": {"num_workers": 1},
    }  # fmt: skip
    data["init_args"].pop("clips", None)
    model = config["model"]["init_args"]
    if "Transformer" in model["network"]["class_path"]:
        model["network"]["init_args"] = {"depth": 1, "heads": 2, "dim_head": 32, "ff_mult": 1}
    model["sampling_steps"] = 2
    evaluation |= {
        "generator": _model("AudioLDM", weights / "audioldm", steps=1, guidance=1.0, batch_size=4),
        "suite": {
            "class_path": "v2a_lightning.evaluation.EvaluationSuite",
            "init_args": {kind: str(weights / name) for kind, name in EXTRACTORS.items()},
        },
        "clips": 5, "test_clips": 3, "every_n_epochs": 1, "seconds": 2.56,
    }  # fmt: skip
    config["trainer"] |= {"max_epochs": 2, "accelerator": "cpu", "devices": 1, "enable_progress_bar": False}
    config["trainer"] |= {"log_every_n_steps": 1, "precision": "32-true"}
    for callback in config["trainer"]["callbacks"]:
        if callback.get("init_args", {}).get("filename") == "last":
            callback["init_args"]["every_n_epochs"] = 1
    return config


EXTRACTORS = {"tagger": "cnn14", "vggish": "vggish", "wav2clip": "wav2clip", "clip": "clip"}


def _model(name: str, checkpoint: Path, **arguments: Any) -> dict[str, Any]:
    path = f"v2a_lightning.{'generators' if name == 'AudioLDM' else 'encoders'}.{name}"
    return {"class_path": path, "init_args": {"checkpoint": str(checkpoint), **arguments}}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small foundation models with random weights, without the extractors of metrics: `<kind>/`."""
    from tests.random_weights import write_random

    return made_once(tmp_path_factory, "weights", write_random)


@pytest.fixture(scope="session")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of Python's program, for what imports the large libraries: see tests/quick_python.py."""
    session = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    return made_once(tmp_path_factory, "python", lambda folder: start(folder, session)) / "python"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installation, as site-packages has it."""
    return made_once(tmp_path_factory, "site", lambda folder: install(tmp_path_factory.mktemp("source"), folder))


@pytest.fixture
def somewhere(site: Path, quick_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody's folder, with a package `callbacks` of its own, on a machine with the project installed."""
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setattr("tests.installation.PYTHON", str(quick_python))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "__init__.py").write_text("raise RuntimeError('the wrong callbacks')\n")
    return tmp_path

"""The main job from end to end, at a size at which it takes seconds."""

import csv
import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from tests.conftest import EXPERIMENTS, make_tiny
from v2a_lightning.app.cli import main
from v2a_lightning.data_modules.clips import ids_hash
from v2a_lightning.errors import RunFailure
from v2a_lightning.media import read_waveform
from v2a_lightning.pipeline import V2APipeline

SCORES = ["val/fd", "val/fad", "val/kl", "val/is", "val/cs",
          "val/embedding_fd", "val/cosine", "val/cosine_unrelated", "val/recall@1", "val/loss"]  # fmt: skip


class StopInSecondEpoch(Callback):
    """Ends a run as a power cut would, as far as its files are concerned."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Fail in the middle of the second epoch."""
        if trainer.current_epoch == 1 and batch_idx == 2:
            raise RunFailure("the power is gone")


def write(config: dict[str, Any], folder: Path, name: str = "tiny.yaml") -> str:
    """A config as a file."""
    path = folder / name
    path.write_text(yaml.safe_dump(config))
    return str(path)


def fit(config: str, *options: str) -> int:
    """Run `fit` in this process."""
    return main(["fit", "--config", config, *options])


def columns(run: Path) -> dict[str, list[float]]:
    """The values of metrics.csv, by name, in the order of rows."""
    found: dict[str, list[float]] = {}
    with open(run / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value != "":
                    found.setdefault(name, []).append(float(value))
    return found


def only_run(config: dict[str, Any], experiment: str = "quickstart") -> Path:
    """The folder of an experiment's only run."""
    (run,) = Path(config["run"]["root"], experiment).iterdir()
    return run


def checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's content."""
    return torch.load(path, map_location="cpu", weights_only=False)


@dataclass(frozen=True)
class Finished:
    """A run that was left alone, the file of its config, and the folder that runs of the same experiment are in."""

    config: str
    run: Path

    @property
    def runs(self) -> Path:
        return self.run.parent


@pytest.fixture(scope="module")
def finished(random_weights: Path, tiny_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    content = yaml.safe_load((EXPERIMENTS / "quickstart.yaml").read_text())
    content = make_tiny(content, random_weights, tiny_world, folder)
    config = write(content, folder)
    assert fit(config) == 0
    return Finished(config, only_run(content))


def test_a_run_leaves_everything_in_its_folder(finished: Finished) -> None:
    run = finished.run
    values = columns(run)
    assert all(len(values[name]) == 2 for name in SCORES), "a value at each evaluated epoch"
    assert values["val/fd"][0] > 0
    assert values["val/is"][0] >= 1

    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["model"]["init_args"]["network"]["init_args"]["depth"] == 1
    assert config["evaluation"]["init_args"]["seconds"] == 2.56

    for epoch in ("epoch_000", "epoch_001"):
        evaluation = json.loads((run / "audio" / epoch / "evaluation.json").read_text())
        assert len(evaluation["clips"]) == 5
        for clip in evaluation["clips"]:
            waveform, rate = read_waveform(run / clip["wave"])
            assert (len(waveform), rate) == (40960, 16000)
            assert Path(clip["source"]).stem == clip["clip_id"]
        assert evaluation["cards"]["fd"]["generation"]["steps"] == 1
        assert evaluation["cards"]["fd"]["n_generated"] == 5

    assert list((run / "wandb").glob("offline-run-*/*.wandb"))
    assert list((run / "wandb").glob("offline-run-*/files/media/audio/val/*.wav"))
    assert (run / "report.html").read_text().count("data:audio/flac") == 10
    assert (run / "domain_gap" / "epoch_000.png").is_file()
    used = json.loads((run / "clips.json").read_text())
    assert {split: one["clips"] for split, one in used["splits"].items()} == {"train": 17, "validation": 7}
    assert used["splits"]["validation"]["ids_sha256"] in (run / "report.html").read_text()

    saved = checkpoint(run / "checkpoints" / "best.ckpt")
    parts = {name.partition(".")[0] for name in saved["state_dict"]}
    assert parts <= {"network", "objective", "aggregator"}, "only what is trained"
    assert yaml.safe_load(saved["v2a_config"]) == config


def test_a_killed_run_goes_on_as_if_nothing_had_been(
    finished: Finished, tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    stopping = {"class_path": "tests.app.test_fit.StopInSecondEpoch"}
    whole = write(tiny_config, tmp_path, "whole.yaml")
    tiny_config["trainer"]["callbacks"].append(stopping)
    killed = write(tiny_config, tmp_path, "killed.yaml")

    assert fit(killed) == 1
    assert fit(whole, "--ckpt_path=last") == 0

    runs = [finished.run, only_run(tiny_config)]
    states = [checkpoint(run / "checkpoints" / "last.ckpt") for run in runs]
    for key in ("state_dict", "current_model_state"):
        assert states[0][key].keys() == states[1][key].keys()
        assert all(torch.equal(states[0][key][name], states[1][key][name]) for name in states[0][key])
    curves = [columns(run) for run in runs]
    for name in [*SCORES, "train/loss", "train/loss_step", "epoch", "step"]:
        assert curves[0][name] == pytest.approx(curves[1][name], rel=1e-6), name


def test_the_average_is_what_is_scored_and_what_generates(finished: Finished) -> None:
    saved = checkpoint(finished.run / "checkpoints" / "last.ckpt")
    name = "network.trunk.projection.weight"
    assert not torch.equal(saved["state_dict"][name], saved["current_model_state"][name])

    mapper = V2APipeline.from_pretrained(finished.run / "checkpoints" / "last.ckpt").mapper
    assert torch.equal(mapper.state_dict()[name], saved["state_dict"][name])

    options = ["--ckpt_path=last", "--evaluation.test_clips=5", "--run.wandb=disabled"]
    assert main(["validate", "--config", finished.config, *options]) == 0
    (validated,) = finished.runs.glob("*-validate")
    during, after = columns(finished.run), columns(validated)
    for name in SCORES:
        assert during[name][-1:] == pytest.approx(after[name], rel=1e-5, abs=1e-7), name


class TellSecond(Callback):
    """Sends the second process a signal behind a step, as a machine does that is taken back."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_rank == 1 and trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.timeout(1200)
def test_two_processes_score_as_one_and_end_together_when_one_is_told(
    tiny_config: dict[str, Any], tmp_path: Path, quick_python: Path
) -> None:
    tiny_config["data"]["init_args"]["batch_size"] = 6  # seven clips: six and one here, four and three there
    whole = write(tiny_config, tmp_path, "whole.yaml")
    # Seventeen clips in batches of six: step 4 is in the second epoch's middle.
    tell = {"class_path": "tests.app.test_fit.TellSecond", "init_args": {"step": 4}}
    tiny_config["trainer"]["callbacks"].append(tell)
    stopped = write(tiny_config, tmp_path, "stopped.yaml")
    two = ["--trainer.devices=2", "--run.name=two", "--run.wandb=disabled"]
    command = [str(quick_python), "-m", "v2a_lightning", "fit", "--config", stopped, *two]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert told.returncode == 143, told.stderr

    runs = Path(tiny_config["run"]["root"], "quickstart")
    assert [path.name for path in runs.iterdir()] == ["two"], "the second process made no folder of its own"
    assert len(list((runs / "two" / "audio" / "epoch_000").glob("*.wav"))) == 5
    best = str(runs / "two" / "checkpoints" / "best.ckpt")
    one = ["--ckpt_path", best, "--run.name=one", "--evaluation.test_clips=5", "--run.wandb=disabled"]
    assert main(["validate", "--config", whole, *one]) == 0
    shared, alone = columns(runs / "two"), columns(runs / "one")
    for name in SCORES:
        assert shared[name] == pytest.approx(alone[name], rel=1e-5, abs=1e-5), name
    evaluations = [runs / "two" / "audio" / "epoch_000", runs / "one" / "audio" / "val"]
    first, second = (json.loads((folder / "evaluation.json").read_text()) for folder in evaluations)
    assert [clip["clip_id"] for clip in first["clips"]] == [clip["clip_id"] for clip in second["clips"]]

    last = runs / "two" / "checkpoints" / "last.ckpt"
    assert checkpoint(last)["global_step"] == 4
    # The batch is that of all processes: one alone goes on with the rest of the epoch.
    assert fit(whole, "--run.name=two", "--run.wandb=disabled", "--ckpt_path=last") == 0
    assert max(columns(runs / "two")["step"]) == 5
    assert checkpoint(last)["global_step"] == 6


def test_two_processes_that_encode_their_own_batches_score_as_one_with_a_store(
    tiny_config: dict[str, Any], tmp_path: Path, quick_python: Path
) -> None:
    tiny_config |= {"evaluation": None}
    tiny_config["trainer"]["callbacks"] = []
    tiny_config["data"]["init_args"] |= {"precision": "float32", "store": str(tmp_path / "store"), "batch_size": 6}
    config = write(tiny_config, tmp_path)
    options = ["validate", "--config", config, "--run.wandb=disabled"]
    assert main([*options, "--run.name=one"]) == 0
    live = ["--run.name=two", "--trainer.devices=2", "--data.mode=on_the_fly", f"--data.store={tmp_path / 'live'}"]
    command = [str(quick_python), "-m", "v2a_lightning", *options, *live]
    told = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert told.returncode == 0, told.stderr
    runs = Path(tiny_config["run"]["root"], "quickstart")
    alone, shared = columns(runs / "one"), columns(runs / "two")
    for name in ("val/loss", "val/embedding_fd", "val/cosine", "val/cosine_unrelated", "val/recall@1"):
        assert shared[name] == pytest.approx(alone[name], rel=1e-5, abs=1e-5), name
    assert (runs / "one" / "clips.json").read_text() == (runs / "two" / "clips.json").read_text()


def test_test_and_predict_take_the_test_clips_and_say_so(finished: Finished) -> None:
    written = finished.config
    options = ["--ckpt_path=last", "--run.wandb=disabled", "--evaluation.test_clips=null"]
    assert main(["test", "--config", written, *options]) == 0
    (run,) = finished.runs.glob("*-test")
    assert columns(run)["test/fd"][0] > 0
    waveforms = list((run / "audio" / "test").glob("*.wav"))
    assert len(waveforms) == 4
    used = json.loads((run / "clips.json").read_text())["splits"]
    assert used == {"test": {"clips": 4, "ids_sha256": ids_hash(path.stem for path in waveforms)}}
    evaluation = json.loads((run / "audio" / "test" / "evaluation.json").read_text())
    assert evaluation["cards"]["fd"]["clips_sha256"] == used["test"]["ids_sha256"]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert Path(config["ckpt_path"]).name == "last.ckpt", "the checkpoint that was scored, not its nickname"

    assert main(["predict", "--config", written, "--ckpt_path=last", "--run.wandb=disabled"]) == 0
    (predicted,) = finished.runs.glob("*-predict")
    rows = pq.read_table(predicted / "embeddings").to_pydict()
    assert sorted(rows["clip_id"]) == sorted(path.stem for path in waveforms)
    embeddings = np.array(rows["embedding"])
    assert embeddings.shape == (4, 512)
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert json.loads((predicted / "clips.json").read_text())["splits"] == used


@pytest.mark.parametrize("option", ["--trainer.precision=32-true", "--trainer.precision=bf16-mixed"])
def test_a_trial_run_runs_everything_and_writes_nothing(
    option: str, tiny_config: dict[str, Any], tmp_path: Path
) -> None:
    assert fit(write(tiny_config, tmp_path), "--trainer.fast_dev_run=1", option) == 0
    assert not Path(tiny_config["run"]["root"]).exists()


def test_two_runs_at_once_have_two_folders_and_one_name_is_taken_once(
    tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write(tiny_config, tmp_path)
    options = ["--trainer.max_epochs=1", "--run.wandb=disabled", "--evaluation=null", "--trainer.callbacks=null"]
    assert fit(config, *options) == 0
    assert fit(config, *options, "--run.name=mine") == 0
    assert len(list(Path(tiny_config["run"]["root"], "quickstart").iterdir())) == 2
    assert fit(config, *options, "--run.name=mine") == 2
    assert "mine holds a run already: continue it with --ckpt_path last" in capsys.readouterr().err


def test_a_run_without_wandb_logs_to_its_csv_file(
    tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("v2a_lightning.app.loggers.find_spec", lambda name: None)
    options = ["--trainer.max_epochs=1", "--evaluation=null", "--trainer.callbacks=null"]
    assert fit(write(tiny_config, tmp_path), *options) == 0
    run = only_run(tiny_config)
    assert len(columns(run)["val/cosine"]) == 1
    assert not (run / "wandb").exists()

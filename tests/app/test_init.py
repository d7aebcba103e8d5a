"""`init` makes a folder that one can work in at once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import make_tiny
from v2a_lightning.app.cli import main
from v2a_lightning.app.config_keys import refuse_unknown_keys
from v2a_lightning.studies.study import read_study

SHORT = ["--trainer.max_epochs=1", "--run.wandb=disabled", "--evaluation.clips=2", "--trainer.limit_train_batches=2"]
FILES = ["config.yaml", "Makefile", "ablation.yaml", "sweep.yaml"]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert main(["init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def test_it_says_what_it_wrote_and_what_is_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["init", str(tmp_path / "empty")]) == 0
    told = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == sorted(FILES)
    assert told.splitlines()[:4] == [str(tmp_path / "empty" / name) for name in FILES]
    assert "fit --config config.yaml" in told.splitlines()[-1]


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").touch()
    assert main(["init", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path} is not empty; name a folder that is new or empty\n"
    assert main(["init", str(tmp_path / "notes.txt")]) == 2
    assert "notes.txt is a file; name a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_every_key_of_config_sweep_and_ablation_is_one(begun: Path) -> None:
    assert "fit --config config.yaml\n" in (begun / "config.yaml").read_text()
    sweep = yaml.safe_load((begun / "sweep.yaml").read_text())
    assert sweep["command"][2:7] == ["-m", "v2a_lightning", "fit", "--config", "config.yaml"]
    settings = [f"--{name}=1" for name in sweep["parameters"]]
    study = read_study("ablation.yaml")
    settings += [f"--{name}={value}" for one in study.variants for name, value in one.options.items()]
    assert len(settings) == 5
    refuse_unknown_keys("fit", ["--config", "config.yaml", *settings])


def test_make_knows_the_ablation(begun: Path) -> None:
    # Inside another make (`make test`) this one would inherit its flags and say which folder it enters.
    alone = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ARGS")}
    command = ["make", "-n", "ablation", "SEEDS=2"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=begun, env=alone)
    assert told.stdout.strip() == "python -m v2a_lightning experiment ablation.yaml --seeds 2"


def test_a_folder_of_videos_is_all_that_is_to_be_named(begun: Path, random_weights: Path, tiny_world: Path) -> None:
    shutil.copytree(tiny_world / "clips", begun / "somewhere")
    config = yaml.safe_load((begun / "config.yaml").read_text().replace("media: videos", "media: somewhere"))
    own = {"media": config["data"]["init_args"]["media"], "store": "embeddings"}
    data_module = config["data"]["class_path"]
    tiny = make_tiny(config, random_weights, tiny_world, begun)
    tiny["data"]["init_args"].pop("csv")
    tiny["data"] = {"class_path": data_module, "init_args": tiny["data"]["init_args"] | own}
    (begun / "config.yaml").write_text(yaml.safe_dump(tiny))
    assert main(["fit", "--config", "config.yaml", *SHORT]) == 0
    (run,) = (begun / "runs" / "videos").iterdir()
    assert (run / "report.html").is_file()
    assert (begun / "embeddings").is_dir()

"""What is wrong with a command, a config or its data is told in one line that names it, with the right exit code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.app.test_fit import write
from v2a_lightning.app.cli import main

Config = dict[str, Any]


def unknown_key(config: Config, folder: Path) -> None:
    config["model"]["init_args"]["learning_rate"] = 3


def unknown_class(config: Config, folder: Path) -> None:
    config["model"]["init_args"]["network"] = {"class_path": "v2a_lightning.mapper.Transformator"}


def wrong_type(config: Config, folder: Path) -> None:
    config["data"]["init_args"]["batch_size"] = "many"


def missing_interpolation(config: Config, folder: Path) -> None:
    config["evaluation"]["init_args"]["seconds"] = "${data.init_args.length}"


def refused_value(config: Config, folder: Path) -> None:
    config["evaluation"]["init_args"]["clips"] = 0


def refused_by_the_trainer(config: Config, folder: Path) -> None:
    config["trainer"]["max_epochs"] = -7


def missing_csv(config: Config, folder: Path) -> None:
    config["data"]["init_args"]["csv"] = str(folder / "absent.csv")


def csv_with_other_columns(config: Config, folder: Path) -> None:
    (folder / "other.csv").write_text("name,label\nabc,dog\n")
    config["data"]["init_args"]["csv"] = str(folder / "other.csv")


def csv_that_is_no_text(config: Config, folder: Path) -> None:
    (folder / "film.csv").write_bytes(bytes(range(256)))
    config["data"]["init_args"]["csv"] = str(folder / "film.csv")


def missing_media(config: Config, folder: Path) -> None:
    config["data"]["init_args"]["media"] = str(folder / "nowhere")


def store_that_is_a_file(config: Config, folder: Path) -> None:
    (folder / "store").touch()
    config["data"]["init_args"]["store"] = str(folder / "store")


def runs_that_cannot_be_written(config: Config, folder: Path) -> None:
    (folder / "file").touch()
    config["run"]["root"] = str(folder / "file")


def text_for_a_checkpoint(config: Config, folder: Path) -> None:
    (folder / "text.ckpt").write_text("uR7ePL9tL02,26,dog,train\n")
    config["ckpt_path"] = str(folder / "text.ckpt")


def one_clip_to_validate(config: Config, folder: Path) -> None:
    config["data"]["init_args"]["splits"] = {"validation_clips": 1}


def no_clip_left(config: Config, folder: Path) -> None:
    (folder / "nothing").mkdir()
    config["data"]["init_args"] |= {"media": str(folder / "nothing"), "store": str(folder / "store")}


def missing_checkpoint(config: Config, folder: Path) -> None:
    config["ckpt_path"] = str(folder / "absent.ckpt")


def no_earlier_run(config: Config, folder: Path) -> None:
    config["ckpt_path"] = "last"


def no_checkpoint_at_all(config: Config, folder: Path) -> None:
    (folder / "torn.ckpt").write_bytes(b"not a checkpoint")
    config["ckpt_path"] = str(folder / "torn.ckpt")


def checkpoint_of_another_shape(config: Config, folder: Path) -> None:
    torch.save({"state_dict": {"network.trunk.projection.weight": torch.zeros(3, 3)}}, folder / "other.ckpt")
    config["ckpt_path"] = str(folder / "other.ckpt")


def missing_weights(config: Config, folder: Path) -> None:
    config["data"]["init_args"]["encoder"]["init_args"]["checkpoint"] = str(folder / "no_clip_here")


@pytest.mark.parametrize(
    ("spoil", "code", "named"),
    [
        (unknown_key, 2, "learning_rate"),
        (unknown_class, 2, "Transformator"),
        (wrong_type, 2, "batch_size"),
        (missing_interpolation, 2, "data.init_args.length"),
        (refused_value, 2, "clips and every_n_epochs are at least 1, not 0 and 1"),
        (refused_by_the_trainer, 2, "max_epochs"),
        (missing_csv, 2, "absent.csv"),
        (csv_with_other_columns, 2, "other.csv"),
        (csv_that_is_no_text, 2, "film.csv is not a readable text file in UTF-8"),
        (missing_media, 2, "nowhere: there is no such folder"),
        (store_that_is_a_file, 2, "store is a file, and a folder is wanted"),
        (runs_that_cannot_be_written, 2, "file/quickstart/"),
        (text_for_a_checkpoint, 2, "text.ckpt is not a readable checkpoint"),
        (one_clip_to_validate, 2, "data.splits.validation_clips is at least 2, not 1"),
        (no_clip_left, 1, "no clip left for train"),
        (missing_checkpoint, 2, "absent.ckpt: there is no such file"),
        (no_earlier_run, 2, "--ckpt_path last: no run under"),
        (no_checkpoint_at_all, 2, "torn.ckpt is not a readable checkpoint"),
        (checkpoint_of_another_shape, 2, "other.ckpt: the checkpoint holds another mapper: "),
        (missing_weights, 2, "no_clip_here"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_one_line_names_what_is_wrong(
    spoil: Callable[[Config, Path], None],
    code: int,
    named: str,
    tiny_config: Config,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny_config["run"]["wandb"] = "disabled"
    spoil(tiny_config, tmp_path)
    assert main(["fit", "--config", write(tiny_config, tmp_path)]) == code
    told = capsys.readouterr().err
    (line,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert named in line
    assert "Traceback" not in told


def test_a_store_of_another_clip_is_refused_and_both_are_named(
    tiny_config: Config, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_config["run"]["wandb"] = "disabled"
    tiny_config["data"]["init_args"]["store"] = str(tmp_path / "store")
    config = write(tiny_config, tmp_path)
    assert main(["fit", "--config", config, "--trainer.fast_dev_run=1", "--evaluation=null"]) == 0
    options = ["--data.frames.frames_per_second=1", "--trainer.fast_dev_run=1"]
    assert main(["fit", "--config", config, *options]) == 2
    told = capsys.readouterr().err
    assert "frames-2fps-2.56s" in told
    assert "frames-1fps-2.56s" in told

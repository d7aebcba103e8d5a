"""Run folders and what a run logs to."""

import csv
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from v2a_lightning.app.loggers import MetricsFile, loggers_for, wandb_mode
from v2a_lightning.checkpoint_files import WholeCheckpoints
from v2a_lightning.errors import UsageError
from v2a_lightning.runs import RunSettings, claim_folder, find_checkpoint, new_run_name, refuse_taken_folder, run_of


def test_names_are_new_and_sort_by_time() -> None:
    names = [new_run_name() for _ in range(2000)]
    assert len(set(names)) == 2000
    assert names == sorted(names)
    began = datetime.strptime(names[0].rpartition("-")[0], "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - began).total_seconds()) < 60


def test_names_sort_by_time_when_clocks_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for zone in ("UTC-2", "UTC-1"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        names.append(new_run_name())
    monkeypatch.undo()
    time.tzset()
    assert names == sorted(names)


def test_a_folder_with_a_run_is_not_taken_again(tmp_path: Path) -> None:
    folder = claim_folder(tmp_path / "runs" / "a" / "one")
    refuse_taken_folder(folder)
    (folder / "config.yaml").touch()
    with pytest.raises(UsageError, match=r"one holds a run already: continue it with --ckpt_path last"):
        refuse_taken_folder(folder)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"run\.root: .*file/a/one cannot be made: Not a directory"):
        claim_folder(tmp_path / "file" / "a" / "one")


def test_the_newest_checkpoint_is_found(tmp_path: Path) -> None:
    settings = RunSettings(root=str(tmp_path), experiment="study/first")
    assert find_checkpoint(settings, "last") is None
    for age, run in ((30, "b"), (10, "a"), (20, "c")):
        path = settings.folder / run / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True)
        torch.save({}, path)
        os.utime(path, (1e9 - age, 1e9 - age))
    assert find_checkpoint(settings, "last") == settings.folder / "a" / "checkpoints" / "last.ckpt"
    assert find_checkpoint(settings, "best") is None
    named = RunSettings(root=str(tmp_path), experiment="study/first", name="c")
    found = find_checkpoint(named, "last")
    assert found is not None
    assert run_of(found) == settings.folder / "c"


def test_a_damaged_last_gives_way_to_the_one_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = RunSettings(root=str(tmp_path), experiment="study", name="a")
    folder = settings.folder / "a" / "checkpoints"
    writer = WholeCheckpoints()
    for step in (1, 2, 3):
        writer.save_checkpoint({"step": step, "weights": torch.full((5000,), float(step))}, folder / "last.ckpt")
    whole = (folder / "last.ckpt").read_bytes()
    assert find_checkpoint(settings, "last") == folder / "last.ckpt"
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for content in (b"", whole[: len(whole) // 2], bytes(flipped)):
        (folder / "last.ckpt").write_bytes(content)
        found = find_checkpoint(settings, "last")
        assert found == folder / "last-previous.ckpt"
        assert torch.load(found)["step"] == 2
        assert "last.ckpt is damaged: " in capsys.readouterr().err
    found.write_bytes(b"")
    with pytest.raises(UsageError, match=r"last-previous\.ckpt is damaged: it is empty; this run has no other"):
        find_checkpoint(settings, "last")


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of a metrics.csv."""
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_resumed_curve_replaces_what_was_beyond_the_checkpoint_and_keeps_its_step(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a" / "one"
    first = MetricsFile(folder)
    for step in range(4):
        first.log_metrics({"epoch": step // 2, "train/loss": 1.0 + step}, step)
        first.save()
    second = MetricsFile(folder)
    second.log_metrics({"epoch": 1, "val/fd": 9.0}, 2)
    second.save()
    second.log_metrics({"epoch": 1, "train/loss": 5.0}, 3)
    second.save()
    assert [(row["step"], row["train/loss"], row["val/fd"]) for row in rows(folder)] == [
        ("0", "1.0", ""), ("1", "2.0", ""), ("2", "3.0", ""), ("2", "", "9.0"), ("3", "5.0", "")
    ]  # fmt: skip
    assert list(rows(folder)[0])[:2] == ["epoch", "step"]


@pytest.mark.parametrize(
    ("chosen", "mode", "key", "expected"),
    [
        ("auto", None, None, "offline"),
        ("auto", None, "a" * 40, "online"),
        ("auto", "offline", "a" * 40, "offline"),
        ("online", None, None, "online"),
        ("online", "disabled", None, "disabled"),
        ("offline", "online", None, "online"),
        ("disabled", "online", "a" * 40, "disabled"),
        ("auto", "dryrun", None, "offline"),
    ],
)
def test_wandb_goes_online_only_where_it_is_logged_in(
    chosen: str, mode: str | None, key: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name, value in (("WANDB_MODE", mode), ("WANDB_API_KEY", key)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert wandb_mode(RunSettings(wandb=chosen)) == expected  # type: ignore[arg-type]


def test_a_login_in_netrc_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.wandb.ai\n  login user\n  password abc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert wandb_mode(RunSettings()) == "online"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
    assert wandb_mode(RunSettings()) == "offline"


def test_the_csv_file_comes_first_and_alone_without_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RunSettings(root=str(tmp_path), experiment="a")
    assert [type(one).__name__ for one in loggers_for(settings, tmp_path / "a" / "one")] == [
        "MetricsFile", "WandbLogger"
    ]  # fmt: skip
    monkeypatch.setattr("v2a_lightning.app.loggers.find_spec", lambda name: None)
    (alone,) = loggers_for(settings, tmp_path / "a" / "one")
    assert Path(str(alone.log_dir)) == tmp_path / "a" / "one"

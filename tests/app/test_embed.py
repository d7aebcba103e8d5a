"""`embed` writes a config's embeddings by any number of processes, and does nothing twice."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from v2a_lightning.app.cli import main
from v2a_lightning.data_modules import EmbeddingDataModule, EmbeddingStore, Splits, StreamedDataModule, load_table
from v2a_lightning.data_modules.extraction import EmbeddedBatch
from v2a_lightning.data_modules.store import StoreWriter

from ..processes import all_end, descendants

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tiny_config: dict[str, Any], tmp_path: Path) -> Path:
    tiny_config["data"]["init_args"]["store"] = str(tmp_path / "store")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tiny_config))
    return path


def shards(store: Path) -> dict[str, list[Path]]:
    return {folder.name.split("-")[0]: sorted(folder.iterdir()) for folder in store.iterdir() if folder.is_dir()}


def test_clips_are_embedded_once(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["embed", "--config", str(config), "--accelerator", "cpu", "--devices", "1"]
    few += ["--set", "data.splits.max_clips=3"]
    assert main(few) == 0
    assert "3 test, 1 train, 2 validation; 0 not used" in capsys.readouterr().err
    first = shards(tmp_path / "store")
    assert {kind: len(files) for kind, files in first.items()} == {"frames": 1, "audio": 1}
    assert main(few) == 0
    assert shards(tmp_path / "store") == first
    assert main(few[:-2]) == 0
    assert {kind: len(files) for kind, files in shards(tmp_path / "store").items()} == {"frames": 2, "audio": 2}
    store = EmbeddingStore(tmp_path / "store")
    assert len(load_table(store, store.only_spec())) == 28
    data = EmbeddingDataModule(str(tmp_path / "store"), batch_size=4, splits=Splits(validation_clips=5))
    data.setup("fit")
    assert next(iter(data.train_dataloader()))["frames"].shape[2] == 512


def test_the_store_is_compacted_and_streamed(config: Path, tmp_path: Path) -> None:
    command = ["embed", "--config", str(config), "--accelerator", "cpu", "--devices", "1"]
    command += ["--set", "data.splits.max_clips=3", "--compact", "true", "--stream", str(tmp_path / "copy")]
    assert main(command) == 0
    store = EmbeddingStore(tmp_path / "store")
    assert Path(store.url, store.only_spec().compacted).is_file()
    data = StreamedDataModule(str(tmp_path / "copy"), batch_size=1, workers=0)
    data.setup("fit")
    table = load_table(store, store.only_spec())
    (batch,) = data.train_dataloader()
    assert torch.equal(batch["frames"], table.batch([table.clip_ids.index(batch["clip_id"][0])])["frames"])
    assert {split: used["clips"] for split, used in data.used_clips("fit").items()} == {"train": 1, "validation": 2}


def test_two_processes_share_the_clips(config: Path, tmp_path: Path, quick_python: Path) -> None:
    command = [str(quick_python), "-m", "v2a_lightning", "embed", "--config", str(config), "--accelerator", "cpu"]
    one, two = (
        ["--set", f"data.store={tmp_path / 'one'}"],
        ["--devices", "2", "--set", f"data.store={tmp_path / 'two'}"],
    )
    assert main([*command[3:], "--devices", "1", *one]) == 0
    ended = subprocess.run([*command, *two], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    written = shards(tmp_path / "two")
    assert [path.name[:10] for path in written["frames"]] == ["part-00000", "part-00001"]
    alone, together = (EmbeddingStore(tmp_path / name) for name in ("one", "two"))
    assert alone.only_spec() == together.only_spec()
    left, right = (load_table(store, store.only_spec()) for store in (alone, together))
    assert left.clip_ids == right.clip_ids
    torch.testing.assert_close(left.frames, right.frames, atol=1e-3, rtol=0)
    assert left.target is not None
    torch.testing.assert_close(left.target, right.target, atol=1e-3, rtol=0)


def test_under_torchrun_the_processes_share_what_is_left(config: Path, tmp_path: Path, quick_python: Path) -> None:
    few = [
        "embed",
        "--config",
        str(config),
        "--accelerator",
        "cpu",
        "--devices",
        "1",
        "--set",
        "data.splits.max_clips=1",
    ]
    assert main(few) == 0
    launcher = [str(quick_python), "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "v2a_lightning", *few[:-3], "2", "--set", "data.splits.max_clips=3"]
    ended = subprocess.run([*launcher, *command], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    written = shards(tmp_path / "store")["frames"]
    assert sorted(path.name[:10] for path in written) == ["part-00000", "part-00000", "part-00001"]
    rows = [clip_id for path in written for clip_id in pq.read_table(path, columns=["clip_id"])["clip_id"].to_pylist()]
    assert len(rows) == len(set(rows)) == 6


def test_what_is_wrong_is_one_line(
    config: Path, tiny_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["embed", "--config", str(config), "--accelerator", "cpu", "--devices", "1"]
    for options, message in (
        (["--set", "data.batch"], "--set wants key=value, not 'data.batch'"),
        (["--set", "data.colour=red"], "there is no key data.colour"),
        (["--set", "data.csv=nowhere.csv"], "csv nowhere.csv: there is no such file"),
    ):
        assert main([*base, *options]) == 2
        told = capsys.readouterr().err.strip().splitlines()[-1]
        assert told.startswith("error: ")
        assert message in told
    tiny_config["data"] = {
        "class_path": "v2a_lightning.data_modules.EmbeddingDataModule",
        "init_args": {"store": str(tmp_path)},
    }
    config.write_text(yaml.safe_dump(tiny_config))
    assert main(base) == 2
    assert "EmbeddingDataModule has no media files" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_told_to_end_saves_what_it_has_and_goes_on_later(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    few = ["embed", "--config", str(config), "--accelerator", "cpu", "--devices", "1"]
    few += ["--set", "data.splits.max_clips=6"]
    decoders: list[int] = []
    write = EmbeddedBatch.write

    def told(batch: EmbeddedBatch, writer: StoreWriter) -> None:
        write(batch, writer)
        if decoders:
            signal.raise_signal(number)
        decoders.extend(descendants(os.getpid()))

    before = descendants(os.getpid())
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedBatch, "write", told)
        # Who starts the tests in a shell's background has Ctrl-C ignored.
        kept = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            assert main([*few, "data.decoding.encoder_batch_size=1", "data.decoding.num_workers=1"]) == code
        finally:
            signal.signal(signal.SIGINT, kept)
    assert decoders
    assert all_end(set(decoders) - set(before), seconds=5)
    store = EmbeddingStore(tmp_path / "store")
    saved = load_table(store, store.only_spec()).clip_ids
    assert 2 <= len(saved) < 10
    assert main(few) == 0
    rows = [row for path in shards(tmp_path / "store")["frames"] for row in pq.read_table(path)["clip_id"].to_pylist()]
    assert len(rows) == len(set(rows)) == 10
    assert set(saved) < set(rows)


def test_shards_know_nothing_of_one_another_and_make_the_store_of_one(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["embed", "--config", str(config), "--accelerator", "cpu", "--devices", "1"]
    few = ["--set", "data.splits.max_clips=4"]
    assert main([*base, *few, f"data.store={tmp_path / 'whole'}"]) == 0
    capsys.readouterr()
    for shard, counts in (("2/2", "2 test, 1 train, 1 validation"), ("1/2", "2 test, 2 validation")):
        assert main([*base, "--shard", shard, *few]) == 0
        assert f"store, shard {shard}: {counts}; 0 not used" in capsys.readouterr().err
    assert [path.name[:10] for path in shards(tmp_path / "store")["frames"]] == ["part-00000", "part-00001"]
    stores = [EmbeddingStore(tmp_path / name) for name in ("whole", "store")]
    whole, dealt = (load_table(store, store.only_spec()) for store in stores)
    assert sorted(whole.clip_ids) == sorted(dealt.clip_ids)
    rows = [dealt.clip_ids.index(clip_id) for clip_id in whole.clip_ids]
    assert torch.equal(dealt.frames[rows], whole.frames)
    assert main([*base, "--shard", "0/2", *few]) == 2
    assert "--shard is a part and how many there are, from 1/8 to 8/8, not '0/2'" in capsys.readouterr().err

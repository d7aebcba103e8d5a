"""The quickstart on a folder of clips that the project did not render: of many shapes, and one without sound."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.conftest import EXPERIMENTS, EXTRACTORS
from v2a_lightning.app.cli import main
from v2a_lightning.media import write_clip

SECONDS = 3.0
# Height, width, frames a second, hertz: no two clips of the internet are alike.
SHAPES = [(180, 320, 25.0, 48_000), (240, 320, 12.5, 44_100), (320, 180, 29.97, 22_050), (144, 256, 10.0, 96_000)]
TRAIN, TEST, MUTE = 8, 2, "-mute_clip-_000031"


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder with `vggsound.csv` and `clips/`: ids may begin with a dash, as those of YouTube do."""
    random = np.random.default_rng(0)
    folder = tmp_path / "clips"
    folder.mkdir()
    lines = []
    for number in range(TRAIN + TEST):
        height, width, rate, hertz = SHAPES[number % len(SHAPES)]
        frames = random.integers(0, 256, (round(SECONDS * rate), height // 20, width // 20, 3), np.uint8)
        waveform = (0.2 * random.standard_normal((round(SECONDS * hertz), 1 + number % 2))).astype(np.float32)
        name, start = f"-clip_{number}_abc", 7 * number
        write_clip(
            folder / f"{name}_{start:06d}.mp4", frames.repeat(20, 1).repeat(20, 2), rate, waveform.squeeze(), hertz
        )
        lines.append([name, start, "bell, far away", "train" if number < TRAIN else "test"])
    write_clip(folder / f"{MUTE}.mp4", random.integers(0, 256, (30, 96, 96, 3), np.uint8), 10.0, None)
    with open(tmp_path / "vggsound.csv", "w", newline="") as file:
        csv.writer(file).writerows([*lines, ["-mute_clip-", 31, "bell, far away", "train"]])
    return tmp_path


def test_the_quickstart_runs_on_them(clips: Path, random_weights: Path) -> None:
    other_data = [
        "--data.class_path=v2a_lightning.data_modules.VGGSoundDataModule", f"--data.csv={clips}/vggsound.csv",
        f"--data.media={clips}/clips", f"--data.store={clips}/store", "--data.splits.validation_clips=3",
    ]  # fmt: skip
    small = [
        f"--data.encoder.checkpoint={random_weights}/clip", f"--data.clap.checkpoint={random_weights}/clap",
        f"--evaluation.generator.checkpoint={random_weights}/audioldm", "--evaluation.generator.steps=1",
        *(f"--evaluation.suite.{kind}={random_weights}/{name}" for kind, name in EXTRACTORS.items()),
        "--model.network.depth=1", "--model.network.heads=2", "--model.sampling_steps=2",
        "--data.decoding.num_workers=1", "--trainer.max_epochs=1", "--run.wandb=disabled", f"--run.root={clips}/runs",
    ]  # fmt: skip
    command = ["--config", str(EXPERIMENTS / "quickstart.yaml"), *other_data, *small]
    assert main(["fit", *command]) == 0
    (run,) = (clips / "runs" / "quickstart").iterdir()
    assert (run / "report.html").is_file()
    assert len(list((run / "audio" / "epoch_000").glob("-clip_*.wav"))) == 3
    told = json.loads((run / "clips.json").read_text())
    assert {name: split["clips"] for name, split in told["splits"].items()} == {"train": 5, "validation": 3}
    assert told["not_used"] == {"no_audio": 1}
    with open(clips / "store" / "rejects.csv", newline="") as file:
        (reject,) = csv.DictReader(file)
    assert (reject["clip_id"], reject["path"], reject["reason"]) == (MUTE, f"{clips}/clips/{MUTE}.mp4", "no_audio")

    assert main(["validate", *command, "--ckpt_path=best"]) == 0
    assert main(["predict", *command, "--ckpt_path=best"]) == 0
    (predicted,) = (clips / "runs" / "quickstart").glob("*-predict")
    embedded = pq.read_table(predicted / "embeddings")["clip_id"].to_pylist()
    assert sorted(embedded) == ["-clip_8_abc_000056", "-clip_9_abc_000063"]

"""Weights & Biases and TensorBoard show the same of an evaluation; both without a network."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lightning.pytorch.loggers import tensorboard as lightning_tensorboard
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.app.test_fit import columns, fit, only_run, write
from v2a_lightning.app.loggers import loggers_for
from v2a_lightning.errors import UsageError
from v2a_lightning.media import read_waveform
from v2a_lightning.runs import RunSettings

OPTIONS = ["--run.tensorboard=true", "--run.wandb_checkpoint=true", "--run.wandb_gradients=true"]


def test_both_show_sounds_spectrograms_frames_and_scores(tiny_config: dict[str, Any], tmp_path: Path) -> None:
    tiny_config["evaluation"]["init_args"]["logged_sounds"] = 2
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1", "--trainer.log_every_n_steps=1", *OPTIONS) == 0
    run = only_run(tiny_config)
    clips = json.loads((run / "audio" / "epoch_000" / "evaluation.json").read_text())["clips"]
    captions = {f"{clip['label']} {clip['clip_id']}": clip for clip in clips}

    board = EventAccumulator(str(run / "tensorboard"), {"audio": 0, "images": 0, "scalars": 0, "tensors": 0}).Reload()
    tags = board.Tags()
    assert [one.value for one in board.Scalars("val/fd")] == pytest.approx(columns(run)["val/fd"], rel=1e-6)
    sounds = {tag.split("/")[1] for tag in tags["audio"]}
    pictures = {tag.split("/")[1] for tag in tags["images"]}
    assert sounds == {"generated_sounds", "true_sounds"}
    assert pictures == {"generated_spectrograms", "true_spectrograms", "frames"}
    assert {tag.split("/")[2] for tag in tags["audio"] + tags["images"]} < captions.keys()
    assert (len(tags["audio"]), len(tags["images"])) == (4, 6)
    for tag in tags["audio"]:
        waveform, rate = soundfile.read(io.BytesIO(board.Audio(tag)[0].encoded_audio_string), dtype="float32")
        clip = captions[tag.split("/")[2]]
        own, native = read_waveform(run / clip["wave"] if "/generated" in tag else Path(clip["source"]))
        assert (rate, len(waveform)) == (16000, 40960)
        assert native != rate or np.abs(waveform - own[: len(waveform)]).max() < 1e-3
    shapes = {tag.split("/")[1]: _pixels(board.Images(tag)[0].encoded_image_string).shape for tag in tags["images"]}
    assert shapes["frames"][1] > 3 * shapes["frames"][0], "four frames beside one another"
    assert shapes["true_spectrograms"] == shapes["generated_spectrograms"]
    table = board.Tensors("val/scores/text_summary")[0].tensor_proto.string_val[0].decode()
    assert f"| FD ↓ | {columns(run)['val/fd'][0]:.4g} |" in table

    [folder] = (run / "wandb").glob("offline-run-*")
    shown = sorted(path.name.rsplit("_", 2)[0] for path in (folder / "files" / "media").rglob("val/*.*"))
    assert shown == sorted([*2 * [*sounds, *pictures], "scores"])
    record = next(folder.glob("*.wandb")).read_bytes()
    assert b"-best" in record, "the checkpoint, as an artifact"
    assert b"gradients/network." in record


def test_tensorboard_without_the_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lightning_tensorboard, "_TENSORBOARD_AVAILABLE", False)
    fabric = "lightning.fabric.loggers.tensorboard"
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(f"{fabric}.{name}", False)
    with pytest.raises(UsageError, match=r"v2a-lightning\[tensorboard\]"):
        loggers_for(RunSettings(tensorboard=True, wandb="disabled"), tmp_path / "experiment" / "run")


def _pixels(encoded: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(encoded)))

"""The evaluation of sound in epochs that have one, in epochs that have none, and of clips that fail."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from callbacks import AudioEvaluation
from data_modules.clips import hold_out, read_vggsound_csv
from tests.test_fit import checkpoint, columns, fit, only_run, write
from v2a_lightning.cli import main


def test_evaluated_epochs_failed_clips_and_the_best_checkpoint(
    tiny_config: dict[str, Any], tiny_world: Path, tmp_path: Path
) -> None:
    media = tmp_path / "clips"
    shutil.copytree(tiny_world / "clips", media)
    tiny_config["data"]["init_args"] |= {"media": str(media), "store": str(tmp_path / "store")}
    tiny_config["evaluation"]["init_args"] |= {"every_n_epochs": 2, "clips": 7}
    tiny_config["run"]["wandb"] = "disabled"
    config = write(tiny_config, tmp_path)
    assert fit(config, "--trainer.fast_dev_run=1") == 0, "embeds the clips"
    held_out = hold_out(read_vggsound_csv(tiny_world / "vggsound.csv"), 0.0, 7)
    lost = next(clip.clip_id for clip in held_out if clip.split == "validation")
    (media / f"{lost}.mp4").write_bytes(b"no longer a clip")

    assert fit(config, "--trainer.max_epochs=4") == 0
    run = only_run(tiny_config)
    values = columns(run)
    assert len(values["val/cosine"]) == 4
    assert len(values["val/fd"]) == 3, "the first epoch, the second and the last"
    assert values["val/failed_clips"] == [1.0] * 3
    assert sorted(path.name for path in (run / "audio").iterdir()) == ["epoch_000", "epoch_001", "epoch_003"]

    evaluation = json.loads((run / "audio" / "epoch_003" / "evaluation.json").read_text())
    assert len(evaluation["clips"]) == 6
    assert [failure["clip_id"] for failure in evaluation["failures"]] == [lost]
    assert "undecodable" in evaluation["failures"][0]["reason"]

    evaluated = dict(zip((0, 1, 3), values["val/fd"], strict=True))
    best = checkpoint(run / "checkpoints" / "best.ckpt")
    assert evaluated[best["epoch"]] == min(evaluated.values())


def test_clips_without_sound_have_a_clip_score(tiny_config: dict[str, Any], tiny_world: Path, tmp_path: Path) -> None:
    tiny_config["run"]["wandb"] = "disabled"
    data = dict(tiny_config["data"]["init_args"])
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1", "--evaluation.clips=2") == 0
    kept = {name: data[name] for name in ("clip", "batch_size")}
    tiny_config["data"] = {
        "class_path": "data_modules.ImageHearDataModule",
        "init_args": {**kept, "media": str(tiny_world / "imagehear"), "store": str(tmp_path / "pictures")},
    }
    tiny_config["evaluation"]["init_args"]["seconds"] = 2.56
    options = ["--ckpt_path=last", "--run.name=pictures", "--data.max_clips=5"]
    assert main(["test", "--config", write(tiny_config, tmp_path, "pictures.yaml"), *options]) == 0
    values = columns(Path(tiny_config["run"]["root"], "quickstart", "pictures"))
    assert len(values["test/cs"]) == 1
    assert "test/fd" not in values


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"every_n_epochs": 0}])
def test_numbers_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        AudioEvaluation(None, None, **wrong)  # type: ignore[arg-type]

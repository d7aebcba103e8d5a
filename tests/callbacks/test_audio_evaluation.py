"""The evaluation of sound in epochs that have one, in epochs that have none, and of clips that fail."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.test_fit import checkpoint, columns, fit, only_run, write
from tests.evaluation.test_metric import LOUDNESS
from v2a_lightning.app.cli import main
from v2a_lightning.callbacks import AudioEvaluation, audio_evaluation
from v2a_lightning.callbacks.sounds import Stages
from v2a_lightning.data_modules.clips import hold_out
from v2a_lightning.data_modules.vggsound import read_vggsound_csv
from v2a_lightning.errors import RunFailure
from v2a_lightning.evaluation.frames import FrameSampling
from v2a_lightning.evaluation.score_files import read_score_file
from v2a_lightning.generation import GenerationRecord, read_generation, weights_sha256
from v2a_lightning.module import V2AMapper


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

    best = checkpoint(run / "checkpoints" / "best.ckpt")
    assert values["val/embedding_fd"][best["epoch"]] == min(values["val/embedding_fd"])
    assert len(set(values["val/embedding_fd_floor"])) == 1, "of true embeddings alone"


def test_clips_without_sound_have_a_clip_score(tiny_config: dict[str, Any], tiny_world: Path, tmp_path: Path) -> None:
    tiny_config["run"]["wandb"] = "disabled"
    data = dict(tiny_config["data"]["init_args"])
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1", "--evaluation.clips=2") == 0
    kept = {name: data[name] for name in ("encoder", "batch_size")}
    tiny_config["data"] = {
        "class_path": "v2a_lightning.data_modules.ImageHearDataModule",
        "init_args": {**kept, "media": str(tiny_world / "imagehear"), "store": str(tmp_path / "pictures")},
    }
    tiny_config["evaluation"]["init_args"]["seconds"] = 2.56
    options = ["--ckpt_path=last", "--run.name=pictures", "--data.splits.max_clips=5"]
    assert main(["test", "--config", write(tiny_config, tmp_path, "pictures.yaml"), *options]) == 0
    values = columns(Path(tiny_config["run"]["root"], "quickstart", "pictures"))
    assert len(values["test/cs"]) == 1
    assert "test/fd" not in values


def test_the_command_gives_the_logged_numbers(
    tiny_config: dict[str, Any], tiny_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tiny_config["run"]["wandb"] = "disabled"
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1") == 0
    run = only_run(tiny_config)
    folder = run / "audio" / "epoch_000"

    options = yaml.safe_load((folder / "evaluate.yaml").read_text())
    clips = str(tiny_world / "clips")
    given = {name: options[name] for name in ("generated", "reference", "media", "seconds", "frames_per_second")}
    assert given == {
        "generated": str(folder), "reference": clips, "media": clips, "seconds": 2.56, "frames_per_second": 2.0
    }  # fmt: skip
    again = tmp_path / "scores.json"
    arguments = ["--config", str(folder / "evaluate.yaml"), "--output", str(again), "--resamples", "20"]
    assert main(["evaluate", *arguments, "--device", "cpu"]) == 0

    logged, found = columns(run), json.loads(again.read_text())["metrics"]
    for name in ("fd", "fad", "kl", "is", "cs"):
        assert found[name]["value"] == pytest.approx(logged[f"val/{name}"][0], rel=1e-6), name
    of_run, of_command = read_score_file(folder / "scores.json"), read_score_file(again)
    assert of_run.sources == {"generated": str(folder), "reference": clips, "media": clips}
    assert of_run.cards == of_command.cards, "how the sounds were made is read from beside them"
    assert main(["compare", str(folder / "scores.json"), str(again)]) == 0

    generation = of_command.cards["fd"].generation
    assert (generation["steps"], generation["guidance"], generation["mapper_steps"]) == (1, 1.0, 2)
    best = V2AMapper.from_pretrained(run / "checkpoints" / "best.ckpt")
    assert generation["mapper_weights_sha256"] == weights_sha256(best)


@pytest.mark.parametrize("ahead", [False, True])
def test_sounds_that_are_not_kept_are_scored_too(
    tiny_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    monkeypatch.setattr(audio_evaluation, "generates_ahead", lambda _: ahead)
    monkeypatch.setattr(FrameSampling, "read", lambda *_: pytest.fail("the store has the frames"))
    tiny_config["run"]["wandb"] = "disabled"
    tiny_config["evaluation"]["init_args"] |= {"wave_files": 2, "clips": 7}
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1") == 0
    folder = only_run(tiny_config) / "audio" / "epoch_000"
    assert len(list(folder.glob("*.wav"))) == 2
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert len(evaluation["clips"]) == 2
    scores = read_score_file(folder / "scores.json")
    assert scores.cards["fd"].n_generated == scores.cards["cs"].n_generated == 7
    assert scores.labels.keys() == evaluation["cosines"].keys() == set(scores.scores.found["kl"].clip_ids)
    logged = columns(only_run(tiny_config))["val/cosine"][0]
    assert sum(evaluation["cosines"].values()) / 7 == pytest.approx(logged, abs=1e-5)


def test_a_metric_of_ones_own_is_logged_scored_and_shown(tiny_config: dict[str, Any], tmp_path: Path) -> None:
    tiny_config["run"]["wandb"] = "disabled"
    tiny_config["evaluation"]["init_args"]["suite"]["init_args"]["metrics"] = ["cs", LOUDNESS]
    assert fit(write(tiny_config, tmp_path), "--trainer.max_epochs=1") == 0
    run = only_run(tiny_config)
    values = columns(run)
    assert "val/fd" not in values
    assert -100 < values["val/loudness"][0] < 0
    options = yaml.safe_load((run / "audio" / "epoch_000" / "evaluate.yaml").read_text())
    assert options["metrics"] == ["cs", LOUDNESS]
    scores = read_score_file(run / "audio" / "epoch_000" / "scores.json")
    assert scores.scores.found["loudness"].value == pytest.approx(values["val/loudness"][0], rel=1e-6)
    assert scores.cards["loudness"].generation["generator"]["class_path"] == "v2a_lightning.generators.AudioLDM"
    page = (run / "report.html").read_text()
    assert "Loudness" in page
    assert "20 log10 of the root mean square, mean over clips" in page


def test_a_test_that_was_stopped_goes_on(
    tiny_config: dict[str, Any], tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "clips"
    shutil.copytree(tiny_world / "clips", media)
    tiny_config["data"]["init_args"] |= {"media": str(media), "store": str(tmp_path / "store")}
    tiny_config["evaluation"]["init_args"]["generator"]["init_args"]["batch_size"] = 2
    tiny_config["evaluation"]["init_args"]["test_clips"] = None
    tiny_config["run"]["wandb"] = "disabled"
    config = write(tiny_config, tmp_path)
    assert fit(config, "--trainer.max_epochs=1", "--evaluation.clips=2") == 0
    options = [f"--ckpt_path={only_run(tiny_config) / 'checkpoints' / 'last.ckpt'}"]
    assert main(["test", "--config", config, "--trainer.fast_dev_run=1", *options]) == 0, "embeds the clips"
    test = [clip.clip_id for clip in read_vggsound_csv(tiny_world / "vggsound.csv") if clip.split == "test"]
    (media / f"{test[0]}.mp4").write_bytes(b"no longer a clip")

    assert main(["test", "--config", config, *options, "--run.name=whole"]) == 1
    runs = Path(tiny_config["run"]["root"], "quickstart")
    assert f"1 of {len(test)} clips could not be scored" in capsys.readouterr().err
    whole, parts = runs / "whole" / "audio" / "test", runs / "parts" / "audio" / "test"
    evaluation = json.loads((whole / "evaluation.json").read_text())
    assert [failure["clip_id"] for failure in evaluation["failures"]] == [test[0]]

    # As a kill leaves it: two sounds are written down, one of them has gone, and nothing is summed up.
    parts.mkdir(parents=True)
    shutil.copy(runs / "whole" / "config.yaml", runs / "parts")
    settings, made = read_generation(whole)
    assert made == set(test[1:])
    record = GenerationRecord(parts, settings)
    record.begin()
    record.add({name: json.loads((whole / "generation.json").read_text())["sounds"][name] for name in test[1:3]}, {})
    record.close()
    shutil.copy(whole / f"{test[1]}.wav", parts)
    (parts / f".{test[2]}.a1b2c3_4.wav").write_bytes(b"half of it")
    before = (parts / f"{test[1]}.wav").stat().st_mtime_ns

    assert main(["test", "--config", config, *options, "--run.name=parts", "--data.batch_size=2"]) == 2
    assert "holds a run with another data" in capsys.readouterr().err
    # A page that cannot be written stops it when the scores are there.
    page = runs / "parts" / "report.html"
    (page / "in its place").mkdir(parents=True)
    assert main(["test", "--config", config, *options, "--run.name=parts"]) == 1
    assert "report.html" in capsys.readouterr().err
    assert (parts / "evaluation.json").is_file()
    shutil.rmtree(page)
    assert main(["test", "--config", config, *options, "--run.name=parts"]) == 1
    assert page.is_file()
    assert (parts / f"{test[1]}.wav").stat().st_mtime_ns == before
    assert sorted(path.name for path in parts.iterdir()) == sorted(path.name for path in whole.iterdir())
    for name in ("generation.json", "evaluation.json", *(f"{one}.wav" for one in test[1:])):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    assert columns(runs / "parts")["test/fd"] == columns(runs / "whole")["test/fd"]
    assert main(["test", "--config", config, *options, "--run.name=parts"]) == 2
    assert "holds a finished run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"clips": 0},
        {"every_n_epochs": 0},
        {"test_clips": 0},
        {"seconds": 0.0},
        {"wave_files": -1},
        {"logged_sounds": -1},
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least"):
        AudioEvaluation(None, None, **wrong)  # type: ignore[arg-type]


def test_how_far_two_stages_are_that_go_on_beside_one_another() -> None:
    done: list[float] = [0.0]
    shown: list[float] = []

    def advance(more: int, begun: float = 0.0) -> None:
        done[0] += more
        shown.append(done[0] + begun)

    stages = Stages(advance)
    stages.generating(2)
    stages.generated_batch(4, failed=1)
    stages.generating(1)
    for _ in range(3):
        stages.scored_clip()
    stages.generated_batch(2, failed=0)
    assert shown == [1.0, 2.5, 3.0, 3.0, 3.5, 4.0, 5.0]
    assert done == [4]
    stages.stop()
    with pytest.raises(RunFailure, match="stopped"):
        stages.generating(1)

"""The generate command: what it refuses, what it leaves out, and what it does when it is started again."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.conftest import media, pipeline
from v2a_lightning.app.cli import main
from v2a_lightning.app.commands.generate import find_inputs, name_sounds
from v2a_lightning.errors import UsageError
from v2a_lightning.files import sha256_file
from v2a_lightning.generation import GenerationRecord, read_generation
from v2a_lightning.media import picture_seconds, probe, read_waveform
from v2a_lightning.pipeline import V2APipeline

__all__ = ["media", "pipeline"]


@pytest.fixture(scope="module")
def checkpoint(pipeline: V2APipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pipeline's folder."""
    folder = tmp_path_factory.mktemp("checkpoint")
    pipeline.save_pretrained(folder)
    return str(folder)


def generate(checkpoint: str, output: Path, *inputs: Path | str) -> int:
    """Run the command in this process."""
    return main(["generate", *map(str, inputs), "--checkpoint", checkpoint, "--output", str(output), "--device=cpu"])


def content(folder: Path) -> dict[str, str]:
    """Every file's hash."""
    return {path.name: sha256_file(path) for path in folder.iterdir()}


def test_inputs_are_files_and_what_is_in_folders(media: Path, tmp_path: Path) -> None:
    assert [path.name for path in find_inputs([str(media)])] == ["long.mp4", "short.mp4", "still.png"]
    assert len(find_inputs([str(media), str(media / "still.png")])) == 3
    with pytest.raises(UsageError, match=r"absent\.jpg: there is no such file"):
        find_inputs([str(media / "absent.jpg")])
    (tmp_path / "._still.png").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="holds no picture or clip"):
        find_inputs([str(tmp_path)])


@pytest.mark.parametrize("other", ["still.jpg", "Still.png"])
def test_two_inputs_for_one_file_are_refused(
    checkpoint: str, media: Path, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / other).touch()
    assert generate(checkpoint, tmp_path / "out", media / "still.png", tmp_path / other) == 2
    told = capsys.readouterr().err
    assert f"{media / 'still.png'} and {tmp_path / other} would both write" in told


def test_a_numbered_sound_is_no_other_inputs(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(media / "still.png", tmp_path / "still_1.png")
    inputs = (media / "still.png", tmp_path / "still_1.png")
    assert [name for names in name_sounds(inputs, 2).values() for name in names] == [
        "still_0", "still_1", "still_1_0", "still_1_1"
    ]  # fmt: skip
    assert generate(checkpoint, tmp_path / "out", *inputs) == 0
    # The folder's still_1 is the other picture's.
    assert generate(checkpoint, tmp_path / "out", inputs[0], "--samples=2") == 2
    assert "still_1.wav was made of" in capsys.readouterr().err


def test_an_input_is_never_written_over(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = shutil.copy(media / "short.mp4", tmp_path / "mine.mp4")
    before = content(tmp_path)
    os.symlink(tmp_path, tmp_path / "link")
    os.link(clip, tmp_path / "mine_1.mp4")
    for output in (tmp_path, tmp_path / "link", Path(f"{tmp_path}/../{tmp_path.name}")):
        for options in ((), ("--samples=2",)):
            assert generate(checkpoint, output, clip, *options) == 2
            assert "is an input and would be written over; give another --output" in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 3
    assert sha256_file(clip) == before["mine.mp4"]


def test_files_of_others_are_not_written_over(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "still.wav").write_text("a sound of mine")
    assert generate(checkpoint, tmp_path, media / "still.png") == 2
    assert "still.wav is there and was not made by `generate`" in capsys.readouterr().err
    assert (tmp_path / "still.wav").read_text() == "a sound of mine"


def test_one_input_never_stops_the_others(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"this is no clip")
    long = tmp_path / f"{'n' * 250}.png"  # with a sample's number the wav's name is too long
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(long)
    output = tmp_path / "out"
    assert generate(checkpoint, output, tmp_path / "broken.mp4", long, media / "long.mp4", "--samples=2") == 1
    told = capsys.readouterr()
    assert f"{output}: 1 made, 2 left out" in told.out
    assert "2 of 3 inputs could not be used" in told.err
    record = json.loads((output / "generation.json").read_text())
    assert record["left_out"]["broken_0"]["source"] == str(tmp_path / "broken.mp4")
    assert "broken.mp4: undecodable" in record["left_out"]["broken_1"]["reason"]
    assert "cannot be the name of a file" in record["left_out"][f"{long.stem}_0"]["reason"]
    assert record["sounds"]["long_1"]["video"] == "long_1.mp4"
    assert len(read_waveform(output / "long_1.wav")[0]) == 24_000
    assert abs(probe(output / "long_1.mp4").duration - picture_seconds(media / "long.mp4")) < 1024 / 16_000


def test_started_again_it_makes_what_is_missing(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert generate(checkpoint, whole, media) == 0
    made = json.loads((whole / "generation.json").read_text())["sounds"]

    # As a kill leaves it: two sounds are written down, a third one is not, nor is what was being written.
    record = GenerationRecord(parts, read_generation(whole)[0])
    record.begin()
    for name in ("long", "short"):
        record.add({name: made[name]}, {})
        for suffix in (".wav", ".mp4"):
            shutil.copy(whole / f"{name}{suffix}", parts)
    record.close()
    with open(record.journal, "a") as journal:
        journal.write('{"sounds": {"still": {"so')
    shutil.copy(whole / "still.wav", parts)
    (parts / "short.mp4").unlink()
    (parts / ".short.a1b2c3_4.mp4").write_bytes(b"half of it")
    assert read_generation(parts)[1] == {"long", "short"}
    before = (parts / "long.wav").stat().st_mtime_ns

    assert generate(checkpoint, parts, media) == 0
    assert "2 made, 1 there already" in capsys.readouterr().out
    assert (parts / "long.wav").stat().st_mtime_ns == before
    assert content(parts) == content(whole)


def test_another_source_of_the_same_name_is_made_again(checkpoint: str, media: Path, tmp_path: Path) -> None:
    picture, output = tmp_path / "picture.png", tmp_path / "out"
    shutil.copy(media / "still.png", picture)
    assert generate(checkpoint, output, picture) == 0
    first = content(output)
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(picture)
    assert generate(checkpoint, output, picture) == 0
    assert content(output)["picture.wav"] != first["picture.wav"]


def test_two_calls_do_not_write_into_one_folder(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(checkpoint, tmp_path, media / "still.png") == 0
    other = GenerationRecord(tmp_path, read_generation(tmp_path)[0])
    other.begin()
    assert generate(checkpoint, tmp_path, media / "short.mp4") == 1
    assert "another call is making sounds there" in capsys.readouterr().err
    other.finish()
    assert generate(checkpoint, tmp_path, media / "short.mp4") == 0


@pytest.mark.parametrize(
    "option",
    [
        *("--samples=0", "--best_of=0", "--batch=0", "--steps=0", "--steps=-3"),
        *("--seconds=0", "--seconds=.nan", "--guidance=-1", "--guidance=.inf"),
    ],
)
def test_numbers_out_of_range_are_refused(
    checkpoint: str, media: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate(checkpoint, tmp_path / "out", media, option) == 2
    assert f"error: {option.partition('=')[0]} is " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_patterns_stand_for_files(media: Path, tmp_path: Path) -> None:
    shutil.copytree(media, tmp_path / "deep" / "er")
    assert [path.name for path in find_inputs([str(tmp_path / "**" / "*.mp4")])] == ["long.mp4", "short.mp4"]
    shutil.copy(media / "still.png", tmp_path / "a[1].png")
    assert find_inputs([str(tmp_path / "a[1].png")]) == [tmp_path / "a[1].png"], "a name that looks like a pattern"
    with pytest.raises(UsageError, match=r"\*\.gif: no file matches"):
        find_inputs([str(tmp_path / "*.gif")])


def test_overwrite_makes_what_is_there_once_more(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = (media / "still.png", media / "short.mp4")
    assert generate(checkpoint, tmp_path, *inputs) == 0
    before = content(tmp_path)
    assert (tmp_path / "report.html").read_text().count("<audio") == 2
    (tmp_path / "still.wav").write_bytes(b"spoilt")
    assert generate(checkpoint, tmp_path, inputs[0], "--overwrite=true") == 0
    assert "1 made" in capsys.readouterr().out
    assert content(tmp_path) == before
    assert generate(checkpoint, tmp_path, inputs[0], "--overwrite=true", "--seed=1") == 2
    assert "made with seed 0, not 1" in capsys.readouterr().err, "the other sound would belong to nothing"
    assert generate(checkpoint, tmp_path, *inputs, "--overwrite=true", "--seed=1") == 0
    assert content(tmp_path)["still.wav"] != before["still.wav"]


def test_devices_share_the_inputs_and_batches_are_made_together(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"this is no clip")
    inputs = (media / "short.mp4", media / "still.png", tmp_path / "broken.mp4")
    assert generate(checkpoint, tmp_path / "one", *inputs) == 1
    assert generate(checkpoint, tmp_path / "shared", *inputs, "--device=cpu,cpu") == 1
    assert "2 made, 1 left out" in capsys.readouterr().out
    assert content(tmp_path / "shared") == content(tmp_path / "one")
    assert generate(checkpoint, tmp_path / "together", *inputs, "--batch=3") == 1
    together, alone = (read_waveform(tmp_path / name / "short.wav")[0] for name in ("together", "one"))
    assert np.allclose(together, alone, atol=1e-4)


def test_texts_are_recorded_and_need_their_own_folder(
    checkpoint: str, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--text=a bell rings", "--negative=rain", "--text_space=clip", "--text_strength=0.7")
    assert generate(checkpoint, tmp_path / "plain", media / "still.png") == 0
    assert generate(checkpoint, tmp_path / "steered", media / "still.png", *options) == 0
    plain, steered = (json.loads((tmp_path / name / "generation.json").read_text()) for name in ("plain", "steered"))
    steering = {"text": "a bell rings", "negative": "rain", "strength": 0.7, "negative_strength": 0.5, "space": "clip"}
    assert {**plain, "steering": steering} == steered
    assert content(tmp_path / "plain")["still.wav"] != content(tmp_path / "steered")["still.wav"]
    assert generate(checkpoint, tmp_path / "plain", media / "still.png", *options) == 2
    assert "made with steering nothing, not {'text': 'a bell rings'" in capsys.readouterr().err


def test_without_a_checkpoint_the_miniatures_mapper_is_taken(
    media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: str
) -> None:
    options = ["--steps", "1", "--device", "cpu"]
    assert main(["generate", str(media / "still.png"), "--output", str(tmp_path / "own"), *options]) == 0
    assert capsys.readouterr().out.startswith("no --checkpoint: the miniature's mapper")
    assert read_generation(tmp_path / "own")[0]["checkpoint"] == "miniature"
    (tmp_path / "options.yaml").write_text(f"checkpoint: {checkpoint}\n")
    given = ["--config", str(tmp_path / "options.yaml"), "--output", str(tmp_path / "given")]
    assert main(["generate", str(media / "still.png"), *given, *options]) == 0
    assert "miniature" not in capsys.readouterr().out

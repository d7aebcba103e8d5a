import json
from pathlib import Path

import pytest

from tests.app.conftest import CLIPS
from tests.app.test_evaluate import run
from tests.evaluation.conftest import RATE, sound
from v2a_lightning.app.cli import main
from v2a_lightning.media import write_waveform


@pytest.fixture
def systems(folders: Path, extractors: dict[str, str]) -> list[str]:
    """Score files of a system that is far from the references, and of one that is close."""
    for index, clip in enumerate(CLIPS):
        write_waveform(folders / "close" / f"{clip}.wav", sound(index) + 1e-4 * sound(70 + index), RATE)
    files = []
    for name in ("made", "close"):
        assert run(folders, extractors, made=name) == 0
        files.append(str(folders / f"{name}.json"))
        (folders / "scores.json").rename(files[-1])
    return files


def test_systems_side_by_side(systems: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["compare", *systems, "--output", str(tmp_path / "differences.json")]) == 0
    printed = capsys.readouterr().out
    assert "made" in printed
    assert "close" in printed
    assert "KL ↓" in printed
    assert "p=" in printed
    content = json.loads((tmp_path / "differences.json").read_text())
    assert content["baseline"] == "made"
    difference = content["systems"][0]["metrics"]["kl"]
    assert difference["high"] < 0, "the close one has the smaller KL, beyond chance"
    assert difference["p_value"] <= 2 * 2 / 21 + 1e-9
    assert f"page: {tmp_path / 'differences.html'}" in printed
    assert (tmp_path / "differences.html").read_text().count("<audio") == 6 * 3
    assert (tmp_path / "scores.html").read_text().count("<audio") == 6 * 2
    (tmp_path / "differences.html").unlink()
    assert main(["compare", *systems, "--output", str(tmp_path / "differences.json"), "--report=false"]) == 0
    assert main(["report", str(tmp_path / "differences.json")]) == 0
    assert (tmp_path / "differences.html").read_text().count("<audio") == 6 * 3


def test_a_score_file_is_not_written_over(systems: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(systems[1]).read_bytes()
    assert main(["compare", *systems, "--output", systems[1]]) == 2
    assert "is an input and would be written over; give another --output" in capsys.readouterr().err
    assert Path(systems[1]).read_bytes() == before


def test_other_cards_are_refused(
    systems: list[str], folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folders, extractors, "--seconds", "1.5", made="close") == 0
    capsys.readouterr()
    assert main(["compare", systems[0], str(folders / "scores.json")]) == 2
    error = capsys.readouterr().err
    assert "made and close cannot be compared: the cards of fd differ in crop" in error
    assert "first 1.5 s" in error
    assert len(error.strip().splitlines()) == 1


def test_other_clips_are_refused(
    systems: list[str], folders: Path, extractors: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folders / "close" / f"{CLIPS[0]}.wav").unlink()
    assert run(folders, extractors, made="close") == 0
    capsys.readouterr()
    assert main(["compare", systems[0], str(folders / "scores.json")]) == 2
    assert "n_generated, n_reference, clips_sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(1, "at least two systems"), (["a.json", "b.json"], "a.json: there is no such file")],
)
def test_bad_input(
    systems: list[str], capsys: pytest.CaptureFixture[str], arguments: int | list[str], message: str
) -> None:
    capsys.readouterr()
    files = systems[:arguments] if isinstance(arguments, int) else arguments
    assert main(["compare", *files]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1

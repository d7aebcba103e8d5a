"""`listen build` and `listen analyse` as a person types them. All raters are simulated, and every output says so."""

import csv
import json
from pathlib import Path

import pytest

from tests.listening.simulated import SimulatedRater
from tests.listening.test_analysis import saved, score_file
from v2a_lightning.app.cli import main
from v2a_lightning.listening.key import read_key


@pytest.fixture
def analysed(sounds_folder: Path, tmp_path: Path) -> Path:
    """The folder of an analysis of a test built by command."""
    systems = [f"{name}={sounds_folder / name}" for name in ("quartz", "basalt", "pumice")]
    media = ["--reference", str(sounds_folder / "reference"), "--media", str(sounds_folder / "media")]
    page = tmp_path / "page.html"
    small = ["--clips", "4", "--anchors", "2"]
    assert main(["listen", "build", "--system", *systems, *media, *small, "--output", str(page)]) == 0
    key = read_key(tmp_path / "page.key.json")
    raters = [SimulatedRater(number, careless=number == 5) for number in range(6)]
    answers = [str(path) for path in saved(raters, key, tmp_path)]
    scores = []
    for place, name in enumerate(key.systems):
        score_file(name, tuple(key.clips), 10.0 + place, 12.0 - place).write(tmp_path / f"{name}.json")
        scores.append(str(tmp_path / f"{name}.json"))
    output = tmp_path / "analysis"
    options = ["--key", str(tmp_path / "page.key.json"), "--resamples", "200", "--output", str(output)]
    assert main(["listen", "analyse", *answers, "--scores", *scores, *options]) == 0
    return output


def test_build_and_analyse(capsys: pytest.CaptureFixture[str], analysed: Path) -> None:
    told = capsys.readouterr().out
    assert "page.html: 16 sounds to rate of 4 clips, 5 pairs" in told
    assert "keep it from the raters" in told
    names = ("mos", "preferences", "agreement", "raters", "correlations")
    assert {path.name for path in analysed.iterdir()} == {
        "analysis.json",
        "report.html",
        *(f"{name}.{suffix}" for name in names for suffix in ("md", "csv", "tex")),
    }
    content = json.loads((analysed / "analysis.json").read_text())
    ranked = [one["name"] for one in content["mos"] if one["scale"] == "fidelity"]
    assert ranked == ["quartz", "basalt", "pumice", "high anchor", "low anchor"]
    assert [rater["rater"] for rater in content["raters"] if not rater["kept"]] == ["simulated-5"]
    assert all(one["estimate"]["low"] <= one["estimate"]["value"] <= one["estimate"]["high"] for one in content["mos"])
    with open(analysed / "mos.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["MOS low"]) <= float(rows[0]["MOS"]) <= float(rows[0]["MOS high"])


def test_every_output_says_that_raters_are_simulated(analysed: Path) -> None:
    for path in analysed.iterdir():
        assert "simulated" in path.read_text().lower(), path
        if path.suffix != ".csv":
            assert "miniature" in path.read_text(), path
    page = (analysed / "report.html").read_text()
    assert '<span class="badge loud">simulated raters</span>' in page
    assert "left out: " in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--system", "a", "--output", "x.html"], "NAME=DIR"),
        (["build", "--system", "a=b", "--output", "x.html", "--clips", "1"], "--clips is 2 or more"),
        (["analyse", "nothing.json", "--key", "no.json", "--output", "x"], "--key no.json: there is no such file"),
        (["analyse", "nothing.json", "--key", "no.json", "--output", "x", "--resamples", "5"], "--resamples is 100"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert message in told
    assert "\n" not in told

"""Every target of `make`, from its command to its tables, at a size that takes seconds."""

import csv
import re
from pathlib import Path

import pytest

from v2a_lightning.app.cli import main
from v2a_lightning.studies.study import read_study

TABLES = {
    "ablation-aggregation": {"table", "differences"},
    "ablation-guidance": {"table", "differences"},
    "ablation-mapper": {"table", "differences"},
    "ablation-schedule": {"table", "differences"},
    "ablation-steps": {"table"},
    "direct-baseline": {"table", "differences"},
    "domain-gap": {"table"},
    "failure-cases": {"subgroups", "classes"},
    "generalization": {"table", "cost"},
    "interpolation": {"table"},
    "table1": {"table"},
    "training-length": {"table", "differences"},
}
PAGES = {"failure-cases": "worst.html", "interpolation": "interpolation.html"}
# One folder for all: a training that several studies ask for is run once.
OUTPUT = "studies"


def run_target(target: str, *options: str) -> int:
    """What `make TARGET` runs, at the tiny size."""
    return main(["experiment", target, "--size=tiny", "--seeds=1", "--base=base.yaml", f"--output={OUTPUT}", *options])


def have_run(target: str) -> None:
    """Its tables are there, which an earlier test of the session may have written."""
    if not Path(OUTPUT, f"{target}-tiny", "table.csv").is_file():
        assert run_target(target) == 0


def table(target: str, name: str = "table", output: str = OUTPUT) -> dict[str, dict[str, str]]:
    """A table's rows by their first cell."""
    with open(Path(output, f"{target}-tiny", f"{name}.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {next(iter(row.values())): row for row in rows}


def row_names(target: str) -> list[str]:
    """What the study's YAML says the rows are."""
    return [name for name, _, _ in read_study(target).rows()]


@pytest.mark.parametrize("target", TABLES)
def test_a_target_ends_in_its_tables(target: str, in_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_target(target) == 0
    folder = Path(OUTPUT, f"{target}-tiny")
    for suffix in ("md", "csv", "tex"):
        assert {path.stem for path in folder.glob(f"*.{suffix}")} >= TABLES[target]
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.md")))
    assert "failed" not in text
    assert not re.search(r"\bnan\b", text)
    assert (folder / f"{min(TABLES[target])}.md").read_text().splitlines()[0] in capsys.readouterr().out
    assert (folder / "figure.png").read_bytes()[:4] == b"\x89PNG"
    study = read_study(target)
    if study.metrics:
        rows = table(target)
        assert list(rows) == row_names(target)
        assert all(float(row["Seeds"]) == 1 for row in rows.values())
    if target in PAGES:
        page = (folder / PAGES[target]).read_text()
        assert "<audio" in page
        assert 'src="http' not in page


def test_what_aggregates_at_inference_changes_the_embeddings(in_project: Path) -> None:
    have_run("ablation-aggregation")
    rows = table("ablation-aggregation")
    own, other = rows["average"], rows["average, middle at inference"]
    assert own["Embedding FD"] != other["Embedding FD"]
    # What is asked at inference alone makes no sound.
    assert own["FD"]
    assert not other["FD"]


def test_steps_are_measured_by_sampler_and_training(in_project: Path) -> None:
    have_run("ablation-steps")
    with open(Path(OUTPUT, "ablation-steps-tiny", "table.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["Training"], row["Sampler"], row["Steps"]) for row in rows] == [
        (f"T = {timesteps}", sampler, steps)
        for timesteps in (100, 1000) for sampler in ("ddpm", "ddim", "dpm++") for steps in ("1", "2")
    ]  # fmt: skip
    assert all(-1 <= float(row["Cosine"]) <= 1 for row in rows)
    assert all(float(row["Sampling, ms a clip"]) > 0 for row in rows)
    # Two steps cost more than one, and give something else.
    assert rows[0]["Cosine"] != rows[1]["Cosine"]


def test_the_gap_is_told_before_and_after_training(in_project: Path) -> None:
    have_run("domain-gap")
    rows = table("domain-gap")
    assert list(rows) == [
        "CLIP",
        "diffusion: mapped, before training", "diffusion: mapped, after training",
        "regression: mapped, before training", "regression: mapped, after training",
        "CLAP of other clips",
    ]  # fmt: skip
    assert all(0 <= float(row["Separability"]) <= 1 for row in rows.values())
    distances = {name: float(row["Centroid distance"]) for name, row in rows.items()}
    assert distances["CLAP of other clips"] < distances["CLIP"]


def test_another_systems_sounds_get_a_row_and_nothing_is_run_again(
    in_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    have_run("table1")
    capsys.readouterr()
    commands = Path(OUTPUT, "table1-tiny", "commands.txt").read_text().splitlines()
    command = next(line for line in commands if " test " in line and "stills" not in line)
    sounds = Path(OUTPUT, "runs", command.partition("--run.name=")[2].split()[0], "audio", "test")
    assert run_target("table1", f"--folders={{other: {sounds}}}") == 0
    said = capsys.readouterr().out
    assert f"{len(commands)} of {len(commands)} runs are done already" in said
    assert "[1/" not in said
    rows = table("table1")
    # They are the first row's own sounds, kept with 16 bits.
    assert float(rows["other"]["CS"]) == pytest.approx(float(rows["diffusion transformer"]["CS"]), abs=0.02)
    assert float(rows["other"]["FD"]) >= 0
    assert rows["other"]["Source"].startswith("4 sounds of ")
    assert rows["V2A-Mapper"]["Source"] == "published (VGGSound); cards unknown"
    assert float(rows["no mapper"]["Trainable, M"]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("target", ["ablation-steps", "domain-gap", "interpolation", "failure-cases"])
def test_a_target_whose_trainings_fail_says_so(
    target: str, in_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "--set=['model.init_args.aggregator=v2a_lightning.mapper.NoSuchAggregator']"
    assert run_target(target, wrong, "--output=broken") == 1
    said = capsys.readouterr()
    assert "runs failed, for the reasons below the table" in said.err
    text = Path("broken", f"{target}-tiny", "table.md").read_text()
    assert "failed with seed 0: " in text
    assert "NoSuchAggregator" in text
    assert text.splitlines()[-1] in said.out

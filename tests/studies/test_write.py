"""docs/results: a page for each study, a CSV for each of its tables, its figure."""

from pathlib import Path

import pytest

from v2a_lightning.reports.tables import Table
from v2a_lightning.studies.statistics import summarise
from v2a_lightning.studies.study import study_names
from v2a_lightning.studies.write import Attachment, write_results

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def test_a_page_holds_every_finding_and_each_table_has_a_csv(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(b"png")
    rows = [["average", summarise([1.0, 2.0])]]
    findings = [
        Table("table", "Of two.", ["", "FD ↓"], rows, ["a note"]),
        Table("differences", "Less.", ["", "FD ↓"], rows),
        Attachment(tmp_path / "figure.png", "What maps"),
        Attachment(tmp_path / "worst.html", "The worst"),
    ]
    write_results("study", "What maps", "Which?\n\n`make study`", findings, "Nothing is drawn.", tmp_path / "results")
    written = {path.name for path in (tmp_path / "results").iterdir()}
    assert written == {"study.md", "study.csv", "study-differences.csv", "study-figure.png"}
    lines = (tmp_path / "results" / "study.md").read_text().splitlines()
    assert lines[:6] == ["# What maps", "", "Which?", "", "`make study`", ""]
    assert "| average | 1.5 ± 0.7 [−4.9, 7.9] |" in lines
    assert lines[-5:] == [
        "![What maps](study-figure.png)", "", f"The worst: `{tmp_path / 'worst.html'}`", "", "Nothing is drawn."
    ]  # fmt: skip
    assert (tmp_path / "results" / "study.csv").read_text().splitlines()[0] == ",FD,FD sd,FD low,FD high,FD n"
    assert (tmp_path / "results" / "study-figure.png").read_bytes() == b"png"


@pytest.mark.parametrize("name", [*study_names(), "orderings", "floor"])
def test_every_study_has_its_page_with_the_tables_beside(name: str) -> None:
    text = (RESULTS / f"{name}.md").read_text()
    assert text.startswith("# ")
    assert (RESULTS / f"{name}.csv").is_file() or name == "failure-cases"
    for picture in (one.partition(")")[0] for one in text.split("](")[1:]):
        assert (RESULTS / picture).is_file()

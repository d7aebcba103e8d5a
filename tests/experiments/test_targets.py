"""Every target of `make`, from its command to its tables, at a size that takes seconds."""

from pathlib import Path

import pytest

from v2a_lightning.cli import main

TABLES = {
    "ablation-aggregation": {"table", "differences"},
    "ablation-guidance": {"table", "differences"},
    "ablation-mapper": {"table", "differences"},
    "ablation-schedule": {"table", "differences"},
    "ablation-steps": {"table"},
    "direct-baseline": {"table", "differences"},
    "domain-gap": {"table"},
    "failure-cases": {"circumstances", "classes"},
    "generalization": {"table", "cost"},
    "interpolation": {"table"},
    "table1": {"table"},
}
PAGES = {"failure-cases": "worst.html", "interpolation": "interpolation.html"}


# The first one with every change; all of them together take many minutes.
TARGETS = [
    target if target == "ablation-aggregation" else pytest.param(target, marks=pytest.mark.full) for target in TABLES
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_ends_in_its_tables(
    target: str, in_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["experiment", target, "--size=tiny", "--seeds=1", "--base=base.yaml", "--workers=1"]
    assert main([*arguments, f"--output={tmp_path}"]) == 0
    folder = tmp_path / f"{target}-tiny"
    assert {path.stem for path in folder.glob("*.tex")} == TABLES[target]
    assert {path.stem for path in folder.glob("*.csv")} >= TABLES[target]
    text = "\n".join(path.read_text() for path in folder.glob("*.md"))
    assert "failed" not in text
    assert text.splitlines()[0] in capsys.readouterr().out
    assert (folder / "figure.png").read_bytes()[:4] == b"\x89PNG"
    if target in PAGES:
        page = (folder / PAGES[target]).read_text()
        assert "<audio" in page
        assert 'src="http' not in page

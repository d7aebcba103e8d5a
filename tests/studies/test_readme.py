"""The README's numbers are written between markers, and only there."""

from pathlib import Path

import pytest

from v2a_lightning.errors import UsageError
from v2a_lightning.studies.readme import README, keep_figure, write_section
from v2a_lightning.studies.study import study_names

PROJECT = Path(__file__).parents[2]


def test_only_what_is_between_the_markers_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("head\n<!-- begin a -->\nold\n<!-- end a -->\nmiddle\n<!-- begin b -->\nkept\n<!-- end b -->\n")
    write_section("a", r"new \1 table" + "\n", readme)
    expected = "head\n<!-- begin a -->\nnew \\1 table\n<!-- end a -->\nmiddle\n<!-- begin b -->\nkept\n<!-- end b -->\n"
    assert readme.read_text() == expected
    write_section("a", "newer", readme)
    assert "new \\1" not in readme.read_text()


def test_a_section_without_a_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no place for table1"):
        write_section("table1", "text", tmp_path / "README.md")


def test_every_study_has_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    text = README.read_text()
    for name in [*study_names(), "orderings"]:
        assert text.count(f"<!-- begin {name} -->") == 1
        assert text.count(f"<!-- end {name} -->") == 1


def test_a_figure_is_kept_beside_the_readme(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(b"png")
    assert keep_figure(tmp_path / "figure.png", "a-figure.png", tmp_path / "figures") == "figures/a-figure.png"
    assert (tmp_path / "figures" / "a-figure.png").read_bytes() == b"png"

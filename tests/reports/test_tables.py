"""Tables in their three forms, numbers, and sections of Markdown files."""

import csv
import io
from pathlib import Path

import pytest

from v2a_lightning.errors import UsageError
from v2a_lightning.reports.tables import Figure, Interval, Table, number, write_section
from v2a_lightning.studies.statistics import paired_difference, summarise

DIFFERENCE = paired_difference({0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.5})
TABLE = Table("t", "Two | of a_b", ["", "CS ↑"], [["no|mapper", summarise([1.0, 2.0])], ["0.10", None]], ["a note"])


def test_markdown_is_exact() -> None:
    assert TABLE.markdown() == (
        "Two | of a_b\n\n|  | CS ↑ |\n| --- | ---: |\n"
        "| no\\|mapper | 1.5 ± 0.7 [−4.9, 7.9] |\n| 0.10 | – |\n\n- a note\n"
    )


def test_a_table_without_rows_keeps_its_head() -> None:
    empty = Table("t", "c", ["Clips", "FD"], [])
    assert empty.markdown() == "c\n\n| Clips | FD |\n| --- | ---: |\n"
    assert empty.csv() == "Clips,FD\n"


def test_csv_has_a_column_for_each_number() -> None:
    table = Table("t", "c", ["Row", "FD ↓"], [["a", summarise([1.0, 2.0])], ["b", DIFFERENCE], ["c", "failed"]])
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert list(rows[0]) == ["Row", "FD", "FD sd", "FD low", "FD high", "FD n", "FD p"]
    assert (rows[0]["FD"], rows[0]["FD n"], rows[0]["FD p"]) == ("1.5", "2", "")
    assert DIFFERENCE is not None
    assert rows[1]["FD p"] == repr(DIFFERENCE.p_value)
    assert (rows[2]["FD"], rows[2]["FD n"]) == ("failed", "")


def test_a_csv_has_the_digits_that_a_reader_is_spared() -> None:
    third = 1 / 3
    mean = summarise([third, 1.0])
    row = {"Row": "a", "MOS ↑": Interval(third, 0.3, 0.4), "p": Figure(third / 100, ".2g"), "FD": mean}
    table = Table.of("t", "c", [row])
    assert table.markdown().splitlines()[4] == "| a | 0.333 [0.300, 0.400] | 0.0033 | 0.7 ± 0.5 [−3.6, 4.9] |"
    (written,) = csv.DictReader(io.StringIO(table.csv()))
    assert [written[name] for name in ("MOS", "MOS low", "MOS high", "p", "FD")] == [
        repr(value) for value in (third, 0.3, 0.4, third / 100, mean.value)
    ]


def test_what_is_not_defined_is_a_dash_and_an_empty_cell() -> None:
    nan = float("nan")
    table = Table("t", "c", ["Row", "MOS", "p"], [["a", Interval(nan), Figure(nan, ".2g")], ["b", Interval(2.0), None]])
    assert table.markdown().splitlines()[4:] == ["| a | – | – |", "| b | 2.00 | – |"]
    assert table.csv().splitlines() == ["Row,MOS,MOS low,MOS high,p", "a,,,,", "b,2.0,,,"]


def test_latex_escapes_what_latex_would_take_for_commands() -> None:
    rows = [["no_mapper", summarise([1.0, 2.0])], ["x", DIFFERENCE]]
    text = Table("t", "Recall & 95 % of a_b", ["System", "CS ↑"], rows, ["50 %"]).latex()
    assert r"\caption{Recall \& 95 \% of a\_b}" in text
    assert r"no\_mapper & 1.5 $\pm$ 0.7 [$-$4.9, 7.9] \\" in text
    assert text.count(r"\\") == 3
    assert r"\begin{tabular}{lr}" in text
    assert text.index(r"\end{tabular}") < text.index("\\par 50 \\%\n") < text.index(r"\end{table}")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (24.168, "24.2"), (0.8412, "0.841"), (15446.2, "15,446"), (0.000012, "0.00001")]
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


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

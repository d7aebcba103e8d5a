"""Tables of summaries as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from v2a_lightning.reports.curves import number
from v2a_lightning.studies.statistics import Difference, Summary

Cell = str | Summary | Difference | None
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        name: of its files.
        caption: what it shows, of how many seeds and clips.
        columns: headings; the first one is that of the rows' names.
        rows: cells, as many as columns; None where there is nothing.
        notes: lines below it, such as what failed and why.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """With the caption above and the notes below."""
        lines = [_markdown_row(self.columns), "|" + " --- |" + " ---: |" * (len(self.columns) - 1)]
        lines += [_markdown_row([plain(cell) for cell in row]) for row in self.rows]
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([self.caption, "", *lines, *(["", *notes] if notes else [])]) + "\n"

    def csv(self) -> str:
        """Every summary as columns of its own: mean, standard deviation, interval, count; differences with p."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        kinds = [_kind(row[place] for row in self.rows) for place in range(len(self.columns))]
        writer.writerow(
            [heading for column, kind in zip(self.columns, kinds, strict=True) for heading in _headings(column, kind)]
        )
        for row in self.rows:
            writer.writerow([value for cell, kind in zip(row, kinds, strict=True) for value in _values(cell, kind)])
        return text.getvalue()

    def latex(self) -> str:
        """A table of the booktabs package."""
        lines = [
            r"\begin{table}",
            rf"\caption{{{_escape(self.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.columns) - 1)}}}",
            r"\toprule",
            " & ".join(map(_escape, self.columns)) + r" \\",
            r"\midrule",
            *(" & ".join(_escape(plain(cell)) for cell in row) + r" \\" for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par {_escape(note)}" for note in self.notes),
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def plain(cell: Cell) -> str:
    """A cell as text: mean ± standard deviation [interval], or a difference with its p."""
    if cell is None:
        return NOTHING
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Difference):
        if not any(cell.summary.values):
            return "0"
        text = f"{_signed(cell.summary.mean)}{_interval(cell.summary)}"
        return text if math.isnan(cell.p_value) else f"{text}, p = {cell.p_value:.2g}"
    if cell.count == 1:
        return number_text(cell.mean)
    digits = _digits(cell)
    return f"{_fixed(cell.mean, digits)} ± {_fixed(cell.deviation, digits)}{_interval(cell)}"


def _interval(summary: Summary) -> str:
    if summary.count == 1:
        return ""
    digits = _digits(summary)
    return f" [{_fixed(summary.low, digits)}, {_fixed(summary.high, digits)}]"


def _fixed(value: float, digits: int) -> str:
    """With the typographer's minus, as everywhere in these tables."""
    return f"{value:.{digits}f}".replace("-", "−")


def _digits(summary: Summary) -> int:
    """Two digits of the interval's reach; three of the mean when all values are the same, but for rounding."""
    reach = abs(summary.high - summary.mean)
    spread = reach > 1e-6 * abs(summary.mean) and math.isfinite(reach)
    scale, wanted = (reach, 1) if spread else (abs(summary.mean), 2)
    return 3 if scale == 0 else min(6, max(0, wanted - math.floor(math.log10(scale))))


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{number_text(abs(value))}"


def number_text(value: float) -> str:
    """A number with three digits that count."""
    return f"−{number(-value)}" if value < 0 else number(value)


def _kind(cells: object) -> type:
    kinds = {type(cell) for cell in cells if cell is not None}  # type: ignore[attr-defined]
    return Difference if Difference in kinds else Summary if Summary in kinds else str


def _headings(column: str, kind: type) -> list[str]:
    plain = column.rstrip(" ↓↑")
    if kind is str:
        return [plain]
    names = [plain, f"{plain} sd", f"{plain} low", f"{plain} high", f"{plain} n"]
    return [*names, f"{plain} p"] if kind is Difference else names


def _values(cell: Cell, kind: type) -> list[str]:
    if kind is str:
        return ["" if cell is None else str(cell)]
    summary = cell.summary if isinstance(cell, Difference) else cell
    if not isinstance(summary, Summary):
        return [str(summary or ""), *[""] * (len(_headings("", kind)) - 1)]
    values = (summary.mean, summary.deviation, summary.low, summary.high)
    numbers = ["" if math.isnan(value) else repr(value) for value in values]
    written = [*numbers, str(summary.count)]
    if kind is Difference:
        written.append(repr(cell.p_value) if isinstance(cell, Difference) and not math.isnan(cell.p_value) else "")
    return written


def _escape(text: str) -> str:
    """Plain text in LaTeX."""
    replaced = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}
    symbols = {"±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "−": "$-$", "–": "--", "→": r"$\to$"}
    return "".join((replaced | symbols).get(letter, letter) for letter in text)

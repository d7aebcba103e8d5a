"""Tables as Markdown, CSV and LaTeX, and numbers as a reader can use them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from v2a_lightning.errors import UsageError
from v2a_lightning.files import atomic_write

NOTHING = "–"
LATEX = {
    **{letter: f"\\{letter}" for letter in "&%_#${}"},
    **{"±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "−": "$-$", "–": "--", "→": r"$\to$"},
}


@runtime_checkable
class Estimate(Protocol):
    """A cell of several numbers: one text for a reader, and a column of a CSV for each number."""

    def __str__(self) -> str: ...
    def numbers(self) -> Mapping[str, float]:
        """By what a CSV's heading adds to the column's ("" for the number itself); NaN where there is none."""


@dataclass(frozen=True)
class Figure:
    """A number that is shown in a format such as ".2f", and written to a CSV in full."""

    value: float
    format: str

    def __str__(self) -> str:
        return format(self.value, self.format) if math.isfinite(self.value) else NOTHING

    def numbers(self) -> dict[str, float]:
        """The number."""
        return {"": self.value}


@dataclass(frozen=True)
class Interval:
    """A value, the ends of its 95 % interval (NaN where there is none), and the single values behind it."""

    value: float
    low: float = math.nan
    high: float = math.nan
    points: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.fixed(self.value)}{self.ends()}" if math.isfinite(self.value) else NOTHING

    def numbers(self) -> dict[str, float]:
        """For a CSV."""
        return {"": self.value, " low": self.low, " high": self.high}

    def ends(self) -> str:
        """The interval in brackets; "" where there is none."""
        return f" [{self.fixed(self.low)}, {self.fixed(self.high)}]" if math.isfinite(self.low) else ""

    def fixed(self, value: float) -> str:
        """A value to two digits of the interval's reach; to three digits of its own where the interval has no width."""
        reach = abs(self.high - self.value)
        spread = math.isfinite(reach) and reach > 1e-6 * abs(self.value)
        scale, wanted = (reach, 1) if spread else (abs(self.value), 2)
        digits = 3 if scale == 0 else min(6, max(0, wanted - math.floor(math.log10(scale))))
        # With the typographer's minus, as everywhere in these tables.
        return f"{value:.{digits}f}".replace("-", "−")


Cell = str | Estimate | None


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

    @classmethod
    def of(cls, name: str, caption: str, rows: Sequence[Mapping[str, Cell]], notes: Sequence[str] = ()) -> Self:
        """A table of rows that are cells by heading, the same headings in each."""
        return cls(name, caption, list(rows[0]), [list(row.values()) for row in rows], notes)

    def markdown(self) -> str:
        """With the caption above and the notes below."""
        from tabulate import DataRow, TableFormat

        row = DataRow("| ", " | ", " |")
        plain = TableFormat(None, lambda widths, _: _rule(len(widths)), None, None, row, row, 0, None)
        options: dict[str, Any] = {"stralign": None, "disable_numparse": True, "tablefmt": plain}
        frame = self._frame(lambda text: text.replace("|", "\\|"))
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"{self.caption}\n\n{frame.to_markdown(index=False, **options)}\n" + (f"\n{notes}" if notes else "")

    def csv(self) -> str:
        """A column for each number of an estimate: mean, standard deviation, interval, count, p."""
        import pandas as pd

        columns: list[tuple[str, list[str]]] = []
        for place, heading in enumerate(self.columns):
            cells = [row[place] for row in self.rows]
            keys = max((tuple(cell.numbers()) for cell in cells if isinstance(cell, Estimate)), key=len, default=("",))
            for key in keys:
                columns.append((f"{heading.rstrip(' ↓↑')}{key}", [_number_text(cell, key) for cell in cells]))
        frame = pd.DataFrame(dict(enumerate(values for _, values in columns)), dtype=object)
        return str(frame.to_csv(index=False, header=[name for name, _ in columns], lineterminator="\n"))

    def latex(self) -> str:
        """A table of the booktabs package."""
        columns = f"l{'r' * (len(self.columns) - 1)}"
        text: str = self._frame(_escape).to_latex(index=False, column_format=columns, caption=_escape(self.caption))
        notes = "".join(rf"\par {_escape(note)}" + "\n" for note in self.notes)
        return text.replace(r"\end{table}", rf"{notes}\end{{table}}")

    def write(self, folder: Path) -> None:
        """Write all three into a folder, as NAME.md, NAME.csv and NAME.tex."""
        for suffix, text in (("md", self.markdown()), ("csv", self.csv()), ("tex", self.latex())):
            with atomic_write(folder / f"{self.name}.{suffix}") as temporary:
                temporary.write_text(text, encoding="utf-8")

    def _frame(self, escape: Any) -> Any:
        import pandas as pd

        rows = [[escape(NOTHING if cell is None else str(cell)) for cell in row] for row in self.rows]
        return pd.DataFrame(rows, columns=[escape(heading) for heading in self.columns], dtype=object)


def number(value: float) -> str:
    """A number with three digits that count, but no more than five after the point."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 5)}f}"


def write_section(name: str, text: str, document: Path) -> None:
    """Replace what stands between `<!-- begin NAME -->` and `<!-- end NAME -->` in a Markdown file.

    Raises:
        UsageError: when the file has no such markers.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    content = document.read_text(encoding="utf-8") if document.is_file() else ""
    pattern = re.compile(re.escape(begin) + r".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(content):
        raise UsageError(f"{document} has no place for {name}: it needs the lines {begin} and {end}")
    written = f"{begin}\n{text.strip()}\n{end}"
    with atomic_write(document) as temporary:
        temporary.write_text(pattern.sub(lambda _: written, content), encoding="utf-8")


def _rule(columns: int) -> str:
    return "|" + " --- |" + " ---: |" * (columns - 1)


def _number_text(cell: Cell, key: str) -> str:
    if isinstance(cell, Estimate):
        value = cell.numbers().get(key, math.nan)
        return "" if math.isnan(value) else repr(value)
    return "" if cell is None or key else cell


def _escape(text: str) -> str:
    """Plain text in LaTeX."""
    return "".join(LATEX.get(letter, letter) for letter in text)

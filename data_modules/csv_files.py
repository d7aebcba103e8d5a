"""The one reader of tables that people and data sets write: csv in UTF-8 or UTF-16, and Parquet."""

import codecs
import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from v2a_lightning.errors import UsageError

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Row:
    """One line: `where` names file and line in messages; the columns have no spaces around them."""

    where: str
    columns: list[str]


@dataclass(frozen=True)
class Record:
    """One line by the names of its columns; a column that is not there is empty."""

    where: str
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


def read_rows(path: Path | str, form: str, comment: str | None = None) -> list[Row]:
    """Every line of a csv that is not blank, nor begins with `comment`; `form` is what a line should be, in words.

    Raises:
        UsageError: when there is no such file, it is no text, holds no line, or quotes are not closed (the line's
            number is named).
    """
    path = Path(path)
    text = read_text(path, "csv")
    mark = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True, skipinitialspace=True)
    rows = []
    try:
        for fields in reader:
            columns = [field.strip() for field in fields]
            if any(columns) and not (comment and columns[0].startswith(comment)):
                rows.append(Row(f"csv {path}, line {reader.line_num}", columns))
    except csv.Error as error:
        raise UsageError(f"csv {path}, line {reader.line_num}: {error} ({form})") from error
    if not rows:
        raise UsageError(f"csv {path} is empty; expected {form}")
    return rows


def read_records(
    path: Path | str, columns: Mapping[str, Sequence[str]], optional: Collection[str] = ()
) -> list[Record]:
    """The lines of a table with a header.

    Args:
        path: a csv, or a Parquet file.
        columns: the wanted columns, each with the names that its header may have, in lower case, best first.
        optional: those of the columns that need not be there.

    Raises:
        UsageError: when the file cannot be read, a column is missing, or a line has more columns than the header.
    """
    path = Path(path)
    form = f"a header with the columns {', '.join(names[0] for names in columns.values())}"
    header, *rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else read_rows(path, form)
    places = {name.lower(): place for place, name in enumerate(header.columns)}
    found = {}
    for wanted, names in columns.items():
        if there := [places[name] for name in names if name in places]:
            found[wanted] = there[0]
        elif wanted not in optional:
            said = f"no column {' or '.join(names)}; the columns are {', '.join(header.columns)}"
            raise UsageError(f"{header.where}: {said}")
    for row in rows:
        if len(row.columns) != len(header.columns):
            raise UsageError(f"{row.where}: {len(row.columns)} columns where {len(header.columns)} are expected")
    return [Record(row.where, {name: row.columns[place] for name, place in found.items()}) for row in rows]


def read_text(path: Path | str, what: str) -> str:
    """A file's text without a byte order mark, as spreadsheets write it; UsageError when it is no text file."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{what} {path}: there is no such file")
    try:
        content = path.read_bytes()
        text = content.decode("utf-16" if content.startswith(UTF_16_MARKS) else "utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds zero bytes")
    except (ValueError, OSError) as error:
        raise UsageError(f"{what} {path} is not a readable text file in UTF-8: {error}; save it as UTF-8") from error
    return text


def _parquet_rows(path: Path) -> list[Row]:
    """The header and the rows of a Parquet file; what is neither text nor number, such as a video, is left out."""
    if not path.is_file():
        raise UsageError(f"table {path}: there is no such file")
    try:
        texts = (pa.string(), pa.large_string())
        schema = pq.read_schema(path)
        plain = [field.name for field in schema if field.type in texts or pa.types.is_primitive(field.type)]
        rows = pq.read_table(path, columns=plain).to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"table {path} is not a readable Parquet file: {str(error).splitlines()[0]}") from error
    values = [["" if value is None else str(value).strip() for value in row.values()] for row in rows]
    return [Row(f"table {path}", plain), *(Row(f"table {path}, row {n}", row) for n, row in enumerate(values, 1))]

"""Tables in text: a header and rows, by commas, semicolons or tabs; a column of numbers, and one of dates.

Whatever is wrong is a `TableError` that names the line.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastrnn._validation import shown
from fastrnn.forecasting.calendar import Calendar, DateError, layout_of, positions_of, read_dates
from fastrnn.forecasting.series import LARGEST, Array, Series, filled, first_gap

DELIMITERS = ",;\t"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DATE_NAME = re.compile(r"(?<![a-z])(date|datetime|timestamp)(?![a-z])", re.IGNORECASE)
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}  # in any case


class TableError(ValueError):
    """A table from which no series can be read."""


class Table(NamedTuple):
    """Rows of text.

    Attributes
    ----------
    names : list of str
        Of the columns.
    rows : list of list of str
        Each with one text a column.
    lines : list of int
        On which line of the file each row ends, counted from 1.
    """

    names: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Return the texts of a column."""
        at = self.names.index(name)
        return [row[at] for row in self.rows]

    def wrong(self, row: int, message: str) -> "TableError":
        """Return an error that names the line of a row."""
        return TableError(f"line {self.lines[row]}: {message}")


def read_table(text: str) -> Table:
    """Return the rows of a text.

    Raises
    ------
    TableError
        If it has no header, no rows, or rows of other lengths than the header.
    """
    text = text.removeprefix("\ufeff")
    head = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0][: csv.field_size_limit()]
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([head], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[list[str], int]] = []
    try:
        for fields in reader:
            row = [field.strip() for field in fields]
            if not any(row) and (not found or len(row) != len(found[0][0]) or len(row) <= 1):
                continue  # a blank line
            if found and len(row) != len(found[0][0]):
                hint = "; are there decimal commas?" if delimiter == "," and len(row) > len(found[0][0]) else ""
                raise TableError(
                    f"line {reader.line_num}: expected {len(found[0][0])} fields as in the header, got {len(row)}{hint}"
                )
            found.append((row, reader.line_num))
    except csv.Error as error:
        raise TableError(f"line {reader.line_num}: {error}") from None
    return _table(found)


def _table(found: list[tuple[list[str], int]]) -> Table:
    """Return the table, having seen that its first row is a header."""
    if not found:
        raise TableError("expected a header and rows, got blank lines")
    (names, line), *rows = found
    if any(NUMBER.fullmatch(name) for name in names):
        raise TableError(f"line {line}: expected a header, the names of the columns, got {shown(', '.join(names))}")
    if not rows:
        raise TableError("a header and nothing below it")
    return Table(names, [row for row, _ in rows], [line for _, line in rows])


def series_in(table: Table, column: str | None = None, date: str | None = None, missing: str = "refuse") -> Series:
    """Return a column of numbers as a series.

    Parameters
    ----------
    table : Table
    column : str, optional
        Its name; the only one besides the dates if not given.
    date : str, optional
        The column of dates; if not given, the first one that has a date in its first row or is called a date, and none
        if there is none.
    missing : {"refuse", "interpolate", "previous"}
        What becomes of values, and of rows between dates, that are not there.

    Returns
    -------
    Series

    Raises
    ------
    TableError
        If there is no such column, or something in it is no number or no date; the line is named.
    """
    date = _date_column(table, column) if date is None else _existing(table, date, "--date")
    column = _value_column(table, date) if column is None else _existing(table, column, "--column")
    if column == date:
        raise TableError(f"--column: {column!r} is the column of dates; expected one of numbers")
    numbers = np.array([_number(table, row, text) for row, text in enumerate(table.column(column))])
    if date is None:
        return Series(_complete(table, numbers, np.arange(len(numbers)), None, missing), None, column)
    try:
        dates, layout = read_dates(table.column(date))
        calendar = Calendar.of(dates, layout)
    except DateError as error:
        raise table.wrong(error.row, f"{date}: {error}") from None
    return Series(_complete(table, numbers, positions_of(calendar, dates), calendar, missing), calendar, column)


def _existing(table: Table, name: str, option: str) -> str:
    """Return the name of a column that is there, once."""
    if table.names.count(name) == 1:
        return name
    what = "two columns have the name" if name in table.names else "no column"
    raise TableError(f"{option}: {what} {name!r}; there are {_listed(table.names)}")


def _listed(names: Sequence[str]) -> str:
    """Return names with commas between them, not more than a few."""
    few = ", ".join(map(repr, names[:8]))
    return few if len(names) <= 8 else f"{few} and {len(names) - 8} more"


def _date_column(table: Table, column: str | None) -> str | None:
    """Return the first column that begins with a date; one of plain years has to be called so.

    If there is none, one that is called a date is returned all the same: dates in an unknown layout are an error, for
    they must not get lost.
    """
    for name, text in zip(table.names, table.rows[0], strict=True):
        years = layout_of(text) == "%Y"
        called = re.search("year|date|time", name, re.IGNORECASE)
        if name != column and layout_of(text) is not None and (called or not years) and table.names.count(name) == 1:
            return name
    called_so = (name for name in table.names if name != column and DATE_NAME.search(name))
    return next((name for name in called_so if table.names.count(name) == 1 < len(table.names)), None)


def _value_column(table: Table, date: str | None) -> str:
    """Return the only column besides that of the dates."""
    names = [name for name in table.names if name != date]
    if len(names) == 1:
        return names[0]
    raise TableError(f"--column: expected the name of one of the columns {_listed(names or table.names)}")


def _number(table: Table, row: int, text: str) -> float:
    """Return a number, NaN if it is missing."""
    if NUMBER.fullmatch(text):
        value = float(text)
        if abs(value) <= LARGEST:
            return value
        raise table.wrong(row, f"expected numbers up to {LARGEST:g}, got {shown(text)}")
    if text.lower() in MISSING:
        return np.nan
    comma = " (a decimal comma? expected a point)" if NUMBER.fullmatch(text.replace(",", ".")) else ""
    raise table.wrong(row, f"expected a number, got {shown(text)}{comma}")


def _complete(table: Table, numbers: Array, positions: Array, calendar: Calendar | None, missing: str) -> Array:
    """Return a value for every position, what is missing filled.

    Raises
    ------
    TableError
        If that can't be done, or is not wanted; it names the line, or the first line after a gap.
    """
    values = np.full(positions[-1] + 1, np.nan)
    values[positions] = numbers
    gap = first_gap(values, missing)
    if gap is None:
        return filled(values, missing) if np.isnan(values).any() else values
    row = int(np.searchsorted(positions, gap))
    if calendar is not None and positions[row] != gap:
        raise table.wrong(row, f"no row for {calendar.text(gap)} before this one, and steps are one {calendar.step}; "
                        "--missing interpolate or previous fills gaps")  # fmt: skip
    if missing == "refuse":
        raise table.wrong(row, "the value is missing; --missing interpolate or previous fills gaps")
    raise table.wrong(
        row, f"the value is missing, and there is none {'before' if not row else 'around'} it to fill it from"
    )

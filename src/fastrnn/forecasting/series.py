"""A series: values at even steps, with the dates of the steps if it has any; what is missing is filled or refused."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import one_of, real_array
from fastrnn.data.checks import expect_finite
from fastrnn.forecasting.calendar import Calendar

Array = NDArray[Any]
FILLS = ("refuse", "interpolate", "previous")
LARGEST = 1e100  # of which squares are finite still
SMALLEST = 1e-100  # that values must differ by, so that squares of errors are not zero


class Series(NamedTuple):
    """Values at even steps.

    Attributes
    ----------
    values : ndarray of float64 (T,)
    calendar : Calendar or None
        What the steps are; None if they are numbers.
    name : str
        Of the column.
    start : int
        Position of the first value.
    """

    values: Array
    calendar: Calendar | None = None
    name: str = "value"
    start: int = 0

    def label(self, row: int) -> str:
        """Return the date of a row, or its number from 1 on; a row may lie beyond the end."""
        position = self.start + row
        return f"{position + 1}" if self.calendar is None else self.calendar.text(position)

    def labels_ahead(self, horizon: int) -> list[str]:
        """Return the labels of the steps that follow.

        Raises
        ------
        ValueError
            If one of them has no date.
        """
        T = len(self.values)
        try:
            return [self.label(T + i) for i in range(horizon)]
        except OverflowError:
            raise ValueError(f"horizon: {horizon} steps lead beyond the year 9999") from None

    def phase(self, season: int) -> int:
        """Return where in a season the first value stands, 0 to below ``season``."""
        return (self.start + (0 if self.calendar is None else self.calendar.phase(season))) % season

    def head(self, rows: int) -> "Series":
        """Return the first rows."""
        return self._replace(values=self.values[:rows])


def as_values(name: str, value: ArrayLike) -> Array:
    """Return a series' values as float64 (T,).

    Raises
    ------
    ValueError, TypeError
        If they are not finite, too large, or no array (T,) of real numbers.
    """
    array = real_array(name, value).astype(np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected shape (T,), got {array.shape}")
    expect_finite(name, array, ("row",))
    if array.size and np.abs(array).max() > LARGEST:
        raise ValueError(f"{name}: expected numbers up to {LARGEST:g}, got {np.abs(array).max():g}")
    return array


def as_a_series(value: "Series | ArrayLike") -> Series:
    """Return what is a series, or the series of these values."""
    if isinstance(value, Series):
        return value._replace(values=as_values("series", value.values))
    return Series(as_values("series", value))


def first_gap(values: Array, method: str) -> int | None:
    """Return the first row that is missing (NaN) and can't be filled by this method; None if there is none."""
    missing = np.isnan(values)
    if one_of("missing", method, FILLS) == "refuse":
        unfillable = missing
    else:
        known = np.flatnonzero(~missing)
        ends = (known[0], known[-1]) if known.size else (len(values), len(values))
        rows = np.arange(len(values))
        unfillable = missing & ((rows < ends[0]) | ((rows > ends[1]) & (method == "interpolate")))
    return int(np.argmax(unfillable)) if unfillable.any() else None


def filled(values: Array, method: str) -> Array:
    """Return values (T,) without NaN: on the straight line between the neighbours, or like the one before."""
    known = np.flatnonzero(~np.isnan(values))
    rows = np.arange(len(values))
    if method == "interpolate":
        return np.interp(rows, known, values[known])
    return values[known[np.searchsorted(known, rows, side="right") - 1]]

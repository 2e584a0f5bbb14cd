"""Dates of a series: read as they are written, counted in steps, continued.

A step is so many months, so many seconds (of which days and weeks are made), or a business day. Every date of a
series has a position, a whole number of steps, so that the date of any position can be told.
"""

import math
import re
from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import shown

DAY = 86400
QUARTER = "%Y-Q%q"  # %q is ours: strptime has no quarters
LAYOUTS = (
    *("%Y", "%Y-%m", "%Y-%m-%d", "%Y/%m", "%Y/%m/%d", "%d.%m.%Y", QUARTER, "%YQ%q"),
    *(f"%Y-%m-%d{between}{time}" for between in "T " for time in ("%H:%M", "%H:%M:%S", "%H:%MZ", "%H:%M:%SZ")),
)
EPOCH = datetime(1970, 1, 1)
DIGITS = {"Y": r"\d{4}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "M": r"\d{2}", "S": r"\d{2}", "q": "[1-4]"}
BUSINESS_DAYS = 5
NAMES = {  # of so many units
    "months": ((12, "year"), (3, "quarter"), (1, "month")),
    "seconds": ((7 * DAY, "week"), (DAY, "day"), (3600, "hour"), (60, "minute"), (1, "second")),
}


class DateError(ValueError):
    """A date that can't be read or is out of order; `row` counts from 0."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def read_date(text: str, layout: str) -> datetime | None:
    """Return a date that is written in this layout, None if it is not."""
    pattern = re.sub("%(.)", lambda found: f"(?P<{found[1]}>{DIGITS[found[1]]})", layout.replace(".", r"\."))
    found = re.fullmatch(pattern, text, re.ASCII)
    if found is None:
        return None
    part = {name: int(digits) for name, digits in found.groupdict().items()}
    month = 3 * part["q"] - 2 if "q" in part else part.get("m", 1)
    try:
        return datetime(part["Y"], month, part.get("d", 1), part.get("H", 0), part.get("M", 0), part.get("S", 0))
    except ValueError:
        return None


def layout_of(text: str) -> str | None:
    """Return the layout of a date, None if it is in none that is known."""
    return next((layout for layout in LAYOUTS if read_date(text, layout) is not None), None)


def write_date(date: datetime, layout: str) -> str:
    """Return a date as it is written in this layout."""
    layout = layout.replace("%q", str((date.month + 2) // 3)).replace("%Y", f"{date.year:04d}")
    return date.strftime(layout)


def read_dates(texts: Sequence[str]) -> tuple[list[datetime], str]:
    """Return dates that are all in the layout of the first of them, and that layout.

    Raises
    ------
    DateError
        If one can't be read, comes twice, or is earlier than the one before.
    """
    layout = layout_of(texts[0])
    if layout is None:
        raise DateError(0, f"expected a date such as 2024-05-31, 31.05.2024, 2024-05, 2024-Q2 or 2024-05-31 12:00, "
                           f"got {shown(texts[0])}")  # fmt: skip
    dates: list[datetime] = []
    for row, text in enumerate(texts):
        date = read_date(text, layout)
        if date is None:
            raise DateError(row, f"expected a date like {texts[0]}, got {shown(text)}")
        if dates and date <= dates[-1]:
            what = "comes twice" if date == dates[-1] else f"is earlier than {texts[row - 1]} before it"
            raise DateError(row, f"the date {text} {what}; expected dates in order, each once")
        dates.append(date)
    return dates, layout


class Calendar(NamedTuple):
    """What the steps of a series are.

    Attributes
    ----------
    unit : {"months", "seconds", "business days"}
    every : int
        How many of the unit make a step.
    anchor : int
        In units, that of position 0.
    day : int
        Of the month, if the unit is months; the last one of a month that has not so many.
    layout : str
        How dates are written.
    """

    unit: str
    every: int
    anchor: int
    day: int
    layout: str

    @classmethod
    def of(cls, dates: Sequence[datetime], layout: str) -> Self:
        """Return the calendar in which all dates stand at whole positions, with steps as large as they can be.

        Raises
        ------
        DateError
            If the dates follow no rhythm: most of the positions would be empty.
        """
        for calendar in (cls._months(dates, layout), cls._business_days(dates, layout), cls._seconds(dates, layout)):
            if calendar is not None and calendar.position(dates[-1]) < 2 * len(dates):
                return calendar
        raise DateError(0, "the dates follow no rhythm: expected steps of seconds, minutes, hours, days, weeks, "
                           "months, quarters or years")  # fmt: skip

    @classmethod
    def _months(cls, dates: Sequence[datetime], layout: str) -> Self | None:
        """Return months, if the dates are on one day of the month, or on the last one of months that end before it."""
        ends = [monthrange(date.year, date.month)[1] for date in dates]
        last = all(date.day == end for date, end in zip(dates, ends, strict=True))
        day = 31 if last else max(date.day for date in dates)
        if any(date.day != min(day, end) or date.time() != EPOCH.time() for date, end in zip(dates, ends, strict=True)):
            return None
        counts = [12 * date.year + date.month - 1 for date in dates]
        return cls("months", _common_step(counts), counts[0], day, layout)

    @classmethod
    def _business_days(cls, dates: Sequence[datetime], layout: str) -> Self | None:
        """Return business days, if the dates are days from Monday to Friday in more weeks than one."""
        at_midnight = all(date.time() == EPOCH.time() for date in dates)
        daily = any((b - a).days == 1 for a, b in pairwise(dates))
        if not at_midnight or not daily or any(date.weekday() >= BUSINESS_DAYS for date in dates):
            return None
        return cls("business days", 1, 0, 1, layout)._from(dates[0])

    @classmethod
    def _seconds(cls, dates: Sequence[datetime], layout: str) -> Self:
        """Return steps of the greatest number of seconds by which all dates can be reached."""
        counts = [_seconds_of(date) for date in dates]
        return cls("seconds", _common_step(counts), counts[0], 1, layout)

    def _from(self, date: datetime) -> Self:
        """Return the calendar whose position 0 is this date."""
        return self._replace(anchor=self._count(date))

    def _count(self, date: datetime) -> int:
        """Return a date in units."""
        if self.unit == "months":
            return 12 * date.year + date.month - 1
        if self.unit == "seconds":
            return _seconds_of(date)
        return int(np.busday_count("1970-01-01", date.date()))

    def position(self, date: datetime) -> int:
        """Return how many steps a date is after the first one."""
        return (self._count(date) - self.anchor) // self.every

    def date(self, position: int) -> datetime:
        """Return the date of a position.

        Raises
        ------
        OverflowError
            If it is after the year 9999.
        """
        count = self.anchor + position * self.every
        if self.unit == "seconds":
            return EPOCH + timedelta(seconds=count)
        if self.unit == "business days":
            found = np.busday_offset("1970-01-01", count, roll="forward").astype(object)
            if isinstance(found, int):  # NumPy's dates go on, Python's end
                raise OverflowError("date value out of range")
            return datetime(found.year, found.month, found.day)
        year, month = divmod(count, 12)
        if year > 9999:
            raise OverflowError("date value out of range")
        return datetime(year, month + 1, min(self.day, monthrange(year, month + 1)[1]))

    def text(self, position: int) -> str:
        """Return the date of a position as the others are written."""
        return write_date(self.date(position), self.layout)

    def phase(self, season: int) -> int:
        """Return where in a season position 0 stands, the same whichever date a series begins with."""
        return self.anchor // self.every % season

    @property
    def step(self) -> str:
        """What a step is, in words."""
        if self.unit == "business days":
            return "business day"
        size, name = next((size, name) for size, name in NAMES[self.unit] if self.every % size == 0)
        count = self.every // size
        return name if count == 1 else f"{count} {name}s"

    @property
    def season(self) -> int | None:
        """How many steps the usual season has: a year of months, quarters or weeks, a week of days, a day of less."""
        if self.unit == "months":
            return 12 // self.every if self.every in (1, 2, 3, 4, 6) else None
        if self.unit == "business days":
            return BUSINESS_DAYS
        known = {7 * DAY: 52, DAY: 7}
        if self.every in known or self.every >= DAY:
            return known.get(self.every)
        return DAY // self.every if DAY % self.every == 0 and self.every >= 900 else None


def _seconds_of(date: datetime) -> int:
    return round((date - EPOCH).total_seconds())


def _common_step(counts: Sequence[int]) -> int:
    """Return the largest step by which all counts can be reached from the first."""
    return math.gcd(*(b - a for a, b in pairwise(counts))) or 1


def positions_of(calendar: Calendar, dates: Sequence[datetime]) -> NDArray[np.int64]:
    """Return the position of each date, (T,)."""
    return np.array([calendar.position(date) for date in dates], np.int64)

"""Schedules that are curves: functions of the count alone."""

import math
from dataclasses import dataclass

from fastrnn._validation import a_share, one_of, positive_float, positive_int, shown
from fastrnn.schedules.base import Per, Schedule


@dataclass
class StepDecay:
    """The rate falls by a factor every so often: α₀ γ^⌊n / every⌋.

    Parameters
    ----------
    every : int
        Updates or epochs.
    factor : float
        γ, above 0 and below 1.
    per : {"update", "epoch"}
        What is counted.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import fastrnn
    >>> [fastrnn.StepDecay(2, 0.5).rate(1.0, epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    every: int
    factor: float = 0.1
    per: Per = "epoch"

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.every = positive_int("every", self.every)
        self.factor = positive_float("factor", self.factor, below=1.0)
        one_of("per", self.per, ("update", "epoch"))

    def rate(self, initial: float, count: int) -> float:
        """Return the learning rate after ``count`` updates or epochs."""
        return initial * self.factor ** (count // self.every)


@dataclass
class Cosine:
    """The rate falls along half a cosine (Loshchilov & Hutter 2017): α₁ + (α₀ - α₁) (1 + cos(π n / N)) / 2.

    After N updates or epochs it stays at α₁, where PyTorch's rises again.

    Parameters
    ----------
    steps : int
        N.
    final_rate : float
        α₁.
    per : {"update", "epoch"}
        What is counted.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import fastrnn
    >>> [round(fastrnn.Cosine(4, final_rate=0.2).rate(1.0, n), 2) for n in range(6)]
    [1.0, 0.88, 0.6, 0.32, 0.2, 0.2]
    """

    steps: int
    final_rate: float = 0.0
    per: Per = "update"

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.steps = positive_int("steps", self.steps)
        self.final_rate = positive_float("final_rate", self.final_rate, zero=True)
        one_of("per", self.per, ("update", "epoch"))

    def rate(self, initial: float, count: int) -> float:
        """Return the learning rate after ``count`` updates or epochs."""
        return _along_cosine(initial, self.final_rate, min(count, self.steps) / self.steps)


@dataclass
class Warmup:
    """The rate rises in a straight line, and then another schedule begins: α₀ (s + (1 - s) n / N).

    Parameters
    ----------
    steps : int
        N.
    then : Schedule, optional
        What follows; it counts from 0 at the end of the warm-up, and in the same unit. None: the rate stays.
    start_factor : float
        s, from 0 to 1. At 0 the first update would change nothing.
    per : {"update", "epoch"}
        What is counted.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type; if ``then`` counts something else, or is a
        `ReduceOnPlateau`, which is no function of the count.

    Examples
    --------
    >>> import fastrnn
    >>> schedule = fastrnn.Warmup(2, then=fastrnn.Cosine(2), start_factor=0.5)
    >>> [round(schedule.rate(1.0, n), 2) for n in range(5)]
    [0.5, 0.75, 1.0, 0.5, 0.0]
    """

    steps: int
    then: Schedule | None = None
    start_factor: float = 0.01
    per: Per = "update"

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.steps = positive_int("steps", self.steps)
        self.start_factor = a_share("start_factor", self.start_factor)
        one_of("per", self.per, ("update", "epoch"))
        if self.then is None:
            return
        if not callable(getattr(self.then, "rate", None)) or hasattr(self.then, "observe"):
            raise TypeError(f"then: expected a schedule that is a function of the count, got {shown(self.then)}")
        if self.then.per != self.per:
            raise ValueError(f"then: expected a schedule with per={self.per!r}, got per={self.then.per!r}")

    def rate(self, initial: float, count: int) -> float:
        """Return the learning rate after ``count`` updates or epochs."""
        if count >= self.steps:
            return initial if self.then is None else self.then.rate(initial, count - self.steps)
        return initial * (self.start_factor + (1 - self.start_factor) * count / self.steps)


@dataclass
class OneCycle:
    """The rate rises to a peak and falls far below where it began (Smith & Topin 2019), along half cosines.

    peak / d₀ at n = 0,  peak at n = p N - 1,  peak / (d₀ d₁) at n = N - 1 and from then on.

    The optimiser's own learning rate does not matter. PyTorch's ``OneCycleLR`` without its cycle of momentum.

    Parameters
    ----------
    peak : float
        The largest rate.
    steps : int
        N.
    pct_start : float
        p, from 0 to 1: the share of the steps in which the rate rises.
    div_factor, final_div_factor : float
        d₀ and d₁.
    per : {"update", "epoch"}
        What is counted.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import fastrnn
    >>> schedule = fastrnn.OneCycle(1.0, 5, pct_start=0.6, div_factor=4, final_div_factor=10)
    >>> [round(schedule.rate(1.0, n), 3) for n in range(5)]
    [0.25, 0.625, 1.0, 0.512, 0.025]
    """

    peak: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    per: Per = "update"

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.peak = positive_float("peak", self.peak)
        self.steps = positive_int("steps", self.steps)
        self.pct_start = a_share("pct_start", self.pct_start)
        self.div_factor = positive_float("div_factor", self.div_factor)
        self.final_div_factor = positive_float("final_div_factor", self.final_div_factor)
        one_of("per", self.per, ("update", "epoch"))

    def rate(self, initial: float, count: int) -> float:  # noqa: ARG002 - the peak takes its place
        """Return the learning rate after ``count`` updates or epochs."""
        start = self.peak / self.div_factor
        top, end = self.pct_start * self.steps - 1, self.steps - 1
        if count <= top:
            return _along_cosine(start, self.peak, count / top) if top else self.peak
        share = (count - top) / (end - top) if count < end else 1.0
        return _along_cosine(self.peak, start / self.final_div_factor, share)


def _along_cosine(start: float, end: float, share: float) -> float:
    """Return what lies between two rates at a share, from 0 to 1, of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

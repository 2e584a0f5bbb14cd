"""What a schedule is, and how a plain function becomes one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from fastrnn._validation import one_of, shown

Per = Literal["update", "epoch"]


class Schedule(Protocol):
    """What gives the learning rate; a class of one's own needs these two.

    Attributes
    ----------
    per : {"update", "epoch"}
        What is counted.
    """

    per: Per

    def rate(self, initial: float, count: int) -> float:
        """Return the learning rate after ``count`` updates or epochs; ``initial`` is the optimiser's own."""
        ...


@dataclass
class Factor:
    """The initial rate times any function: α₀ f(n).

    Parameters
    ----------
    function : callable
        ``f(count) -> float``.
    per : {"update", "epoch"}
        What is counted.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of this kind.

    Examples
    --------
    >>> from fastrnn.schedules import Factor
    >>> [Factor(lambda n: 1 / (1 + n)).rate(1.0, n) for n in (0, 1, 3)]
    [1.0, 0.5, 0.25]
    """

    function: Callable[[int], float]
    per: Per = "epoch"

    def __post_init__(self) -> None:
        """Check the arguments."""
        if not callable(self.function):
            raise TypeError(f"function: expected a function of the count, got {shown(self.function)}")
        one_of("per", self.per, ("update", "epoch"))

    def rate(self, initial: float, count: int) -> float:
        """Return α₀ f(count)."""
        return initial * float(self.function(count))


def as_schedule(schedule: Schedule | Callable[[int], float]) -> Schedule:
    """Return a schedule as it is, and a function of the count as `Factor` of it.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if not isinstance(schedule, type) and callable(getattr(schedule, "rate", None)):
        one_of("per", getattr(schedule, "per", ""), ("update", "epoch"))
        return schedule  # type: ignore[return-value]
    if callable(schedule) and not isinstance(schedule, type):
        return Factor(schedule)
    raise TypeError(
        f"schedule: expected one such as fastrnn.Cosine(1000), or a function of the count, got {shown(schedule)}"
    )

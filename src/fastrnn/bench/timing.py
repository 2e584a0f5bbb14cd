"""Timing: rounds of calls, interleaved over the contestants in rotating order; the median of the rounds counts."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

ROUND = 0.02  # seconds that a round lasts at least
ENOUGH = 1.5  # seconds for one contestant, after which three rounds will do
ROUNDS = 5
PAUSE = 0.02  # seconds between rounds

Call = Callable[[], object]


def elapsed(call: Call, count: int) -> float:
    """Return the seconds that so many calls take."""
    start = time.perf_counter_ns()
    for _ in repeat(None, count):
        call()
    return (time.perf_counter_ns() - start) * 1e-9


def interleaved(calls: Mapping[str, Call], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median seconds of one call of each contestant.

    Parameters
    ----------
    calls : dict
        By name, each ready to be called again and again.
    rounds : int
        How many rounds there are at least; three for a contestant that has then run for long enough.
    """
    with _no_garbage_collection():
        counts = {name: _count(call) for name, call in calls.items()}
        times: dict[str, list[float]] = {name: [] for name in calls}
        order = list(calls)
        for _ in range(rounds):
            for name in order:
                if len(times[name]) < 3 or sum(times[name]) * counts[name] < ENOUGH:
                    times[name].append(_round(calls[name], counts[name]))
            order = order[1:] + order[:1]
    return {name: statistics.median(values) for name, values in times.items()}


class Clock:
    """Adds up the seconds that are spent within some methods.

    Attributes
    ----------
    seconds : float
    """

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, owner: object, *names: str) -> None:
        """Put a function that is timed in front of methods of one object; one must not call another."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **options)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def split(call: Call, clock: Clock, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the seconds of one call and, of these, the clock's, from the round in which their share is the median.

    Parameters
    ----------
    call : callable
        Warmed up.
    clock : Clock
        Of methods that it calls.
    rounds : int
        Of one call each; fewer once these have taken long enough.
    """
    found: list[tuple[float, float]] = []
    with _no_garbage_collection():
        while len(found) < rounds and sum(whole for whole, _ in found) < ENOUGH:
            clock.seconds = 0.0
            found.append((elapsed(call, 1), clock.seconds))
    return sorted(found, key=lambda pair: pair[1] / pair[0])[len(found) // 2]


def _count(call: Call) -> int:
    """Warm up, and return how many calls make a round."""
    if elapsed(call, 1) > 5 * ROUND:
        return 1
    count = 1
    while (seconds := elapsed(call, count)) < ROUND / 4:
        count *= 4
    return max(1, round(1.1 * ROUND * count / seconds))


def _round(call: Call, count: int) -> float:
    """Return the seconds of one call, out of a round.

    First the others' threads get time to go to sleep, as they spin for a while after a call, and what they left in
    the caches is replaced; where one call is the round, that is part of it for every contestant alike.
    """
    time.sleep(PAUSE)
    if count > 1:
        call()
    return elapsed(call, count) / count


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

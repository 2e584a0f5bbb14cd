"""Timing: rounds of calls, interleaved over the contestants in rotating order; the median of the rounds counts."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat

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

"""Equal first: what a contestant finds is held to the float64 reference before it is timed."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants import slow
from fastrnn.bench.data import data

Array = NDArray[Any]


class Truth(NamedTuple):
    """What the reference finds, and how long it took for one call."""

    arrays: Mapping[str, Array]
    seconds: float


def truth(case: Case) -> Truth:
    """Return what every contestant must find."""
    kind = "generate" if case.kind == "generate" else "train"
    found, forward, gradients, backward = _reference(replace(case, kind=kind, dtype="float32"))
    if case.kind == "train":
        return Truth(gradients, forward + backward)
    return Truth(found, forward / (case.T if case.kind == "stream" else 1))


@lru_cache(maxsize=1)
def _reference(case: Case) -> tuple[Mapping[str, Array], float, Mapping[str, Array], float]:
    """Return results and seconds, forward and backward; kept for the other kinds of work on the same shape."""
    runner = slow(case)(case, data(case), 1)
    start = time.perf_counter()
    found, tape = runner.forward()
    middle = time.perf_counter()
    gradients = runner.backward(tape)
    return found, middle - start, gradients, time.perf_counter() - middle


def difference(case: Case, got: Mapping[str, Array], expected: Mapping[str, Array]) -> str | None:
    """Return in words what differs by more than rounding explains, or None.

    Rounding grows like the root of the number of additions: in each layer and direction at most T·N·(I + H), for a
    weight's gradient. What lies past a row's end does not count. A result that a contestant does not have is not
    compared. Ids may not differ at all.
    """
    additions = case.layers * case.directions * case.T * case.N * (case.I + case.H)
    bound = 0.0 if case.kind == "generate" else 8 * np.finfo(case.dtype).eps * np.sqrt(additions)
    for name, array in got.items():
        truth = expected[name]
        if array.shape != truth.shape:
            return f"{name}: expected shape {truth.shape}, got {array.shape}"
        error = np.abs(array - truth)
        if case.lengths is not None and name in ("output", "x"):
            error = error[np.arange(case.T)[:, None] < case.lengths]
        largest = float(error.max())
        if not largest <= bound * np.abs(truth).max():
            return f"{name}: differs from the reference by {largest:.2g}"
    return None

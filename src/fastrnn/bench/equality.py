"""Equal first: what a contestant finds is held to NumPy's results in float64 before it is timed.

What an estimator finds is held to the trainer that is inside it.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.bench import by_hand
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants import slow
from fastrnn.bench.contestants.fits import FastTrainer
from fastrnn.bench.data import data
from fastrnn.bench.training import COMPARED, AnyCase, Epoch, Fitting, Step
from fastrnn.bench.training_data import exercise, lesson, updates

Array = NDArray[Any]

# A loss is a mean over thousands of values whose rounding errors cancel: over 20 updates 1.4e-7 was the most that was
# measured. Adam moves a weight by the learning rate α however small its gradient g is. Where rounding turns the sign of
# a g that is almost 0, the weight goes the other way, and that changes the loss by 2 α |g|: for half a million weights
# with |g| = 1e-9 by 1e-6. The bound is ten times as much.
LOSSES = 1e-5


class Truth(NamedTuple):
    """What the reference finds, and how long one call took; None where it does not do all of what is timed."""

    arrays: Mapping[str, Array]
    seconds: float | None


def truth(case: AnyCase) -> Truth:
    """Return what every contestant must find."""
    if isinstance(case, Epoch):
        return Truth(by_hand.losses(case, lesson(case)), None)
    if isinstance(case, Step):
        return Truth(by_hand.parameters(updates(case)), None)
    if isinstance(case, Fitting):
        return Truth(FastTrainer(case, exercise(case), 1).arrays(), None)
    kind = "generate" if case.kind == "generate" else "train"
    found, forward, gradients, backward = _reference(replace(case, kind=kind, dtype="float32"))
    if case.kind == "loop":
        return Truth(gradients, None)
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


def difference(case: AnyCase, got: Mapping[str, Array], expected: Mapping[str, Array]) -> str | None:
    """Return in words what differs by more than rounding explains, or None.

    What lies past a row's end does not count. A result that a contestant does not have is not compared.
    """
    bound = tolerance(case)
    for name, array in got.items():
        truth = expected[name]
        if array.shape != truth.shape:
            return f"{name}: expected shape {truth.shape}, got {array.shape}"
        error = np.abs(array - truth)
        if isinstance(case, Case) and case.lengths is not None and name in ("output", "x"):
            error = error[np.arange(case.T)[:, None] < case.lengths]
        largest = float(error.max())
        if not largest <= bound * np.abs(truth).max():
            return f"{name}: differs from the reference by {largest:.2g}"
    return None


def tolerance(case: AnyCase) -> float:
    """Return by which part of the largest value of a result rounding may change it.

    It grows like the root of the number of additions: in each layer and direction at most T·N·(I + H), for a weight's
    gradient. Ids may not differ at all, nor what the trainer finds by itself and within an estimator. A step of an
    optimiser rounds a weight once, and then again less than that, as what it adds to the weight is small.
    """
    eps = float(np.finfo(case.dtype).eps)
    if isinstance(case, Epoch):
        return LOSSES
    if isinstance(case, Step):
        return COMPARED * eps
    if isinstance(case, Fitting) or case.kind == "generate":
        return 0.0
    return 8 * eps * float(np.sqrt(case.layers * case.directions * case.T * case.N * (case.I + case.H)))

"""The learning-rate range test: the loss while the learning rate grows from one update to the next.

Smith (2017), "Cyclical learning rates for training neural networks", section 3.3.
"""

import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import positive_float, positive_int
from fastrnn.data import Batch
from fastrnn.trainer.learner import Learner
from fastrnn.trainer.sources import Source

SMOOTHING = 0.9  # of the losses, which are as noisy as batches are small
SETTLED = 10  # updates, by when the smoothing has seen enough
DIVERGED = 4.0  # times the lowest loss


@dataclass(frozen=True)
class RangeTest:
    """What a range test has found.

    Attributes
    ----------
    rates, losses : ndarray (n,)
        The learning rate of each update, and the loss before it, smoothed.
    suggestion : float
        A tenth of the rate at which the loss was lowest.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the loss over the learning rate; see `fastrnn.plots.range_test`."""
        from fastrnn.plots import range_test  # noqa: PLC0415 - an edge, and Matplotlib an extra

        return range_test(self, path)

    def __str__(self) -> str:
        """Return the suggestion in words."""
        return f"{self.suggestion:.2g}, of {len(self.rates)} rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}"


def find(learner: Learner, source: Source, low: float, high: float, steps: int) -> RangeTest:
    """Run the test on copies of the model and the optimiser."""
    low, high, steps = positive_float("low", low), positive_float("high", high), positive_int("steps", steps)
    if not low < high or steps < 3:
        raise ValueError(f"low, high, steps: expected low < high and at least 3 steps, got {low:g}, {high:g}, {steps}")
    trial = trial_of(learner)
    rates, losses, smooth = [], [], 0.0
    endless = _endless(source, trial.rng)
    for i in range(steps):
        trial.optimizer.learning_rate = low * (high / low) ** (i / (steps - 1))
        try:
            loss = sum(trial.train(next(endless)) for _ in range(trial.accumulate)) / trial.accumulate
        except FloatingPointError:
            break
        smooth = SMOOTHING * smooth + (1 - SMOOTHING) * loss
        rates.append(trial.optimizer.learning_rate)
        losses.append(smooth / (1 - SMOOTHING ** (i + 1)))  # not drawn towards the zero it began with
        if 0 < DIVERGED * _lowest(losses)[1] < losses[-1]:
            break
    if len(losses) < 3:
        raise FloatingPointError(f"the loss is not finite from the learning rate {low:g} on; choose a lower one")
    return RangeTest(np.array(rates), np.array(losses), max(low, rates[_lowest(losses)[0]] / 10))


def _lowest(losses: list[float]) -> tuple[int, float]:
    """Return where the loss is lowest, and how low; the first ones are means of few batches and do not count."""
    first = min(SETTLED, len(losses) // 3)
    i = first + int(np.argmin(losses[first:]))
    return i, losses[i]


def trial_of(learner: Learner) -> Learner:
    """Return a learner with the same settings, whose model, optimiser and generator are copies."""
    return Learner(
        deepcopy(learner.model),
        learner.loss,
        deepcopy(learner.optimizer),
        limits=learner.limits,
        truncation=learner.truncation,
        accumulate=learner.accumulate,
        schedule=None,
        metrics=(),
        rng=deepcopy(learner.rng),
    )


def _endless(source: Source, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield the batches of one epoch after another."""
    while True:
        batch = None
        for batch in source.epoch(rng):
            yield batch
        if batch is None:
            raise ValueError("x: expected at least one batch an epoch, got none; an iterator can be used only once")

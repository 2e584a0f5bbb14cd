"""The learning-rate range test: the loss while the learning rate grows from one update to the next.

Smith (2017), "Cyclical learning rates for training neural networks", section 3.3.
"""

import os
from collections.abc import Iterator
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import positive_float, positive_int
from fastrnn.data import Batch
from fastrnn.trainer.sources import Source

if TYPE_CHECKING:
    from fastrnn.trainer.trainer import Trainer

SMOOTHING = 0.9  # of the losses, which are as noisy as batches are small
DIVERGED = 4.0  # times the best loss


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


def find(trainer: "Trainer", source: Source, low: float, high: float, steps: int) -> RangeTest:
    """Run the test on copies of the model and the optimiser."""
    low, high, steps = positive_float("low", low), positive_float("high", high), positive_int("steps", steps)
    if not low < high or steps < 3:
        raise ValueError(f"low, high, steps: expected low < high and at least 3 steps, got {low:g}, {high:g}, {steps}")
    trial = trial_of(trainer)
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
        if losses[-1] > DIVERGED * min(losses) and min(losses) > 0:
            break
    if len(losses) < 3:
        raise FloatingPointError(f"the loss is not finite from the learning rate {low:g} on; choose a lower one")
    return RangeTest(np.array(rates), np.array(losses), max(low, rates[int(np.argmin(losses))] / 10))


def trial_of(trainer: "Trainer") -> "Trainer":
    """Return a trainer with the same settings, whose model, optimiser and generator are copies."""
    trial = copy(trainer)
    trial.model, trial.optimizer = deepcopy(trainer.model), deepcopy(trainer.optimizer)
    trial.rng, trial.schedule = deepcopy(trainer.rng), None
    trial.renew()
    return trial


def _endless(source: Source, rng: np.random.Generator) -> Iterator[Batch]:
    """Yield the batches of one epoch after another."""
    while True:
        batch = None
        for batch in source.epoch(rng):
            yield batch
        if batch is None:
            raise ValueError("x: expected at least one batch an epoch, got none; an iterator can be used only once")

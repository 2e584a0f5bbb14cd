"""Learner: a model, what is to be learnt of it, and how: everything about training but data and epochs."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from fastrnn.data import Batch
from fastrnn.layers import Model
from fastrnn.losses import Loss
from fastrnn.metrics import Metric
from fastrnn.optimizers import Optimizer
from fastrnn.schedules import Schedule
from fastrnn.trainer.checks import output_lengths
from fastrnn.trainer.chunks import Chunk, Truncation, cut, first_rows, whole
from fastrnn.trainer.updates import Limits, Updates


class Learner:
    """Trains a model on batches, one after another.

    Parameters
    ----------
    model, loss, optimizer, schedule, metrics, rng
        As `fastrnn.Trainer` has them.
    limits : Limits
        Of gradients.
    truncation : (int, int) or None
        k1 and k2 of truncated BPTT.
    accumulate : int
        Windows for one update.

    Attributes
    ----------
    updates, epochs : int
        How many are done.
    gradient_norm : float
        At the last update, before clipping.
    initial_rate : float
        The learning rate that the optimiser came with.
    scores : list of Metric
        The metrics once more, for data that are not trained on: these may be measured in the middle of an epoch.
    numbers : tuple of str
        What is known after every epoch of the training that runs: ``loss``, metrics, and those of validation data.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        optimizer: Optimizer,
        *,
        limits: Limits,
        truncation: Truncation,
        accumulate: int,
        schedule: Schedule | None,
        metrics: Sequence[Metric],
        rng: np.random.Generator,
    ) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.limits, self.truncation, self.accumulate = limits, truncation, accumulate
        self.schedule, self.metrics, self.rng = schedule, metrics, rng
        self.scores = deepcopy(list(metrics))
        self.updates = self.epochs = 0
        self.gradient_norm = 0.0
        self.initial_rate = optimizer.learning_rate
        self.numbers: tuple[str, ...] = ()
        self._updates = Updates(model, loss, optimizer, limits, accumulate)

    @property
    def settled(self) -> bool:
        """Whether no gradients wait for an update."""
        return self._updates.pending == 0

    def forget(self) -> None:
        """Drop gradients that wait for an update."""
        self._updates.forget()

    def windows(self, batch: Batch) -> list[Chunk]:
        """Return the windows of a batch: one without truncation."""
        if self.truncation is not None:
            return cut(batch, self.truncation)
        return [whole(batch, output_lengths(self.model, batch.lengths))]

    def train(self, batch: Batch, state: Any = None) -> float:
        """Train on a batch, and return its loss from before.

        Raises
        ------
        FloatingPointError
            If the loss or the gradient is not finite; the parameters are left as they were.
        """
        self.model.link = self.loss.link  # what turns its output into probabilities from now on
        value = total = 0.0
        try:
            for window in self.windows(batch):
                part, weight, state = self.advance(window, state)
                value, total = value + part, total + weight
        except BaseException:
            self.forget()
            raise
        return value / total if total else 0.0

    def advance(self, window: Chunk, state: Any, metrics: Sequence[Metric] = ()) -> tuple[float, float, Any]:
        """Train on one window.

        Returns
        -------
        value, total : float
            The loss is value / total.
        state
            With which the next window begins.
        """
        batch = window.batch
        if state is not None:
            state = first_rows(state, len(batch.y))
        value, total, end = self._updates.add(window, state, self.rng, metrics)
        if window.advance is not None:
            end = self._state_after(window.advance, batch, state)
        if self._updates.pending == self.accumulate:
            self.apply()
        return value, total, end

    def _state_after(self, steps: int, batch: Batch, state: Any) -> Any:
        """Return the state after some of a batch's steps, under the parameters from before the update."""
        if steps == 0:
            return state
        options = {} if batch.lengths is None else {"lengths": np.minimum(batch.lengths, steps)}
        return self.model.forward(batch.x[:, :steps], state, **options)[1]

    def apply(self) -> None:
        """Update the parameters by the gradients that wait for it, if there are any."""
        if self.settled:
            return
        if self.schedule is not None:
            count = self.updates if self.schedule.per == "update" else self.epochs
            self.optimizer.learning_rate = self.schedule.rate(self.initial_rate, count)
        self.gradient_norm = self._updates.apply()
        self.updates += 1

    def end_epoch(self, numbers: Mapping[str, float]) -> None:
        """Count an epoch, and let the schedule see the number that it watches."""
        self.epochs += 1
        observe = getattr(self.schedule, "observe", None)
        if observe is not None:
            observe(numbers[self.watched(numbers)])

    def watched(self, numbers: Iterable[str]) -> str:
        """Return which of an epoch's numbers the schedule watches."""
        monitor = getattr(self.schedule, "monitor", None)
        return monitor or ("validation_loss" if "validation_loss" in numbers else "loss")

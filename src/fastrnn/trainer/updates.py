"""Updates: from a window of a batch to its gradients, and from the gradients of some windows to new parameters."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastrnn.layers import Model, Tape
from fastrnn.layers.base import Array
from fastrnn.losses import Loss
from fastrnn.metrics import BoundMetric, Metric
from fastrnn.optimizers import Optimizer, clip_by_global_norm, clip_by_value
from fastrnn.trainer import blame
from fastrnn.trainer.chunks import Chunk


class Picked(NamedTuple):
    """What a loss sees: predictions, targets and weights of the samples or steps that count."""

    prediction: Array
    target: Any
    weight: Any


def pick(output: Array, chunk: Chunk) -> Picked:
    """Return the samples or steps that count: everything as it is, or rows (S, ·) of the steps."""
    y, weight, counted = np.asarray(chunk.batch.y), chunk.batch.weight, chunk.counted
    if counted is None:
        return Picked(output, y, weight)
    if y.shape[:2] != counted.shape or output.shape[:2] != counted.shape:
        raise ValueError(f"y: expected targets for every step, {output.shape[:2]}, got shape {y.shape}")
    return Picked(output[counted], y[counted], None if weight is None else weight[counted])


class Limits(NamedTuple):
    """How far gradients are clipped; None: not at all."""

    norm: float | None
    value: float | None
    state: float | None


class Updates:
    """Adds up the gradients of a number of windows, and then updates the parameters once.

    Attributes
    ----------
    pending : int
        Windows whose gradients wait for an update.
    """

    def __init__(self, model: Model, loss: Loss, optimizer: Optimizer, limits: Limits, accumulate: int) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.limits, self.accumulate = limits, accumulate
        if limits.state is not None and "clip_state" not in inspect.signature(model.backward).parameters:
            raise TypeError(f"clip_state: expected None, as {type(model).__name__}.backward does not take it")
        self._tape: Tape | None = None
        self.forget()

    def forget(self) -> None:
        """Drop gradients that wait for an update."""
        self._sum: dict[str, Array] = {}
        self._total, self.pending = 0.0, 0

    def add(
        self, chunk: Chunk, state: Any, rng: np.random.Generator, metrics: Sequence[Metric] = ()
    ) -> tuple[float, float, Any]:
        """Go forwards and backwards through a window.

        Returns
        -------
        value, total : float
            The loss is value / total.
        state
            After the window's last step.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        """
        batch = chunk.batch
        spare, self._tape = self._tape, None  # memory of the window before
        options: dict[str, Any] = {"reuse": spare} if self.model.recycles else {}
        if self.model.random:
            options["seed"] = rng
        if batch.lengths is not None:
            options["lengths"] = batch.lengths
        output, end, tape = self.model.record(batch.x, *([] if state is None else [state]), **options)
        picked = pick(output, chunk)
        self.loss.check(picked.target, picked.prediction.shape)
        sums = self.loss.sums(*picked)
        if not math.isfinite(sums.value):
            reason = blame.of_loss(self.model, batch, state)
            raise FloatingPointError(f"the loss is {sums.value}; check the data, or lower the learning rate: {reason}")
        for metric in metrics:
            metric.update(
                picked.prediction if isinstance(metric, BoundMetric) else picked.prediction.copy(), *picked[1:]
            )
        gradient = sums.gradient
        gradient /= gradient.dtype.type(sums.total or 1)
        if chunk.counted is not None:
            spread = np.zeros_like(output)
            spread[chunk.counted] = gradient
            gradient = spread
        watching = {} if self.limits.state is None else {"clip_state": self.limits.state}
        found = self.model.backward(tape, gradient, **watching).parameters
        self._tape = tape
        self._gather(found, sums.total)
        self._total += sums.total
        self.pending += 1
        return float(sums.value), float(sums.total), end

    def _gather(self, gradients: Mapping[str, Array], total: float) -> None:
        """Add the gradients of a window's mean loss, each weighed with what was counted in it."""
        for name, grad in gradients.items():
            mine = isinstance(grad, np.ndarray) and grad.flags.writeable  # a layer of a user's own may give others
            own = grad if mine else np.array(grad)
            if self.accumulate > 1:
                own *= total
            if name in self._sum:
                self._sum[name] += own
            else:
                self._sum[name] = own

    def apply(self) -> float:
        """Update the parameters, and return the norm of the gradient before clipping.

        Raises
        ------
        FloatingPointError
            If the gradient is not finite; the parameters are left as they were.
        """
        gradients, total = self._sum, self._total
        self.forget()
        if total == 0:  # nothing counted
            return 0.0
        if self.accumulate > 1:
            for grad in gradients.values():
                grad /= total
        limit = math.inf if self.limits.norm is None else self.limits.norm
        norm = clip_by_global_norm(gradients, math.inf if self.limits.value is not None else limit)
        if not math.isfinite(norm):
            reason = blame.of_gradient(gradients)
            raise FloatingPointError(
                f"the gradient's norm is {norm}; check the data, or lower the learning rate: {reason}"
            )
        if self.limits.value is not None:  # now that it can't hide what is infinite
            clip_by_value(gradients, self.limits.value)
            clip_by_global_norm(gradients, limit)
        self.optimizer.update(self.model.parameters(), gradients)
        return norm

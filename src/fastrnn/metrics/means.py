"""Metrics that are means or made of means: absolute and squared error, bits per character, R². R rows, K features."""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn.losses import MAE, MSE, CrossEntropy, Loss
from fastrnn.metrics.base import BoundMetric, as_rows, ratio

Array = NDArray[Any]


class _MeanLoss(BoundMetric):
    """Base of metrics that are the mean of a loss over the epoch."""

    links: tuple[str | None, ...] = (None,)

    @abstractmethod
    def loss(self) -> Loss:
        """Return the loss whose mean this is."""

    def start(self) -> None:
        """Forget everything."""
        self._value = self._total = 0.0

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch; see `BoundMetric.update`."""
        value, _, total = self.loss().sums(prediction, target, weight)
        self._value += value
        self._total += total

    def result(self) -> float:
        """Return the mean."""
        return ratio(self._value, self._total)


class MeanAbsoluteError(_MeanLoss):
    """Mean of ``|y - d|``.

    Examples
    --------
    >>> from fastrnn.metrics import MeanAbsoluteError
    >>> metric = MeanAbsoluteError().bound(None)
    >>> metric.update([[1.0], [-2.0]], [[0.0], [0.0]])
    >>> metric.result()
    1.5
    """

    name = "mae"

    def loss(self) -> Loss:
        """Return the absolute error."""
        return MAE(ignore=self.ignore)


class MeanSquaredError(_MeanLoss):
    """Mean of (y - d)².

    Examples
    --------
    >>> from fastrnn.metrics import MeanSquaredError
    >>> metric = MeanSquaredError().bound(None)
    >>> metric.update([[1.0], [-2.0]], [[0.0], [0.0]])
    >>> metric.result()
    2.5
    """

    name = "mse"

    def loss(self) -> Loss:
        """Return the squared error."""
        return MSE(ignore=self.ignore)


class BitsPerCharacter(_MeanLoss):
    """Mean cross-entropy in bits: -log₂ of the probability of what came, without class weights or smoothing.

    Examples
    --------
    >>> from fastrnn.metrics import BitsPerCharacter
    >>> metric = BitsPerCharacter().bound("softmax")
    >>> metric.update([[0.0, 0.0, 0.0, 0.0]], [2])  # four that are equally likely
    >>> round(metric.result(), 6)
    2.0
    """

    name = "bits_per_character"
    links = ("softmax",)

    def loss(self) -> Loss:
        """Return the cross-entropy."""
        return CrossEntropy() if self.ignore is None else CrossEntropy(ignore_index=int(self.ignore))

    def result(self) -> float:
        """Return the mean."""
        return super().result() / math.log(2)


class R2(BoundMetric):
    """R² = 1 - Σ (d - y)² / Σ (d - d̄)², the mean over features, as scikit-learn's r2_score.

    For a constant target 1 where all predictions are right, else 0; NaN of fewer than two rows. Moments of batches are
    put together as by Chan, Golub & LeVeque (1983), "Algorithms for computing the sample variance".

    Examples
    --------
    >>> from fastrnn.metrics import R2
    >>> metric = R2().bound(None)
    >>> metric.update([[1.0], [2.0], [2.0]], [[1.0], [2.0], [3.0]])
    >>> metric.result()
    0.5
    """

    name = "r2"
    links = (None,)

    def start(self) -> None:
        """Forget everything."""
        self._rows = 0
        self._weight: Any = 0.0  # (K,) each, from the first batch on
        self._mean: Any = 0.0
        self._spread: Any = 0.0  # Σ (d - d̄)²
        self._error: Any = 0.0  # Σ (d - y)²

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch; see `BoundMetric.update`."""
        y, d, w = as_rows(prediction, target, weight)
        counted = self.counts(d)
        d = np.where(counted, d, 0).astype(np.float64)
        w = w[:, None] * counted
        weights = w.sum(axis=0)
        mean = (w * d).sum(axis=0) / np.where(weights > 0, weights, 1)
        both = self._weight + weights
        share, apart = weights / np.where(both > 0, both, 1), mean - self._mean
        self._spread += (w * (d - mean) ** 2).sum(axis=0) + apart**2 * self._weight * share
        self._mean += apart * share
        self._weight = both
        self._error += (w * (d - y) ** 2).sum(axis=0)
        self._rows += int(np.count_nonzero(counted.any(axis=1)))

    def result(self) -> float:
        """Return R²."""
        there = np.atleast_1d(self._weight) > 0
        if self._rows < 2 or not there.any():
            return float("nan")
        spread, error = self._spread[there], self._error[there]
        score = 1 - error / np.where(spread > 0, spread, 1)
        return float(np.mean(np.where(spread > 0, score, error == 0)))

"""Metrics of classes: accuracy, precision, recall. R rows, K features or classes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn.metrics.base import BoundMetric, as_rows, ratio

Array = NDArray[Any]


class ClassMetric(BoundMetric):
    """Base of metrics that compare classes.

    From logits: with "softmax" the class of the largest one, with "sigmoid" 1 where the logit is above 0, that is
    where the probability is above ½. Soft targets count as the class that they favour.
    """

    links = ("softmax", "sigmoid")

    def compared(
        self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None
    ) -> tuple[Array, Array, Array]:
        """Return what was predicted, what is right, and the weights, 0 for what does not count.

        They have the shape (R,) for "softmax", with class numbers, and (R, K) for "sigmoid", with truth values.
        """
        z, d, w = as_rows(prediction, target, weight, numbers=self.link == "softmax")
        if self.link == "sigmoid":
            return z > 0, d > 0.5, w[:, None] * self.counts(d)
        true = d if d.ndim == 1 else d.argmax(axis=1)
        kept = self.counts(true)
        return z.argmax(axis=1)[kept], true[kept].astype(np.intp), w[kept]


class Accuracy(ClassMetric):
    """The share of what was predicted right; with "sigmoid" each feature of each row is one prediction.

    Examples
    --------
    >>> from fastrnn.metrics import Accuracy
    >>> metric = Accuracy().bound("softmax")  # `Trainer` does this
    >>> metric.update([[0.1, 2.0], [3.0, 0.2]], [1, 1])  # logits and class numbers
    >>> metric.result()
    0.5
    """

    name = "accuracy"

    def start(self) -> None:
        """Forget everything."""
        self._right = self._all = 0.0

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch; see `BoundMetric.update`."""
        chosen, true, w = self.compared(prediction, target, weight)
        self._right += float((w * (chosen == true)).sum())
        self._all += float(w.sum())

    def result(self) -> float:
        """Return the share."""
        return ratio(self._right, self._all)


class _Found(ClassMetric):
    """Base of what is told from true positives by class, as scikit-learn does with zero_division=0.

    With "sigmoid" and one feature, of the class 1. Otherwise the mean over classes (average="macro"): with "sigmoid"
    over the features, with "softmax" over the classes that were predicted or are right somewhere.
    """

    def start(self) -> None:
        """Forget everything."""
        self._counts: Array = np.zeros((3, 0))  # true positives, predicted, right; by class
        self._seen: Array = np.zeros(0, bool)

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch; see `BoundMetric.update`."""
        K = np.shape(prediction)[-1]
        chosen, true, w = self.compared(prediction, target, weight)
        if not self._seen.size:
            self._counts, self._seen = np.zeros((3, K)), np.zeros(K, bool)
        if self.link == "sigmoid":
            self._counts += [(w * one).sum(axis=0) for one in (chosen & true, chosen, true)]
            self._seen |= bool((w > 0).any())
            return
        parts = (true, w * (chosen == true)), (chosen, w), (true, w)
        self._counts += [np.bincount(classes, weights, K) for classes, weights in parts]
        self._seen[chosen] = self._seen[true] = True

    def _share(self, counted: int) -> float:
        """Return the mean over classes of true positives / counts[counted]."""
        of = self._counts[counted, self._seen]
        if not self._seen.any():
            return float("nan")
        return float(np.mean(self._counts[0, self._seen] / np.where(of > 0, of, 1)))


class Precision(_Found):
    """Which share of what was predicted as a class is of that class; 0 where none was.

    As scikit-learn's precision_score(zero_division=0): with "sigmoid" and one feature of the class 1, otherwise the
    mean over classes (average="macro").

    Examples
    --------
    >>> from fastrnn.metrics import Precision
    >>> metric = Precision().bound("sigmoid")
    >>> metric.update([[1.0], [2.0], [-3.0]], [[1], [0], [1]])  # two found, one of them right
    >>> metric.result()
    0.5
    """

    name = "precision"

    def result(self) -> float:
        """Return the precision."""
        return self._share(1)


class Recall(_Found):
    """Which share of a class was predicted as that class; 0 where there was none.

    As scikit-learn's recall_score(zero_division=0): with "sigmoid" and one feature of the class 1, otherwise the mean
    over classes (average="macro").

    Examples
    --------
    >>> from fastrnn.metrics import Recall
    >>> metric = Recall().bound("sigmoid")
    >>> metric.update([[1.0], [-2.0], [-3.0], [-4.0]], [[1], [0], [1], [1]])  # one of three found
    >>> round(metric.result(), 3)
    0.333
    """

    name = "recall"

    def result(self) -> float:
        """Return the recall."""
        return self._share(2)

"""Labels: from any kind of them to class numbers and back, and what classes weigh. K classes."""

from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from fastrnn._validation import shown
from fastrnn.estimators.fitting import SequenceEstimator
from fastrnn.estimators.sequences import Array
from fastrnn.losses import CrossEntropy, Loss


def read_labels(y: Any) -> Array:
    """Return labels as an array of any shape; raise ValueError if one is missing."""
    labels: Array = check_array(y, dtype=None, ensure_2d=False, input_name="y")
    return labels


def classes_in(labels: Array) -> Array:
    """Return the different labels, sorted; raise ValueError if they are numbers that are no labels."""
    if labels.dtype == np.dtype(object):  # which may have no order
        check_classification_targets(labels.reshape(-1))
    classes = np.unique(labels)
    check_classification_targets(classes)
    return classes


class Classifying(SequenceEstimator):
    """Base of estimators that tell classes."""

    _metric = "accuracy"
    class_weight: Any
    classes_: Array

    def _numbers(self, labels: Array, *, goes_on: bool, classes: Any) -> Array:
        """Return class numbers in the labels' shape; the classes are taken from them, or given, or those of before.

        Raises
        ------
        ValueError
            If a label is none of the classes.
        """
        given = None if classes is None else classes_in(read_labels(classes))
        if not goes_on:
            self.classes_ = classes_in(labels) if given is None else given
        elif given is not None and not np.array_equal(given, self.classes_):
            raise ValueError(f"classes: expected those of the first call, {self.classes_}, got {given}")
        numbers = np.searchsorted(self.classes_, labels).clip(max=len(self.classes_) - 1)
        known = self.classes_[numbers] == labels
        if not np.all(known):
            raise ValueError(f"y: expected classes among {self.classes_}, got {shown(labels[~known].tolist()[0])}")
        return numbers

    def _loss_of(self, numbers: Array, weight: Array | None) -> Loss:
        """Return the cross-entropy of class numbers (S,) and their weights (S,), weighted by class."""
        weights = self._class_weights(numbers, weight)
        if (
            weights is not None
            and np.min(weights) >= 0
            and not np.any(weights[numbers] * (1 if weight is None else weight))
        ):
            raise ValueError(
                f"class_weight: expected some weight on the classes that there are, got {self.class_weight}"
            )
        return CrossEntropy(weight=weights)

    def _class_weights(self, numbers: Array, weight: Array | None) -> Array | None:
        """Return w (K,), or None: w_k = Σ_i w_i / (K Σ_{i of class k} w_i) where they are to be balanced."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, str):
            totals = np.bincount(numbers, weight, minlength=len(self.classes_))
            balanced = np.zeros(len(totals))
            np.divide(totals.sum(), len(totals) * totals, out=balanced, where=totals > 0)
            return balanced
        labels = self.classes_[numbers]
        found: Array = compute_class_weight(self.class_weight, classes=self.classes_, y=labels)
        return found

    def _check_parameters(self) -> None:
        super()._check_parameters()
        given = self.class_weight
        if not (given is None or isinstance(given, dict) or (isinstance(given, str) and given == "balanced")):
            raise ValueError(f"class_weight: expected a dict, 'balanced' or None, got {shown(given)}")

    def _expect_stream(self, classes: Any) -> None:
        """Raise ValueError unless what has to be known of all data is known of data that come in parts."""
        if classes is None and not self.__sklearn_is_fitted__():
            raise ValueError("classes: expected all labels that there will be in the first call of partial_fit")
        if self.class_weight == "balanced":
            raise ValueError("class_weight: expected a dict or None for partial_fit, which does not see all data")


def probabilities(logits: Array) -> Array:
    """Return softmax(z) over the last axis, in float64 so that rows sum to 1."""
    return np.asarray(softmax(logits.astype(np.float64), axis=-1))


def log_probabilities(logits: Array) -> Array:
    """Return log softmax(z) over the last axis."""
    return np.asarray(log_softmax(logits.astype(np.float64), axis=-1))

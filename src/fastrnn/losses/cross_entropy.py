"""Categorical cross-entropy of logits, by class numbers or by probabilities."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn import _elementwise
from fastrnn._memory import empty
from fastrnn._validation import a_share, an_int, as_real, expect_shape
from fastrnn.losses.base import Loss, Sums, as_prediction, sample_weights
from fastrnn.losses.checks import expect_all, real_targets

Array = NDArray[Any]


class CrossEntropy(Loss):
    """Cross-entropy of logits z over the last axis, as PyTorch's CrossEntropyLoss; ∂E/∂z = softmax(z) - d.

    For class numbers d the mean of -w_d log softmax(z)_d, weighted: divided by the sum of the w_d. For probabilities d
    the mean of -Σ_k w_k d_k log softmax(z)_k over the rows.

    Targets are class numbers, shaped like the prediction without its last axis, or probabilities, shaped like the
    prediction.

    Parameters
    ----------
    weight : array_like (K,), optional
        Class weights w, >= 0. None: 1.
    label_smoothing : float
        ε in [0, 1]: targets become (1 - ε) d + ε/K (Szegedy et al. 2016, "Rethinking the Inception architecture").
    ignore_index : int
        Rows whose class number is this do not count.

    Examples
    --------
    >>> from fastrnn.losses import CrossEntropy
    >>> value, gradient = CrossEntropy()([[0.0, 0.0], [5.0, 1.0]], [1, -100])  # -100 does not count
    >>> round(value, 4), gradient
    (0.6931, array([[ 0.5, -0.5],
           [ 0. ,  0. ]], dtype=float32))
    """

    link: str | None = "softmax"

    def __init__(
        self, *, weight: ArrayLike | None = None, label_smoothing: float = 0.0, ignore_index: int = -100
    ) -> None:
        self.weight: list[float] | None = None
        if weight is not None:
            weights = as_real("weight", weight, np.float64)
            if weights.ndim != 1 or not ((weights >= 0) & (weights < np.inf)).all():
                raise ValueError(f"weight: expected a finite number >= 0 for each class, got {weight}")
            self.weight = weights.tolist()
        self.label_smoothing = a_share("label_smoothing", label_smoothing)
        self.ignore_index = an_int("ignore_index", ignore_index)
        self.ignore = self.ignore_index

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise unless these targets fit predictions of this shape."""
        array, classes = np.asarray(target), shape[-1]
        self._class_weights(classes, np.dtype(np.float64))
        if array.ndim == len(shape):
            expect_all(real_targets(target, shape), lambda d: (d >= 0) & (d <= 1), "probabilities in [0, 1]")
        else:
            _expect_numbers(array, shape)
            self._expect_classes(array, classes)

    def sums(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> Sums:
        """Return the loss, summed over a batch; see `Loss.sums`.

        Parameters
        ----------
        prediction : array_like (..., K)
            Logits.
        target : array_like (...) of int, or (..., K)
            Class numbers or probabilities.
        weight : array_like, optional
            Sample weights, in the shape (...) or the first of these axes.
        """
        z, target = as_prediction(prediction), np.asarray(target)
        rows = z.reshape(-1, z.shape[-1])
        w = None if weight is None else np.ascontiguousarray(sample_weights(weight, z.shape, z.dtype)).reshape(-1)
        if target.ndim == z.ndim:
            expect_shape("target", target, z.shape)
            sums = self._of_probabilities(rows, as_real("target", target, z.dtype).reshape(rows.shape), w)
        else:
            _expect_numbers(target, z.shape)
            sums = self._of_numbers(rows, target.reshape(-1), w)
        return sums._replace(gradient=sums.gradient.reshape(z.shape))

    def _of_numbers(self, z: Array, target: Array, weight: Array | None) -> Sums:
        """Return the sums for logits (R, K), class numbers (R,) and sample weights (R,)."""
        missing = target == self.ignore_index
        if missing.any():
            return self._without(missing, z, target, weight)
        R, K = z.shape
        class_weight = self._class_weights(K, z.dtype)
        if R and (target.min() < 0 or target.max() >= K):  # it would be read and written out of bounds
            self._expect_classes(target, K)
        target = target.astype(np.intp, copy=False)
        scale = weight  # of each row: its sample weight times its class weight
        if class_weight is not None:
            scale = class_weight[target] if weight is None else class_weight[target] * weight
        total = float(R) if scale is None else float(scale.sum(dtype=np.float64))
        if self.label_smoothing:
            return self._of_probabilities(z, _one_hot(target, K, z.dtype), weight)._replace(total=total)
        gradient, largest, terms = _softmax(z, scale)
        at = np.arange(0, R * K, K) + target
        with np.errstate(all="ignore"):  # NaN and infinity are for the caller to notice, in the value
            gradient.reshape(-1)[at] -= 1 if scale is None else scale
            terms -= z.reshape(-1)[at] - largest
            if scale is not None:
                terms *= scale
        return Sums(float(terms.sum(dtype=np.float64)), gradient, total)

    def _without(self, missing: Array, z: Array, target: Array, weight: Array | None) -> Sums:
        """Return the sums over the rows that are not missing; the gradient of these is 0."""
        kept = ~missing
        sums = self._of_numbers(z[kept], target[kept], None if weight is None else weight[kept])
        gradient = np.zeros_like(z)
        gradient[kept] = sums.gradient
        return sums._replace(gradient=gradient)

    def _of_probabilities(self, z: Array, target: Array, weight: Array | None) -> Sums:
        """Return the sums for logits (R, K), probabilities (R, K) and sample weights (R,)."""
        K, class_weight = z.shape[1], self._class_weights(z.shape[1], z.dtype)
        d = target * z.dtype.type(1 - self.label_smoothing)
        d += z.dtype.type(self.label_smoothing / K)
        if class_weight is not None:
            d *= class_weight
        if weight is not None:
            d *= weight[:, None]
        gradient, largest, log_sums = _softmax(z, d.sum(axis=1))
        gradient -= d
        with np.errstate(all="ignore"):
            d *= log_sums[:, None] - (z - largest[:, None])
        total = len(z) if weight is None else weight.sum(dtype=np.float64)
        return Sums(float(d.sum(dtype=np.float64)), gradient, float(total))

    def _class_weights(self, classes: int, dtype: np.dtype[Any]) -> Array | None:
        if self.weight is None:
            return None
        if len(self.weight) != classes:
            raise ValueError(f"weight: expected one for each of {classes} classes, got {len(self.weight)}")
        return np.array(self.weight, dtype)

    def _expect_classes(self, target: Array, classes: int) -> None:
        expect_all(
            target,
            lambda d: ((d >= 0) & (d < classes)) | (d == self.ignore_index),
            f"class numbers from 0 to {classes - 1}",
        )


def _expect_numbers(target: Array, shape: tuple[int, ...]) -> None:
    """Raise unless these are integers, one for each row of predictions of this shape."""
    expect_shape("target", target, shape[:-1])
    if target.dtype.kind not in "iu":
        raise TypeError(f"target: expected integer class numbers of shape {target.shape}, got dtype {target.dtype}")


def _one_hot(target: Array, classes: int, dtype: np.dtype[Any]) -> Array:
    return np.asarray(target[:, None] == np.arange(classes), dtype)


def _softmax(z: Array, scale: Array | None) -> tuple[Array, Array, Array]:
    """Return scale · softmax(z), the largest element of each row, and log Σ e^(z - largest)."""
    p, largest, sums = empty(z.shape, z.dtype), np.empty(len(z), z.dtype), np.empty(len(z), z.dtype)
    _elementwise.softmax(z, scale, p, largest, sums)
    with np.errstate(all="ignore"):
        return p, largest, np.log(sums, out=sums)

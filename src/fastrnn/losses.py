"""Losses: the value, a mean over the batch, and its gradient by the prediction.

A loss is a callable ``(prediction, target) -> (value, gradient)`` with the attribute ``link``: what turns
predictions into probabilities ("sigmoid", "softmax") where it takes logits, else None. Write your own the same way.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_softmax

from fastrnn._validation import as_real, expect_shape, one_of

Array = NDArray[Any]


class Loss(Protocol):
    """What `Trainer` asks of a loss."""

    link: str | None

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and dE/d(prediction)."""
        ...


def _same_shape(prediction: Array, target: ArrayLike) -> Array:
    array = as_real("target", target, prediction.dtype)
    expect_shape("target", array, prediction.shape)
    if array.size == 0:
        raise ValueError(f"target: expected at least one element, got shape {array.shape}")
    return array


class SquaredError:
    """The lesson's E = ½ Σ_k (y_k - d_k)² over features, mean over everything else; ∂E/∂y = -(d - y)."""

    link: str | None = None

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        error = prediction - _same_shape(prediction, target)
        count = error.size // error.shape[-1]
        return 0.5 * float(np.vdot(error, error)) / count, error / error.dtype.type(count)


class MSE:
    """Mean of (y - d)² over all elements, as PyTorch's MSELoss."""

    link: str | None = None

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        error = prediction - _same_shape(prediction, target)
        return float(np.vdot(error, error)) / error.size, error * error.dtype.type(2 / error.size)


class BCE:
    """Binary cross-entropy of logits z: mean of softplus(z) - d z over all elements, as BCEWithLogitsLoss.

    Targets lie in [0, 1]. ∂E/∂z = σ(z) - d.
    """

    link: str | None = "sigmoid"

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        d = _same_shape(prediction, target)
        if not (d.min() >= 0 and d.max() <= 1):
            raise ValueError(f"target: expected values in [0, 1], got {d.min():g} to {d.max():g}")
        value = np.logaddexp(prediction.dtype.type(0), prediction) - d * prediction
        return float(value.mean(dtype=np.float64)), (expit(prediction) - d) / prediction.dtype.type(d.size)


class CrossEntropy:
    """Cross-entropy of logits z over the last axis: mean of -log softmax(z)[d] over everything else.

    Targets are class numbers, shaped like the prediction without its last axis, or probabilities, shaped like
    the prediction. ∂E/∂z = softmax(z) - d.
    """

    link: str | None = "softmax"

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient."""
        d = self._probabilities(prediction, target)
        log_p = log_softmax(prediction, axis=-1)
        count = d.size // d.shape[-1]
        gradient = np.exp(log_p) * d.sum(axis=-1, keepdims=True) - d
        return -float(np.vdot(d, log_p)) / count, gradient / prediction.dtype.type(count)

    @staticmethod
    def _probabilities(prediction: Array, target: ArrayLike) -> Array:
        """Return one-hot rows for class numbers, and probabilities as they are."""
        given, classes = np.asarray(target), prediction.shape[-1]
        if given.ndim == prediction.ndim:
            return _same_shape(prediction, given)
        expect_shape("target", given, prediction.shape[:-1])
        if given.dtype.kind not in "iu":
            raise TypeError(f"target: expected integer class numbers of shape {given.shape}, got dtype {given.dtype}")
        if given.size == 0 or given.min() < 0 or given.max() >= classes:
            seen = f"{given.min()} to {given.max()}" if given.size else "none"
            raise ValueError(f"target: expected class numbers from 0 to {classes - 1}, got {seen}")
        return np.asarray(given[..., None] == np.arange(classes), prediction.dtype)


LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "mse": MSE,
    "bce": BCE,
    "cross_entropy": CrossEntropy,
}


def as_loss(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the given callable."""
    if callable(loss):
        return loss
    return LOSSES[one_of("loss", loss, tuple(LOSSES))]()

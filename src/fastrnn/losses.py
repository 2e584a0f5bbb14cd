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
    """What `Trainer` asks of a loss.

    It may also have ``check(target, shape)``, which raises if targets do not fit predictions of that shape;
    `Trainer.fit` calls it once with all targets, so that bad ones are refused before any training.
    """

    link: str | None

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and dE/d(prediction)."""
        ...


class _Elementwise:
    """A loss whose targets have the prediction's shape."""

    link: str | None = None

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise unless these targets fit predictions of this shape."""
        expect_shape("target", as_real("target", target, None), shape)

    def _target(self, prediction: Array, target: ArrayLike) -> Array:
        self.check(target, prediction.shape)
        if prediction.size == 0:
            raise ValueError(f"target: expected at least one element, got shape {prediction.shape}")
        return np.asarray(target, prediction.dtype)


class SquaredError(_Elementwise):
    """The lesson's E = ½ Σ_k (y_k - d_k)² over features, mean over everything else; ∂E/∂y = -(d - y)."""

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        error = prediction - self._target(prediction, target)
        count = error.size // error.shape[-1]
        return 0.5 * float(np.vdot(error, error)) / count, error / error.dtype.type(count)


class MSE(_Elementwise):
    """Mean of (y - d)² over all elements, as PyTorch's MSELoss."""

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        error = prediction - self._target(prediction, target)
        return float(np.vdot(error, error)) / error.size, error * error.dtype.type(2 / error.size)


class BCE(_Elementwise):
    """Binary cross-entropy of logits z: mean of softplus(z) - d z over all elements, as BCEWithLogitsLoss.

    Targets lie in [0, 1]. ∂E/∂z = σ(z) - d.
    """

    link: str | None = "sigmoid"

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise unless these targets fit predictions of this shape and lie in [0, 1]."""
        super().check(target, shape)
        d = np.asarray(target)
        if d.size and not (d.min() >= 0 and d.max() <= 1):
            raise ValueError(f"target: expected values in [0, 1], got {d.min():g} to {d.max():g}")

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient; the target has the prediction's shape."""
        d = self._target(prediction, target)
        with np.errstate(invalid="ignore"):  # NaN is for the caller to notice, in the value
            value = np.logaddexp(prediction.dtype.type(0), prediction) - d * prediction
        return float(value.mean(dtype=np.float64)), (expit(prediction) - d) / prediction.dtype.type(d.size)


class CrossEntropy:
    """Cross-entropy of logits z over the last axis: mean of -log softmax(z)[d] over everything else.

    Targets are class numbers, shaped like the prediction without its last axis, or probabilities, shaped like
    the prediction. ∂E/∂z = softmax(z) - d.
    """

    link: str | None = "softmax"

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise unless these targets fit predictions of this shape."""
        d, classes = np.asarray(target), shape[-1]
        if d.ndim == len(shape):
            expect_shape("target", as_real("target", d, None), shape)
            return
        expect_shape("target", d, shape[:-1])
        if d.dtype.kind not in "iu":
            raise TypeError(f"target: expected integer class numbers of shape {d.shape}, got dtype {d.dtype}")
        if d.size and (d.min() < 0 or d.max() >= classes):
            raise ValueError(f"target: expected class numbers from 0 to {classes - 1}, got {d.min()} to {d.max()}")

    def __call__(self, prediction: Array, target: ArrayLike) -> tuple[float, Array]:
        """Return the value and the gradient."""
        self.check(target, prediction.shape)
        d = np.asarray(target)
        if d.size == 0:
            raise ValueError(f"target: expected at least one class number, got shape {d.shape}")
        if d.ndim < prediction.ndim:
            d = d[..., None] == np.arange(prediction.shape[-1])  # one-hot
        d = np.asarray(d, prediction.dtype)
        log_p = log_softmax(prediction, axis=-1)
        count = d.size // d.shape[-1]
        gradient = np.exp(log_p) * d.sum(axis=-1, keepdims=True) - d
        return -float(np.vdot(d, log_p)) / count, gradient / prediction.dtype.type(count)


LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "mse": MSE,
    "bce": BCE,
    "cross_entropy": CrossEntropy,
}


def as_loss(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the given callable."""
    if callable(loss):
        if isinstance(loss, type):
            raise TypeError(f"loss: expected a loss such as {loss.__name__}(), got the class itself")
        if getattr(loss, "link", "") not in (None, "sigmoid", "softmax"):
            raise TypeError(
                "loss: expected the attribute `link`, None unless predictions are logits (see fastrnn.losses)"
            )
        return loss
    return LOSSES[one_of("loss", loss, tuple(LOSSES))]()

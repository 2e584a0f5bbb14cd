"""Loss: the contract between a loss and whoever trains with it; sample weights; losses that are mere functions."""

import math
from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_float, as_real

Array = NDArray[Any]
LINKS = (None, "sigmoid", "softmax")


class Sums(NamedTuple):
    """A loss added up over a batch, so that batches and parts of batches can be added up themselves.

    Attributes
    ----------
    value : float
        The weighted sum of the loss.
    gradient : ndarray
        Of that sum by the prediction, in its shape; a new array, which the caller may change.
    total : float
        What to divide both by for the mean: the weights that were counted; 0 where every target is ignored.
    """

    value: float
    gradient: Array
    total: float


class Loss(ABC):
    """Base of losses. One of your own defines `sums`, and `check` if targets can be wrong.

    Attributes
    ----------
    link : {"sigmoid", "softmax"} or None
        What turns predictions into probabilities, where these are logits.
    ignore : float or None
        The value of targets that do not count, or None.
    """

    link: str | None = None
    ignore: float | None = None

    @abstractmethod
    def sums(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> Sums:
        """Return the loss, summed over a batch.

        Shapes are checked, and whatever would be unsafe; the rest of the target's values is for `check`.

        Parameters
        ----------
        prediction : array_like (..., K)
        target : array_like
            What it looks like is the loss's own matter.
        weight : array_like, optional
            Sample weights, finite and >= 0; shaped like the prediction without its last axis, or like the first of
            these axes: (N,) for a prediction (N, T, K).
        """

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:  # noqa: B027 - none is needed
        """Raise unless these targets fit predictions of this shape.

        `Trainer.fit` calls it once with all targets, so that bad ones are refused before any training.
        """

    def __call__(
        self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None
    ) -> tuple[float, Array]:
        """Return the weighted mean and its gradient; 0 and zeros where every target is ignored."""
        if np.size(prediction) == 0:
            raise ValueError(f"target: expected at least one element, got a prediction of shape {np.shape(prediction)}")
        prediction = as_prediction(prediction)
        self.check(target, prediction.shape)
        value, gradient, total = self.sums(prediction, target, weight)
        total = total or 1.0  # all sums are 0 then
        gradient /= gradient.dtype.type(total)
        return value / total, gradient

    def __repr__(self) -> str:
        """Return the call that builds this loss: its arguments are attributes of the same names."""
        defaults = {name: p.default for name, p in signature(type(self)).parameters.items()}
        values = {name: getattr(self, name, default) for name, default in defaults.items()}
        shown = (f"{name}={_literal(value)}" for name, value in values.items() if value != defaults[name])
        return f"{type(self).__name__}({', '.join(shown)})"


def _literal(value: Any) -> str:
    return "float('nan')" if isinstance(value, float) and math.isnan(value) else repr(value)


def as_prediction(prediction: ArrayLike) -> Array:
    """Return a prediction (..., K) as a C-contiguous float array."""
    array = as_float("prediction", prediction)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"prediction: expected shape (..., K) with K >= 1, got {array.shape}")
    return array


def sample_weights(weight: ArrayLike, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return the weights of predictions of a shape (..., K), in the shape (...), read-only.

    Raises
    ------
    ValueError
        If their shape is none of the first axes of the prediction, or one is negative, NaN or infinite.
    """
    array, rows = as_real("weight", weight, dtype), shape[:-1]
    if array.ndim > len(rows) or array.shape != rows[: array.ndim]:
        raise ValueError(f"weight: expected shape {rows} or the first axes of it, got {array.shape}")
    if array.size and not (array.min() >= 0 and array.max() < math.inf):
        raise ValueError(f"weight: expected finite numbers >= 0, got {array.min():g} to {array.max():g}")
    return np.broadcast_to(array.reshape(array.shape + (1,) * (len(rows) - array.ndim)), rows)


class LossFunction(Protocol):
    """A loss of one's own that needs neither weights nor `Loss`: a callable with a link."""

    link: str | None

    def __call__(self, prediction: Array, target: Any, /) -> tuple[float, Array]:
        """Return the mean over the rows of the batch, and its gradient by the prediction."""
        ...


class OwnLoss(Loss):
    """A `LossFunction` as a `Loss`: each row of the prediction counts as one.

    Parameters
    ----------
    function : LossFunction
        It may have ``check(target, shape)``.

    Raises
    ------
    TypeError
        If the function does not say what its link is.
    """

    def __init__(self, function: LossFunction) -> None:
        if getattr(function, "link", "") not in LINKS:
            raise TypeError(
                "loss: expected the attribute `link`, None unless predictions are logits (see fastrnn.losses)"
            )
        self.function = function
        self.link = function.link
        self._check = getattr(function, "check", None)

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise if the function's own check does."""
        if self._check is not None:
            self._check(target, shape)

    def sums(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> Sums:
        """Return the mean times the number of rows; a function knows no weights."""
        if weight is not None:
            raise ValueError(f"weight: {self.function!r} takes no weights; derive it from fastrnn.losses.Loss")
        prediction = as_prediction(prediction)
        rows = prediction.size // prediction.shape[-1]
        value, gradient = self.function(prediction, target)
        return Sums(float(value) * rows, gradient * gradient.dtype.type(rows), float(rows))

    def __repr__(self) -> str:
        """Return what the function calls itself."""
        return repr(self.function)

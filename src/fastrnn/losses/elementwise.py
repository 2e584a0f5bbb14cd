"""Losses whose targets have the prediction's shape: squared error, mean squared and absolute error, Huber, BCE."""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn import _elementwise
from fastrnn._validation import a_number, as_real, expect_shape, positive_float
from fastrnn.losses.base import Loss, Sums, as_prediction, sample_weights
from fastrnn.losses.checks import expect_all, real_targets

Array = NDArray[Any]


class Elementwise(Loss):
    """Base of losses that add up a term for each element; one of your own defines `terms`.

    Parameters
    ----------
    ignore : float, optional
        Elements whose target has this value do not count; NaN is a value here.
    """

    by_row = False  # whether the mean is one over rows of features, rather than over elements

    def __init__(self, *, ignore: float | None = None) -> None:
        self.ignore = None if ignore is None else a_number("ignore", ignore)

    @abstractmethod
    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return E and dE/d(prediction) of each element: two new arrays of the prediction's shape and dtype."""

    def good(self, target: Array) -> Array:
        """Return whether each target is a possible one."""
        return np.isfinite(target)

    expected = "finite numbers"

    def check(self, target: ArrayLike, shape: tuple[int, ...]) -> None:
        """Raise unless these targets fit predictions of this shape and are finite, or ignored."""
        array = real_targets(target, shape)
        if self.ignore is None:
            expect_all(array, self.good, self.expected)
        else:
            expect_all(array, lambda part: self.good(part) | self._missing(part), self.expected)

    def sums(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> Sums:
        """Return the loss, summed over a batch; see `Loss.sums`.

        Parameters
        ----------
        prediction, target : array_like (..., K)
        weight : array_like, optional
            Sample weights, in the shape (...) or the first of these axes.
        """
        y = as_prediction(prediction)
        expect_shape("target", np.asarray(target), y.shape)
        d = as_real("target", target, y.dtype)
        with np.errstate(all="ignore"):  # NaN and infinity are for the caller to notice, in the value
            terms, gradient = self.terms(y, d)
            valid: Any = y.shape[-1]  # elements of each row
            if self.ignore is not None:
                missing = self._missing(np.asarray(target))
                terms[missing] = gradient[missing] = 0
                valid = valid - np.count_nonzero(missing, axis=-1)
            rows: Any = np.minimum(valid, 1) if self.by_row else valid
            if weight is None:
                total = np.sum(rows) if np.ndim(rows) else rows * (y.size // y.shape[-1])
            else:
                w = sample_weights(weight, y.shape, y.dtype)
                terms *= w[..., None]
                gradient *= w[..., None]
                total = np.sum(rows * w, dtype=np.float64)
        return Sums(float(terms.sum(dtype=np.float64)), gradient, float(total))

    def _missing(self, target: Array) -> Array:
        """Return which targets do not count."""
        return np.isnan(target) if self.ignore != self.ignore else np.asarray(target == self.ignore)


class SquaredError(Elementwise):
    """The lesson's E = ½ Σ_k (y_k - d_k)² over features, mean over everything else; ∂E/∂y = -(d - y).

    Parameters
    ----------
    ignore : float, optional
        Elements whose target has this value do not count, nor does a step that has no others; NaN is a value here.

    Examples
    --------
    >>> from fastrnn.losses import SquaredError
    >>> SquaredError()([[1.0, 2.0]], [[0.0, 0.0]])  # the loss, and its gradient
    (2.5, array([[1., 2.]], dtype=float32))
    """

    by_row = True

    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return ½ (y - d)² and y - d."""
        error = prediction - target
        squares = error * error
        squares *= 0.5
        return squares, error


class MSE(Elementwise):
    """Mean of (y - d)² over all elements, as PyTorch's MSELoss.

    Parameters
    ----------
    ignore : float, optional
        Elements whose target has this value do not count; NaN is a value here.

    Examples
    --------
    >>> from fastrnn.losses import MSE
    >>> MSE()([[1.0, 2.0]], [[0.0, 0.0]])
    (2.5, array([[1., 2.]], dtype=float32))
    >>> MSE(ignore=float("nan"))([[1.0, 2.0]], [[0.0, float("nan")]])
    (1.0, array([[2., 0.]], dtype=float32))
    """

    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return (y - d)² and 2 (y - d)."""
        error = prediction - target
        squares = error * error
        error += error
        return squares, error


class MAE(Elementwise):
    """Mean of ``|y - d|`` over all elements, as PyTorch's L1Loss; the slope at 0 is 0.

    Parameters
    ----------
    ignore : float, optional
        Elements whose target has this value do not count; NaN is a value here.

    Examples
    --------
    >>> from fastrnn.losses import MAE
    >>> MAE()([[1.0, -2.0]], [[0.0, 0.0]])
    (1.5, array([[ 0.5, -0.5]], dtype=float32))
    """

    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return the distance and the sign of y - d."""
        error = prediction - target
        return np.abs(error), np.sign(error, out=error)


class Huber(Elementwise):
    """Huber (1964): ½ e² where e = y - d is small, ``δ (|e| - ½ δ)`` beyond δ; mean over all elements, as HuberLoss.

    Parameters
    ----------
    delta : float
        δ > 0, where the parabola ends.
    ignore : float, optional
        Elements whose target has this value do not count; NaN is a value here.

    Examples
    --------
    >>> from fastrnn.losses import Huber
    >>> Huber(delta=1.0)([[1.0, -2.0]], [[0.0, 0.0]])  # the mean of ½ and 1½
    (1.0, array([[ 0.5, -0.5]], dtype=float32))
    """

    def __init__(self, delta: float = 1.0, *, ignore: float | None = None) -> None:
        super().__init__(ignore=ignore)
        self.delta = positive_float("delta", delta)

    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return c (e - ½ c) and c, where c is e cut off at ±δ."""
        error = prediction - target
        slope = np.minimum(error, self.delta)
        np.maximum(slope, -self.delta, out=slope)
        error -= 0.5 * slope
        error *= slope
        return error, slope


class BCE(Elementwise):
    """Binary cross-entropy of logits z: mean of -p d log σ(z) - (1 - d) log(1 - σ(z)), as BCEWithLogitsLoss.

    Targets d lie in [0, 1]; p is `pos_weight`.

    Parameters
    ----------
    pos_weight : float or array_like (K,), optional
        How much more a positive target counts, > 0; for each feature, or one number for all. None: 1.
    ignore : float, optional
        Elements whose target has this value do not count; NaN is a value here.

    Examples
    --------
    >>> from fastrnn.losses import BCE
    >>> value, gradient = BCE()([[0.0]], [[1.0]])
    >>> round(value, 4), gradient  # log 2 and σ(0) - 1
    (0.6931, array([[-0.5]], dtype=float32))
    """

    link: str | None = "sigmoid"
    expected = "values in [0, 1]"

    def __init__(self, *, pos_weight: ArrayLike | None = None, ignore: float | None = None) -> None:
        super().__init__(ignore=ignore)
        self.pos_weight: float | list[float] | None = None
        if pos_weight is not None:
            weights = as_real("pos_weight", pos_weight, np.float64)
            if weights.ndim > 1 or not ((weights > 0) & (weights < np.inf)).all():
                raise ValueError(f"pos_weight: expected a finite number > 0, or K of them, got {pos_weight}")
            self.pos_weight = weights.tolist()

    def good(self, target: Array) -> Array:
        """Return whether each target is in [0, 1]."""
        return (target >= 0) & (target <= 1)  # NaN is not

    def terms(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """Return the terms and their slopes.

        With a = 1 - d + p d and ``softplus(z) = log(1 + e^-|z|) + max(z, 0)``, without cancellation::

            E = a log(1 + e^-|z|) + (1 - d) max(z, 0) - p d min(z, 0)        ∂E/∂z = a σ(z) - p d
        """
        negative, positive = 1 - target, target
        gradient, terms = np.empty_like(prediction), np.abs(prediction)
        _elementwise.apply("sigmoid", prediction, gradient)
        np.log1p(np.exp(np.negative(terms, out=terms), out=terms), out=terms)
        if self.pos_weight is not None:
            positive = self._factor(prediction) * target
            both = negative + positive
            gradient *= both
            terms *= both
        gradient -= positive
        terms += negative * np.maximum(prediction, 0)
        terms -= positive * np.minimum(prediction, 0)
        return terms, gradient

    def _factor(self, prediction: Array) -> Array:
        """Return p, to be broadcast over the prediction."""
        factor = np.asarray(self.pos_weight, prediction.dtype)
        if factor.ndim:
            expect_shape("pos_weight", factor, prediction.shape[-1:])
        return factor

"""Activations as layers of their own: tanh, sigmoid, ReLU, softmax. No parameters; any shape."""

import numpy as np
import scipy
from numpy.typing import ArrayLike

from fastrnn import _elementwise
from fastrnn._validation import as_float, as_real, expect_shape
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.stream import ForwardStream, LayerStream


class _Elementwise(Layer):
    """y = φ(x), with φ' written in y."""

    _function: str  # φ's name in the kernels' table

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(φ(x), None)``."""
        x = as_float("x", x)
        y = np.empty_like(x)
        _elementwise.apply(self._function, x, y)
        return y, None

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return a runner that allocates nothing."""
        return _ElementwiseStream(self._function)

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(φ(x), None, tape)``."""
        y, _ = self.forward(x)
        return read_only(y), None, self._tape(y)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx = dy ∘ φ'(x)."""
        y = self._open(tape)
        dy = as_real("grad_output", grad_output, y.dtype)
        expect_shape("grad_output", dy, y.shape)
        return Gradients(self._grad_x(y, dy))

    def _grad_x(self, y: Array, dy: Array) -> Array:
        raise NotImplementedError


class _ElementwiseStream:
    """φ has no state, and writes straight into the output."""

    def __init__(self, function: str) -> None:
        self._function = function

    def run(self, x: Array, out: Array) -> None:
        _elementwise.apply(self._function, x, out)


class Tanh(_Elementwise):
    """Hyperbolic tangent; tanh' = 1 - y²."""

    _function = "tanh"

    def _grad_x(self, y: Array, dy: Array) -> Array:
        return np.asarray(dy * (1 - y * y))


class Sigmoid(_Elementwise):
    """σ(x) = 1 / (1 + e^-x); σ' = y(1 - y) <= 1/4."""

    _function = "sigmoid"

    def _grad_x(self, y: Array, dy: Array) -> Array:
        return np.asarray(dy * (y * (1 - y)))


class ReLU(_Elementwise):
    """max(x, 0); the slope at 0 is 0."""

    _function = "relu"

    def _grad_x(self, y: Array, dy: Array) -> Array:
        return dy * (y > 0)


class Softmax(_Elementwise):
    """y_k = e^{x_k} / Σ_j e^{x_j} over the last axis; dx_k = y_k (dy_k - Σ_j dy_j y_j)."""

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(softmax(x), None)``."""
        return scipy.special.softmax(as_float("x", x), axis=-1), None

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return the runner of any layer."""
        return ForwardStream(self, state)

    def _grad_x(self, y: Array, dy: Array) -> Array:
        return np.asarray(y * (dy - (dy * y).sum(axis=-1, keepdims=True)))

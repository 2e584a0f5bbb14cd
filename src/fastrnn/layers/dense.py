"""Linear: y = x Wᵀ + b over the last axis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _dense
from fastrnn._validation import (
    BLANK,
    Seed,
    a_bool,
    as_dtype,
    as_generator,
    as_real,
    expect_features,
    expect_shape,
    one_of,
    positive_int,
)
from fastrnn.initializers import DENSE
from fastrnn.layers.base import Array, Gradients, Layer, Shapes, State, Tape, read_only
from fastrnn.layers.stream import LayerStream


class Linear(Layer):
    """A dense layer, applied at every position of the leading axes.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis before and after.
    bias : bool
        Whether there is a bias; it starts at 0.
    dtype : {"float32", "float64"}
    init : {"glorot", "he", "orthogonal"}
        How the weights are drawn: Glorot uniform (Glorot & Bengio 2010), He uniform for ReLU (He et al. 2015), or with
        orthonormal rows or columns (Saxe et al. 2014). See `fastrnn.initializers`.
    seed : int or numpy.random.Generator, optional
        Of the initial weights.

    Notes
    -----
    Parameters, as in PyTorch: ``weight`` (out, in), ``bias`` (out,).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        init: str = "glorot",
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.in_features = positive_int("in_features", in_features)
        self.out_features = positive_int("out_features", out_features)
        self.bias = a_bool("bias", bias)
        self.dtype: np.dtype[Any] = as_dtype(dtype)
        shape = self.out_features, self.in_features
        draw = DENSE[one_of("init", init, tuple(DENSE))]
        weight = np.zeros(shape) if seed is BLANK else draw(as_generator(seed), *shape)
        self._parameters = {"weight": weight.astype(self.dtype)}
        if self.bias:
            self._parameters["bias"] = np.zeros(self.out_features, self.dtype)

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of weight and bias."""
        yield "weight", (config["out_features"], config["in_features"])
        if config["bias"]:
            yield "bias", (config["out_features"],)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "in_features": self.in_features,
            "out_features": self.out_features,
            "bias": self.bias,
            "dtype": self.dtype.name,
        }

    def output_size(self, input_size: int) -> int:
        """Return ``out_features``."""
        if input_size != self.in_features:
            raise ValueError(f"Linear takes {self.in_features} features, but gets {input_size}")
        return self.out_features

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(y, None)``; y has the leading axes of x."""
        rows = as_real("x", x, self.dtype)
        expect_features("x", rows, self.in_features, range(1, 65), "(..., in_features)")
        flat = rows.reshape(-1, self.in_features)
        y = _dense.FORWARD[self.dtype](flat, self._parameters["weight"], self._parameters.get("bias"))
        return y.reshape(*rows.shape[:-1], self.out_features), None

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return a runner with a snapshot of the weights, packed once."""
        return _dense.Packed(self._parameters["weight"], self._parameters.get("bias"))

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(y, None, tape)``."""
        own = as_real("x", x, self.dtype, copy=True)
        y, _ = self.forward(own)
        return read_only(y), None, self._tape(own)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx = dy W,  dW = dyᵀ x,  db = Σ dy."""
        x = self._open(tape)
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, (*x.shape[:-1], self.out_features))
        dy, rows = dy.reshape(-1, self.out_features), x.reshape(-1, self.in_features)
        dx, dw, db = _dense.BACKWARD[self.dtype](rows, self._parameters["weight"], self.bias, dy)
        grads = {"weight": dw} if db is None else {"weight": dw, "bias": db}
        return Gradients(dx.reshape(x.shape), None, grads)

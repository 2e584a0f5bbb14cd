"""LayerNorm: each position is scaled to mean 0 and variance 1 over its features."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import a_bool, as_dtype, as_real, expect_features, expect_shape, positive_float, positive_int
from fastrnn.layers.base import Array, Gradients, Layer, Shapes, State, Tape, read_only


class LayerNorm(Layer):
    """Layer normalisation over the last axis (Ba, Kiros & Hinton 2016).

    ``x̂ = (x - mean(x)) / √(var(x) + eps)``, ``y = weight ∘ x̂ + bias``; var divides by F.

    Parameters
    ----------
    features : int
        F.
    eps : float
        Keeps the root from 0; more than 0 in the layer's dtype.
    elementwise_affine : bool
        Whether there are weight and bias; they start at 1 and 0.
    dtype : {"float32", "float64"}

    Notes
    -----
    Parameters, as in PyTorch: ``weight`` (F,), ``bias`` (F,).
    """

    def __init__(
        self, features: int, *, eps: float = 1e-5, elementwise_affine: bool = True, dtype: str = "float32"
    ) -> None:
        self.features = positive_int("features", features)
        self.eps = positive_float("eps", eps)
        self.elementwise_affine = a_bool("elementwise_affine", elementwise_affine)
        self.dtype: np.dtype[Any] = as_dtype(dtype)
        if as_real("eps", self.eps, self.dtype) == 0:
            raise ValueError(f"eps: expected more than 0 in {self.dtype}, got {eps}")
        initial = {"weight": np.ones, "bias": np.zeros}
        self._parameters = {
            name: initial[name](shape, self.dtype) for name, shape in self.parameter_shapes(self.config())
        }

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of weight and bias."""
        if config["elementwise_affine"]:
            yield "weight", (config["features"],)
            yield "bias", (config["features"],)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "features": self.features,
            "eps": self.eps,
            "elementwise_affine": self.elementwise_affine,
            "dtype": self.dtype.name,
        }

    def output_size(self, input_size: int) -> int:
        """Return ``features``."""
        if input_size != self.features:
            raise ValueError(f"LayerNorm takes {self.features} features, but gets {input_size}")
        return self.features

    def _normalised(self, x: ArrayLike) -> tuple[Array, Array]:
        """Return x̂ (..., F) and 1 / √(var + eps) (..., 1)."""
        array = as_real("x", x, self.dtype)
        expect_features("x", array, self.features, range(1, 65), "(..., features)")
        centred = array - array.mean(axis=-1, keepdims=True)
        scale = 1 / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + self.dtype.type(self.eps))
        centred *= scale
        return centred, scale

    def _affine(self, x_hat: Array) -> Array:
        if not self.elementwise_affine:
            return x_hat
        return np.asarray(x_hat * self._parameters["weight"] + self._parameters["bias"])

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(y, None)``."""
        return self._affine(self._normalised(x)[0]), None

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(y, None, tape)``."""
        x_hat, scale = self._normalised(x)
        return read_only(self._affine(x_hat)), None, self._tape((x_hat, scale))

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx̂ = dy ∘ weight,  dx = (dx̂ - mean(dx̂) - x̂ mean(dx̂ ∘ x̂)) / √(var + eps)."""
        x_hat, scale = self._open(tape)
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, x_hat.shape)
        grads, dx = {}, dy
        if self.elementwise_affine:
            dx = dy * self._parameters["weight"]
            grads["weight"] = (dy * x_hat).reshape(-1, self.features).sum(axis=0)
            grads["bias"] = dy.reshape(-1, self.features).sum(axis=0)
        along = (dx * x_hat).mean(axis=-1, keepdims=True)
        return Gradients((dx - dx.mean(axis=-1, keepdims=True) - x_hat * along) * scale, None, grads)

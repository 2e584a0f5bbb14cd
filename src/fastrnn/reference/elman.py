"""The Elman cell (Elman 1990, "Finding structure in time").

h_t = φ(z_t),    z_t = x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.step import StepGradients, recurrent_part, recurrent_part_backward

Array = NDArray[np.float64]


def sigmoid(z: Array) -> Array:
    """σ(z) = 1 / (1 + e^-z), without overflow."""
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1.0) / (1.0 + e)


PHI: dict[str, Callable[[Array], Array]] = {"tanh": np.tanh, "sigmoid": sigmoid, "relu": lambda z: np.maximum(z, 0.0)}
SLOPE: dict[str, Callable[[Array], Array]] = {  # φ'(z), written in h = φ(z)
    "tanh": lambda h: 1.0 - h**2,
    "sigmoid": lambda h: h * (1.0 - h),
    "relu": lambda h: (h > 0).astype(np.float64),
}


class Elman:
    """One gate; the state is the output."""

    gates = 1
    states = 1

    def __init__(self, nonlinearity: str = "tanh") -> None:
        self.phi = PHI[nonlinearity]
        self.slope = SLOPE[nonlinearity]

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: dict[str, Array], keep: Array | float = 1.0
    ) -> tuple[tuple[Array, ...], Array]:
        """Return ``(h,)`` and h."""
        (h_prev,) = state
        h = self.phi(x_part + recurrent_part(h_prev, w, keep))
        return (h,), h

    def step_backward(
        self,
        saved: Array,
        state: tuple[Array, ...],
        grad_state: tuple[Array, ...],
        w: dict[str, Array],
        keep: Array | float = 1.0,
    ) -> StepGradients:
        """Return the gradients, with dE/dz = dE/dh ∘ φ'(z)."""
        h, (h_prev,), (grad_h,) = saved, state, grad_state
        dz = grad_h * self.slope(h)
        grad_h_prev, recurrent = recurrent_part_backward(dz, h_prev, w, keep)
        return StepGradients(dz, (grad_h_prev,), recurrent)

"""The LSTM cell (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000).

z_t = x_t W_ihᵀ + b_ih + h_{t-1} W_hhᵀ + b_hh
i, f, o = σ(z_i), σ(z_f), σ(z_o);   g = tanh(z_g);   c_t = f ∘ c_{t-1} + i ∘ g;   h_t = o ∘ tanh(c_t)
"""

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import sigmoid
from fastrnn.reference.step import StepGradients, recurrent_part, recurrent_part_backward

Array = NDArray[np.float64]


class LSTM:
    """Four gates in the order i, f, g, o; the state is (h, c)."""

    gates = 4
    states = 2

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: dict[str, Array], keep: Array | float = 1.0
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``(h, c)``, and the gates with the new cell state."""
        h_prev, c_prev = state
        z_i, z_f, z_g, z_o = np.split(x_part + recurrent_part(h_prev, w, keep), 4, axis=-1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        return (h, c), (i, f, g, o, c)

    def step_backward(
        self,
        saved: tuple[Array, ...],
        state: tuple[Array, ...],
        grad_state: tuple[Array, ...],
        w: dict[str, Array],
        keep: Array | float = 1.0,
    ) -> StepGradients:
        """Return the gradients; c_{t-1} is reached through the forget gate alone, h_{t-1} through z alone."""
        (i, f, g, o, c), (h_prev, c_prev), (grad_h, grad_c) = saved, state, grad_state
        d_o = grad_h * np.tanh(c)
        d_c = grad_c + grad_h * o * (1.0 - np.tanh(c) ** 2)
        d_i, d_f, d_g = d_c * g, d_c * c_prev, d_c * i
        parts = [d_i * i * (1.0 - i), d_f * f * (1.0 - f), d_g * (1.0 - g**2), d_o * o * (1.0 - o)]
        dz = np.concatenate(parts, axis=-1)
        grad_h_prev, recurrent = recurrent_part_backward(dz, h_prev, w, keep)
        return StepGradients(dz, (grad_h_prev, d_c * f), recurrent)

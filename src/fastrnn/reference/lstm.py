"""The LSTM cell (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000).

i, f, o = σ(z_i), σ(z_f), σ(z_o);   g = tanh(z_g);   c_t = f ∘ c_{t-1} + i ∘ g;   h_t = o ∘ tanh(c_t)
"""

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import sigmoid

Array = NDArray[np.float64]


class LSTM:
    """Four gates in the order i, f, g, o; the state is (h, c)."""

    gates = 4
    states = 2

    def step(self, z: Array, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``(h, c)``, and the gates with both cell states."""
        _, c_prev = state
        z_i, z_f, z_g, z_o = np.split(z, 4, axis=-1)
        i, f, g, o = sigmoid(z_i), sigmoid(z_f), np.tanh(z_g), sigmoid(z_o)
        c = f * c_prev + i * g
        h = o * np.tanh(c)
        return (h, c), (i, f, g, o, c_prev, c)

    def step_backward(self, saved: tuple[Array, ...], grad_state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """Return dE/dz, and what reaches c_{t-1} through the forget gate."""
        i, f, g, o, c_prev, c = saved
        grad_h, grad_c = grad_state
        d_o = grad_h * np.tanh(c)
        d_c = grad_c + grad_h * o * (1.0 - np.tanh(c) ** 2)
        d_i, d_f, d_g = d_c * g, d_c * c_prev, d_c * i
        dz = [d_i * i * (1.0 - i), d_f * f * (1.0 - f), d_g * (1.0 - g**2), d_o * o * (1.0 - o)]
        return np.concatenate(dz, axis=-1), (np.zeros_like(grad_h), d_c * f)

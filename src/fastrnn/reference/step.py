"""What the steps of all cells have in common: two products with their biases, one of x_t and one of h_{t-1}.

x_part = x_t W_ihᵀ + b_ih,    h_part = (m ∘ h_{t-1}) W_hhᵀ + b_hh,    and in most cells z_t = x_part + h_part.

m is the mask of recurrent dropout, 1 without it: it lies on whatever a recurrent product takes, and on nothing else.

N rows, I inputs, H hidden units, G gates.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class StepGradients(NamedTuple):
    """What backpropagation through one step gives."""

    x_part: Array  # dE/d(x_part), (N, G·H)
    state: tuple[Array, ...]  # dE/d(previous state), each (N, H): by all ways through the step
    recurrent: dict[str, Array]  # what the step adds to dE/d(weight_hh), (G·H, H), and dE/d(bias_hh), (G·H,)


def input_part(x: Array, w: dict[str, Array]) -> Array:
    """x W_ihᵀ + b_ih, (N, G·H), of x (N, I)."""
    return x @ w["weight_ih"].T + w.get("bias_ih", 0.0)


def recurrent_part(h: Array, w: dict[str, Array], keep: Array | float = 1.0) -> Array:
    """(m ∘ h) W_hhᵀ + b_hh, (N, G·H), of h (N, H) and m = `keep` (N, H)."""
    return (keep * h) @ w["weight_hh"].T + w.get("bias_hh", 0.0)


def recurrent_part_backward(
    dz: Array, h: Array, w: dict[str, Array], keep: Array | float = 1.0
) -> tuple[Array, dict[str, Array]]:
    """From dE/d(h_part): dE/dh = m ∘ (dz W_hh), and dE/dW_hh = dzᵀ (m ∘ h), dE/db_hh = Σ dz over the rows."""
    return keep * (dz @ w["weight_hh"]), {"weight_hh": dz.T @ (keep * h), "bias_hh": dz.sum(0)}


def mix(share: Array, new: Array, old: Array) -> Array:
    """(1 - s) ∘ new + s ∘ old, (N, H), of what is new and what was there before."""
    return (1.0 - share) * new + share * old

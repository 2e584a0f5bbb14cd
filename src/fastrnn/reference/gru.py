"""The GRU (Cho et al. 2014, "Learning phrase representations using RNN encoder–decoder", arXiv:1406.1078).

r = σ(W_ir x + b_ir + W_hr h + b_hr)    the reset gate
z = σ(W_iz x + b_iz + W_hz h + b_hz)    the update gate
n = tanh(W_in x + b_in + …)             the candidate
h' = (1 - z) ∘ n + z ∘ h

There are two conventions of where r resets what the candidate sees of h:

before the product, as in the paper:           … = W_hn (r ∘ h) + b_hn
after the product, as in cuDNN and PyTorch:    … = r ∘ (W_hn h + b_hn)

They are different functions of the same parameters. The second leaves one product a step, W_hh h of all gates.
"""

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import sigmoid
from fastrnn.reference.step import StepGradients, recurrent_part, recurrent_part_backward

Array = NDArray[np.float64]


def mix(z: Array, n: Array, h: Array) -> Array:
    """h' = (1 - z) ∘ n + z ∘ h."""
    return (1.0 - z) * n + z * h


def mix_backward(z: Array, n: Array, h: Array, grad: Array) -> tuple[Array, Array, Array]:
    """From dE/dh': what reaches the arguments of z's σ and of n's tanh, and what reaches h past all gates."""
    d_z, d_n = grad * (h - n), grad * (1.0 - z)
    return d_z * z * (1.0 - z), d_n * (1.0 - n**2), grad * z


class GRU:
    """Three gates in the order r, z, n; r resets after the product. The state is the output."""

    gates = 3
    states = 1

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: dict[str, Array]
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``(h',)``, and the gates with W_hn h + b_hn."""
        (h,) = state
        x_r, x_z, x_n = np.split(x_part, 3, axis=-1)
        h_r, h_z, h_n = np.split(recurrent_part(h, w), 3, axis=-1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * h_n)
        return (mix(z, n, h),), (r, z, n, h_n)

    def step_backward(
        self, saved: tuple[Array, ...], state: tuple[Array, ...], grad_state: tuple[Array, ...], w: dict[str, Array]
    ) -> StepGradients:
        """Return the gradients; that of n's block is dz_n in x_part, and r ∘ dz_n in W_hh h + b_hh."""
        (r, z, n, h_n), (h,), (grad_h,) = saved, state, grad_state
        dz_z, dz_n, past = mix_backward(z, n, h, grad_h)
        dz_r = dz_n * h_n * r * (1.0 - r)
        d_h_part = np.concatenate([dz_r, dz_z, dz_n * r], axis=-1)
        through, recurrent = recurrent_part_backward(d_h_part, h, w)
        return StepGradients(np.concatenate([dz_r, dz_z, dz_n], axis=-1), (past + through,), recurrent)


class GRUBefore:
    """Three gates in the order r, z, n; r resets before the product. The state is the output."""

    gates = 3
    states = 1

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: dict[str, Array]
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``(h',)`` and the gates."""
        (h,) = state
        x_r, x_z, x_n = np.split(x_part, 3, axis=-1)
        W_r, W_z, W_n = np.split(w["weight_hh"], 3)
        b_r, b_z, b_n = np.split(w.get("bias_hh", np.zeros(3 * h.shape[-1])), 3)
        r = sigmoid(x_r + h @ W_r.T + b_r)
        z = sigmoid(x_z + h @ W_z.T + b_z)
        n = np.tanh(x_n + (r * h) @ W_n.T + b_n)
        return (mix(z, n, h),), (r, z, n)

    def step_backward(
        self, saved: tuple[Array, ...], state: tuple[Array, ...], grad_state: tuple[Array, ...], w: dict[str, Array]
    ) -> StepGradients:
        """Return the gradients; W_hn meets r ∘ h where the others meet h."""
        (r, z, n), (h,), (grad_h,) = saved, state, grad_state
        W_r, W_z, W_n = np.split(w["weight_hh"], 3)
        dz_z, dz_n, past = mix_backward(z, n, h, grad_h)
        d_rh = dz_n @ W_n  # dE/d(r ∘ h)
        dz_r = d_rh * h * r * (1.0 - r)
        d_h = past + d_rh * r + dz_r @ W_r + dz_z @ W_z
        dz = np.concatenate([dz_r, dz_z, dz_n], axis=-1)
        dW = np.concatenate([dz_r.T @ h, dz_z.T @ h, dz_n.T @ (r * h)])
        return StepGradients(dz, (d_h,), {"weight_hh": dW, "bias_hh": dz.sum(0)})

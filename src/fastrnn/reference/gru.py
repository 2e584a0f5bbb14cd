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
from fastrnn.reference.step import StepGradients, mix, recurrent_part, recurrent_part_backward

Array = NDArray[np.float64]
Weights = dict[str, Array]


def split_gates(w: Weights) -> tuple[Weights, Weights]:
    """Return the recurrent parameters of r and z together, and those of n."""
    both = 2 * w["weight_hh"].shape[1]
    recurrent = {name: array for name, array in w.items() if name in ("weight_hh", "bias_hh")}
    return {k: a[:both] for k, a in recurrent.items()}, {k: a[both:] for k, a in recurrent.items()}


class GRU:
    """Three gates in the order r, z, n; r resets after the product. The state is the output."""

    gates = 3
    states = 1

    def seen(self, r: Array, h: Array, w: Weights, keep: Array | float) -> tuple[Array, Array]:
        """Return what the candidate sees of h, (N, H), and its recurrent product; `w` is n's."""
        product = recurrent_part(h, w, keep)
        return r * product, product

    def seen_backward(
        self, d_seen: Array, product: Array, r: Array, h: Array, w: Weights, keep: Array | float
    ) -> tuple[Array, Array, Weights]:
        """From dE/d(seen): dE/dr, dE/dh and what the step adds to the gradients of n's recurrent parameters."""
        d_h, recurrent = recurrent_part_backward(d_seen * r, h, w, keep)
        return d_seen * product, d_h, recurrent

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: Weights, keep: Array | float = 1.0
    ) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return ``(h',)``, and the gates with the candidate's recurrent product."""
        (h,) = state
        w_rz, w_n = split_gates(w)
        x_r, x_z, x_n = np.split(x_part, 3, axis=-1)
        h_r, h_z = np.split(recurrent_part(h, w_rz, keep), 2, axis=-1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        seen, product = self.seen(r, h, w_n, keep)
        n = np.tanh(x_n + seen)
        return (mix(z, n, h),), (r, z, n, product)

    def step_backward(
        self,
        saved: tuple[Array, ...],
        state: tuple[Array, ...],
        grad_state: tuple[Array, ...],
        w: Weights,
        keep: Array | float = 1.0,
    ) -> StepGradients:
        """Return the gradients; h is reached past the gates, through r and z, and through what the candidate sees."""
        (r, z, n, product), (h,), (grad_h,) = saved, state, grad_state
        w_rz, w_n = split_gates(w)
        dz_z = grad_h * (h - n) * z * (1.0 - z)
        dz_n = grad_h * (1.0 - z) * (1.0 - n**2)
        d_r, through_n, of_n = self.seen_backward(dz_n, product, r, h, w_n, keep)
        dz_r = d_r * r * (1.0 - r)
        through_rz, of_rz = recurrent_part_backward(np.concatenate([dz_r, dz_z], axis=-1), h, w_rz, keep)
        recurrent = {name: np.concatenate([of_rz[name], of_n[name]]) for name in of_rz}
        dz = np.concatenate([dz_r, dz_z, dz_n], axis=-1)
        return StepGradients(dz, (grad_h * z + through_rz + through_n,), recurrent)


class GRUBefore(GRU):
    """Three gates in the order r, z, n; r resets before the product. The state is the output."""

    def seen(self, r: Array, h: Array, w: Weights, keep: Array | float) -> tuple[Array, Array]:
        """Return the product of r ∘ h, twice: the candidate sees all of it."""
        product = recurrent_part(r * h, w, keep)
        return product, product

    def seen_backward(
        self,
        d_seen: Array,
        product: Array,  # noqa: ARG002 - of the other convention alone
        r: Array,
        h: Array,
        w: Weights,
        keep: Array | float,
    ) -> tuple[Array, Array, Weights]:
        """Return the gradients; W_hn meets r ∘ h where the other convention has it meet h."""
        d_rh, recurrent = recurrent_part_backward(d_seen, r * h, w, keep)
        return d_rh * h, d_rh * r, recurrent

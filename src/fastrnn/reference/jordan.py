"""The Jordan network (Jordan 1986), whose memory is its output; forward, and backpropagation through time.

z_t = x_t W_ihᵀ + b_ih + y_{t-1} W_hhᵀ + b_hh    h_t = φ(z_t)
o_t = h_t W_hoᵀ + b_ho                            y_t = ψ(o_t)

With teacher forcing, step t > 0 is fed the teacher's y_{t-1}, a constant, instead of the network's own.

T steps, N rows, I inputs, H hidden units, O outputs. A batch may be ragged, as in `reference.sequence`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import PHI, SLOPE, sigmoid
from fastrnn.reference.sequence import Mask, pre_activation

Array = NDArray[np.float64]


def softmax(o: Array) -> Array:
    """y_k = e^{o_k} / Σ_j e^{o_j} over the last axis, without overflow."""
    e = np.exp(o - o.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


PSI: dict[str, Callable[[Array], Array]] = {
    "linear": lambda o: o,
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softmax": softmax,
}
PSI_BACKWARD: dict[str, Callable[[Array, Array], Array]] = {  # dE/do of (dE/dy, y)
    "linear": lambda dy, y: dy,  # noqa: ARG005
    "tanh": lambda dy, y: dy * (1.0 - y**2),
    "sigmoid": lambda dy, y: dy * y * (1.0 - y),
    "softmax": lambda dy, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True)),
}


class JordanTape(NamedTuple):
    """What backward needs of a forward pass."""

    x: Array  # (T, N, I), with zeros for padding
    fed: list[Array]  # T of (N, O): what each step was fed back
    h: list[Array]  # T of (N, H)
    y: list[Array]  # T of (N, O)
    running: Mask  # (T, N, 1): has the sequence this step?
    forced: bool  # is what was fed back the teacher's?


class JordanGradients(NamedTuple):
    """dE/d(input), dE/dy_0, dE/d(parameters by name)."""

    x: Array
    y_0: Array
    parameters: dict[str, Array]


class Jordan:
    """The network with its two functions.

    Parameters
    ----------
    nonlinearity : {"tanh", "sigmoid", "relu"}
        φ.
    output_activation : {"linear", "tanh", "sigmoid", "softmax"}
        ψ.
    """

    def __init__(self, nonlinearity: str = "tanh", output_activation: str = "linear") -> None:
        self.phi, self.slope = PHI[nonlinearity], SLOPE[nonlinearity]
        self.psi, self.psi_backward = PSI[output_activation], PSI_BACKWARD[output_activation]

    def forward(
        self,
        x: Array,
        y_0: Array,
        w: dict[str, Array],
        lengths: NDArray[np.integer] | None = None,
        teacher: Array | None = None,
    ) -> tuple[Array, Array, JordanTape]:
        """Return the output (T, N, O), zero beyond each sequence's end, each sequence's last output, and the tape.

        Parameters
        ----------
        x : (T, N, I)
            Whatever stands beyond a sequence's end is not looked at.
        y_0 : (N, O)
            The initial state.
        w : dict
            ``weight_ih`` (H, I), ``weight_hh`` (H, O), ``weight_ho`` (O, H), and ``bias_ih``, ``bias_hh`` (H,) and
            ``bias_ho`` (O,), or none of these.
        lengths : (N,), optional
            How many steps each sequence has, 1 … T in any order; all T by default.
        teacher : (T, N, O), optional
            What the network should have put out.
        """
        T, N, _ = x.shape
        ends = np.full(N, T) if lengths is None else lengths
        running = (np.arange(T)[:, None] < ends)[..., None]
        tape = JordanTape(np.where(running, x, 0.0), [], [], [], running, teacher is not None)
        output, y = np.zeros((T, *y_0.shape)), y_0
        for t in range(T):
            fed = y if teacher is None or t == 0 else np.where(running[t], teacher[t - 1], 0.0)
            h = self.phi(pre_activation(tape.x[t], fed, w))
            new = self.psi(h @ w["weight_ho"].T + w.get("bias_ho", 0.0))
            y = np.where(running[t], new, y)
            output[t] = np.where(running[t], new, 0.0)
            for part, value in ((tape.fed, fed), (tape.h, h), (tape.y, new)):
                part.append(value)
        return output, y, tape

    def backward(self, tape: JordanTape, grad_output: Array, grad_y_n: Array, w: dict[str, Array]) -> JordanGradients:
        """Return all gradients.

        Parameters
        ----------
        tape : JordanTape
        grad_output : (T, N, O)
            dE/d(output). Whatever stands beyond a sequence's end is not looked at.
        grad_y_n : (N, O)
            dE/d(last output) of each sequence.
        w : dict
            The parameters, as in `forward`.
        """
        total = {name: np.zeros_like(value) for name, value in w.items()}
        grad_x, grad_y = np.zeros_like(tape.x), grad_y_n
        for t in reversed(range(len(tape.x))):
            running = tape.running[t]
            dy = np.where(running, grad_output[t] + grad_y, 0.0)
            do = self.psi_backward(dy, tape.y[t])
            dz = do @ w["weight_ho"] * self.slope(tape.h[t])
            sums = {"weight_ih": dz.T @ tape.x[t], "weight_hh": dz.T @ tape.fed[t], "weight_ho": do.T @ tape.h[t]}
            sums |= {"bias_ih": dz.sum(0), "bias_hh": dz.sum(0), "bias_ho": do.sum(0)}
            for name in w:
                total[name] += sums[name]
            grad_x[t] = dz @ w["weight_ih"]
            back = np.zeros_like(dy) if tape.forced and t > 0 else dz @ w["weight_hh"]
            grad_y = np.where(running, back, grad_y)
        return JordanGradients(grad_x, grad_y, total)

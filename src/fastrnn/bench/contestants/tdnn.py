"""A TDNN: fastrnn's layer, PyTorch's ``conv1d`` on channels first, and NumPy. W steps in a window, H outputs."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

import fastrnn
from fastrnn.bench.cases import WINDOW, Case
from fastrnn.bench.contestants.base import Array, Contestant, Slow
from fastrnn.bench.data import Data


class FastTDNN(Contestant):
    """The layer, on (T, N, I)."""

    name = "fastrnn"

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case, self.given = case, given
        self.layer = fastrnn.TDNN(case.I, case.H, WINDOW, dtype=case.dtype)
        self.layer.load_state_dict(given.weights)

    def call(self) -> Any:
        """Run a sequence, with gradients if the case is one of training."""
        if self.case.kind == "infer":
            return self.layer(self.given.x)
        _, _, tape = self.layer.record(self.given.x)
        return self.layer.backward(tape, self.given.grad)

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        found = self.call()
        return {"output": found[0]} if self.case.kind == "infer" else {"x": found.x, **found.parameters}


class TorchConv1d(Contestant):
    """``conv1d`` on contiguous (N, I, T), as its users keep it, with zeros put before the first step."""

    name = "pytorch"
    needs = ("torch",)

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.functional: Any = import_module("torch.nn.functional")
        self.torch.set_num_threads(threads)
        self.case = case
        inputs = [_channels_first(given.x), given.weights["weight"], given.weights["bias"]]
        self.inputs = [self.torch.from_numpy(part).requires_grad_(case.kind == "train") for part in inputs]
        self.grad = self.torch.from_numpy(_channels_first(given.grad))

    def call(self) -> Any:
        """Run a sequence, with gradients if the case is one of training."""
        if self.case.kind == "train":
            return self.torch.autograd.grad(self._forward(), self.inputs, self.grad)
        with self.torch.inference_mode():
            return self._forward()

    def _forward(self) -> Any:
        x, weight, bias = self.inputs
        return self.functional.conv1d(self.functional.pad(x, (WINDOW - 1, 0)), weight, bias)

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        found = self.call()
        if self.case.kind == "infer":
            return {"output": _time_first(found.numpy())}
        x, weight, bias = (part.numpy() for part in found)
        return {"x": _time_first(x), "weight": weight, "bias": bias}


class SlowTDNN(Slow):
    """y_t = b + Σ_j weight[:, :, j] x_{t - (W - 1 - j)}, tap by tap."""

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - NumPy's BLAS decides
        self.case, self.grad = case, given.grad.astype(np.float64)
        self.padded = np.concatenate([np.zeros((WINDOW - 1, case.N, case.I)), given.x])
        self.taps = given.weights["weight"].astype(np.float64).transpose(2, 0, 1)  # (W, H, I)
        self.bias = given.weights["bias"].astype(np.float64)

    def forward(self) -> tuple[dict[str, Array], None]:
        """Return the output (T, N, H)."""
        T = self.case.T
        return {"output": self.bias + sum(self.padded[j : j + T] @ tap.T for j, tap in enumerate(self.taps))}, None

    def backward(self, tape: None) -> dict[str, Array]:  # noqa: ARG002 - all that it needs was given
        """Return the gradients of x, weight and bias."""
        T, grad_x = self.case.T, np.zeros_like(self.padded)
        for j, tap in enumerate(self.taps):
            grad_x[j : j + T] += self.grad @ tap
        weight = [np.einsum("tnh,tni->hi", self.grad, self.padded[j : j + T], optimize=True) for j in range(WINDOW)]
        return {"x": grad_x[WINDOW - 1 :], "weight": np.stack(weight, axis=-1), "bias": self.grad.sum((0, 1))}


def _channels_first(steps: Array) -> Array:
    """Return (T, N, ·) as (N, ·, T)."""
    return np.ascontiguousarray(steps.transpose(1, 2, 0))


def _time_first(channels: Array) -> Array:
    """Return (N, ·, T) as (T, N, ·)."""
    return channels.transpose(2, 0, 1)

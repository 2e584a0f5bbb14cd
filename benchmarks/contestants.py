"""The contestants of the benchmarks: one class each, all given the same weights and the same data.

``infer()`` returns the output (T, N, H); ``train()`` also backpropagates fixed gradients into the output and returns
the gradients of x and of the four parameters, in the order weight_ih, weight_hh, bias_ih, bias_hh.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import fastrnn
from fastrnn import reference


class Case(NamedTuple):
    """A cell and a shape: T steps, N rows, I inputs, H hidden units."""

    cell: str  # a key of reference.CELLS
    T: int
    N: int
    I: int  # noqa: E741 - the field's name
    H: int

    @property
    def name(self) -> str:
        """Return a name for the reports."""
        return f"{self.cell} T={self.T} N={self.N} I={self.I} H={self.H}"


class Data(NamedTuple):
    """What all contestants are given, float32."""

    x: np.ndarray
    grad: np.ndarray
    weights: list[np.ndarray]


def data(case: Case) -> Data:
    """Return random input and weights of a trained network's size."""
    rng = np.random.default_rng(0)
    units, scale = reference.CELLS[case.cell].gates * case.H, case.H**-0.5
    shapes = [(units, case.I), (units, case.H), (units,), (units,)]
    weights = [rng.uniform(-scale, scale, shape).astype(np.float32) for shape in shapes]
    x, grad = (rng.standard_normal((case.T, case.N, size)).astype(np.float32) for size in (case.I, case.H))
    return Data(x, grad, weights)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class FastRNN:
    """This library."""

    def __init__(self, case: Case, given: Data) -> None:
        if case.cell == "lstm":
            self.layer: Any = fastrnn.LSTM(case.I, case.H)
        else:
            self.layer = fastrnn.RNN(case.I, case.H, nonlinearity=case.cell.removeprefix("rnn_"))
        self.layer.load_state_dict(dict(zip((f"{name}_l0" for name in NAMES), given.weights, strict=True)))
        self.given = given

    def infer(self) -> np.ndarray:
        """Forward."""
        return self.layer(self.given.x)[0]

    def train(self) -> list[np.ndarray]:
        """Forward and backward."""
        _, _, tape = self.layer.record(self.given.x)
        grads = self.layer.backward(tape, self.given.grad)
        return [grads.x, *grads.parameters.values()]


class Reference:
    """The NumPy reference, float64."""

    def __init__(self, case: Case, given: Data) -> None:
        self.cell = reference.CELLS[case.cell]
        self.w = {name: array.astype(np.float64) for name, array in zip(NAMES, given.weights, strict=True)}
        self.x, self.grad = given.x.astype(np.float64), given.grad.astype(np.float64)
        self.zeros = (np.zeros((case.N, case.H)),) * self.cell.states

    def infer(self) -> np.ndarray:
        """Forward."""
        return reference.forward(self.cell, self.x, self.zeros, self.w)[0]

    def train(self) -> list[np.ndarray]:
        """Forward and backward."""
        _, tape = reference.forward(self.cell, self.x, self.zeros, self.w)
        grads = reference.backward(self.cell, tape, self.grad, self.zeros, self.w)
        return [grads.x, *grads.parameters.values()]


class PyTorch:
    """torch.nn on the CPU; inference under inference_mode."""

    def __init__(self, case: Case, given: Data) -> None:
        import torch  # noqa: PLC0415 - a contestant that need not be installed

        self.torch = torch
        if case.cell == "lstm":
            self.layer: Any = torch.nn.LSTM(case.I, case.H)
        else:
            self.layer = torch.nn.RNN(case.I, case.H, nonlinearity=case.cell.removeprefix("rnn_"))
        with torch.no_grad():
            for parameter, array in zip(self.layer.parameters(), given.weights, strict=True):
                parameter.copy_(torch.from_numpy(array))
        self.x, self.grad = torch.from_numpy(given.x).requires_grad_(), torch.from_numpy(given.grad)

    def infer(self) -> np.ndarray:
        """Forward."""
        with self.torch.inference_mode():
            return self.layer(self.x)[0].numpy()

    def train(self) -> list[np.ndarray]:
        """Forward and backward."""
        inputs = [self.x, *self.layer.parameters()]
        grads = self.torch.autograd.grad(self.layer(self.x)[0], inputs, self.grad)
        return [grad.numpy() for grad in grads]


CONTESTANTS: dict[str, Callable[[Case, Data], Any]] = {"fastrnn": FastRNN, "reference": Reference}
if find_spec("torch"):
    CONTESTANTS["pytorch"] = PyTorch

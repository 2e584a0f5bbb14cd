"""What a reference cell is, and the table of those that exist."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import Elman
from fastrnn.reference.lstm import LSTM

Array = NDArray[np.float64]


class Cell(Protocol):
    """One step of a recurrent cell, from pre-activations ``z`` (N, G·H) on."""

    gates: int
    states: int

    def step(self, z: Array, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
        """Return the new state (its first part is the output h) and what `step_backward` needs."""
        ...

    def step_backward(self, saved: Any, grad_state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        """Return dE/dz, and dE/d(previous state) except for what flows through z."""
        ...


CELLS: dict[str, Cell] = {
    "rnn_tanh": Elman("tanh"),
    "rnn_sigmoid": Elman("sigmoid"),
    "rnn_relu": Elman("relu"),
    "lstm": LSTM(),
}

"""What a reference cell is, and the table of those that exist."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.elman import Elman
from fastrnn.reference.gru import GRU, GRUBefore
from fastrnn.reference.lstm import LSTM
from fastrnn.reference.step import StepGradients

Array = NDArray[np.float64]


class Cell(Protocol):
    """One step of a recurrent cell, from the input's part of the pre-activations on.

    The cell multiplies by ``weight_hh`` itself, because cells differ in what they multiply and where they add it.
    """

    gates: int
    states: int

    def step(
        self, x_part: Array, state: tuple[Array, ...], w: dict[str, Array], keep: Array | float = 1.0
    ) -> tuple[tuple[Array, ...], Any]:
        """Take one step.

        Parameters
        ----------
        x_part : (N, G·H)
            x_t W_ihᵀ + b_ih, the gates side by side.
        state : tuple of (N, H)
            The previous state; its first part is h_{t-1}.
        w : dict
            ``weight_hh`` (G·H, H), and ``bias_hh`` (G·H,) or not.
        keep : (N, H), optional
            The mask m of recurrent dropout, for `recurrent_part` and its backward.

        Returns
        -------
        state : tuple of (N, H)
            The new state; its first part is the output h_t.
        saved
            What `step_backward` needs besides; where there are several gates, a tuple that begins with them.
        """
        ...

    def step_backward(
        self,
        saved: Any,
        state: tuple[Array, ...],
        grad_state: tuple[Array, ...],
        w: dict[str, Array],
        keep: Array | float = 1.0,
    ) -> StepGradients:
        """Backpropagate dE/d(new state) through the step that began at `state` and saved `saved`."""
        ...


CELLS: dict[str, Cell] = {
    "rnn_tanh": Elman("tanh"),
    "rnn_sigmoid": Elman("sigmoid"),
    "rnn_relu": Elman("relu"),
    "lstm": LSTM(),
    "gru": GRU(),
    "gru_before": GRUBefore(),
}

"""Unfolding in time and backpropagation through time, for one layer of any cell.

T steps, N rows, I inputs, H hidden units, G gates.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.cells import Cell
from fastrnn.reference.step import StepGradients, input_part, recurrent_part

Array = NDArray[np.float64]


class Tape(NamedTuple):
    """What backward needs of a forward pass."""

    x: Array  # (T, N, I)
    states: list[tuple[Array, ...]]  # T+1 states of (N, H); states[0] is the initial one
    saved: list[Any]  # T, the cell's own


class Gradients(NamedTuple):
    """dE/d(input), dE/d(initial state), dE/d(parameters by name)."""

    x: Array
    state: tuple[Array, ...]
    parameters: dict[str, Array]


def pre_activation(x: Array, h: Array, w: dict[str, Array]) -> Array:
    """z = x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, (N, G·H), of the cells where it is this sum."""
    return input_part(x, w) + recurrent_part(h, w)


def forward(cell: Cell, x: Array, state: tuple[Array, ...], w: dict[str, Array]) -> tuple[Array, Tape]:
    """Return the output (T, N, H) and the tape.

    Parameters
    ----------
    cell : Cell
    x : (T, N, I)
    state : tuple of (N, H)
        The initial state.
    w : dict
        ``weight_ih`` (G·H, I), ``weight_hh`` (G·H, H), and ``bias_ih``, ``bias_hh`` (G·H,) or neither.
    """
    states, saved = [state], []
    for x_t in x:
        state, saved_t = cell.step(input_part(x_t, w), state, w)
        states.append(state)
        saved.append(saved_t)
    return np.stack([s[0] for s in states[1:]]), Tape(x, states, saved)


def contributions(step: StepGradients, x: Array, w: dict[str, Array]) -> dict[str, Array]:
    """Return what one step, with the input x (N, I), adds to each parameter's gradient."""
    parts = {"weight_ih": step.x_part.T @ x, "bias_ih": step.x_part.sum(0), **step.recurrent}
    return {name: parts[name] for name in w}


def backward(
    cell: Cell, tape: Tape, grad_output: Array, grad_state: tuple[Array, ...], w: dict[str, Array]
) -> Gradients:
    """Return all gradients, given dE/d(output) (T, N, H) and dE/d(final state), a tuple of (N, H)."""
    total = {name: np.zeros_like(value) for name, value in w.items()}
    grad_x = np.zeros_like(tape.x)
    for t in reversed(range(len(tape.x))):
        grad_h, *others = grad_state
        step = cell.step_backward(tape.saved[t], tape.states[t], (grad_h + grad_output[t], *others), w)
        for name, part in contributions(step, tape.x[t], w).items():
            total[name] += part
        grad_x[t] = step.x_part @ w["weight_ih"]
        grad_state = step.state
    return Gradients(grad_x, grad_state, total)

"""Unfolding in time and backpropagation through time, for one layer of any cell.

T steps, N rows, I inputs, H hidden units, G gates.

A batch may be ragged: sequence n has ``lengths[n]`` steps, and what `x` holds beyond them is padding. A sequence that
has ended stands still: its state is kept, its output is zero, and backwards dE/d(state) is handed on as it is.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.cells import Cell
from fastrnn.reference.step import StepGradients, input_part, recurrent_part

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Tape(NamedTuple):
    """What backward needs of a forward pass."""

    x: Array  # (T, N, I), with zeros for padding
    states: list[tuple[Array, ...]]  # T+1 states of (N, H); states[0] is the initial one
    saved: list[Any]  # T, the cell's own
    running: Mask  # (T, N, 1): has the sequence this step?


class Gradients(NamedTuple):
    """dE/d(input), dE/d(initial state), dE/d(parameters by name)."""

    x: Array
    state: tuple[Array, ...]
    parameters: dict[str, Array]


def pre_activation(x: Array, h: Array, w: dict[str, Array]) -> Array:
    """z = x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, (N, G·H), of the cells where it is this sum."""
    return input_part(x, w) + recurrent_part(h, w)


def choose(running: Mask, new: tuple[Array, ...], old: tuple[Array, ...]) -> tuple[Array, ...]:
    """Return `new` of the rows that are running and `old` of the others, (N, H) each; `running` is (N, 1)."""
    return tuple(np.where(running, a, b) for a, b in zip(new, old, strict=True))


def forward(
    cell: Cell, x: Array, state: tuple[Array, ...], w: dict[str, Array], lengths: NDArray[np.integer] | None = None
) -> tuple[Array, Tape]:
    """Return the output (T, N, H), zero beyond each sequence's end, and the tape.

    Parameters
    ----------
    cell : Cell
    x : (T, N, I)
        Whatever stands beyond a sequence's end is not looked at.
    state : tuple of (N, H)
        The initial state.
    w : dict
        ``weight_ih`` (G·H, I), ``weight_hh`` (G·H, H), and ``bias_ih``, ``bias_hh`` (G·H,) or neither.
    lengths : (N,), optional
        How many steps each sequence has, 1 … T in any order; all T by default.
    """
    T, N, _ = x.shape
    ends = np.full(N, T) if lengths is None else lengths
    running = (np.arange(T)[:, None] < ends)[..., None]
    x = np.where(running, x, 0.0)
    states, saved = [state], []
    for x_t, running_t in zip(x, running, strict=True):
        new, saved_t = cell.step(input_part(x_t, w), state, w)
        state = choose(running_t, new, state)
        states.append(state)
        saved.append(saved_t)
    output = np.where(running, np.stack([s[0] for s in states[1:]]), 0.0)
    return output, Tape(x, states, saved, running)


def final_state(tape: Tape) -> tuple[Array, ...]:
    """Return the state of each sequence after its own last step, a tuple of (N, H)."""
    return tape.states[-1]  # which it has kept since


def contributions(step: StepGradients, x: Array, w: dict[str, Array]) -> dict[str, Array]:
    """Return what one step, with the input x (N, I), adds to each parameter's gradient."""
    parts = {"weight_ih": step.x_part.T @ x, "bias_ih": step.x_part.sum(0), **step.recurrent}
    return {name: parts[name] for name in w}


def backward(
    cell: Cell, tape: Tape, grad_output: Array, grad_state: tuple[Array, ...], w: dict[str, Array]
) -> Gradients:
    """Return all gradients.

    Parameters
    ----------
    cell : Cell
    tape : Tape
    grad_output : (T, N, H)
        dE/d(output). Whatever stands beyond a sequence's end is not looked at.
    grad_state : tuple of (N, H)
        dE/d(final state), of each sequence after its own last step.
    w : dict
        The parameters, as in `forward`.
    """
    grad_output = np.where(tape.running, grad_output, 0.0)
    nothing = tuple(np.zeros_like(g) for g in grad_state)
    total = {name: np.zeros_like(value) for name, value in w.items()}
    grad_x = np.zeros_like(tape.x)
    for t in reversed(range(len(tape.x))):
        grad_h, *others = grad_state
        grad_state = (grad_h + grad_output[t], *others)
        step = cell.step_backward(tape.saved[t], tape.states[t], choose(tape.running[t], grad_state, nothing), w)
        for name, part in contributions(step, tape.x[t], w).items():
            total[name] += part
        grad_x[t] = step.x_part @ w["weight_ih"]
        grad_state = choose(tape.running[t], step.state, grad_state)
    return Gradients(grad_x, grad_state, total)

"""Unfolding in time and backpropagation through time, for one layer of any cell.

T steps, N rows, I inputs, H hidden units, G gates.

A batch may be ragged: sequence n has ``lengths[n]`` steps, and what `x` holds beyond them is padding. Where a sequence
has no step it stands still: its state is kept, its output is zero, and backwards dE/d(state) is handed on as it is.

With s̃_t what the cell makes of x_t and s_{t-1}, every part of the state follows

    s_t = d_t ∘ s_{t-1} + (1 - d_t) ∘ s̃_t

where d_t is 1 for a sequence that stands still, and otherwise the mask of zoneout, 0 without it.

Backwards in time is forwards on what is turned around. Then padding comes first, and a sequence stands still at its
initial state until its own last step.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.cells import Cell
from fastrnn.reference.step import StepGradients, input_part, mix, recurrent_part

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Tape(NamedTuple):
    """What backward needs of a forward pass; the steps in the order in which they were taken."""

    x: Array  # (T, N, I), with zeros for padding
    states: list[tuple[Array, ...]]  # T+1 states of (N, H); states[0] is the initial one
    saved: list[Any]  # T, the cell's own
    running: Mask  # (T, N, 1): has the sequence this step?
    held: tuple[Array, ...]  # for each part of the state d (T, N, 1 or H): how much of it the step keeps
    keep: Array | float  # (N, H): m, the mask of recurrent dropout
    reverse: bool


class Gradients(NamedTuple):
    """dE/d(input), dE/d(initial state), dE/d(parameters by name), and how large dE/d(state) was on its way."""

    x: Array  # (T, N, I)
    state: tuple[Array, ...]  # (N, H) each
    parameters: dict[str, Array]
    norms: tuple[Array, ...]  # (T, N) each: ‖dE/d(the state that step t began with)‖₂ before clipping, 0 without a step


def pre_activation(x: Array, h: Array, w: dict[str, Array]) -> Array:
    """z = x W_ihᵀ + b_ih + h W_hhᵀ + b_hh, (N, G·H), of the cells where it is this sum."""
    return input_part(x, w) + recurrent_part(h, w)


def turned(steps: NDArray[Any], reverse: bool) -> NDArray[Any]:
    """Return an array of T steps in the opposite order, if time runs backwards."""
    return steps[::-1] if reverse else steps


def forward(
    cell: Cell,
    x: Array,
    state: tuple[Array, ...],
    w: dict[str, Array],
    lengths: NDArray[np.integer] | None = None,
    *,
    reverse: bool = False,
    keep: Array | None = None,
    zoneout: tuple[Array, ...] | None = None,
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
    reverse : bool
        Whether step t comes after step t+1, so that a sequence starts at its last step and ends after step 0.
    keep : (N, H), optional
        The mask of recurrent dropout, one for all steps of a sequence (Gal & Ghahramani 2016, "A theoretically grounded
        application of dropout in recurrent neural networks"): 0, or 1/(1-p) for what is kept.
    zoneout : tuple of arrays that broadcast to (T, N, H), optional
        For each part of the state, at each step, 1 to keep the old value, 0 to take the new one; their expectation for
        inference (Krueger et al. 2017, "Zoneout: regularizing RNNs by randomly preserving hidden activations").
    """
    T, N, _ = x.shape
    ends = np.full(N, T) if lengths is None else lengths
    running = (np.arange(T)[:, None] < ends)[..., None]
    zones = (np.zeros(()),) * cell.states if zoneout is None else zoneout
    held = tuple(turned(np.where(running, d, 1.0), reverse) for d in zones)
    x, running = turned(np.where(running, x, 0.0), reverse), turned(running, reverse)
    mask = 1.0 if keep is None else keep
    states, saved = [state], []
    for x_t, *held_t in zip(x, *held, strict=True):
        new, saved_t = cell.step(input_part(x_t, w), state, w, mask)
        state = tuple(map(mix, held_t, new, state))
        states.append(state)
        saved.append(saved_t)
    output = np.where(running, np.stack([s[0] for s in states[1:]]), 0.0)
    return turned(output, reverse), Tape(x, states, saved, running, held, mask, reverse)


def final_state(tape: Tape) -> tuple[Array, ...]:
    """Return the state of each sequence after the last step that it took, a tuple of (N, H)."""
    return tape.states[-1]  # which it has kept since


def contributions(step: StepGradients, x: Array, w: dict[str, Array]) -> dict[str, Array]:
    """Return what one step, with the input x (N, I), adds to each parameter's gradient."""
    parts = {"weight_ih": step.x_part.T @ x, "bias_ih": step.x_part.sum(0), **step.recurrent}
    return {name: parts[name] for name in w}


def clip_rows(grad: Array, bound: float | None, running: Mask) -> tuple[Array, Array]:
    """Return grad (N, H), rows that have the step scaled to a 2-norm of at most `bound`, and the norms before, (N,)."""
    norm = np.where(running, np.linalg.norm(grad, axis=-1, keepdims=True), 0.0)
    if bound is not None:
        grad = grad * np.divide(bound, norm, out=np.ones_like(norm), where=norm > bound)
    return grad, norm[:, 0]


def backward(
    cell: Cell,
    tape: Tape,
    grad_output: Array,
    grad_state: tuple[Array, ...],
    w: dict[str, Array],
    *,
    clip: tuple[float | None, ...] | None = None,
) -> Gradients:
    """Return all gradients.

    Parameters
    ----------
    cell : Cell
    tape : Tape
    grad_output : (T, N, H)
        dE/d(output). Whatever stands beyond a sequence's end is not looked at.
    grad_state : tuple of (N, H)
        dE/d(final state), of each sequence after the last step that it took.
    w : dict
        The parameters, as in `forward`.
    clip : tuple, optional
        For each part of the state the largest 2-norm that a sequence's dE/d(state) may have when it leaves a step, or
        None. The step's own dE/d(output) comes to it after that.
    """
    grad_output = np.where(tape.running, turned(grad_output, tape.reverse), 0.0)
    bounds = (None,) * cell.states if clip is None else clip
    total = {name: np.zeros_like(value) for name, value in w.items()}
    grad_x, norms = np.zeros_like(tape.x), np.zeros((cell.states, *tape.x.shape[:2]))
    for t in reversed(range(len(tape.x))):
        grad_h, *others = grad_state
        grad_state = (grad_h + grad_output[t], *others)
        held = [part[t] for part in tape.held]
        into_cell = tuple((1.0 - d) * grad for d, grad in zip(held, grad_state, strict=True))
        step = cell.step_backward(tape.saved[t], tape.states[t], into_cell, w, tape.keep)
        for name, part in contributions(step, tape.x[t], w).items():
            total[name] += part
        grad_x[t] = step.x_part @ w["weight_ih"]
        past = [through + d * grad for through, d, grad in zip(step.state, held, grad_state, strict=True)]
        clipped = [clip_rows(grad, bound, tape.running[t]) for grad, bound in zip(past, bounds, strict=True)]
        grad_state = tuple(grad for grad, _ in clipped)
        norms[:, t] = [norm for _, norm in clipped]
    in_time = tuple(turned(part, tape.reverse) for part in norms)
    return Gradients(turned(grad_x, tape.reverse), grad_state, total, in_time)

"""Beam search: the likeliest sequences that a model gives, a few beginnings followed at a time.

N searches at once, B beginnings each, K classes.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import NDArray

from fastrnn.layers.activations import Softmax
from fastrnn.layers.base import Array, State

if TYPE_CHECKING:
    from fastrnn.layers.sequential import Sequential


def beam_search(
    model: "Sequential", states: tuple[State, ...], start: int, stop: int | None, steps: int, beam: int, penalty: float
) -> list[NDArray[np.int64]]:
    """Return the likeliest sequence found for each row of the states; see `EncoderDecoder.decode`.

    One beginning of a search is in row n·B + b. One that has stopped goes on with the stop, at no cost.
    """
    N, K = _rows(states), model.sizes[-1]
    states = _chosen(states, np.repeat(np.arange(N), beam))
    found = np.zeros((N * beam, 0), np.int64)
    scores = np.where(np.arange(beam) == 0, 0.0, -np.inf) + np.zeros((N, 1))  # at first all beginnings are the same
    length, over = np.zeros((N, beam), np.int64), np.zeros((N, beam), bool)
    last = np.full(N * beam, start)
    for _ in range(steps):
        output, states = _step(model, last, states)
        logs = np.where(over[..., None], _only(stop, K), output.reshape(N, beam, K))
        total = (scores[..., None] + logs).reshape(N, beam * K)
        best = np.argsort(-total, axis=1, kind="stable")[:, :beam]
        scores = np.take_along_axis(total, best, axis=1)
        parent, last = best // K, (best % K).reshape(-1)
        rows = (np.arange(N)[:, None] * beam + parent).reshape(-1)
        found = np.concatenate([found[rows], last[:, None]], axis=1)
        states = _chosen(states, rows)
        before = np.take_along_axis(over, parent, axis=1)
        length = np.take_along_axis(length, parent, axis=1) + ~before
        over = before if stop is None else before | (last.reshape(N, beam) == stop)
        if over.all():
            break
    winner = np.argmax(scores / length**penalty, axis=1)
    return [_until(found[n * beam + b], stop) for n, b in enumerate(winner)]


def _step(
    model: "Sequential", classes: NDArray[np.int64], states: tuple[State, ...]
) -> tuple[Array, tuple[State, ...]]:
    """Return log-probabilities (rows, K) after one step, and the states."""
    x: Any = classes[:, None] if model.takes_ids else np.eye(model.sizes[0], dtype=model.dtype)[classes][:, None]
    output, states = model.forward(x, states)
    last = output[:, 0].astype(np.float64)
    if np.isnan(last).any():
        raise ValueError("decode: the model gives NaN; check its parameters and the source")
    if isinstance(model.ends_in(), Softmax):
        with np.errstate(divide="ignore"):  # a class that can't be is -inf
            return np.log(last), states
    return scipy.special.log_softmax(last, axis=-1), states


def _only(stop: int | None, K: int) -> Array:
    """Return log-probabilities (K,) of a sequence that has stopped: it can but stop again."""
    logs = np.full(K, -np.inf)
    if stop is not None:
        logs[stop] = 0.0
    return logs


def _leaves(state: State) -> list[Array]:
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def _rows(states: tuple[State, ...]) -> int:
    """Return N; the rows are the second axis of every state."""
    return int(next(array.shape[1] for state in states for array in _leaves(state)))


def _chosen(states: tuple[State, ...], rows: NDArray[np.int64]) -> tuple[State, ...]:
    """Return the states of some rows."""

    def one(state: State) -> State:
        parts = tuple(array[:, rows] for array in _leaves(state))
        return None if state is None else parts if isinstance(state, tuple) else parts[0]

    return tuple(map(one, states))


def _until(classes: NDArray[np.int64], stop: int | None) -> NDArray[np.int64]:
    """Return the classes before the first stop."""
    return classes if stop is None else classes[: np.append(np.flatnonzero(classes == stop), len(classes))[0]]

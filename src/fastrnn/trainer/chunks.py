"""Truncated backpropagation through time: a batch cut into windows of steps, with the state carried on.

Williams & Peng (1990), "An efficient gradient-based algorithm for on-line training of recurrent network
trajectories": every k1 steps the error of these k1 steps flows back through k2 steps. With k2 = k1 = k it is what
most people call truncated BPTT. Without truncation a batch is one window.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import checked_lengths, positive_int, shown
from fastrnn.data import Batch

Truncation = tuple[int, int] | None
Counted = NDArray[np.bool_] | None


class Chunk(NamedTuple):
    """One window of a batch.

    Attributes
    ----------
    batch : Batch
        The steps of the window, of the n sequences that still have some; the longest sequences come first.
    counted : ndarray of bool (n, T), or None
        Which steps count in the loss; all of them if None.
    advance : int or None
        How many steps after this window's first one the next one begins; None: where this one ends.
    """

    batch: Batch
    counted: Counted
    advance: int | None


def as_truncation(tbptt: int | tuple[int, int] | None) -> Truncation:
    """Return (k1, k2).

    Raises
    ------
    ValueError, TypeError
        If they are not whole numbers with 1 ≤ k1 ≤ k2.
    """
    if tbptt is None:
        return None
    if not isinstance(tbptt, (tuple, list)):
        k = positive_int("tbptt", tbptt)
        return k, k
    if len(tbptt) != 2:
        raise ValueError(f"tbptt: expected k, or a tuple (k1, k2), got {shown(tbptt)}")
    k1, k2 = (positive_int("tbptt", k) for k in tbptt)
    if k2 < k1:
        raise ValueError(f"tbptt: expected k1 <= k2, got {shown(tbptt)}")
    return k1, k2


def whole(batch: Batch, lengths: Any) -> Chunk:
    """Return a batch as one window.

    Parameters
    ----------
    batch : Batch
    lengths : ndarray of int (N,), or None
        Of the model's output; None if all its steps count, or it has no time.
    """
    if lengths is None:
        return Chunk(batch, None, None)
    shape = np.shape(batch.y)
    if len(shape) < 2:
        raise ValueError(f"y: expected targets for every step, got shape {shape}")
    weight = None if batch.weight is None else _weights(batch.weight, shape[:2])
    counted = np.arange(shape[1]) < checked_lengths(lengths, shape[1], shape[0], "y")[:, None]
    return Chunk(batch._replace(weight=weight), counted, None)


def _weights(weight: Any, shape: tuple[int, int]) -> NDArray[Any]:
    """Return weights (N,) or (N, T) as one for each step, (N, T), without a copy."""
    array = np.asanyarray(weight)
    if array.shape != shape[: array.ndim]:
        raise ValueError(f"weight: expected shape {shape[:1]} or {shape}, got {array.shape}")
    return np.broadcast_to(array.reshape(array.shape + (1,) * (2 - array.ndim)), shape)


def cut(batch: Batch, truncation: tuple[int, int]) -> list[Chunk]:
    """Return the windows of a batch, in the order of time.

    Raises
    ------
    ValueError
        If its inputs or targets have no time, or not as many steps.
    """
    k1, k2 = truncation
    if isinstance(batch.x, tuple):
        raise ValueError("tbptt: expected None for a model of several inputs; its state can't be carried on")
    x, y = np.asanyarray(batch.x), np.asanyarray(batch.y)
    if x.ndim < 2 or y.ndim < 2 or x.shape[:2] != y.shape[:2]:
        raise ValueError(
            f"tbptt: expected targets for every step of x, got y {y.shape} and x {x.shape}; "
            "a model with one output a sequence can't be truncated"
        )
    weights = None if batch.weight is None else _weights(batch.weight, x.shape[:2])
    lengths = None
    if batch.lengths is not None:
        lengths = checked_lengths(batch.lengths, x.shape[1], len(x))
        order = np.argsort(-lengths, kind="stable")
        lengths, x, y = lengths[order], x[order], y[order]
        weights = None if weights is None else weights[order]
    T = x.shape[1] if lengths is None else int(lengths[0])
    windows = []
    for start in range(0, T, k1):
        stop = min(start + k1, T)
        first, following = max(0, start + k1 - k2), max(0, start + 2 * k1 - k2)
        advance = None if stop in (T, following) else following - first
        n = len(x) if lengths is None else int((lengths > start).sum())
        steps = None if lengths is None else np.minimum(lengths[:n], stop) - first
        weight = None if weights is None else weights[:n, first:stop]
        part = Batch(x[:n, first:stop], y[:n, first:stop], _ragged(steps, stop - first), weight)
        windows.append(Chunk(part, _counted(n, stop - first, start - first, part.lengths), advance))
    return windows


def _ragged(steps: NDArray[np.int64] | None, longest: int) -> NDArray[np.int64] | None:
    """Return lengths, None if all are as long as the window."""
    return None if steps is None or steps.min() == longest else steps


def _counted(rows: int, steps: int, skip: int, lengths: NDArray[np.int64] | None) -> Counted:
    """Return which steps of a window count: those from ``skip`` on, up to each sequence's end."""
    if skip == 0 and lengths is None:
        return None
    places = np.arange(steps)
    ends = np.full(rows, steps) if lengths is None else lengths
    return np.asarray((places >= skip) & (places < ends[:, None]))


def first_rows(state: Any, rows: int) -> Any:
    """Return the state of the first sequences only, in whatever tuples of arrays (…, N, H) it comes."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return tuple(first_rows(part, rows) for part in state)
    return state[..., :rows, :]

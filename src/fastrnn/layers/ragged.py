"""Batches of sequences of different lengths: how their rows are packed for the kernels, and unpacked again.

The kernels take the rows of one step together, step after step, longest sequence first, so that no row of padding is
ever touched: work follows the sum of the lengths. T steps, N sequences, S rows of all steps, F features.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn.layers.base import Array


def checked_lengths(lengths: ArrayLike, steps: int, rows: int) -> NDArray[np.int64]:
    """Return lengths as an array (N,) of int64, each from 1 to T.

    Raises
    ------
    ValueError, TypeError
        If there is not one length for each sequence, or one is not a whole number from 1 to T.
    """
    array = np.asarray(lengths)
    if array.dtype.kind not in "iu":
        raise TypeError(f"lengths: expected whole numbers, got dtype {array.dtype}")
    if array.shape != (rows,):
        raise ValueError(f"lengths: expected one for each of {rows} sequences, got shape {array.shape}")
    if rows and not (array.min() >= 1 and array.max() <= steps):
        raise ValueError(f"lengths: expected 1 to {steps}, the steps of x, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


class Dense:
    """A batch in which all sequences have T steps: rows lie as they are."""

    counts: NDArray[np.int64] | None = None

    def __init__(self, steps: int, rows: int) -> None:
        self.steps, self.rows = steps, rows

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Return (T, N, F) as rows (S, F), in ``out`` if given."""
        rows = x.reshape(self.steps * self.rows, x.shape[-1])
        if out is not None and out.shape == rows.shape:
            out[...] = rows
            return out
        return rows

    def unpack(self, rows: Array) -> Array:
        """Return rows (S, F) as (T, N, F)."""
        return rows.reshape(self.steps, self.rows, rows.shape[-1])

    def sort(self, state: Array) -> Array:
        """Return a state (N, H) with the sequences in the order of the rows."""
        return state

    def unsort(self, state: Array) -> Array:
        """Undo `sort`."""
        return state

    def last(self, rows: Array) -> Array:
        """Return each sequence's last row, (N, F), in the order of the rows."""
        return rows[len(rows) - self.rows :]


class Ragged(Dense):
    """A batch of sequences of the given lengths.

    Attributes
    ----------
    counts : ndarray (T',)
        Sequences that have a step t, for each t up to the longest.
    """

    def __init__(self, steps: int, lengths: NDArray[np.int64]) -> None:
        super().__init__(steps, len(lengths))
        self.order = np.argsort(-lengths, kind="stable")
        counts = np.ascontiguousarray((lengths[:, None] > np.arange(lengths.max())).sum(0), dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(counts)])  # row with which each step begins
        step = np.repeat(np.arange(len(counts)), counts)
        self.counts = counts
        place = np.arange(first[-1]) - first[step]  # of a row within its step
        self._at = step * self.rows + self.order[place]  # where each row lies in (T·N, F)
        self._last = first[lengths[self.order] - 1] + np.arange(self.rows)

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Return the rows (S, F) of a padded batch (T, N, F), in ``out`` if given."""
        fits = out is not None and out.shape == (len(self._at), x.shape[-1])
        return np.take(x.reshape(self.steps * self.rows, x.shape[-1]), self._at, axis=0, out=out if fits else None)

    def unpack(self, rows: Array) -> Array:
        """Return rows (S, F) as a padded batch (T, N, F), zero in the padding."""
        padded: NDArray[Any] = np.zeros((self.steps * self.rows, rows.shape[-1]), rows.dtype)
        padded[self._at] = rows
        return padded.reshape(self.steps, self.rows, rows.shape[-1])

    def sort(self, state: Array) -> Array:
        """Return a state (N, H) with the sequences in the order of the rows."""
        return state[self.order]

    def unsort(self, state: Array) -> Array:
        """Undo `sort`."""
        result = np.empty_like(state)
        result[self.order] = state
        return result

    def last(self, rows: Array) -> Array:
        """Return each sequence's last row, (N, F), in the order of the rows."""
        return rows[self._last]

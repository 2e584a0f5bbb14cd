"""Batches of sequences of different lengths: how their rows are packed for the kernels, and unpacked again.

The kernels take the rows of one step together, step after step, longest sequence first, so that no row of padding is
ever touched: work follows the sum of the lengths. T steps, N sequences, S rows of all steps, F features.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn import _rows
from fastrnn._memory import empty
from fastrnn._validation import checked_lengths
from fastrnn.layers.base import Array

Rows = slice | NDArray[np.int64]


def lengths_of_one(shape: tuple[int, ...]) -> ValueError:
    """Return the error of lengths that come with one sequence without a batch axis."""
    return ValueError(f"lengths: expected None with one sequence {shape}; leave its padding out")


def is_step(lengths: ArrayLike, x: Array) -> NDArray[np.bool_]:
    """Return whether x (T, N, F) is a step there and not padding, (T, N, 1)."""
    if x.ndim == 2:
        raise lengths_of_one(x.shape)
    checked = checked_lengths(lengths, len(x), x.shape[1])
    return (np.arange(len(x))[:, None] < checked)[..., None]


class Dense:
    """A batch in which all sequences have T steps: rows lie as they are.

    Attributes
    ----------
    steps, rows : int
        T and N.
    """

    counts: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """S, how many rows there are."""
        return self.steps * self.rows

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

    def output(self, states: Array, reverse: bool, out: Array | None = None) -> Array:
        """Return the output (S, H) of a layer from its states (N+S, H), in ``out`` if it has to be copied."""
        rows = states[: len(states) - self.rows] if reverse else states[self.rows :]
        if out is not None and not np.may_share_memory(rows, out):
            out[...] = rows
            return out
        return rows

    def final(self, states: Array, reverse: bool) -> Array:
        """Return each sequence's final state (N, H) from its states (N+S, H), in the order of the rows."""
        return states[: self.rows] if reverse else states[len(states) - self.rows :]


class Ragged(Dense):
    """A batch of sequences of the given lengths.

    Attributes
    ----------
    counts : ndarray (T',)
        Sequences that have a step t, for each t up to the longest.
    lengths : ndarray (N,)
    order : ndarray (N,)
        The sequences, longest first, as the rows of a step are.
    """

    def __init__(self, steps: int, lengths: NDArray[np.int64]) -> None:
        super().__init__(steps, len(lengths))
        self.lengths = lengths
        self.order = np.argsort(-lengths, kind="stable")
        ended = np.cumsum(np.bincount(lengths))  # sequences of at most so many steps
        self.counts = self._counts = self.rows - ended[:-1]
        first = np.concatenate([[0], np.cumsum(self._counts)])  # row with which each step begins
        self._total = int(first[-1])
        self._last = first[lengths[self.order] - 1] + np.arange(self.rows)

    @property
    def size(self) -> int:
        """S, the sum of the lengths."""
        return self._total

    def pack(self, x: Array, out: Array | None = None) -> Array:
        """Return the rows (S, F) of a padded batch (T, N, F), in ``out`` if it fits."""
        F = x.shape[-1]
        if out is None or out.shape != (self._total, F):
            out = empty((self._total, F), x.dtype)
        _rows.pack_rows(x.reshape(self.steps * self.rows, F), out, self._counts, self.order)
        return out

    def unpack(self, rows: Array) -> Array:
        """Return rows (S, F) as a padded batch (T, N, F), zero in the padding."""
        F = rows.shape[-1]
        padded = empty((self.steps * self.rows, F), rows.dtype)
        _rows.unpack_rows(rows, padded, self._counts, self.order)
        return padded.reshape(self.steps, self.rows, F)

    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the step and the place in `order` of each row, both (S,)."""
        first = np.cumsum(self._counts) - self._counts
        return np.repeat(np.arange(len(first)), self._counts), np.arange(self._total) - np.repeat(first, self._counts)

    def sort(self, state: Array) -> Array:
        """Return a state (N, H) with the sequences in the order of the rows."""
        return state[self.order]

    def unsort(self, state: Array) -> Array:
        """Undo `sort`."""
        result = np.empty_like(state)
        result[self.order] = state
        return result

    def output(self, states: Array, reverse: bool, out: Array | None = None) -> Array:
        """Return the output (S, H) of a layer from its states (N+S, H), in ``out`` if it has to be copied."""
        if not reverse:
            return super().output(states, reverse, out)
        rows = empty((self._total, states.shape[1]), states.dtype) if out is None else out
        _rows.reversed_rows(states, rows, self._counts)
        return rows

    def final(self, states: Array, reverse: bool) -> Array:
        """Return each sequence's final state (N, H) from its states (N+S, H), in the order of the rows."""
        return states[: self.rows] if reverse else states[self.rows + self._last]


def packing(lengths: ArrayLike, steps: int, rows: int) -> Dense:
    """Return how the rows of a batch (T, N, ·) of sequences of these lengths are packed.

    Raises
    ------
    ValueError, TypeError
        If there is not one length for each sequence, or one is not a whole number from 1 to T.
    """
    checked = checked_lengths(lengths, steps, rows)
    return Ragged(steps, checked) if rows and checked.min() < steps else Dense(steps, rows)


class Longer:
    """Where the rows of a batch would lie if each sequence had C more steps.

    So a window of C + 1 steps that begins at step t, for all t at once, sees rows of this by a shift.

    Attributes
    ----------
    batch : Dense
    total : int
        How many rows.
    """

    def __init__(self, batch: Dense, more: int) -> None:
        self.batch, self.more = batch, more
        if isinstance(batch, Ragged):
            steps, self._place = batch.places()
            counts = np.concatenate([np.full(more, batch.rows), batch.counts])
            first = np.concatenate([[0], np.cumsum(counts)])
            self.total, self._first, self._steps = int(first[-1]), first, steps
        else:
            self.total = (more + batch.steps) * batch.rows

    def later(self, by: int) -> Rows:
        """Return for each row of the batch that of the longer sequences whose step is greater by so many, (S,)."""
        if isinstance(self.batch, Ragged):
            return np.asarray(self._first[self._steps + by] + self._place)
        N = self.batch.rows
        return slice(by * N, (by + self.batch.steps) * N)

    def end(self) -> Rows:
        """Return the last C rows of each sequence, (C·N,), step after step."""
        N = self.batch.rows
        if isinstance(self.batch, Ragged):
            steps = self.batch.lengths[self.batch.order] + np.arange(self.more)[:, None]  # (C, N)
            return np.asarray(self._first[steps] + np.arange(N)).reshape(-1)
        return slice(self.batch.steps * N, self.total)

"""Columns of a data set: one array, or one array a sample; N samples, read only where a batch needs them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import shown

Array = NDArray[Any]
Rows = slice | NDArray[np.intp]
CHUNK = 1 << 22  # elements that are looked at together


class Whole:
    """Samples along the first axis of one array, which may be memory-mapped."""

    lengths: NDArray[np.int64] | None = None

    def __init__(self, name: str, array: Array) -> None:
        self.name, self.array = name, array

    @property
    def steps(self) -> int | None:
        """The size of the second axis."""
        return self.array.shape[1] if self.array.ndim > 1 else None

    def __len__(self) -> int:
        """Return N."""
        return len(self.array)

    @property
    def description(self) -> str:
        """What it is, for messages."""
        return str(self.array.shape)

    def take(self, rows: Rows, steps: int | None = None) -> Array:  # noqa: ARG002 - an array has its own
        """Return some samples, a view where they lie side by side."""
        return self.array[rows]

    @property
    def piece(self) -> int:
        """How many samples are looked at together."""
        return max(1, CHUNK // max(1, self.array[:1].size))

    @property
    def mapped(self) -> bool:
        """Whether it may be larger than memory."""
        return isinstance(self.array, np.memmap)


class Sequences:
    """One array a sample, of different lengths.

    Attributes
    ----------
    lengths : ndarray (N,)
    steps : None
        A batch has as many as its longest sequence.
    """

    steps: int | None = None

    def __init__(self, name: str, arrays: Sequence[Array]) -> None:
        for i, array in enumerate(arrays):
            if array.shape[1:] != arrays[0].shape[1:] or array.ndim == 0:
                raise ValueError(
                    f"{name}[{i}]: expected shape (T, {', '.join(map(str, arrays[0].shape[1:]))}) as {name}[0] has, "
                    f"got {array.shape}"
                )
            if len(array) == 0:
                raise ValueError(f"{name}[{i}]: expected at least one step, got shape {array.shape}")
        self.name, self.arrays = name, arrays
        self.lengths = np.array([len(array) for array in arrays], np.int64)
        self._dtype = np.result_type(*{array.dtype for array in arrays})

    def __len__(self) -> int:
        """Return N."""
        return len(self.arrays)

    @property
    def description(self) -> str:
        """What it is, for messages."""
        return f"a list of {len(self.arrays)}"

    def take(self, rows: Rows, steps: int | None = None) -> Array:
        """Return some samples padded with zeros, (n, T, …): to the longest of them unless T is given."""
        chosen = self.arrays[rows] if isinstance(rows, slice) else [self.arrays[i] for i in rows]
        steps = steps or max(len(one) for one in chosen)
        padded = np.zeros((len(chosen), steps, *chosen[0].shape[1:]), self._dtype)
        for row, one in zip(padded, chosen, strict=True):
            row[: len(one)] = one
        return padded

    @property
    def piece(self) -> int:
        """How many samples are looked at together."""
        return max(1, CHUNK // max(1, int(self.lengths.max()) * self.arrays[0][:1].size))

    @property
    def mapped(self) -> bool:
        """Whether they may be larger than memory."""
        return any(isinstance(array, np.memmap) for array in self.arrays)


Column = Whole | Sequences


def column(name: str, values: Any) -> Column:
    """Return samples as a column.

    Raises
    ------
    ValueError
        If they are lists of different lengths, of which no array can be made, or a number.
    """
    if isinstance(values, (list, tuple)) and values and all(isinstance(one, np.ndarray) for one in values):
        if len({one.shape for one in values}) > 1 or any(isinstance(one, np.memmap) for one in values):
            return Sequences(name, values)
        return Whole(name, np.stack(values))
    try:
        array = np.asanyarray(values)
    except ValueError:
        raise ValueError(
            f"{name}: expected one rectangular array, or a list of ndarrays, one for each sample; "
            "got a list whose parts have different shapes"
        ) from None
    if array.ndim == 0:
        raise ValueError(f"{name}: expected samples along a first axis, got {shown(values)}")
    return Whole(name, array)


def as_slice(rows: NDArray[np.intp]) -> Rows:
    """Return rows that lie side by side as a slice, which copies nothing."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows

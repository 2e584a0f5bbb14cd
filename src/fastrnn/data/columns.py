"""Columns of a data set: one array, or one array a sample; N samples, read only where a batch needs them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import first_not_finite, shown

Array = NDArray[Any]
Rows = slice | NDArray[np.intp]
Search = Callable[[Array, NDArray[np.bool_] | None], tuple[int, ...] | None]  # for the first bad one of what counts
CHUNK = 1 << 24  # elements that are looked at together


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

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Yield the first sample's number and the samples, some at a time."""
        step = max(1, CHUNK // max(1, self.array[:1].size))
        for start in range(0, len(self.array), step):
            yield start, self.array[start : start + step]


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

    def blocks(self) -> Iterator[tuple[int, Array]]:
        """Yield each sample's number, and it as a batch of one."""
        for i, array in enumerate(self.arrays):
            yield i, array[None]


Column = Whole | Sequences


def column(name: str, values: Any) -> Column:
    """Return samples as a column.

    Raises
    ------
    ValueError
        If they are lists of different lengths, of which no array can be made, or a number.
    """
    if isinstance(values, (list, tuple)) and values and all(isinstance(one, np.ndarray) for one in values):
        if len({one.shape for one in values}) > 1:
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


def expect_finite(of: Column, lengths: NDArray[np.int64] | None) -> None:
    """Raise unless all numbers are finite, but for what lies beyond a sequence's length.

    A memory-mapped array is not gone through: it may be larger than memory.

    Raises
    ------
    ValueError
        It names the sample.
    """
    _expect_none(of, lengths, first_not_finite, "finite numbers")


def expect_from_0(of: Column, lengths: NDArray[np.int64] | None, end: float, expected: str) -> None:
    """Raise unless all numbers are from 0 to below an end; otherwise as `expect_finite`."""

    def first_outside(block: Array, counts: NDArray[np.bool_] | None) -> tuple[int, ...] | None:
        bad = (block < 0) | (block >= end)
        if counts is not None:
            bad[~counts] = False
        return tuple(map(int, np.argwhere(bad)[0])) if bad.any() else None

    _expect_none(of, lengths, first_outside, expected)


def _expect_none(of: Column, lengths: NDArray[np.int64] | None, first_bad: Search, expected: str) -> None:
    """Raise if any number is found bad that is neither memory-mapped nor beyond a sequence's length."""
    if isinstance(of, Whole) and isinstance(of.array, np.memmap):
        return
    for start, block in of.blocks():
        counts = None
        if lengths is not None and block.ndim > 1:
            counts = np.arange(block.shape[1]) < lengths[start : start + len(block), None]
        index = first_bad(block, counts)
        if index is not None:
            sample, *place = index
            where = f" at {tuple(place)}" if len(place) > 1 else f" at {place[0]}" if place else ""
            raise ValueError(f"{of.name}: expected {expected}, got {block[index]} in sample {start + sample}{where}")

"""Samples of a column looked at piece by piece, for what training must not meet.

Memory-mapped arrays are not gone through: they may be larger than memory.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import first_not_finite, steps_that_count
from fastrnn.data.columns import Array, Column, as_slice

Search = Callable[[Array, NDArray[np.bool_] | None], tuple[int, ...] | None]  # for the first bad one of what counts


class Samples(NamedTuple):
    """Some samples of a column.

    Attributes
    ----------
    of : Column
    rows : ndarray of int (n,)
        Which of its N samples.
    lengths : ndarray of int (N,), or None
        How many steps of each sample count; all of them if None.
    """

    of: Column
    rows: NDArray[np.intp]
    lengths: NDArray[np.int64] | None

    def blocks(self) -> Iterator[tuple[int, Array, NDArray[np.int64] | None]]:
        """Yield the first sample's place among these, some samples, and their lengths."""
        for start in range(0, len(self.rows), self.of.piece):
            chosen = self.rows[start : start + self.of.piece]
            yield start, self.of.take(as_slice(chosen)), None if self.lengths is None else self.lengths[chosen]


def expect_finite(samples: Samples) -> None:
    """Raise unless all numbers are finite, but for what lies beyond a sequence's length.

    Raises
    ------
    ValueError
        It names the sample.
    """
    _expect_none(samples, first_not_finite, "finite numbers")


def expect_from_0(samples: Samples, end: float, expected: str) -> None:
    """Raise unless all numbers are from 0 to below an end; otherwise as `expect_finite`."""

    def first_outside(block: Array, counts: NDArray[np.bool_] | None) -> tuple[int, ...] | None:
        return _first((block < 0) | (block >= end), counts)

    _expect_none(samples, first_outside, expected)


def expect_held(samples: Samples, dtype: np.dtype[Any]) -> None:
    """Raise if a number is too large for a dtype; otherwise as `expect_finite`."""

    def first_too_large(block: Array, counts: NDArray[np.bool_] | None) -> tuple[int, ...] | None:
        if block.dtype.kind != "f" or block.dtype.itemsize <= dtype.itemsize:
            return None
        with np.errstate(over="ignore"):
            return _first(np.isinf(block.astype(dtype)) & np.isfinite(block), counts)

    _expect_none(samples, first_too_large, f"numbers that {dtype} can hold")


def _first(bad: NDArray[np.bool_], counts: NDArray[np.bool_] | None) -> tuple[int, ...] | None:
    """Return the index of the first that is bad and counts."""
    if counts is not None:
        bad[~counts] = False
    return tuple(map(int, np.argwhere(bad)[0])) if bad.any() else None


def _expect_none(samples: Samples, first_bad: Search, expected: str) -> None:
    """Raise if any number is found bad that is neither memory-mapped nor beyond a sequence's length."""
    if samples.of.mapped:
        return
    for start, block, ends in samples.blocks():
        counts = None if ends is None or block.ndim < 2 else steps_that_count(ends, block.shape[1])
        index = first_bad(block, counts)
        if index is not None:
            sample, *place = index
            where = f" at {tuple(place)}" if len(place) > 1 else f" at {place[0]}" if place else ""
            got = f"got {block[index]} in sample {start + sample}{where}"
            raise ValueError(f"{samples.of.name}: expected {expected}, {got}")

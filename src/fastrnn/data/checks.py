"""What this package asks of data, which may be larger than memory: they are read in pieces, never copied."""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_integers, first_not_finite, pieces, real_array, shown

Array = NDArray[Any]


def expect_finite(
    name: str, array: Array, axes: Sequence[str], counts: NDArray[np.bool_] | None = None, first: int = 0
) -> None:
    """Raise unless all numbers are finite, and say where the first is that is not.

    Parameters
    ----------
    name : str
    array : ndarray
    axes : sequence of str
        What an index along each axis is called.
    counts : ndarray of bool, optional
        Which rows count, shaped like the array without its last axis; all if not given.
    first : int
        Index of the array's first row in the whole of which it is a part.
    """
    for piece in pieces(array):
        index = first_not_finite(array[piece], None if counts is None else counts[piece])
        if index is not None:
            row, *inner = index
            value = array[(piece.start + row, *inner)]
            places = zip(axes, (first + piece.start + row, *inner), strict=True)
            where = ", ".join(f"{axis} {i}" for axis, i in places)
            raise ValueError(f"{name}: expected finite numbers, got {value} at {where}")


def is_list_of_arrays(value: Any) -> TypeGuard[Sequence[Array]]:
    """Whether the value is a list of sequences, each an array with an axis, rather than numbers in nested lists."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(one, np.ndarray) and one.ndim for one in value)
    )


def as_series(name: str, value: ArrayLike) -> Array:
    """Return one series (T, F), not copied if it is an array, and memory-mapped still; (T,) becomes (T, 1)."""
    array = real_array(name, value)
    if isinstance(value, np.memmap):
        array = value
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise ValueError(f"{name}: expected shape (T,) or (T, F), got {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def as_columns(name: str, value: ArrayLike, count: int) -> NDArray[np.intp]:
    """Return one column or several, as an array (K,); negative ones count from the end."""
    columns = np.atleast_1d(as_integers(name, value, "one column or several"))
    if columns.ndim != 1 or columns.size == 0:
        raise ValueError(f"{name}: expected one column or several, got {shown(value)}")
    if columns.min() < -count or columns.max() >= count:
        raise ValueError(f"{name}: expected columns below {count}, got {shown(value)}")
    return columns.astype(np.intp)

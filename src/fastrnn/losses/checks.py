"""Checks of targets, a piece at a time: they may be larger than memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import expect_shape, pieces, real_array

Array = NDArray[Any]


def expect_all(array: Array, good: Callable[[Array], Array], expected: str) -> None:
    """Raise for the first element that is not good, ``good`` being a function of arrays.

    Raises
    ------
    ValueError
        It says what was expected, what came and where.
    """
    whole = np.atleast_1d(array)
    for part in pieces(whole):
        piece = whole[part]
        fine = good(piece)
        if not fine.all():
            first, *rest = map(int, np.unravel_index(fine.argmin(), piece.shape))
            place = f" at {[part.start + first, *rest]}" if array.ndim else ""
            raise ValueError(f"target: expected {expected}, got {piece[first, *rest]}{place}")


def real_targets(target: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return targets as an array of real numbers of this shape, without a copy where they are an array."""
    array = real_array("target", target)
    expect_shape("target", array, shape)
    return array

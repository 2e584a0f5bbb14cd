"""What `Normalizer` keeps of data that it goes through once, piece by piece. S rows, F features."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import checked_lengths, pieces, real_array, shown, steps_that_count
from fastrnn.data.checks import Array, expect_finite, is_list_of_arrays


class Moments(NamedTuple):
    """What is kept of the rows that were seen; the arrays are (F,) of float64."""

    rows: int  # S
    mean: Array
    squares: Array  # Σ (x - mean)²
    minimum: Array
    maximum: Array

    @classmethod
    def of(cls, rows: Array) -> Self:
        """Return the moments of rows (S, F), S >= 1."""
        rows = rows.astype(np.float64)
        mean = rows.mean(axis=0)
        return cls(len(rows), mean, np.square(rows - mean).sum(axis=0), rows.min(axis=0), rows.max(axis=0))

    def merged(self, other: Self) -> Self:
        """Return the moments of both parts together (Chan, Golub & LeVeque 1983).

        mean = mean_a + δ s_b/s,  squares = squares_a + squares_b + δ² s_a s_b/s,  δ = mean_b - mean_a
        """
        rows = self.rows + other.rows
        delta = other.mean - self.mean
        return type(self)(
            rows,
            self.mean + delta * (other.rows / rows),
            self.squares + other.squares + delta**2 * (self.rows * (other.rows / rows)),
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
        )


def rows_of(x: Any, lengths: ArrayLike | None, features: int | None) -> Iterator[Array]:
    """Yield the rows that count, (S, F) with S >= 1, piece by piece; see that they are finite."""
    if is_list_of_arrays(x):
        if lengths is not None:
            raise ValueError("lengths: expected None with a list, whose sequences have their own")
        for i, one in enumerate(x):
            array = real_array(f"x[{i}]", one)
            features = _features(f"x[{i}]", array, features)
            yield from _rows_of_array(f"x[{i}]", array, None, ("step", "feature"))
    else:
        array = real_array("x", x)
        _features("x", array, features)
        axes = {2: ("row", "feature"), 3: ("sample", "step", "feature")}
        yield from _rows_of_array("x", array, lengths, axes.get(array.ndim, ("index",) * array.ndim))


def _features(name: str, array: Array, features: int | None) -> int:
    """Return the number of features; raise if it is not the expected one."""
    if array.ndim < 2 or array.shape[-1] != (features or array.shape[-1]) or array.shape[-1] == 0:
        raise ValueError(f"{name}: expected shape (..., {features or 'F'}) with at least two axes, got {array.shape}")
    return int(array.shape[-1])


def _rows_of_array(name: str, array: Array, lengths: ArrayLike | None, axes: Sequence[str]) -> Iterator[Array]:
    counts = None
    if lengths is not None:
        if array.ndim != 3:
            raise ValueError(f"{name}: expected shape (N, T, F) with lengths, got {array.shape}")
        counts = steps_that_count(checked_lengths(lengths, array.shape[1], len(array)), array.shape[1])
    for piece in pieces(array):
        part, valid = array[piece], None if counts is None else counts[piece]
        expect_finite(name, part, axes, valid, piece.start)
        rows = part.reshape(-1, part.shape[-1]) if valid is None else part[valid]
        if len(rows):
            yield rows


def moments_in(entries: dict[str, Any]) -> Moments:
    """Return the moments that JSON holds; raise TypeError or ValueError if they can't be any."""
    count, names = entries["count"], Moments._fields[1:]
    if type(count) is not int or count < 1:
        raise ValueError(f"expected a count of at least 1, got {shown(count)}")
    arrays = [real_array(name, entries[name]).astype(np.float64) for name in names]
    for name, array in zip(names, arrays, strict=True):
        if array.ndim != 1 or array.shape != arrays[0].shape or array.size == 0 or not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite numbers, one for each feature")
    result = Moments(count, *arrays)
    if (result.squares < 0).any() or (result.minimum > result.maximum).any():
        raise ValueError("expected squares >= 0 and minimum <= maximum")
    return result

"""Checks of what users pass: every message names the argument, what was expected and what came."""

import math
from collections.abc import Iterator, Sequence
from reprlib import repr as shown
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "BLANK",
    "Seed",
    "a_bool",
    "a_number",
    "a_rate",
    "a_share",
    "an_int",
    "as_dtype",
    "as_float",
    "as_generator",
    "as_ids",
    "as_integers",
    "as_real",
    "as_shape",
    "checked_lengths",
    "expect_features",
    "expect_shape",
    "first_not_finite",
    "natural",
    "one_of",
    "pieces",
    "positive_float",
    "positive_int",
    "real_array",
    "rows_of_stream",
    "shown",
    "steps_that_count",
]  # `shown` is a repr that is short, however long the value

Array = NDArray[Any]
Seed = int | np.random.Generator | None


PIECE = 1 << 18  # numbers: 2 MiB in float64, which a core's cache holds
BLANK: Any = object()  # as a seed: parameters are about to be overwritten, so draw nothing


def as_generator(seed: Seed) -> np.random.Generator:
    """Return a random generator: the one given, or a new one from an int, or from fresh entropy for None."""
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
        return np.random.default_rng(int(seed))
    raise TypeError(f"seed: expected None, an int >= 0 or a numpy.random.Generator, got {shown(seed)}")


def as_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64."""
    try:
        result = np.dtype(object if dtype is None else dtype)
    except (TypeError, ValueError):
        result = np.dtype(object)
    if result not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype: expected 'float32' or 'float64', got {shown(dtype)}")
    return result


def an_int(name: str, value: int) -> int:
    """Return a whole number as a Python int."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: expected an int, got {shown(value)}")
    return int(value)


def positive_int(name: str, value: int) -> int:
    """Return a size as a Python int of at least 1."""
    if an_int(name, value) < 1:
        raise ValueError(f"{name}: expected at least 1, got {value}")
    return int(value)


def natural(name: str, value: int) -> int:
    """Return a count as a Python int of at least 0."""
    if an_int(name, value) < 0:
        raise ValueError(f"{name}: expected at least 0, got {value}")
    return int(value)


def rows_of_stream(batch_size: int | None) -> int | None:
    """Return how many sequences a stream takes side by side; None for one without a batch axis."""
    return None if batch_size is None else positive_int("batch_size", batch_size)


def a_bool(name: str, value: bool) -> bool:
    """Return a flag as a Python bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {shown(value)}")
    return bool(value)


def a_number(name: str, value: float) -> float:
    """Return a real number as a Python float, also NaN or an infinite one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def positive_float(name: str, value: float, *, below: float = math.inf, zero: bool = False) -> float:
    """Return a finite float above 0 (or from 0 on) and below a limit."""
    number = a_number(name, value)
    if not ((number > 0 or (zero and number == 0)) and number < below):
        limit = f" and < {below:g}" if below < math.inf else ""
        raise ValueError(f"{name}: expected a finite number {'>=' if zero else '>'} 0{limit}, got {shown(value)}")
    return number


def a_rate(name: str, value: float) -> float:
    """Return a probability from 0 to below 1."""
    return _probability(name, value, "below 1", one=False)


def a_share(name: str, value: float) -> float:
    """Return a probability from 0 to 1."""
    return _probability(name, value, "1", one=True)


def _probability(name: str, value: float, end: str, *, one: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number from 0 to {end}, got {shown(value)}")
    if not (0 <= value < 1 or (one and value == 1)):
        raise ValueError(f"{name}: expected a number from 0 to {end}, got {shown(value)}")
    return float(value)


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return a name that is among those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, allowed))}, got {shown(value)}")
    return value


def real_array(name: str, value: ArrayLike) -> Array:
    """Return an array of real numbers as it lies in memory, never a copy of one."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected one rectangular array, got parts of different shapes") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def as_real(name: str, value: ArrayLike, dtype: DTypeLike | None, *, copy: bool | None = None) -> Array:
    """Return an aligned C-contiguous array of a real dtype (None: any); the caller's own where it is one already.

    ``copy=True`` always copies. Complex, text and object arrays are refused, and ragged lists.
    """
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.carray and not copy:
        return value  # what is in order already must not cost time
    array = real_array(name, value)
    try:
        with np.errstate(over="raise"):
            array = np.array(array, dtype=dtype, order="C", copy=copy)
    except FloatingPointError:
        raise ValueError(f"{name}: some values are too large for {shown(dtype)}") from None
    return array if array.flags.aligned else array.copy()


def as_float(name: str, value: ArrayLike) -> Array:
    """Return float64 for float64 input, float32 for any other real input; the caller's own array if it is that."""
    dtype = getattr(value, "dtype", None)
    double = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize == 8
    return as_real(name, value, np.float64 if double else np.float32)


def as_integers(name: str, value: ArrayLike, what: str) -> NDArray[np.integer[Any]]:
    """Return an array of some integer dtype, also of an empty list; ``what`` says what the numbers are."""
    array = np.asarray(value)
    if array.size == 0 and isinstance(value, (list, tuple)):
        return array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected {what}, got dtype {array.dtype}")
    return array


def checked_lengths(lengths: ArrayLike, steps: int, rows: int, of: str = "x") -> NDArray[np.int64]:
    """Return lengths as an array (N,) of int64, each from 1 to T, the steps of the array ``of``.

    Raises
    ------
    ValueError, TypeError
        If there is not one length for each sequence, or one is not a whole number from 1 to T.
    """
    try:
        array = as_integers("lengths", lengths, "whole numbers")
    except ValueError:
        raise ValueError(f"lengths: expected one number for each sequence, got {shown(lengths)}") from None
    if array.shape != (rows,):
        raise ValueError(f"lengths: expected one for each of {rows} sequences, got shape {array.shape}")
    if rows and not (array.min() >= 1 and array.max() <= steps):
        raise ValueError(f"lengths: expected 1 to {steps}, the steps of {of}, got {array.min()} to {array.max()}")
    return array.astype(np.int64)


def pieces(array: Array) -> Iterator[slice]:
    """Yield slices that cut the first axis so that each part has about `PIECE` numbers, at least one row."""
    rows = max(1, PIECE * len(array) // max(1, array.size))
    for start in range(0, len(array), rows):
        yield slice(start, start + rows)


def steps_that_count(lengths: ArrayLike, steps: int) -> NDArray[np.bool_]:
    """Return which of T steps lie within the lengths (N,) of sequences: (N, T)."""
    return np.arange(steps) < np.asarray(lengths)[:, None]


def first_not_finite(array: Array, counts: NDArray[np.bool_] | None = None) -> tuple[int, ...] | None:
    """Return the index of the first number that is not finite; None if there is none.

    ``counts`` says what counts, and is shaped like the array's first axes; all if not given.
    """
    with np.errstate(all="ignore"):
        if array.dtype.kind != "f" or np.isfinite(np.add.reduce(array, axis=None, dtype=np.float64)):
            return None  # a sum that is finite has no part that is not
    bad = ~np.isfinite(array)
    if counts is not None:
        bad[~counts] = False
    return tuple(map(int, np.argwhere(bad)[0])) if bad.any() else None


def as_ids(name: str, value: ArrayLike, count: int | None = None) -> NDArray[np.intp]:
    """Return whole numbers, from 0 to below ``count`` if that is given, in an array of their shape."""
    try:
        array = as_integers(name, value, "ids, which are integers")
    except ValueError:
        raise ValueError(f"{name}: expected one rectangular array, got parts of different shapes") from None
    if array.size and count is not None:
        least, most = array.min(), array.max()
        if least < 0 or most >= count:
            raise ValueError(f"{name}: expected ids from 0 to {count - 1}, got {least if least < 0 else most}")
    if array.dtype == np.uint64:  # what is too large for intp stays the largest number rather than becoming negative
        array = np.minimum(array, np.uint64(np.iinfo(np.intp).max))
    return array.astype(np.intp, order="C", copy=False)


def as_shape(axes: Sequence[str]) -> str:
    """Return the names of axes as Python writes a shape."""
    return f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"


def expect_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Raise unless the array has exactly this shape."""
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


def expect_features(name: str, array: Array, features: int, ndims: Sequence[int], axes: str) -> None:
    """Raise unless the last axis has the right size and there is a right number of axes."""
    if array.ndim not in ndims or array.shape[-1] != features:
        raise ValueError(f"{name}: expected shape {axes} with {features} features, got {array.shape}")

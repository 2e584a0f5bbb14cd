"""Ids on their way into a model: as one-hot vectors, and a long text as parallel streams."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastrnn._validation import as_dtype, as_ids, as_integers, positive_int


def one_hot(ids: ArrayLike, size: int, dtype: DTypeLike = "float32") -> NDArray[Any]:
    """Return a vector for each id, 1 in its place and 0 elsewhere; for the id -1 the zero vector.

    Parameters
    ----------
    ids : array_like of int (...)
        From 0 to size - 1, or -1.
    size : int
    dtype : {"float32", "float64"}

    Returns
    -------
    ndarray (..., size)

    Examples
    --------
    >>> from fastrnn.data import one_hot
    >>> one_hot([1, -1], 3)
    array([[0., 1., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    size, kind = positive_int("size", size), as_dtype(dtype)
    array = as_ids("ids", ids)
    if array.size and (array.min() < -1 or array.max() >= size):
        wrong = array.min() if array.min() < -1 else array.max()
        raise ValueError(f"ids: expected ids from 0 to {size - 1}, or -1, got {wrong}")
    vectors = np.zeros((array.size, size), kind)
    known = np.flatnonzero(array >= 0)
    vectors[known, array.reshape(-1)[known]] = 1
    return vectors.reshape(*array.shape, size)


def streams(ids: ArrayLike, batch_size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cut one long text into parallel streams, to be trained with the state carried on (``tbptt``).

    Parameters
    ----------
    ids : array_like of int (S,)
        A memory-mapped array stays on disk.
    batch_size : int
        N, how many streams. What does not fill them, fewer than N + 1 ids at the end, is left out.

    Returns
    -------
    x, y : ndarray (N, L)
        Views, L = (S - 1) // N: stream n is ``ids[n * L : (n + 1) * L]``, and y has the id that follows each of x.

    Raises
    ------
    ValueError, TypeError
        If there are fewer than N + 1 ids, or these are not integers (S,).

    Examples
    --------
    >>> from fastrnn.data import streams
    >>> x, y = streams([0, 1, 2, 3, 4, 5, 6, 7], 2)
    >>> x
    array([[0, 1, 2],
           [3, 4, 5]])
    >>> y
    array([[1, 2, 3],
           [4, 5, 6]])
    """
    array, N = as_integers("ids", ids, "ids, which are integers"), positive_int("batch_size", batch_size)
    if array.ndim != 1:
        raise ValueError(f"ids: expected shape (S,), got {array.shape}")
    if len(array) < N + 1:
        raise ValueError(f"ids: expected at least batch_size + 1 = {N + 1} of them, got {len(array)}")
    L = (len(array) - 1) // N
    return array[: N * L].reshape(N, L), array[1 : N * L + 1].reshape(N, L)

"""Sequences of different lengths as one padded array, and back. N sequences, T steps of the longest, F features."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import checked_lengths, real_array, shown, steps_that_count
from fastrnn.data.checks import Array
from fastrnn.data.columns import Sequences


def pad(sequences: Sequence[ArrayLike], value: float = 0) -> tuple[Array, NDArray[np.int64]]:
    """Return sequences as one array, each filled up at its end, and their lengths.

    Parameters
    ----------
    sequences : list of array_like (T_i, F), or of ids (T_i,)
        At least one, each with at least one step.
    value : number
        What padding is filled with. Layers, losses and metrics that get the lengths never read it.

    Returns
    -------
    array : ndarray (N, T, F), or (N, T) of ids
        Of a dtype that holds all sequences.
    lengths : ndarray (N,) of int64

    Raises
    ------
    ValueError, TypeError
        If there is no sequence, one has no step or another shape than the first, or ``value`` is not of the dtype.

    Examples
    --------
    >>> from fastrnn.data import pad
    >>> pad([[7, 8, 9], [5]])
    (array([[7, 8, 9],
           [5, 0, 0]]), array([3, 1]))
    """
    if not isinstance(sequences, (list, tuple)) or not sequences:
        raise ValueError(f"sequences: expected a list of at least one sequence, got {shown(sequences)}")
    found = Sequences("sequences", [real_array(f"sequences[{i}]", one) for i, one in enumerate(sequences)])
    padded = found.take(slice(None))
    fill = real_array("value", value)
    if fill.ndim or np.result_type(padded.dtype, fill.item()) != padded.dtype:
        raise ValueError(f"value: expected a number of {padded.dtype}, got {shown(value)}")
    if fill != 0:
        padded[~steps_that_count(found.lengths, padded.shape[1])] = fill
    return padded, found.lengths


def unpad(x: ArrayLike, lengths: ArrayLike) -> list[Array]:
    """Return the sequences of a padded array, without their padding, as views.

    Parameters
    ----------
    x : array_like (N, T, F) or (N, T)
    lengths : array_like of int (N,)
        Each from 1 to T.

    Returns
    -------
    list of ndarray (T_i, F) or (T_i,)

    Raises
    ------
    ValueError, TypeError
        If there is not one length for each sequence, or one is not from 1 to T.

    Examples
    --------
    >>> from fastrnn.data import unpad
    >>> [one.tolist() for one in unpad([[1, 2, 3], [4, 0, 0]], [3, 1])]
    [[1, 2, 3], [4]]
    """
    array = real_array("x", x)
    if array.ndim < 2:
        raise ValueError(f"x: expected shape (N, T, F) or (N, T), got {array.shape}")
    counts = checked_lengths(lengths, array.shape[1], array.shape[0])
    return [one[:count] for one, count in zip(array, counts, strict=True)]

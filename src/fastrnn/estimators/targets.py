"""Targets that are numbers, and weights: read and checked. N sequences, or rows of one series; K targets of each."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length

from fastrnn.estimators.sequences import Array, Sequences, lengths_of

Weights = Array | list[Array] | None  # (N,), or of steps (N, T) or N arrays (T_i,)


def read_columns(y: Any, x: Any, expected: int | None, of: str) -> Array:
    """Return y (N,) or (N, K), one for each of x, as float64 (N, K).

    Raises
    ------
    ValueError
        If there are not as many as of x, or not the K that is expected, or a number that is not finite.
    """
    values: Array = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    check_consistent_length(x, values)
    columns = values.reshape(len(values), -1)
    if expected is not None and columns.shape[1] != expected:
        raise ValueError(f"y: expected {expected} numbers a {of} as before, got shape {values.shape}")
    return columns


def read_weight(sample_weight: Any, x: Any, of: str) -> Array:
    """Return weights as float64 (N,), one for each of x.

    Raises
    ------
    ValueError
        If there are not as many as of x, one is negative or not finite, or none is more than zero.
    """
    weight: Array = check_array(sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight")
    if weight.shape != (len(x),):
        raise ValueError(f"sample_weight: expected one for each of {len(x)} {of}s, got shape {weight.shape}")
    expect_weights(weight)
    return weight


def expect_weights(weight: Any, of: str = "sample_weight") -> None:
    """Raise ValueError unless all weights are at least 0, and the largest one is of a size that float32 can add up."""
    if weight.min() < 0:
        raise ValueError(f"{of}: expected numbers >= 0, got {weight.min():g}")
    if not weight.any():
        raise ValueError(f"{of}: expected at least one that is not zero, got zeros alone")
    if not 1e-30 <= weight.max() <= 1e30:
        raise ValueError(
            f"{of}: expected the largest to be from 1e-30 to 1e30, got {weight.max():g}; only ratios matter"
        )


def expect_share(weight: Weights, samples: Iterable[int], are: str) -> None:
    """Raise ValueError if none of some samples counts: what they are for would be 0 / 0."""
    if weight is not None and not any(np.any(weight[i]) for i in samples):
        raise ValueError(f"sample_weight: expected at least one that is not zero among those that are {are}")


def weight_of_rows(weight: Weights, x: Sequences) -> Array | None:
    """Return the weight of every step (S,), which has that of its sequence where there is none of its own."""
    if weight is None or isinstance(weight, list):
        return None if weight is None else np.concatenate(weight)
    return weight.reshape(-1) if weight.ndim > 1 else np.repeat(weight, lengths_of(x))

"""Targets that are numbers, and weights: read and checked. N sequences, or rows of one series; K targets of each."""

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


def expect_weights(weight: Array) -> None:
    """Raise ValueError unless all weights are at least 0, and the largest one is of a size that float32 can add up."""
    if weight.min() < 0:
        raise ValueError(f"sample_weight: expected numbers >= 0, got {weight.min():g}")
    if not weight.any():
        raise ValueError("sample_weight: expected at least one that is not zero, got zeros alone")
    if not 1e-30 <= weight.max() <= 1e30:
        raise ValueError(
            f"sample_weight: expected the largest to be from 1e-30 to 1e30, got {weight.max():g}; only ratios matter"
        )


def expect_shares(trained_on: Array, held_out: Array) -> None:
    """Raise ValueError if all weights of one part are zero: what it is for would be 0 / 0. None may be held out."""
    if not trained_on.any():
        raise ValueError("sample_weight: expected some weight on what is trained on, got zeros alone")
    if len(held_out) and not held_out.any():
        raise ValueError("early_stopping: expected some weight on what is held out, got zeros alone; set it to False")


def weight_of_rows(weight: Weights, x: Sequences) -> Array | None:
    """Return the weight of every step (S,), which has that of its sequence where there is none of its own."""
    if weight is None or isinstance(weight, list):
        return None if weight is None else np.concatenate(weight)
    return weight.reshape(-1) if weight.ndim > 1 else np.repeat(weight, lengths_of(x))

"""What X may be, read into arrays; and the rows of sequences, one below the other. N sequences, T steps, F features."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from fastrnn._validation import first_not_finite, real_array, shown
from fastrnn.data.checks import expect_finite

Array = NDArray[Any]
Sequences = Array | list[Array]  # (N, T, F), or N arrays (T_i, F)
FLOATS = [np.float64, np.float32]


def as_list(values: Any) -> list[Any] | None:
    """Return sequences one by one, or None for what is one array.

    A list, tuple or 1-D object array of arrays is a list of sequences, and so are lists of different lengths.
    """
    if getattr(values, "dtype", None) == np.dtype(object) and values.ndim == 1:
        parts = [np.asarray(one) if isinstance(one, (list, tuple)) else one for one in values]
    elif not isinstance(values, (list, tuple)):
        return None
    elif all(isinstance(one, (list, tuple)) for one in values) and len(set(map(len, values))) > 1:
        parts = [np.asarray(one) for one in values]
    else:
        parts = list(values)
    return parts if parts and all(getattr(one, "ndim", 0) for one in parts) else None


def axes_of(X: Any) -> int:
    """Return how many axes X has that is no list of sequences; 2 for what tells when it is read."""
    try:
        return getattr(X, "ndim", None) or np.asarray(X).ndim
    except ValueError:  # nested lists of different lengths
        return 2


def read_table(estimator: Any, X: Any, *, reset: bool) -> Array:
    """Return a 2-D X, whose names and number of columns are kept (``reset``) or compared with those that were."""
    table: Array = validate_data(estimator, X, dtype=FLOATS, reset=reset)
    return table


def read_sequences(estimator: Any, X: Any, *, reset: bool, features: int | None = None) -> Sequences:
    """Return X that is 3-D or a list of sequences, of real finite numbers.

    Parameters
    ----------
    estimator : BaseEstimator
        Its ``n_features_in_`` and ``feature_names_in_`` are set (``reset``) or compared.
    X : array_like (N, T, F), or list of array_like (T_i, F) or (T_i,)
    reset : bool
    features : int, optional
        What F has to be instead, where ``n_features_in_`` is something else.

    Raises
    ------
    ValueError, TypeError
        If X is empty, has a sequence without steps, another number of features, or a number that is not finite.
    """
    parts = as_list(X)
    if parts is None:
        x: Sequences = check_array(X, dtype=FLOATS, allow_nd=True, input_name="X")
        if 0 in np.shape(x) or np.ndim(x) != 3:
            raise ValueError(
                "X: expected shape (N, T, F) with at least one step and feature, or (N, T), or a list of arrays "
                f"(T_i, F), got {np.shape(x)}"
            )
        first: Any = x[0]
    else:
        _expect_same_columns(parts)
        x = [_sequence(i, one) for i, one in enumerate(parts)]
        first = parts[0] if getattr(parts[0], "ndim", 1) == 2 else x[0]
    if features is None:
        validate_data(estimator, first, skip_check_array=True, reset=reset)
        features = x[0].shape[1]
    for i, one in enumerate(x if isinstance(x, list) else x[:1]):
        if one.shape[1] != features:
            raise ValueError(f"X[{i}]: expected {features} features, got shape {one.shape}")
    if isinstance(x, list) and first_not_finite(np.concatenate(x)) is not None:
        for i, one in enumerate(x):
            expect_finite(f"X[{i}]", one, ("step", "feature"))
    return x


def _expect_same_columns(parts: list[Any]) -> None:
    """Raise ValueError if tables among the sequences have other columns than the first one, or in another order."""
    names: list[Any] | None = None
    for i, one in enumerate(parts):
        own = getattr(one, "columns", None)
        if own is None:
            continue
        names = list(own) if names is None else names
        if list(own) != names:
            raise ValueError(f"X[{i}]: expected the columns {shown(names)}, in this order, got {shown(list(own))}")


def _sequence(i: int, value: Any) -> Array:
    """Return one sequence as (T_i, F)."""
    array = real_array(f"X[{i}]", _plain(value))
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"X[{i}]: expected shape (T, F) or (T,) with at least one step and feature, got {array.shape}")
    return array


def _plain(value: Any) -> Any:
    """Return a table of pandas' own numbers, which may be missing, as an array with NaN there; all else as it is."""
    if hasattr(value, "to_numpy") and np.asarray(value).dtype == np.dtype(object):
        try:
            return value.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            pass  # no numbers, which is about to be said
    return value


# ---- rows ----


def lengths_of(x: Sequences) -> NDArray[np.intp]:
    """Return T_i of each sequence, (N,)."""
    return np.array([len(one) for one in x])


def rows_of(x: Sequences) -> Array:
    """Return all steps of all sequences one below the other: (S, ...) of (N, T, ...) or of a list of (T_i, ...)."""
    return np.concatenate(x) if isinstance(x, list) else x.reshape(-1, *x.shape[2:])


def with_rows(x: Sequences, rows: Array) -> Sequences:
    """Return rows (S, ...) cut as the sequences x are."""
    if isinstance(x, list):
        ends = np.cumsum(lengths_of(x)).tolist()
        return [rows[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return rows.reshape(*x.shape[:2], *rows.shape[1:])


def pieces_of(x: Sequences, count: int) -> Sequence[Sequences]:
    """Return so many sequences at a time."""
    return [x[start : start + count] for start in range(0, len(x), count)]

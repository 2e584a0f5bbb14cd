"""Windows over a long series, and the values that follow them: what a forecast is trained on.

T rows of a series, F features, N windows, h the horizon, K target columns.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import a_bool, positive_float, positive_int
from fastrnn.data.checks import Array, as_columns, as_series, expect_finite, is_list_of_arrays
from fastrnn.data.dataset import Dataset


def windows(series: ArrayLike, steps: int, *, stride: int = 1) -> Array:
    """Return all windows of a series, as a view: nothing is copied, however long the series is.

    Parameters
    ----------
    series : array_like (T, F) or (T,)
        A memory-mapped array stays on disk.
    steps : int
        Rows of a window.
    stride : int
        Rows from the beginning of one window to that of the next.

    Returns
    -------
    ndarray (N, steps, F)
        Read-only; window i is ``series[i * stride : i * stride + steps]``, and N = (T - steps) // stride + 1.

    Raises
    ------
    ValueError, TypeError
        If the series is shorter than a window, or no array (T, F) or (T,) of real numbers.

    Examples
    --------
    >>> from fastrnn.data import windows
    >>> windows([1, 2, 3, 4, 5], 3, stride=2)[..., 0]
    array([[1, 2, 3],
           [3, 4, 5]])
    """
    array, steps, stride = as_series("series", series), positive_int("steps", steps), positive_int("stride", stride)
    if len(array) < steps:
        raise ValueError(f"series: expected at least {steps} rows, the steps of a window, got {len(array)}")
    return _windows(array, steps)[::stride]


def _windows(series: Array, steps: int) -> Array:
    """Return all windows of (T, F) as a view (N, steps, F), which is memory-mapped if the series is."""
    return sliding_window_view(series, steps, axis=0, subok=True).swapaxes(1, 2)


def forecasting(
    series: ArrayLike | Sequence[Array],
    steps: int,
    *,
    horizon: int = 1,
    target: ArrayLike | None = None,
    stride: int = 1,
    every_step: bool = False,
) -> Dataset:
    """Return windows of a series, and as targets the values that follow them.

    Parameters
    ----------
    series : array_like (T, F) or (T,), or a list of such arrays
        Of several series no window reaches from one into another.
    steps : int
        Rows of a window.
    horizon : int
        h, how many rows that follow are to be told.
    target : int or sequence of int, optional
        The columns to be told, K of them; all if not given.
    stride : int
        Rows from the beginning of one window to that of the next.
    every_step : bool
        Whether targets are the values that follow each step of a window (many to many) rather than its last one.

    Returns
    -------
    Dataset
        x (N, steps, F) and y (N, h·K), or (N, steps, h·K) with ``every_step``; row after row, in each the columns. Its
        ``overlap`` is the number of windows after one which share rows with it, targets included, so that the
        trainer's ``validation=0.1`` takes the end and leaves a gap before it. Windows are views; several series are
        copied once, into one array, and so are the columns to be told, where there are several.

    Raises
    ------
    ValueError, TypeError
        If a series is shorter than steps + horizon, not finite (the message says in which row; a memory-mapped one is
        not gone through), or no array (T, F) or (T,) of real numbers; if series differ in F; if a column is not there.

    Examples
    --------
    >>> from fastrnn.data import forecasting
    >>> x, y, _, _ = next(forecasting([1, 2, 3, 4, 5, 6], 3, horizon=2).batches(8))
    >>> x[..., 0]
    array([[1, 2, 3],
           [2, 3, 4]])
    >>> y
    array([[4, 5],
           [5, 6]])
    """
    steps, horizon = positive_int("steps", steps), positive_int("horizon", horizon)
    stride, every_step = positive_int("stride", stride), a_bool("every_step", every_step)
    found = _checked(series, steps + horizon)
    joined = found[0] if len(found) == 1 else np.concatenate(found)
    x, y = _inputs_and_targets(joined, steps, horizon, target, every_step)
    # a window and its targets reach over steps + horizon rows; the next ones begin each a stride later
    data = Dataset(x, y, overlap=(steps + horizon - 1) // stride)
    return data.subset(_beginnings([len(one) for one in found], steps + horizon, stride))


def _checked(series: ArrayLike | Sequence[Array], rows: int) -> list[Array]:
    """Return each series as (T, F), all long enough and finite; the memory-mapped ones are not gone through."""
    found = _named(series)
    features = found[0][1].shape[1]
    for name, one in found:
        if one.shape[1] != features:
            raise ValueError(f"{name}: expected {features} features as in series[0], got shape {one.shape}")
        if len(one) < rows:
            raise ValueError(f"{name}: expected at least {rows} rows, steps + horizon, got {len(one)}")
        if not isinstance(one, np.memmap):
            expect_finite(name, one, ("row", "column"))
    return [one for _, one in found]


def _beginnings(lengths: Sequence[int], rows: int, stride: int) -> NDArray[np.intp]:
    """Return where the windows of so many rows begin, none of which reaches from one series into the next."""
    ends = np.cumsum(lengths)
    return np.concatenate([np.arange(end - T, end - rows + 1, stride) for T, end in zip(lengths, ends, strict=True)])


def _inputs_and_targets(
    series: Array, steps: int, horizon: int, target: ArrayLike | None, every_step: bool
) -> tuple[Array, Array]:
    """Return all windows of (T, F), one beginning at each row, and their targets."""
    told = series if target is None else series[:, _columns(target, series.shape[1])]
    # follow[t] = told[t + 1 : t + 1 + h], (T - h, h·K): what comes after row t
    follow = _windows(told[1:], horizon).reshape(len(series) - horizon, -1)
    x = _windows(series[: len(follow)], steps)
    return x, _windows(follow, steps) if every_step else follow[steps - 1 :]


def _named(series: ArrayLike | Sequence[Array]) -> list[tuple[str, Array]]:
    """Return one series or each of several as (T, F), with the name that errors give it."""
    if is_list_of_arrays(series):
        return [(f"series[{i}]", as_series(f"series[{i}]", one)) for i, one in enumerate(series)]
    return [("series", as_series("series", series))]


def _columns(target: ArrayLike, count: int) -> Any:
    """Return what picks the columns: of a single one a slice, which copies nothing."""
    columns = as_columns("target", target, count)
    return slice(columns[0], columns[0] + 1 or None) if len(columns) == 1 else columns


def split_series(series: ArrayLike | Sequence[Array], share: float) -> tuple[Any, Any]:
    """Cut the end off a series, to hold it out: for a test, or for validation with windows of its own.

    Parameters
    ----------
    series : array_like (T, F) or (T,), or a list of such arrays
        Of several series, each loses its own end.
    share : float in (0, 1)
        Of the rows, rounded, at least one.

    Returns
    -------
    beginning, end
        Views of (T, F) with T·(1 - share) and T·share rows, or lists of such. Windows made of each share no row.

    Raises
    ------
    ValueError, TypeError
        If nothing would be left, or a series is no array (T, F) or (T,) of real numbers.

    Examples
    --------
    >>> from fastrnn.data import split_series
    >>> beginning, end = split_series([1, 2, 3, 4, 5], 0.4)
    >>> beginning[:, 0], end[:, 0]
    (array([1, 2, 3]), array([4, 5]))
    """
    share = positive_float("share", share, below=1.0)
    parts = []
    for name, one in _named(series):
        end = max(1, round(share * len(one)))
        if end >= len(one):
            raise ValueError(f"share: {share:g} leaves nothing of the {len(one)} rows of {name}")
        parts.append((one[:-end], one[-end:]))
    return ([first for first, _ in parts], [end for _, end in parts]) if is_list_of_arrays(series) else parts[0]

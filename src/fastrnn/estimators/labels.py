"""Labels of the rows of a series, dates for example, and how they go on. Nothing imports pandas but who passes it."""

import warnings
from typing import Any

KEPT = 50  # labels, from which the step between dates can be told


def labels_of(*tables: Any) -> Any:
    """Return the end of the index of the first that is a pandas object; None if there is none."""
    for table in tables:
        if hasattr(table, "iloc"):
            return table.index[-KEPT:]
    return None


def following(index: Any, steps: int) -> Any:
    """Return the labels of the steps that follow an index: of dates, periods or numbers at even steps.

    Returns
    -------
    pandas.Index or None
        None if the index does not say how it goes on.
    """
    import pandas as pd  # noqa: PLC0415 - it is there if there is an index

    if isinstance(index, pd.PeriodIndex):
        even = index.equals(pd.period_range(index[0], periods=len(index), freq=index.freq))
        return pd.period_range(index[-1], periods=steps + 1, freq=index.freq, name=index.name)[1:] if even else None
    if isinstance(index, pd.DatetimeIndex):
        every = index.freq or _step(index)
        return None if every is None else pd.date_range(index[-1], periods=steps + 1, freq=every, name=index.name)[1:]
    if not pd.api.types.is_integer_dtype(index) or len(index) < 2:
        return None
    every = index[-1] - index[-2]
    if (index[1:] - index[:-1] != every).any() or every == 0:
        return None
    return pd.RangeIndex(index[-1] + every, index[-1] + every * (steps + 1), every, name=index.name)


def _step(dates: Any) -> Any:
    """Return the step between dates as pandas tells it, None if there is none."""
    import pandas as pd  # noqa: PLC0415 - as above

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will be another type; either is understood
        return pd.infer_freq(dates) if len(dates) > 2 else None


def follows(index: Any, table: Any) -> bool:
    """Return whether a pandas object begins with the label that comes after an index."""
    after = following(index, 1) if index is not None and hasattr(table, "iloc") else None
    return after is not None and bool(after[0] == table.index[0])

"""What a model's forecasts would have been worth: its errors at the end of a series that it has not been trained on.

Every row of the end is told from all origins before it, one step ahead, two steps, and so on (rolling origin), by a
model that is not trained anew. Baselines: the last value (persistence), and the last value of the same place in the
season (seasonal naive).
"""

from typing import NamedTuple

import numpy as np

from fastrnn.forecasting.model import SeriesModel, expected_horizon
from fastrnn.forecasting.series import Array, Series, as_a_series

MODEL, PERSISTENCE, SEASONAL = "model", "persistence", "seasonal naive"


class Backtest(NamedTuple):
    """Errors on held-out rows.

    Attributes
    ----------
    rows : int
        How many were held out.
    rmse, mae : dict of ndarray (H,)
        By the name of what forecasts, for each step ahead.
    spread : tuple of float
        Root mean squared error of the model's z, for each step ahead.
    """

    rows: int
    rmse: dict[str, Array]
    mae: dict[str, Array]
    spread: tuple[float, ...]


def backtest(model: SeriesModel, series: Series, start: int, horizon: int = 1, season: int = 1) -> Backtest:
    """Return the errors of a model and of the baselines on the rows of a series from ``start`` on.

    Parameters
    ----------
    model : SeriesModel
        Trained on rows before ``start`` alone, or the errors are too small.
    series : Series
    start : int
        The first row held out.
    horizon : int
        H, steps ahead; no more of them than there are rows held out.
    season : int
        Of the seasonal baseline, which is left out if it is 1.
    """
    series, horizon = as_a_series(series), expected_horizon(horizon)
    y, T = series.values, len(series.values)
    if not max(model.settings.history, season) <= start < T:
        raise ValueError(f"start: expected {max(model.settings.history, season)} to {T - 1}, got {start}")
    H = min(horizon, T - start)
    transform = model.settings.transform
    paths = model.rolling(series, start, H)
    told = {MODEL: transform.restored(paths), PERSISTENCE: seasonal_naive(y, start, H, 1)}
    if season > 1:
        told[SEASONAL] = seasonal_naive(y, start, H, season)
    errors = {name: _errors(forecasts, y, start) for name, forecasts in told.items()}
    z = _errors(paths, transform.stabilized(y), start)
    return Backtest(
        T - start,
        {name: np.sqrt(np.nanmean(error**2, axis=0)) for name, error in errors.items()},
        {name: np.nanmean(np.abs(error), axis=0) for name, error in errors.items()},
        tuple(np.sqrt(np.nanmean(z**2, axis=0)).tolist()),
    )


def seasonal_naive(y: Array, start: int, horizon: int, season: int) -> Array:
    """Return the last known values one season back (or several), (T - start, horizon)."""
    origins = np.arange(start, len(y))[:, None]  # what is told one step ahead
    return np.asarray(y[origins - season + np.arange(horizon) % season])


def _errors(forecasts: Array, y: Array, start: int) -> Array:
    """Return forecast less value, (T - start, H); NaN where the series has ended."""
    T, H = len(y), forecasts.shape[1]
    padded = np.concatenate([y[start:], np.full(H, np.nan)])
    return np.asarray(forecasts - padded[np.arange(T - start)[:, None] + np.arange(H)])

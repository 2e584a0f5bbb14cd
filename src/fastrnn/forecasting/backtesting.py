"""What a model's forecasts would have been worth: its errors at the end of a series that it has not been trained on.

Every row of the end is told from all origins before it, one step ahead, two steps, and so on (rolling origin). The
networks are not trained anew; the linear part may be fitted anew at every origin. Baselines: the last value
(persistence), and the last value of the same place in the season (seasonal naive).
"""

from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import Seed, as_generator
from fastrnn.forecasting.fitting import refits
from fastrnn.forecasting.intervals import degrees_of_freedom
from fastrnn.forecasting.model import SeriesModel, expected_horizon
from fastrnn.forecasting.series import Array, Series, as_a_series
from fastrnn.forecasting.training import LEAST, Plan, Progress, checked, choose, fit

HELD_OUT = 0.2  # of the rows, by `train_and_test`
REFITS = 1000  # of the linear part, in a backtest
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
    forecasts : ndarray (rows, H)
        The model's: row i is told from what was known before held-out row i, and may reach beyond the end.
    """

    rows: int
    rmse: dict[str, Array]
    mae: dict[str, Array]
    spread: tuple[float, ...]
    forecasts: Array


def backtest(
    model: SeriesModel, series: Series, start: int, horizon: int = 1, season: int = 1, *, refit: bool = True
) -> Backtest:
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
    refit : bool
        Whether the linear part is fitted anew at every origin, to the rows before it.
    """
    series, horizon = as_a_series(series), expected_horizon(horizon)
    y, T = series.values, len(series.values)
    if not max(model.settings.history, season) <= start < T:
        raise ValueError(f"start: expected {max(model.settings.history, season)} to {T - 1}, got {start}")
    model.expect_usable(y)
    H = min(horizon, T - start)
    transform = model.settings.transform
    paths = _refitting(model, series, start, H) if refit else model.rolling(series, start, H)
    told = {MODEL: transform.restored(paths), PERSISTENCE: seasonal_naive(y, start, H, 1)}
    if season > 1:
        told[SEASONAL] = seasonal_naive(y, start, H, season)
    errors = {name: _errors(forecasts, y, start) for name, forecasts in told.items()}
    z = _errors(paths, transform.stabilized(y), start)
    return Backtest(
        T - start,
        {name: _root_mean_square(error) for name, error in errors.items()},
        {name: np.nanmean(np.abs(error), axis=0) for name, error in errors.items()},
        tuple(_root_mean_square(z).tolist()),
        told[MODEL],
    )


def _root_mean_square(errors: Array) -> Array:
    """Return it for each step ahead, (H,), of errors of any size: a power of two keeps squares finite, and above 0."""
    power = np.frexp(np.nanmax(np.abs(errors)))[1]
    with np.errstate(over="ignore"):  # of what is infinite already
        return np.asarray(np.ldexp(np.sqrt(np.nanmean(np.ldexp(errors, -power) ** 2, axis=0)), power))


def _refitting(model: SeriesModel, series: Series, start: int, horizon: int) -> Array:
    """Return what `SeriesModel.rolling` does, from models refitted at every origin, or at a thousand of very many."""
    T = len(series.values)
    block = -(-(T - start) // REFITS)
    fits = np.stack(list(refits(model, series, range(start, T, block))))
    return model.rolling(series, start, horizon, fits.repeat(block, axis=0)[: T - start])


def seasonal_naive(y: Array, start: int, horizon: int, season: int) -> Array:
    """Return the last known values one season back (or several), (T - start, horizon)."""
    origins = np.arange(start, len(y))[:, None]  # what is told one step ahead
    return np.asarray(y[origins - season + np.arange(horizon) % season])


def _errors(forecasts: Array, y: Array, start: int) -> Array:
    """Return forecast less value, (T - start, H); NaN where the series has ended."""
    T, H = len(y), forecasts.shape[1]
    padded = np.concatenate([y[start:], np.full(H, np.nan)])
    return np.asarray(forecasts - padded[np.arange(T - start)[:, None] + np.arange(H)])


def train_and_test(
    series: Series | ArrayLike,
    horizon: int,
    plan: Plan | None = None,
    *,
    seed: Seed = None,
    verbose: int = 1,
    file: TextIO | None = None,
) -> tuple[SeriesModel, Backtest]:
    """Train a model without the last fifth of a series, measure it there, and train it again on all of the series.

    Parameters
    ----------
    series : Series or array_like (T,)
        At least 30 values.
    horizon : int
        Steps ahead, at most T.
    plan, seed, verbose, file
        As for `train`.

    Returns
    -------
    SeriesModel
        Trained on all values, with the settings that were chosen without the last ones; its intervals come from the
        backtest.
    Backtest

    Raises
    ------
    ValueError, TypeError, KeyboardInterrupt
        As `train` does.
    """
    series, horizon = as_a_series(series), expected_horizon(horizon)
    T = len(series.values)
    if horizon > T:
        raise ValueError(f"horizon: expected at most {T}, as many steps as the series has, got {horizon}")
    start = T - max(1, round(HELD_OUT * T))
    if start < LEAST:
        raise ValueError(f"series: too short, expected at least {round(LEAST / (1 - HELD_OUT))} values, got {T}")
    series.labels_ahead(horizon)
    checked(series, plan or Plan())  # a plan that suits all of it
    part, plan = checked(series.head(start), plan or Plan())
    rng = as_generator(seed)
    with Progress(3 * plan.members, verbose, file) as advance:
        settings = choose(part, plan, rng, advance, least=series.values.min())
        found = backtest(fit(part, settings, plan.members, rng, advance), series, start, horizon, plan.season or 1)
        model = fit(series, settings, plan.members, rng, advance)
    freedom = degrees_of_freedom(model.shock(len(found.spread)), found.rows)
    return model._replace(spread=found.spread, freedom=freedom), found

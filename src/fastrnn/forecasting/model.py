"""The model of a series: a linear part, and recurrent networks that tell what it leaves over, from the last L values.

    u_t = (w_t - mean) / scale,  û_{t+1} = b + Σ_{l<L} φ_l u_{t-l} + Σ_k ψ_k s_k(t+1) + a · mean_i GRU_i(u, s)

w is the transformed series, s_k sines and cosines of the season. Values further ahead are told from those told before.

N series side by side, T steps, L the window, F features of the season.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import positive_int
from fastrnn.forecasting.intervals import half_widths
from fastrnn.forecasting.series import Array, Series, as_a_series
from fastrnn.forecasting.transforms import Transform, usable
from fastrnn.layers import Sequential

HARMONICS = 6  # of the season at most
ROWS = 1000  # of a series that are told at once
MOST = 1e6  # standard deviations that networks are told of


class Settings(NamedTuple):
    """What is chosen before the parameters are fitted.

    Attributes
    ----------
    transform : Transform
    steps : int
        L, the window.
    season : int or None
        Steps of the season that the networks are told about; None if they are not.
    penalty, decay : float
        The ridge penalty of φ_l is penalty · (l + 1)^decay.
    epochs : int
        Of the training of each network; 0 leaves the linear part alone.
    weight : float
        a, how much of what the networks tell is believed, 0 to 1.
    """

    transform: Transform
    steps: int
    season: int | None
    penalty: float
    decay: float
    epochs: int = 0
    weight: float = 0.0

    @property
    def history(self) -> int:
        """How many past values a forecast needs."""
        return self.steps + self.transform.lost

    def __str__(self) -> str:
        """Return one line."""
        season = f", season of {self.season}" if self.season else ""
        return f"transform: {self.transform}; window {self.steps}{season}; weight of the networks {self.weight:.2f}"


class Forecast(NamedTuple):
    """What is expected, and the interval that holds it nine times in ten.

    Attributes
    ----------
    labels : list of str
        Dates, or numbers of steps.
    values, lower, upper : ndarray (horizon,)
    """

    labels: list[str]
    values: Array
    lower: Array
    upper: Array


class SeriesModel(NamedTuple):
    """A model of one series; by `fastrnn.forecasting.train`.

    Attributes
    ----------
    settings : Settings
    mean, scale : float
        Of the transformed series.
    linear : Sequential
        (N, L + F) to (N, 1), in float64.
    networks : tuple of Sequential
        (N, L, 1 + F) to (N, 1).
    spread : tuple of float
        Root mean squared error of z, one for each step ahead, on data that were not trained on; empty if unknown.
    frame : Series
        Without values: the calendar and the name of what it was trained on.
    freedom : tuple of float
        Degrees of freedom of each spread; if empty, intervals take the spread for known exactly.
    """

    settings: Settings
    mean: float
    scale: float
    linear: Sequential
    networks: tuple[Sequential, ...]
    spread: tuple[float, ...]
    frame: Series
    freedom: tuple[float, ...] = ()

    def forecast(self, series: Series | ArrayLike, horizon: int) -> Forecast:
        """Return what follows a series.

        Parameters
        ----------
        series : Series or array_like (T,)
            The one trained on, or one like it: a longer one, for example. At least as long as `Settings.history`.
        horizon : int
            How many steps to tell, at most as many as the series has.

        Returns
        -------
        Forecast
            Intervals have no width where the model knows no errors.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong, or the series has other steps than the one trained on.
        FloatingPointError
            If a forecast is not finite.
        """
        series = self._checked(as_a_series(series), expected_horizon(horizon))
        labels = series.labels_ahead(horizon)
        T, transform = len(series.values), self.settings.transform
        z = transform.stabilized(series.values)
        with np.errstate(over="ignore", invalid="ignore"):  # seen below
            ahead = self.paths(z[None, T - self.settings.history :], self._phases(series, T), horizon)[0]
            half = half_widths(self.spread, self.freedom, horizon)
            values, lower, upper = (transform.restored(part) for part in (ahead, ahead - half, ahead + half))
        if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise FloatingPointError(f"the forecast is no longer finite within {horizon} steps; use a shorter horizon")
        return Forecast(labels, values, lower, upper)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a safetensors file, whole or not at all; see `fastrnn.forecasting.load`."""
        from fastrnn.forecasting.files import save  # noqa: PLC0415 - files are built on models

        save(self, path)

    def rolling(self, series: Series, start: int, horizon: int, fits: Array | None = None) -> Array:
        """Return what is forecast of z from every origin: one step ahead first, (T - start, horizon).

        Row i is told from the values before row ``start + i`` alone, by linear part ``fits[i]`` where these are given,
        (T - start, L + F + 1): β and b. Columns may reach beyond the end.
        """
        T, need = len(series.values), self.settings.history
        z = self.settings.transform.stabilized(series.values)
        histories = sliding_window_view(z, need)[start - need : T - need]
        phases = self._phases(series, np.arange(start, T))
        parts = []
        for first in range(0, T - start, ROWS):
            rows = slice(first, first + ROWS)
            parts.append(self.paths(histories[rows], phases[rows], horizon, None if fits is None else fits[rows]))
        return np.concatenate(parts)

    def _phases(self, series: Series, rows: ArrayLike) -> NDArray[np.int64]:
        """Return where in the season rows of a series stand, (N,)."""
        season = self.settings.season or 1
        return np.atleast_1d(np.asarray(rows, np.int64) + series.phase(season)) % season

    def paths(self, z: Array, phases: NDArray[np.int64], horizon: int, fits: Array | None = None) -> Array:
        """Return how each of N histories goes on.

        Parameters
        ----------
        z : ndarray (N, history)
            Stabilised values.
        phases : ndarray of int (N,)
            Where in the season the next value stands.
        horizon : int
        fits : ndarray (N, L + F + 1), optional
            β and b of a linear part for each, instead of the model's own.

        Returns
        -------
        ndarray (N, horizon)
        """
        transform = self.settings.transform
        path = np.concatenate([z, np.empty((len(z), horizon))], axis=1)
        for end in range(z.shape[1], path.shape[1]):
            past = path[:, end - z.shape[1] : end]
            u = (transform.differenced(past) - self.mean) / self.scale
            told = self.next_of(inputs(u, phases + (end - z.shape[1]), self.settings.season), fits)
            path[:, end] = told * self.scale + self.mean + transform.carried(past)
        return path[:, z.shape[1] :]

    def shock(self, horizon: int) -> Array:
        """Return ψ (horizon,): what a z that is 1 higher than expected adds to the linear part 0, 1, … steps later."""
        histories = np.zeros((2, self.settings.history))
        histories[1, -1] = self.scale  # as large as what the linear part adds by itself
        calm, shaken = self._replace(networks=(), mean=0.0).paths(histories, np.zeros(2, np.int64), horizon)
        return np.concatenate([[1.0], (shaken - calm) / self.scale])[:horizon]

    def next_of(self, x: Array, fits: Array | None = None) -> Array:
        """Return û (N,) of windows (N, L, 1 + F), by linear parts (N, L + F + 1) of their own if these are given."""
        X = flat(x)
        told = self.linear(X)[:, 0] if fits is None else np.vecdot(X, fits[:, :-1]) + fits[:, -1]
        if not self.networks:
            return np.asarray(told)
        return np.asarray(told + self.settings.weight * mean_of(self.networks, seen(x, self.settings)))

    def expect_usable(self, values: Array) -> None:
        """Raise ValueError unless the transform is defined for all values."""
        if not usable(self.settings.transform.stabilizer, values.min()):
            least = "> 0" if self.settings.transform.stabilizer == "log" else ">= 0"
            raise ValueError(f"series: expected numbers {least} as in training, got {values.min():g}")

    def _checked(self, series: Series, horizon: int) -> Series:
        """Return a series that can be gone on with, or raise."""
        values, need = series.values, self.settings.history
        if len(values) < need:
            raise ValueError(
                f"series: expected at least {need} values, which the model looks back on, got {len(values)}"
            )
        if horizon > len(values):
            raise ValueError(f"horizon: expected at most {len(values)}, as many steps as the series has, got {horizon}")
        self.expect_usable(values)
        ours, theirs = self.frame.calendar, series.calendar
        if (ours and (ours.unit, ours.every)) != (theirs and (theirs.unit, theirs.every)):
            steps = ["no dates" if one is None else f"steps of one {one.step}" for one in (ours, theirs)]
            raise ValueError(f"series: expected {steps[0]} as in training, got {steps[1]}")
        return series


def expected_horizon(horizon: int) -> int:
    """Return a horizon of at least one step."""
    return positive_int("horizon", horizon)


# ---- what the parts see ----


def season_features(phases: NDArray[np.int64], season: int) -> Array:
    """Return sines and cosines of a season at phases (…): (…, F)."""
    k = np.arange(1, min(HARMONICS, season // 2) + 1)
    angles = 2 * np.pi * k * np.arange(season)[:, None] / season
    sines = np.sin(angles[..., : (season - 1) // 2])  # at half the season's length all sines are zero
    return np.concatenate([np.cos(angles), sines], axis=-1)[phases % season]


def inputs(u: Array, phases: NDArray[np.int64], season: int | None) -> Array:
    """Return windows (N, L, 1 + F): a value, and the season of the one that follows it.

    Parameters
    ----------
    u : ndarray (N, L)
    phases : ndarray of int (N,)
        Of what follows the window.
    season : int or None
        None leaves the season out.
    """
    if season is None:
        return u[..., None]
    L = u.shape[1]
    features = season_features(phases[:, None] + np.arange(1 - L, 1), season)
    return np.concatenate([u[..., None], features], axis=2)


def flat(x: Array) -> Array:
    """Return windows (N, L, 1 + F) as the linear part sees them: (N, L + F), latest value first, then the season."""
    return np.concatenate([x[:, ::-1, 0], x[:, -1, 1:]], axis=1)


def seen(x: Array, settings: Settings) -> Array:
    """Return what the networks see of windows (N, L, 1 + F).

    Where the series is not differenced, values are relative to the last one of the window, so that a trend does not
    lead out of what was seen in training.
    """
    if settings.transform.lags:
        return x
    return np.concatenate([x[..., :1] - x[:, -1:, :1], x[..., 1:]], axis=2)


def mean_of(networks: Sequence[Sequential], x: Array) -> Any:
    """Return what networks tell on the average, (N,), of windows (N, L, 1 + F)."""
    narrow = single(x)
    return np.mean([network.predict(narrow)[:, 0] for network in networks], axis=0, dtype=np.float64)


def single(array: Array) -> NDArray[np.float32]:
    """Return float32; what is far out of what the scale was taken from is no more than a million standard deviations.

    Squares and products with weights are finite then.
    """
    return np.clip(array, -MOST, MOST).astype(np.float32)

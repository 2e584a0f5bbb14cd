"""Fit the parts of a model to a series, given the settings."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastrnn.forecasting.model import SeriesModel, Settings, flat, inputs, single
from fastrnn.forecasting.series import Array, Series
from fastrnn.layers import GRU, Last, Linear, Sequential
from fastrnn.optimizers import AdamW
from fastrnn.trainer import EarlyStopping, Trainer
from fastrnn.trainer.history import INTERRUPTED

HIDDEN_SIZE = 16
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
BATCHES = 64  # an epoch at most, of 32 samples at least
MOST_EPOCHS = 60
PATIENCE = 8
LONGEST = 20_000  # values that are trained on, the last ones of a series


class Windows(NamedTuple):
    """What the parts are fitted on.

    Attributes
    ----------
    x : ndarray (N, L, 1 + F)
    y : ndarray (N,)
        u, the value that follows each window.
    carried : ndarray (N,)
        What that value's z has of those before it.
    mean, scale : float
        Of w among the rows fitted on.
    """

    x: Array
    y: Array
    carried: Array
    mean: float
    scale: float


def windows_of(
    series: Series, settings: Settings, fitted: int | None = None, scaling: tuple[float, float] | None = None
) -> Windows:
    """Return all windows of a series; mean and scale are those given, or of its first ``fitted`` rows."""
    transform, L = settings.transform, settings.steps
    z = transform.stabilized(series.values)
    w = transform.differenced(z)
    known = w if fitted is None else w[: fitted - transform.lost]
    mean, scale = scaling or (float(known.mean()), float(known.std()) or 1.0)
    u = (w - mean) / scale
    season = settings.season or 1
    rows = np.arange(settings.history, len(z))
    x = inputs(sliding_window_view(u, L)[:-1], (rows + series.phase(season)) % season, settings.season)
    return Windows(x, u[L:], (z - np.concatenate([z[: transform.lost], w]))[settings.history :], mean, scale)


class Ridge:
    """Ridge regression of one data set with several penalties: (XᵀX + P) β = Xᵀy.

    X and y are centred, so that b goes free of a penalty.

    Parameters
    ----------
    x : ndarray (N, L, 1 + F)
    y : ndarray (N,)
    """

    def __init__(self, x: Array, y: Array) -> None:
        size = x.shape[1] + x.shape[2] - 1
        self.count, self.center, self.level = 0, np.zeros(size), 0.0
        self.gram, self.moment = np.zeros((size, size)), np.zeros(size)
        self.add(x, y)

    def add(self, x: Array, y: Array, sign: int = 1) -> None:
        """Take in further windows, or, with the sign -1, take out some of those that are in.

        n' = n ± m,  δ = center_m - center:  gram' = gram ± gram_m ± (n m / n') δ δᵀ,  center' = center ± (m / n') δ
        (Chan, Golub and LeVeque, 1979); and so on for y.
        """
        X, level = flat(x), float(y.mean())
        center = X.mean(axis=0)
        A = X - center
        m = sign * len(y)
        before, self.count = self.count, self.count + m
        shift, rise, weight = center - self.center, level - self.level, before * m / self.count
        self.gram += sign * (A.T @ A) + weight * np.outer(shift, shift)
        self.moment += sign * (A.T @ (y - level)) + weight * rise * shift
        self.center += m / self.count * shift
        self.level += m / self.count * rise

    def solve(self, settings: Settings) -> tuple[Array, float]:
        """Return β (L + F,) and b.

        If the recursion would grow without bounds, φ_l is multiplied by γ^(l+1), which moves all poles into the circle.
        """
        L = settings.steps
        lag = np.arange(1.0, L + 1)
        P = np.full(len(self.moment), float(settings.penalty))
        P[:L] *= lag**settings.decay
        A = self.gram + np.diag(P)
        try:
            beta = np.linalg.solve(A, self.moment)
        except np.linalg.LinAlgError:  # values so large that the penalty is lost in rounding
            beta = np.linalg.lstsq(A, self.moment)[0]
        beta[:L] *= max(1.0, _growth(beta[:L])) ** -lag
        return beta, self.level - float(self.center @ beta)


def linear_part(beta: Array, b: float) -> Sequential:
    """Return the layer that has these parameters."""
    layer = Linear(len(beta), 1, dtype="float64", seed=0)
    layer.load_state_dict({"weight": beta[None], "bias": np.array([b])})
    return Sequential(layer)


def _growth(phi: Array) -> float:
    """Return by how much u_t = Σ φ_l u_{t-1-l} grows a step in the end: its largest pole."""
    companion = np.eye(len(phi), k=-1)
    companion[0] = phi
    return float(np.abs(np.linalg.eigvals(companion)).max())


def fit_network(
    x: Array, y: Array, seed: np.random.Generator, *, epochs: int = MOST_EPOCHS, held_out: Any = None
) -> tuple[Sequential, int]:
    """Train one network, for so many epochs, or until held-out windows (x, y) are told no better.

    Returns
    -------
    network : Sequential
    epochs : int
        After how many of them it was best.

    Raises
    ------
    KeyboardInterrupt
        If there was one.
    """
    network = Sequential(GRU(x.shape[2], HIDDEN_SIZE, seed=seed), Last(), Linear(HIDDEN_SIZE, 1, seed=seed))
    trainer = Trainer(network, "mse", AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY), seed=seed)
    stop = EarlyStopping(PATIENCE)
    options: dict[str, Any] = {}
    if held_out is not None:
        options = {"validation": tuple(map(_single, held_out)), "callbacks": [stop]}
    history = trainer.fit(
        _single(x), _single(y), epochs=epochs, batch_size=max(32, len(x) // BATCHES), verbose=0, **options
    )
    if history.stopped == INTERRUPTED:
        raise KeyboardInterrupt  # half a network is none
    return network, stop.best_epoch or epochs


def _single(array: Array) -> NDArray[np.float32]:
    """Return float32, and values (N,) as (N, 1)."""
    return single(array[:, None] if array.ndim == 1 else array)


def trained_part(series: Series) -> Series:
    """Return the end of a long series, as much as is trained on."""
    extra = max(0, len(series.values) - LONGEST)
    return series._replace(values=series.values[extra:], start=series.start + extra)


def refits(model: SeriesModel, series: Series, rows: Iterable[int]) -> Iterator[Array]:
    """Yield the linear part fitted anew to what lies before each of these rows, which rise: β and b, (L + F + 1,).

    Mean and scale stay the model's. Windows come in at the end, and beyond `LONGEST` rows go out at the beginning; all
    is added up anew where what is left has fallen to half, so that rounding cannot outgrow it.
    """

    def windows(first: int, end: int) -> tuple[Array, Array]:
        """Return those whose following value is one of these rows: (N, L, 1 + F) and (N,)."""
        begin = first - model.settings.history
        part = series._replace(values=series.values[begin:end], start=series.start + begin)
        return windows_of(part, model.settings, scaling=(model.mean, model.scale))[:2]

    ridge, first, end, size = None, 0, 0, 0.0
    for row in rows:
        since = max(0, row - LONGEST) + model.settings.history
        if ridge is not None:
            ridge.add(*windows(end, row))
            if since > first:
                ridge.add(*windows(first, since), -1)
        if ridge is None or np.trace(ridge.gram) < size / 2:
            ridge = Ridge(*windows(since, row))
            size = np.trace(ridge.gram)
        first, end, size = since, row, max(size, float(np.trace(ridge.gram)))
        beta, b = ridge.solve(model.settings)
        yield np.append(beta, b)

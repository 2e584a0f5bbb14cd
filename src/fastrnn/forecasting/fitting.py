"""Fit the parts of a model to a series, given the settings."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fastrnn.forecasting.model import SeriesModel, Settings, flat, inputs, single
from fastrnn.forecasting.regression import Regression
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


def solved(sums: Regression, settings: Settings) -> tuple[Array, float]:
    """Return the linear part: β (L + F,) and b.

    If the recursion would grow without bounds, φ_l is multiplied by γ^(l+1), which moves all poles into the circle.
    """
    L = settings.steps
    lag = np.arange(1.0, L + 1)
    penalty = np.full(len(sums.moment), float(settings.penalty))
    penalty[:L] *= lag**settings.decay
    beta = sums.solve(penalty)
    beta[:L] *= max(1.0, _growth(beta[:L])) ** -lag
    return beta, float(sums.offset(beta))


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
        """Return those whose following value is one of these rows, flat: (N, L + F) and (N,)."""
        begin = first - model.settings.history
        part = series._replace(values=series.values[begin:end], start=series.start + begin)
        data = windows_of(part, model.settings, scaling=(model.mean, model.scale))
        return flat(data.x), data.y

    sums, first, end, size = None, 0, 0, 0.0
    for row in rows:
        since = max(0, row - LONGEST) + model.settings.history
        if sums is not None:
            sums.add(*windows(end, row))
            if since > first:
                sums.add(*windows(first, since), sign=-1)
        if sums is None or np.trace(sums.gram) < size / 2:
            sums = Regression(*windows(since, row))
            size = np.trace(sums.gram)
        first, end, size = since, row, max(size, float(np.trace(sums.gram)))
        beta, b = solved(sums, model.settings)
        yield np.append(beta, b)

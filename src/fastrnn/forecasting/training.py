"""Train a model of a series: choose the settings by rolling forecasts, then fit the parts on all of it."""

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from fastrnn._validation import Seed, as_generator, one_of, positive_int
from fastrnn.forecasting.fitting import Windows, fit_network, linear_part, solved, trained_part, windows_of
from fastrnn.forecasting.model import SeriesModel, Settings, flat, mean_of, seen
from fastrnn.forecasting.regression import Regression
from fastrnn.forecasting.season import season_of
from fastrnn.forecasting.series import SMALLEST, Array, Series, as_a_series
from fastrnn.forecasting.transforms import STABILIZERS, Transform, usable

FOLDS = (1 / 2, 2 / 3, 5 / 6, 1)  # of the rows: settings are compared on each part between, fitted on what is before
VALIDATION = 0.25  # of the rows, the end, for the networks
LEAST = 24  # values that can be trained on
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
DECAYS = (0.0, 1.0)
WINDOWS = (6, 13, 25, 37, 49)
DIFFERENCES = ("auto", "none", "first", "seasonal", "both")
MEMBERS = 8
TRUST = 0.5  # in the weight, as the same rows have told each network when to stop


class Plan(NamedTuple):
    """What the user leaves open or decides.

    Attributes
    ----------
    transform : {"auto", "none", "log", "sqrt"}
        Of the values; "auto" chooses by forecasts of the series.
    difference : {"auto", "none", "first", "seasonal", "both"}
        Likewise: of each value to the one before, to that of a season ago, or both.
    season : int, optional
        Steps of a season; 1 if there is none; from the dates or the values if not given.
    steps : int, optional
        The window; chosen if not given.
    members : int
        How many networks; 8 if not given.
    """

    transform: str = "auto"
    difference: str = "auto"
    season: int | None = None
    steps: int | None = None
    members: int = MEMBERS


def checked(series: Series | ArrayLike, plan: Plan) -> tuple[Series, Plan]:
    """Return a series that can be trained on, and the plan with its season, or raise.

    Raises
    ------
    ValueError, TypeError
        If the series is too short or constant, or the plan does not suit it.
    """
    series = as_a_series(series)
    y = series.values
    if len(y) < LEAST:
        raise ValueError(f"series: too short, expected at least {LEAST} values to train on, got {len(y)}")
    if y.min() == y.max():
        raise ValueError(f"series: constant, all {len(y)} values are {y[0]:g}; there is nothing to learn")
    if np.ptp(y) < SMALLEST:
        raise ValueError(
            f"series: all values lie within {np.ptp(y):g}, expected at least {SMALLEST:g}; write them in a smaller unit"
        )
    one_of("transform", plan.transform, ("auto", *STABILIZERS))
    one_of("difference", plan.difference, DIFFERENCES)
    positive_int("members", plan.members)
    if plan.transform != "auto" and not usable(plan.transform, y.min()):
        least = "> 0" if plan.transform == "log" else ">= 0"
        raise ValueError(f"transform: {plan.transform} needs values {least}, and the smallest is {y.min():g}")
    season = season_of(series) if plan.season is None else positive_int("season", plan.season)
    if season > len(y) // 3:
        if plan.season is not None:
            raise ValueError(f"season: expected at most {len(y) // 3}, a third of the series, got {season}")
        season = 1
    if season == 1 and plan.difference in ("seasonal", "both"):
        raise ValueError(f"difference: {plan.difference} needs a season, and none is given or found")
    plan = plan._replace(season=season)
    if plan.steps is not None:
        positive_int("steps", plan.steps)
    if not any(True for _ in _shapes(y, plan, y.min())):
        raise ValueError(f"series: too short, {len(y)} values, for such a window, season and differences")
    return series, plan


def train(
    series: Series | ArrayLike,
    plan: Plan | None = None,
    *,
    seed: Seed = None,
    verbose: int = 1,
    file: TextIO | None = None,
) -> SeriesModel:
    """Choose settings by rolling forecasts of a series, and fit a model with them to all of it.

    Parameters
    ----------
    series : Series or array_like (T,)
        At least 24 values; of more than 20,000 the last ones are trained on.
    plan : Plan, optional
        What is decided already; nothing if not given.
    seed : int or numpy.random.Generator, optional
        Of weights and batches.
    verbose : {0, 1}
        Whether to show a progress bar.
    file : text file, optional
        Where it goes; standard error if not given.

    Returns
    -------
    SeriesModel

    Raises
    ------
    ValueError, TypeError
        If there is nothing to be learnt from the series, or the plan does not suit it.
    KeyboardInterrupt
        If there was one.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.forecasting import train
    >>> t = np.arange(100)
    >>> model = train(10 + np.sin(t / 4), seed=0, verbose=0)
    >>> np.allclose(model.forecast(10 + np.sin(t / 4), 3).values, 10 + np.sin(np.arange(100, 103) / 4), atol=0.1)
    True
    """
    series, plan = checked(series, plan or Plan())
    rng = as_generator(seed)
    with Progress(2 * plan.members, verbose, file) as advance:
        settings = choose(series, plan, rng, advance)
        return fit(series, settings, plan.members, rng, advance)


Advance = Callable[[], Any]


class Progress:
    """A bar that counts networks."""

    def __init__(self, total: int, verbose: int, file: TextIO | None = None) -> None:
        file = sys.stderr if file is None else file
        off = not verbose or file is None or getattr(file, "closed", False)
        interval = 0.1 if not off and getattr(file, "isatty", bool)() else 10.0  # redrawn seldom in a log
        self._bar = tqdm(
            total=total,
            disable=off,
            file=file,
            unit="network",
            desc="training",
            dynamic_ncols=True,
            mininterval=interval,
        )

    def __enter__(self) -> Advance:
        """Return what counts one."""
        return self._bar.update

    def __exit__(self, *error: object) -> None:
        """Close the bar."""
        self._bar.close()


# ---- the settings ----


def choose(
    series: Series, plan: Plan, rng: np.random.Generator, advance: Advance, *, least: float = np.inf
) -> Settings:
    """Return settings that forecast later parts of a series best, one step ahead, from what comes before them.

    The linear part, which is fitted at once, chooses all but the epochs of the networks and their weight. ``least`` is
    the smallest value that the transform will meet later: a logarithm is of no use if there are zeros to come.
    """
    least = min(least, series.values.min())
    series = trained_part(series)
    candidates = [pair for shape in _shapes(series.values, plan, least) for pair in _compared(series, shape)]
    settings = min(candidates, key=lambda pair: pair[0])[1]
    return _with_networks(series, settings, plan.members, rng, advance)


def _shapes(y: Array, plan: Plan, smallest: float) -> Iterator[Settings]:
    """Yield what is open but for the penalties, as far as there are values enough."""
    s = plan.season or 1
    known: dict[str, tuple[int, ...]] = {"none": (), "first": (1,)}
    if s > 1:
        known |= {"seasonal": (s,), "both": (1, s)}
    lags = [one for name, one in known.items() if plan.difference in ("auto", name)]
    stabilizers = [name for name in STABILIZERS if plan.transform in ("auto", name) and usable(name, smallest)]
    windows = WINDOWS if plan.steps is None else (plan.steps,)
    least = round(FOLDS[0] * len(y))
    for name, one, steps in itertools.product(stabilizers, lags, windows):
        transform = Transform(name, one)
        if least - transform.lost - steps >= max(6, steps):
            for season in (None, s) if s > 1 else (None,):
                yield Settings(transform, steps, season, 0.0, 0.0)


def _compared(series: Series, shape: Settings) -> Iterator[tuple[float, Settings]]:
    """Yield the sum of squared errors over all folds, in the series' own unit, of each penalty, and the settings."""
    own = [shape._replace(penalty=penalty, decay=decay) for penalty, decay in itertools.product(PENALTIES, DECAYS)]
    T = len(series.values)
    cuts = [round(share * T) for share in FOLDS]
    errors = sum(_fold_errors(series.head(end), own, start) for start, end in itertools.pairwise(cuts))
    yield from zip(np.nan_to_num(errors, nan=np.inf).tolist(), own, strict=True)


def _fold_errors(series: Series, candidates: Sequence[Settings], start: int) -> Array:
    """Return the sum of squared errors of the rows from ``start`` on, fitted on those before, of each candidate."""
    shape = candidates[0]
    data = windows_of(series, shape, start)
    first = start - shape.history
    X = flat(data.x)
    sums, X = Regression(X[:first], data.y[:first]), X[first:]
    fits = [solved(sums, one) for one in candidates]
    told = np.stack([X @ beta + b for beta, b in fits]) * data.scale + data.mean + data.carried[first:]
    with np.errstate(over="ignore"):  # an infinite error is not chosen
        return np.asarray(((shape.transform.restored(told) - series.values[start:]) ** 2).sum(axis=1))


def _with_networks(
    series: Series, settings: Settings, members: int, rng: np.random.Generator, advance: Advance
) -> Settings:
    """Return the settings with the epochs after which networks are best, and the weight that they then deserve."""
    kept = round((1 - VALIDATION) * len(series.values))
    data = windows_of(series, settings, kept)
    first = kept - settings.history
    x, rest = seen(data.x, settings), _left_over(data, first, settings)
    networks, epochs = [], []
    for _ in range(members):
        network, best = fit_network(x[:first], rest[:first], rng, held_out=(x[first:], rest[first:]))
        networks.append(network)
        epochs.append(best)
        advance()
    weight = TRUST * best_weight(mean_of(networks, x[first:]), rest[first:])
    return settings._replace(epochs=round(float(np.median(epochs))), weight=weight)


def _left_over(data: Windows, fitted: int, settings: Settings) -> Array:
    """Return what the linear part, fitted on the first windows, leaves over of each."""
    X = flat(data.x)
    beta, b = solved(Regression(X[:fitted], data.y[:fitted]), settings)
    return np.asarray(data.y - X @ beta - b)


def best_weight(told: Array, rest: Array) -> float:
    """Return the a in [0, 1] for which Σ (rest - a told)² is least."""
    square = float(told @ told)
    return min(1.0, max(0.0, float(told @ rest) / square)) if square else 0.0


# ---- the parts ----


def fit(series: Series, settings: Settings, members: int, rng: np.random.Generator, advance: Advance) -> SeriesModel:
    """Return the model with these settings, fitted to all of a series."""
    part = trained_part(series)
    data = windows_of(part, settings, len(part.values))
    linear = linear_part(*solved(Regression(flat(data.x), data.y), settings))
    x, rest = seen(data.x, settings), _left_over(data, len(data.y), settings)
    networks = []
    for _ in range(members if settings.weight else 0):
        networks.append(fit_network(x, rest, rng, epochs=settings.epochs)[0])
        advance()
    frame = series._replace(values=series.values[:0])
    return SeriesModel(settings, data.mean, data.scale, linear, tuple(networks), (), frame)

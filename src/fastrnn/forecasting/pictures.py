"""A picture of a forecast: the end of the series, what is expected, and the interval."""

from os import PathLike
from typing import Any

import numpy as np

from fastrnn.forecasting.intervals import COVERAGE
from fastrnn.forecasting.model import Forecast
from fastrnn.forecasting.series import Series
from fastrnn.plots import figure, finish

SHOWN = 60  # values before the forecast at least
TICKS = 7


def draw(series: Series, forecast: Forecast, path: str | PathLike[str] | None = None) -> Any:
    """Draw a forecast behind the end of its series.

    Parameters
    ----------
    series : Series
    forecast : Forecast
    path : path, optional
        Of a picture file; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if it was written to a file.
    """
    T, H = len(series.values), len(forecast.values)
    name = series.name.replace("$", r"\$")  # no formula
    first = max(0, T - max(SHOWN, 4 * H))
    ahead = np.arange(T, T + H)
    drawing = figure(figsize=(8, 4))
    axes = drawing.add_subplot()
    axes.plot(np.arange(first, T), series.values[first:], color="0.35", label=name)
    axes.fill_between(
        ahead, forecast.lower, forecast.upper, color="C0", alpha=0.2, label=f"interval, {100 * COVERAGE:.0f} %"
    )
    axes.plot(
        np.arange(T - 1, T + H), np.concatenate([series.values[-1:], forecast.values]), color="C0", label="forecast"
    )
    ticks = np.unique(np.linspace(first, T + H - 1, TICKS).astype(int))
    axes.set_xticks(ticks, [series.label(int(tick)) for tick in ticks])
    axes.set(title=f"Forecast of {name}, {H} step{'s' * (H > 1)} ahead", ylabel=name)
    axes.set(xlabel="step" if series.calendar is None else f"{series.calendar.step}s")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
    return finish(drawing, path)

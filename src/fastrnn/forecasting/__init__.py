"""Forecasts of one series: a linear part and an ensemble of small GRU networks, chosen and trained on what is past.

`train` returns a `SeriesModel`; `backtest` measures it on an end that it has not seen; `train_and_test` does both;
`read_table` and `series_in` read a column of a table with its dates. ``fastrnn forecast`` is this as a command.
"""

from fastrnn.forecasting.backtesting import Backtest, backtest, train_and_test
from fastrnn.forecasting.calendar import Calendar
from fastrnn.forecasting.files import load
from fastrnn.forecasting.model import Forecast, SeriesModel, Settings
from fastrnn.forecasting.reading import Table, TableError, read_table, series_in
from fastrnn.forecasting.series import Series
from fastrnn.forecasting.training import Plan, train
from fastrnn.forecasting.transforms import Transform

__all__ = [
    "Backtest",
    "Calendar",
    "Forecast",
    "Plan",
    "Series",
    "SeriesModel",
    "Settings",
    "Table",
    "TableError",
    "Transform",
    "backtest",
    "load",
    "read_table",
    "series_in",
    "train",
    "train_and_test",
]

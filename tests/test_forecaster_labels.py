"""Forecaster and pandas: labels that go on, and what they say of the rows before."""

import numpy as np
import pandas as pd
import pytest

from fastrnn.estimators import Forecaster

SMALL = {"window": 5, "hidden_size": 4, "epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
T = 90
SEASON = 20 + 0.05 * np.arange(T) + 3 * np.sin(np.arange(T) / 3) + 0.1 * RNG.normal(size=T)
FEATURES = np.column_stack([SEASON, RNG.normal(size=T)])
MONTHS = pd.date_range("2001-01-31", periods=T, freq="ME", name="month")


@pytest.mark.parametrize(
    ("index", "third"),
    [
        (MONTHS, pd.Timestamp("2008-09-30")),
        (pd.bdate_range("2024-01-01", periods=T), pd.Timestamp("2024-05-08")),
        (pd.DatetimeIndex(list(MONTHS), name="t"), pd.Timestamp("2008-09-30")),
        (pd.date_range("2024-03-27", periods=T, tz="Europe/Paris"), pd.Timestamp("2024-06-27", tz="Europe/Paris")),
        (pd.period_range("2001-01", periods=T, freq="M"), pd.Period("2008-09")),
        (pd.RangeIndex(10, 10 + 2 * T, 2), 194),
        (pd.Index(np.arange(T)), 92),
    ],
    ids=["months", "business days", "months without freq", "days with summer time", "periods", "range", "numbers"],
)
def test_labels_go_on(index, third):
    series = pd.Series(SEASON, index, name="level")
    model = Forecaster(**SMALL).fit(series)
    ahead = model.forecast(3)
    assert isinstance(ahead, pd.Series)
    assert ahead.name == "level"
    assert ahead.index.name == index.name
    assert ahead.index[2] == third
    np.testing.assert_array_equal(ahead, Forecaster(**SMALL).fit(SEASON).forecast(3))
    later = pd.Series(SEASON[:30], index[:30])
    assert model.forecast(2, later).index[0] == index[30]
    assert isinstance(model.forecast(2, SEASON), np.ndarray)


def test_tables_give_tables():
    frame = pd.DataFrame(FEATURES, MONTHS, columns=["a", "b"])
    model = Forecaster(**SMALL).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert model.forecast(2).columns.tolist() == ["a", "b"]
    told = Forecaster(**SMALL, horizon=2).fit(frame, frame["a"]).forecast(2)
    assert told.name == "a"
    assert told.index[0] == MONTHS[-1] + MONTHS.freq
    assert isinstance(model.predict(frame), np.ndarray)


@pytest.mark.parametrize(
    "index",
    [MONTHS.delete(40), pd.Index(list("abcdefghi") * 10), pd.Index([0, 1, 3] * 30), pd.Index([7] * T)],
    ids=["gap", "words", "uneven", "same"],
)
def test_labels_that_do_not_go_on(index):
    series = pd.Series(SEASON[: len(index)], index)
    model = Forecaster(**SMALL).fit(series)
    assert model.predict(series).shape == series.shape
    with pytest.raises(ValueError, match="X: expected an index of dates or whole numbers at even steps"):
        model.forecast(2)


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_rows_trained_on_are_the_history_of_those_that_follow(horizon):
    series = pd.Series(SEASON, MONTHS)
    model = Forecaster(**SMALL, horizon=horizon).fit(series[:60])
    np.testing.assert_allclose(model.predict(series[60:]), model.predict(series)[60:], rtol=1e-6)
    for other in (series[61:], series[60:].to_numpy(), series[60:].set_axis(MONTHS[:30])):
        np.testing.assert_allclose(model.predict(other)[:horizon], SEASON[:60].mean())

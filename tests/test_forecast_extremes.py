"""Series of extreme size or shape: forecasts are finite, in order and without a warning, and JSON is JSON."""

import csv
import io
import json

import numpy as np
import pytest

from cli_runner import run
from fastrnn.forecasting import Plan, backtest, train, train_and_test

T = 48
RNG = np.random.default_rng(0)
WALK = np.cumsum(RNG.normal(size=T)) + 20
SERIES = {
    "tiny": WALK * 1e-90,
    "huge": WALK * 1e98,
    "an outlier in training": np.r_[WALK[:20], 1e60, WALK[20:]],
    "an outlier held out": np.r_[WALK, -1e90, WALK[:3]],
    "growing with a turning sign": (-1.0) ** np.arange(T) * 10.0 ** (2 * np.arange(T)),
    "200 orders of magnitude": 10.0 ** RNG.uniform(-100, 100, 60),
    "two values": np.arange(T) % 2.0,
    "one step": (np.arange(T) > 30) * 1.0,
    "far from zero": 1e15 + RNG.integers(0, 3, T),
}


def told(tmp_path, values, *options):
    """Return what the command prints for a series."""
    (tmp_path / "t.csv").write_text("\n".join(["value", *map(repr, np.asarray(values, float).tolist())]))
    result = run("forecast", str(tmp_path / "t.csv"), "--horizon", "3", "--networks", "1", *options)
    assert result.status == 0, result.err
    assert "Warning" not in result.err
    return result.out


def no_literal(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("name", list(SERIES))
def test_json_is_json_and_numbers_are_in_order(tmp_path, name):
    found = json.loads(told(tmp_path, SERIES[name], "--json"), parse_constant=no_literal)
    for row in found["forecast"]:
        assert row["lower"] <= row["forecast"] <= row["upper"]


def test_errors_of_any_size_are_told():
    """Squares of errors neither overflow nor vanish: twice the unit, half the numbers."""
    one, large, small = (
        train_and_test(WALK * unit, 2, Plan("none", members=1), seed=0, verbose=0)[1]
        for unit in (1, 2.0**300, 2.0**-200)
    )
    for name, errors in one.rmse.items():
        np.testing.assert_allclose(large.rmse[name] / 2.0**300, errors, rtol=1e-6)
        np.testing.assert_allclose(small.rmse[name] * 2.0**200, errors, rtol=1e-6)


def test_an_error_that_is_infinite_is_null(tmp_path):
    """The logarithm of a series that leaps by a hundred orders of magnitude leads anywhere."""
    found = json.loads(told(tmp_path, SERIES["200 orders of magnitude"], "--json", "--transform", "log"))
    errors = [error for kind in ("rmse", "mae") for own in found["backtest"][kind].values() for error in own]
    assert all(error is None or np.isfinite(error) for error in errors)


def test_a_transform_suits_what_is_held_out():
    """Growth by a constant factor asks for the logarithm, but the last value has none."""
    values = np.r_[np.exp(np.arange(T) / 8 + RNG.normal(size=T) / 10), 0.0]
    model, found = train_and_test(values, 1, Plan(members=1), seed=0, verbose=0)
    assert model.settings.transform.stabilizer in ("none", "sqrt")
    assert np.isfinite(found.forecasts).all()
    grown = train(values[:-1], Plan("log", members=1), seed=0, verbose=0)
    with pytest.raises(ValueError, match="series: expected numbers > 0 as in training, got 0"):
        backtest(grown, values, 40)


def test_a_name_is_no_formula(tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["$\\frac{1$", *map(repr, WALK.tolist())]))
    options = ("--horizon", "1", "--networks", "1", "--plot", str(tmp_path / "p.svg"))
    assert run("forecast", str(tmp_path / "t.csv"), *options).status == 0
    assert (tmp_path / "p.svg").exists()


def test_digits_show_what_numbers_differ_by(tmp_path):
    near = list(csv.DictReader(io.StringIO(told(tmp_path, WALK))))
    far = list(csv.DictReader(io.StringIO(told(tmp_path, 1e9 + SERIES["far from zero"] % 10))))
    assert all(len(row["forecast"]) <= 8 for row in near)
    assert all(float(row["lower"]) < float(row["forecast"]) < float(row["upper"]) for row in far)

"""Intervals: degrees of freedom of errors that overlap, widths, and how often they hold what comes."""

import numpy as np
import pytest

from fastrnn.forecasting import Plan, Series, Transform, train_and_test
from fastrnn.forecasting.fitting import linear_part
from fastrnn.forecasting.intervals import degrees_of_freedom, half_widths
from forecast_models import MONTHS, NOISE, SEASONAL, small

WALK, NOISE_ALONE = np.ones(6), np.eye(6)[0]
CYCLE = np.array([1.0, 1.4, 1.26, 0.78, 0.21, -0.25])


@pytest.mark.parametrize("psi", [WALK, NOISE_ALONE, CYCLE], ids=["walk", "noise", "cycle"])
@pytest.mark.parametrize("rows", [6, 7, 30])
def test_degrees_of_freedom_are_those_of_the_sum_of_squares(psi, rows):
    """Σ e² of normal errors with covariance Γ has mean tr Γ and variance 2 ‖Γ‖²; that of χ² with ν is ν and 2ν."""
    found = degrees_of_freedom(psi, rows)
    for h in range(1, 7):
        shocks = np.zeros((rows + 1 - h, rows))  # which shocks, and how much of them, are in each error
        for i in range(len(shocks)):
            shocks[i, i : i + h] = psi[:h][::-1]
        covariance = shocks @ shocks.T
        assert found[h - 1] == pytest.approx(np.trace(covariance) ** 2 / (covariance**2).sum(), rel=1e-12)


def test_independent_errors_count_one_by_one():
    assert degrees_of_freedom(NOISE_ALONE, 10) == (10, 9, 8, 7, 6, 5)


@pytest.mark.parametrize(("psi", "h", "least"), [(NOISE_ALONE, 1, 0.895), (WALK, 3, 0.885), (CYCLE, 3, 0.885)])
def test_intervals_hold_nine_in_ten_though_few_errors_were_measured(psi, h, least):
    """Normal errors, eight rows: the normal quantile holds 86 in 100 of independent ones, and 82 of the others."""
    rows, trials = 8, 40_000
    shocks = np.random.default_rng(0).normal(size=(trials, rows + h))
    errors = sum(psi[j] * shocks[:, h - 1 - j : rows + h - j] for j in range(h))  # (trials, rows + 1)
    spread = np.sqrt((errors[:, : rows + 1 - h] ** 2).mean(axis=1))
    to_come = sum(psi[j] * np.random.default_rng(1 + j).normal(size=trials) for j in range(h))
    nu = degrees_of_freedom(psi, rows)[h - 1]
    ratio = np.abs(to_come) / spread
    covered = np.mean(ratio <= half_widths([1.0], [nu], 1)[0])
    assert least < covered < 0.915
    assert np.mean(ratio <= half_widths([1.0], [], 1)[0]) < 0.87


def test_widths_by_hand():
    """t of 0.95: 2.0150 with five degrees of freedom, 2.3534 with three."""
    np.testing.assert_allclose(half_widths([1.0, 2.0], [5.0, 3.0], 2), [2.01505, 4.70673], rtol=1e-5)
    np.testing.assert_allclose(half_widths([1.0, 2.0], [], 2), [1.644854, 3.289707], rtol=1e-6)
    np.testing.assert_array_equal(half_widths([], [], 3), np.zeros(3))


def test_widths_never_fall_and_grow_like_a_walk_where_nothing_is_known():
    np.testing.assert_array_equal(half_widths([2.0, 1.0], [], 2), half_widths([2.0, 2.0], [], 2))
    grown = half_widths([1.0, 2.0, 0.1], [8.0, 4.0, 2.0], 8)  # two degrees of freedom are too few
    np.testing.assert_allclose(grown[2:], grown[1] * np.sqrt(np.arange(3, 9) / 2))
    assert half_widths([1.0, 1.0], [2.0, 1.0], 1)[0] == pytest.approx(2.919986)  # one is kept, however few


@pytest.mark.parametrize(
    ("lags", "phi", "expected"),
    [
        ((), [0.5, 0.0], [1, 0.5, 0.25, 0.125]),
        ((), [1.4, -0.7], [1, 1.4, 1.26, 0.784]),
        ((1,), [0.0, 0.0], [1, 1, 1, 1]),
        ((1,), [0.5, 0.0], [1, 1.5, 1.75, 1.875]),
    ],
)
@pytest.mark.parametrize("scale", [1e-90, 1.0, 1e90])
def test_what_a_shock_adds(lags, phi, expected, scale):
    model = small(Transform("none", lags), season=None)
    model = model._replace(settings=model.settings._replace(steps=2), linear=linear_part(np.array(phi), 0.3))
    model = model._replace(mean=1e8 * scale, scale=scale)
    np.testing.assert_allclose(model.shock(4), expected, rtol=1e-12)
    assert model.shock(1).tolist() == [1.0]


def test_a_trained_model_knows_how_much_its_errors_tell():
    series = Series(SEASONAL[:60] + NOISE[:60], MONTHS)
    model, found = train_and_test(series, 6, Plan(members=1), seed=0, verbose=0)
    assert model.freedom == degrees_of_freedom(model.shock(6), found.rows)
    assert model.freedom[0] == found.rows == 12
    z = model.settings.transform.stabilized
    forecast = model.forecast(series, 6)
    np.testing.assert_allclose(
        z(forecast.upper) - z(forecast.values), half_widths(found.spread, model.freedom, 6), rtol=1e-9
    )

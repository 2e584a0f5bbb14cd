"""Models of a series: what they are by hand, what they look at, and what they learn."""

import numpy as np
import pytest

import fastrnn
from fastrnn.forecasting import (
    Calendar,
    Plan,
    Series,
    Settings,
    Transform,
    backtest,
    fitting,
    train,
    train_and_test,
)
from fastrnn.forecasting.fitting import fit_network, linear_part, solved, windows_of
from fastrnn.forecasting.model import flat, inputs, season_features
from fastrnn.forecasting.regression import Regression
from fastrnn.forecasting.training import best_weight, checked
from forecast_models import MONTHS, NOISE, SEASONAL, T, small


@pytest.fixture(scope="module")
def trained():
    """A model of a series with trend and season, and its backtest."""
    return train_and_test(Series(SEASONAL + NOISE, MONTHS), 12, Plan(members=2), seed=0, verbose=0)


# ---- by hand ----


def test_the_next_value_by_hand():
    """û = b + Σ φ_l u_{t-l} + Σ ψ_k s_k + a mean GRU, z = w + what differences carry, y = e^z."""
    model = small()
    y = SEASONAL[:50]
    w = np.diff(np.log(y))
    u = ((w - model.mean) / model.scale)[-4:]
    phases = np.arange(50 - 3, 51) % 12  # of what follows each step of the window
    s = season_features(phases, 12)
    beta, b = model.linear.parameters()["0.weight"][0], model.linear.parameters()["0.bias"][0]
    x = np.concatenate([u[:, None], s], axis=1).astype(np.float32)
    recurrent = np.mean([network.predict(x[None])[0, 0] for network in model.networks])
    told = b + beta[:4] @ u[::-1] + beta[4:] @ s[-1] + 0.5 * recurrent
    expected = y[-1] * np.exp(told * model.scale + model.mean)
    forecast = model.forecast(Series(y, MONTHS), 1)
    assert forecast.labels == ["2004-03"]
    np.testing.assert_allclose(forecast.values, [expected], rtol=1e-6)
    half = 1.6448536 * 0.1
    np.testing.assert_allclose(forecast.lower, [expected * np.exp(-half)], rtol=1e-6)
    np.testing.assert_allclose(forecast.upper, [expected * np.exp(half)], rtol=1e-6)


def test_sines_and_cosines_of_a_season_span_it():
    for season in (2, 3, 4, 5, 7, 12):
        features = season_features(np.arange(season), season)
        assert features.shape == (season, season - 1)
        assert np.linalg.matrix_rank(np.column_stack([np.ones(season), features])) == season
    assert season_features(np.arange(365), 365).shape == (365, 12)


def test_without_differences_networks_see_no_level():
    model = small(Transform("none", ()), season=None, networks=2)
    flat_linear = model._replace(linear=linear_part(np.array([1.0, 0, 0, 0]), 0.0))  # persistence
    low, high = (flat_linear.forecast(Series(np.arange(9.0) + level, MONTHS), 1).values - level for level in (0, 1000))
    np.testing.assert_allclose(low, high, rtol=1e-6)


def test_values_further_ahead_are_told_from_those_told_before():
    model, series = small(), Series(SEASONAL[:60], MONTHS)
    ahead = model.forecast(series, 3).values
    for step in range(1, 3):
        longer = Series(np.concatenate([series.values, ahead[:step]]), MONTHS)
        np.testing.assert_allclose(model.forecast(longer, 1).values[0], ahead[step], rtol=1e-6)


def test_windows_have_the_season_of_what_follows_them():
    x = inputs(np.arange(6.0).reshape(2, 3), np.array([0, 1]), 4)
    assert x.shape == (2, 3, 4)
    np.testing.assert_array_equal(x[0, -1, 1:], season_features(np.array([0]), 4)[0])
    np.testing.assert_array_equal(x[0, 0, 1:], season_features(np.array([2]), 4)[0])


def test_ridge_is_least_squares_where_the_penalty_is_tiny():
    rng = np.random.default_rng(0)
    u = np.zeros(300)
    for t in range(2, 300):
        u[t] = 0.5 * u[t - 1] - 0.3 * u[t - 2] + rng.normal()
    own = Settings(Transform("none", ()), 2, None, 1e-9, 0.0)
    data = windows_of(Series(u), own)
    beta, b = solved(Regression(flat(data.x), data.y), own)
    X = np.column_stack([data.x[:, ::-1, 0], np.ones(len(data.y))])
    np.testing.assert_allclose([*beta, b], np.linalg.lstsq(X, data.y, rcond=None)[0], atol=1e-6)
    assert np.abs(solved(Regression(flat(data.x), data.y), own._replace(penalty=1e9))[0]).max() < 1e-6


def test_a_linear_part_that_would_explode_is_held():
    """1.05^t is told by φ = 1.05; a thousand steps of it would be 1e21."""
    own = Settings(Transform("none", ()), 1, None, 1e-9, 0.0)
    data = windows_of(Series(1.05 ** np.arange(100)), own)
    assert abs(solved(Regression(flat(data.x), data.y), own)[0][0]) == pytest.approx(1.0)


def test_the_weight_of_the_networks():
    told, rest = np.array([1.0, -1.0, 2.0]), np.array([0.5, -0.5, 1.0])
    assert best_weight(told, rest) == 0.5
    assert best_weight(told, -rest) == 0.0
    assert best_weight(told, 9 * rest) == 1.0
    assert best_weight(np.zeros(3), rest) == 0.0


# ---- what it learns ----


def test_a_series_with_trend_and_season_is_learnt(trained):
    model, found = trained
    one = {name: errors[0] for name, errors in found.rmse.items()}
    assert one["model"] < 1.6  # the noise has deviation 1
    assert one["model"] < 0.5 * min(one["persistence"], one["seasonal naive"])
    forecast = model.forecast(Series(SEASONAL + NOISE, MONTHS), 24)
    truth = np.exp(4 + 0.01 * np.arange(T, T + 24) + 0.2 * np.sin(np.arange(T, T + 24) * np.pi / 6))
    assert np.abs(forecast.values / truth - 1).max() < 0.05
    assert (forecast.lower < truth).mean() > 0.8
    assert (forecast.upper > truth).mean() > 0.8
    assert forecast.labels[::12] == ["2010-01", "2011-01"]


def test_a_network_learns_what_a_linear_part_can_not():
    """u_{t+1} follows from |u_t - 0.5|, a tent map, of which all linear correlations vanish."""
    u = np.empty(500)
    u[0] = 0.3123
    for t in range(1, 500):
        u[t] = 1 - 1.99999 * abs(u[t - 1] - 0.5)
    model = train(u[:400], Plan("none", "none", season=1, steps=3, members=1), seed=0, verbose=0)
    assert model.settings.weight > 0.45  # of at most a half
    found = backtest(model, Series(u), 400)
    alone = backtest(model._replace(networks=()), Series(u), 400)
    assert found.rmse["model"][0] < 0.65 * alone.rmse["model"][0]


@pytest.mark.parametrize("name", ["ramp", "zigzag", "steps of a season"])
def test_a_series_without_noise_goes_on(name):
    whole = {"ramp": 3.0 * np.arange(70), "zigzag": np.arange(70) % 2 * 1.0, "steps of a season": np.arange(70) % 4.0}
    model = train(whole[name][:60], Plan(members=1), seed=0, verbose=0)
    spread = np.ptp(whole[name])
    assert np.abs(model.forecast(whole[name][:60], 10).values - whole[name][60:]).max() < 0.03 * spread


def test_the_same_seed_gives_the_same_model():
    y = Series(SEASONAL[:48] + NOISE[:48], MONTHS)
    one, same, other = (train(y, Plan(members=1), seed=seed, verbose=0) for seed in (3, 3, 4))
    assert one.networks
    forecasts = [model.forecast(y, 5).values for model in (one, same, other)]
    np.testing.assert_array_equal(forecasts[0], forecasts[1])
    assert not np.array_equal(forecasts[0], forecasts[2])


def test_an_interrupt_leaves_no_half_network(monkeypatch):
    def interrupted(*_, **__):
        return fastrnn.History(stopped="interrupted")

    monkeypatch.setattr(fastrnn.Trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_network(np.ones((4, 3, 1)), np.ones(4), np.random.default_rng(0))


def test_long_series_are_cut(monkeypatch):
    monkeypatch.setattr(fitting, "LONGEST", 48)
    y = Series(SEASONAL, MONTHS)
    cut = fitting.trained_part(y)
    np.testing.assert_array_equal(cut.values, SEASONAL[-48:])
    assert cut.label(0) == y.label(T - 48)
    assert cut.phase(12) == (y.phase(12) + T - 48) % 12


# ---- what is refused ----


@pytest.mark.parametrize(
    ("series", "plan", "said"),
    [
        (np.arange(23.0), Plan(), "series: too short, expected at least 24 values to train on, got 23"),
        (np.full(50, 7.0), Plan(), "series: constant, all 50 values are 7"),
        ([1.0, np.nan] * 20, Plan(), "series: expected finite numbers, got nan at row 1"),
        ([1.0, 1e200] * 20, Plan(), "expected numbers up to 1e+100"),
        (np.ones((30, 2)), Plan(), "series: expected shape (T,), got (30, 2)"),
        (np.arange(30.0), Plan("log"), "transform: log needs values > 0, and the smallest is 0"),
        (np.arange(30.0) - 1, Plan("sqrt"), "transform: sqrt needs values >= 0, and the smallest is -1"),
        (np.arange(30.0), Plan("cube"), "transform: expected one of 'auto', 'none', 'log', 'sqrt', got 'cube'"),
        (np.arange(30.0), Plan(difference="third"), "difference: expected one of"),
        (np.arange(30.0), Plan(difference="both", season=1), "difference: both needs a season"),
        (np.arange(30.0), Plan(season=11), "season: expected at most 10, a third of the series, got 11"),
        (np.arange(30.0), Plan(season=0), "season: expected at least 1, got 0"),
        (np.arange(30.0), Plan(steps=16), "series: too short, 30 values, for such a window, season and"),
        (np.arange(30.0), Plan(steps=0), "steps: expected at least 1, got 0"),
        (np.arange(24.0), Plan(difference="both", season=8), "series: too short, 24 values, for such a window"),
        (np.arange(30.0), Plan(members=0), "members: expected at least 1, got 0"),
    ],
)
def test_what_can_not_be_trained_on(series, plan, said):
    with pytest.raises(ValueError, match=r".*") as caught:
        checked(series, plan)
    assert said in str(caught.value)


def test_what_can_not_be_forecast():
    model = small()
    for series, horizon, said in [
        (SEASONAL[:4], 1, "series: expected at least 5 values"),
        (SEASONAL, T + 1, f"horizon: expected at most {T}"),
        (SEASONAL, 0, "horizon: expected at least 1, got 0"),
        (SEASONAL - 99, 1, "series: expected numbers > 0 as in training"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.forecast(Series(series, MONTHS), horizon)
    with pytest.raises(ValueError, match="expected steps of one month as in training, got no dates"):
        model.forecast(SEASONAL, 1)
    days = Calendar("seconds", 86400, 0, 1, "%Y-%m-%d")
    with pytest.raises(ValueError, match="expected steps of one month as in training, got steps of one day"):
        model.forecast(Series(SEASONAL, days), 1)
    with pytest.raises(ValueError, match="horizon: expected at most 60"):
        train_and_test(SEASONAL[:60], 61, verbose=0)
    with pytest.raises(ValueError, match="series: too short, expected at least 30 values, got 29"):
        train_and_test(SEASONAL[:29], 1, verbose=0)
    with pytest.raises(ValueError, match="start: expected 12 to 119, got 3"):
        backtest(model, Series(SEASONAL, MONTHS), 3, 1, 12)
    huge = model._replace(scale=1e6)
    for far in (MONTHS._replace(anchor=12 * 9990), Calendar("business days", 1, 2_094_800, 1, "%Y-%m-%d")):
        own = model._replace(frame=Series(np.empty(0), far))
        assert own.forecast(Series(SEASONAL[:115], far), 2).labels[1] < "9999-12-31"
        with pytest.raises(ValueError, match="horizon: 115 steps lead beyond the year 9999"):
            own.forecast(Series(SEASONAL[:115], far), 115)
    with pytest.raises(FloatingPointError, match="no longer finite"):
        huge.forecast(Series(SEASONAL, MONTHS), 100)

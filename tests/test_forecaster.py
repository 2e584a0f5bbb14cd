"""Forecaster: what it tells by hand, what it looks at, what it learns, and what scikit-learn and pandas do with it."""

import itertools
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastrnn
from fastrnn.estimators import Forecaster
from fastrnn.estimators import series as inner

DATA = Path(__file__).parents[1] / "examples" / "data"
SMALL = {"window": 5, "hidden_size": 4, "epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
T = 90
SEASON = 20 + 0.05 * np.arange(T) + 3 * np.sin(np.arange(T) / 3) + 0.1 * RNG.normal(size=T)
FEATURES = np.column_stack([SEASON, RNG.normal(size=T)])
MONTHS = pd.date_range("2001-01-31", periods=T, freq="ME", name="month")


# ---- by hand ----


@pytest.mark.parametrize("itself", [True, False])
def test_what_is_told_by_hand(itself):
    """ŷ = b + A x + s network(x), all of it standardised; x relative to its last row where it is what is told."""
    y = FEATURES if itself else RNG.normal(size=(T, 3))
    model = Forecaster(**SMALL, horizon=2).fit(FEATURES, None if itself else y)
    row, mean, deviation = 40, FEATURES.mean(axis=0), FEATURES.std(axis=0)
    x = ((FEATURES - mean) / deviation)[row - 2 - 4 : row - 2 + 1]
    linear = model.linear_.coef_ @ x.ravel() + model.linear_.intercept_
    network = model.model_.predict((x - x[-1] if itself else x)[None].astype(np.float32))[0]
    K = y.shape[1]
    told = (linear + model.rest_scale_ * network)[K:]  # of two steps the second
    assert np.abs(network).max() > 1e-4
    np.testing.assert_allclose(model.predict(FEATURES)[row], told * y.std(axis=0) + y.mean(axis=0), rtol=1e-6)


def test_the_linear_part_is_that_of_scikit_learn():
    model = Forecaster(**SMALL, early_stopping=False).fit(SEASON)
    u = (SEASON - SEASON.mean()) / SEASON.std()
    X = np.stack([u[t - 4 : t + 1] for t in range(4, T - 1)])
    padded = [np.concatenate([np.repeat(u[0], 4 - t), u[: t + 1]]) for t in range(4)]
    again = clone(model.linear_).fit(np.concatenate([padded, X]), u[1:, None])
    np.testing.assert_allclose(model.linear_.coef_, again.coef_, rtol=1e-9)


def test_a_network_that_has_not_learnt_tells_nothing():
    model = Forecaster(**SMALL | {"epochs": 1, "learning_rate": 1e-12}).fit(SEASON)
    assert np.abs(model.model_.predict(np.ones((1, 5, 1), np.float32))).max() < 1e-6


def test_the_first_rows_are_told_from_what_there_is():
    model = Forecaster(**SMALL, horizon=3).fit(SEASON)
    np.testing.assert_allclose(model.predict(SEASON)[:3], SEASON.mean())
    longer = np.concatenate([np.repeat(SEASON[0], 4), SEASON])
    np.testing.assert_allclose(model.predict(SEASON)[3:], model.predict(longer)[7:], rtol=1e-6)
    np.testing.assert_allclose(model.predict(SEASON[:2]), SEASON.mean())


# ---- what it looks at ----


@pytest.mark.parametrize("horizon", [1, 4])
def test_a_row_is_told_from_what_was_known_before(horizon):
    model = Forecaster(**SMALL, horizon=horizon).fit(SEASON)
    changed = SEASON.copy()
    changed[50:] += RNG.normal(size=40)
    one, other = model.predict(SEASON), model.predict(changed)
    np.testing.assert_array_equal(one[: 50 + horizon], other[: 50 + horizon])
    assert np.abs(one - other)[50 + horizon :].min() > 1e-9


def test_no_target_is_both_trained_on_and_held_out(monkeypatch):
    """84 windows of 90 rows, six steps ahead: eight, a tenth, are held out, and five between are left out."""
    seen, fitted = [], []

    def train(_, lesson, *__, **___):
        seen.append((lesson.samples, lesson.held_out))

    def ridge(x, *rest):
        fitted.append(len(x))
        return own_ridge(x, *rest)

    own_ridge = inner._ridge
    monkeypatch.setattr(inner, "_ridge", ridge)
    monkeypatch.setattr(Forecaster, "_train", train)
    Forecaster(**SMALL, horizon=6).fit(SEASON)
    assert [len(part) for part in seen[0]] == [71, 8]
    assert fitted == [71, 84]  # what is told to the network, and in the end all there is
    last, first = seen[0][0].batch(np.array([70])), seen[0][1].batch(np.array([0]))
    u = (SEASON - SEASON.mean()) / SEASON.std()
    np.testing.assert_allclose(last.x[0, :, 0], u[66:71] - u[70], atol=1e-6)  # tells rows 71 to 76
    np.testing.assert_allclose(first.x[0, :, 0], u[72:77] - u[76], atol=1e-6)  # tells rows 77 to 82


def test_a_row_without_weight_is_not_learnt():
    y, weight = SEASON.copy(), np.ones(T)
    y[30:40], weight[30:40] = 1e6, 0.0
    found = Forecaster(**SMALL).fit(FEATURES, y, weight)
    other = Forecaster(**SMALL).fit(FEATURES, np.where(weight, y, -3.0), weight)
    np.testing.assert_allclose(found.predict(FEATURES), other.predict(FEATURES), rtol=1e-6)
    assert np.abs(found.predict(FEATURES) - SEASON)[5:].max() < 2


# ---- forecasts ----


def test_a_forecast_tells_all_steps_of_the_horizon_at_once():
    model = Forecaster(**SMALL, horizon=4).fit(FEATURES, SEASON)
    ahead = model.forecast(4)
    assert ahead.shape == (4,)
    longer = np.concatenate([FEATURES, RNG.normal(size=(4, 2))])
    np.testing.assert_allclose(model.predict(longer)[-1], ahead[-1], rtol=1e-6)
    np.testing.assert_array_equal(model.forecast(2), ahead[:2])
    np.testing.assert_array_equal(model.forecast(4, FEATURES), ahead)
    np.testing.assert_array_equal(model.forecast(4, FEATURES[-5:]), ahead)
    with pytest.raises(ValueError, match="steps: expected at most 4, the horizon, as X beyond its end"):
        model.forecast(5)


def test_a_target_that_is_x_itself_need_not_be_given():
    one, other = Forecaster(**SMALL).fit(SEASON), Forecaster(**SMALL).fit(SEASON[:, None], SEASON)
    np.testing.assert_array_equal(one.forecast(4), other.forecast(4))


@pytest.mark.parametrize("horizon", [1, 3])
def test_beyond_the_horizon_what_was_told_is_taken_for_known(horizon):
    model = Forecaster(**SMALL, horizon=horizon).fit(FEATURES)
    known, expected = FEATURES, []
    for _ in range(3):
        expected.append(model.forecast(horizon, known))
        known = np.concatenate([known, expected[-1]])
    np.testing.assert_allclose(model.forecast(2 * horizon + 1), np.concatenate(expected)[: 2 * horizon + 1], rtol=1e-6)


# ---- what it learns ----


@pytest.mark.parametrize("horizon", [1, 12])
@pytest.mark.parametrize("seed", [0, 1])
def test_sunspots_are_told_better_than_by_persistence(horizon, seed):
    """The last fifth, each month told from what was known by then; nothing here was chosen on it."""
    series = pd.read_csv(DATA / "sunspots.csv", index_col=0, parse_dates=True).iloc[:, 0]
    start = round(0.8 * len(series))
    model = Forecaster(horizon=horizon, epochs=3, random_state=seed).fit(series[:start])
    truth = series.to_numpy()
    error, naive = (
        np.sqrt(np.mean((told - truth[start:]) ** 2))
        for told in (model.predict(series[start:]), truth[start - horizon : -horizon])
    )
    assert error < {1: 0.92, 12: 0.8}[horizon] * naive


def test_the_network_learns_what_the_linear_part_can_not():
    """u_{t+1} follows from |u_t - 0.5|, a tent map, of which all linear correlations vanish."""
    u = np.empty(700)
    u[0] = 0.3123
    for t in range(1, 700):
        u[t] = 1 - 1.99999 * abs(u[t - 1] - 0.5)
    model = Forecaster(window=3, epochs=40, learning_rate=1e-2, random_state=0).fit(u[:500])
    assert model.score(u[500:]) > 0.8
    model.rest_scale_ = np.zeros(1)
    assert model.score(u[500:]) < 0.1


def test_a_trend_goes_on():
    t = np.arange(120.0)
    ahead = Forecaster(**SMALL).fit(3 * t + 7).forecast(10)
    np.testing.assert_allclose(ahead, 3 * np.arange(120, 130) + 7, rtol=1e-2)


# ---- scikit-learn ----


def test_a_search_with_two_processes():
    series = pd.Series(SEASON, MONTHS)
    search = GridSearchCV(Forecaster(**SMALL), {"window": [2, 6]}, cv=TimeSeriesSplit(2), n_jobs=2)
    search.fit(series, series)
    alone = clone(search.best_estimator_).fit(series, series)
    np.testing.assert_array_equal(search.predict(series), alone.predict(series))
    assert search.best_score_ > 0.9
    frame = series.to_frame()
    by_name = cross_val_score(alone, frame, SEASON, cv=TimeSeriesSplit(2), scoring="neg_mean_squared_error")
    assert by_name.min() > -0.5
    unnamed = cross_val_score(alone, SEASON[:, None], cv=TimeSeriesSplit(2))
    assert unnamed.shape == (2,)
    assert alone.score(series) == alone.score(series, series)


def test_pipelines():
    piped = make_pipeline(StandardScaler(), Forecaster(**SMALL)).fit(FEATURES, SEASON)
    plain = Forecaster(**SMALL).fit(FEATURES, SEASON)
    np.testing.assert_allclose(piped.predict(FEATURES), plain.predict(FEATURES), rtol=1e-6)
    grown = TransformedTargetRegressor(Forecaster(**SMALL), func=np.log, inverse_func=np.exp)
    assert grown.fit(np.log(FEATURES[:, :1]), SEASON).predict(np.log(FEATURES[:, :1])).shape == (T,)


def test_the_same_seed_gives_the_same_model(tmp_path):
    models = [Forecaster(**SMALL | {"random_state": seed}).fit(SEASON) for seed in (0, 0, 1)]
    told = [model.predict(SEASON) for model in models]
    np.testing.assert_array_equal(told[0], told[1])
    assert not np.array_equal(told[0], told[2])
    joblib.dump(models[0], tmp_path / "m")
    np.testing.assert_array_equal(joblib.load(tmp_path / "m").predict(SEASON), told[0])
    models[0].model_.save(tmp_path / "m.safetensors")
    assert isinstance(fastrnn.load(tmp_path / "m.safetensors"), fastrnn.Sequential)


def test_a_warm_start_goes_on():
    model = Forecaster(**SMALL, warm_start=True, early_stopping=False).fit(SEASON)
    network, losses = model.model_, list(model.loss_curve_)
    model.fit(SEASON)
    assert model.model_ is network
    assert model.loss_curve_[:2] == losses
    assert model.n_iter_ == 4
    with pytest.raises(ValueError, match="window: expected what the model was built with"):
        model.set_params(window=6).fit(SEASON)
    with pytest.raises(ValueError, match="y: expected 1 numbers a row as before, got shape"):
        model.set_params(window=5).fit(SEASON, FEATURES)


# ---- partial_fit ----


@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("cuts", [(60,), (7, 8, 60)], ids=["once", "often"])
def test_rows_that_follow_are_learnt_as_if_they_had_been_there(horizon, cuts):
    """The linear part is that of all rows, by the first scales and penalty; every new target is trained on once."""
    y, weight = FEATURES @ [1.0, 2.0], 1 + RNG.random(T)
    trained = []
    model = Forecaster(**SMALL, horizon=horizon)
    parts = [slice(*pair) for pair in itertools.pairwise((0, *cuts, T))]
    for part in parts:
        model.partial_fit(FEATURES[part], y[part], weight[part])
        trained.append(model.linear_.coef_)
    first = slice(0, cuts[0])
    u = StandardScaler().fit(FEATURES[first]).transform(FEATURES)
    v = StandardScaler().fit(y[first, None], sample_weight=weight[first]).transform(y[:, None])[:, 0]
    N = T - horizon
    x = np.concatenate([np.repeat(u[:1], 4, axis=0), u])
    X = np.stack([x[t : t + 5].ravel() for t in range(N)])
    told = np.stack([v[t + 1 : t + 1 + horizon] for t in range(N)])
    weights = np.array([weight[t + 1 : t + 1 + horizon].mean() for t in range(N)])
    whole = Ridge(model.linear_.alpha_).fit(X, told, weights)
    np.testing.assert_allclose(model.linear_.coef_, whole.coef_.reshape(horizon, -1), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.linear_.intercept_, whole.intercept_, rtol=1e-6, atol=1e-9)
    assert np.abs(trained[0] - trained[-1]).max() > 1e-3
    assert model.n_iter_ == len(parts)
    np.testing.assert_allclose(model.forecast(horizon), model.forecast(horizon, FEATURES), rtol=1e-6)


def test_partial_fit_goes_on_from_fit():
    model = Forecaster(**SMALL).fit(SEASON[:60])
    scores = model.validation_scores_
    model.partial_fit(SEASON[60:61]).partial_fit(SEASON[61:])
    assert model.n_iter_ == 4
    assert model.validation_scores_ == scores
    np.testing.assert_allclose(model.forecast(3), model.forecast(3, SEASON), rtol=1e-6)
    assert abs(model.forecast(1)[0] - SEASON[-1]) < 2


# ---- what it is made of ----


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_cells_and_layers(cell):
    model = Forecaster(**SMALL | {"cell": cell, "num_layers": 2, "dropout": 0.1, "dtype": "float64"}).fit(SEASON)
    assert model.score(SEASON) > 0.8
    assert len(model.validation_scores_) == model.n_iter_ == 2


# ---- what is refused ----


@pytest.mark.parametrize(
    ("parameters", "X", "said"),
    [
        ({"window": 0}, SEASON, "window: expected at least 1, got 0"),
        ({"horizon": 0}, SEASON, "horizon: expected at least 1, got 0"),
        ({"horizon": 3}, SEASON[:4], r"X: expected at least 5 rows, horizon \+ 2, got 4"),
        ({}, SEASON[:1], "X: expected at least 3 rows, horizon . 2, got 1 sample"),
        ({"horizon": 80}, SEASON, "early_stopping: expected rows enough to hold out some, with horizon=80"),
        ({}, np.r_[SEASON, np.nan], "Input X contains NaN"),
        ({}, np.zeros((5, 4, 3)), "Found array with dim 3"),
        ({"cell": "jordan"}, SEASON, "cell: expected one of 'lstm', 'gru', 'rnn', got 'jordan'"),
    ],
)
def test_what_can_not_be_fitted(parameters, X, said):
    with pytest.raises(ValueError, match=said):
        Forecaster(**SMALL | parameters).fit(X)


def test_what_can_not_be_told():
    model = Forecaster(**SMALL).fit(FEATURES)
    with pytest.raises(ValueError, match="X has 3 features, but Forecaster is expecting 2"):
        model.predict(np.zeros((9, 3)))
    with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
        model.forecast(0)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(FEATURES, SEASON[1:])
    with pytest.raises(ValueError, match="sample_weight: expected at least one that is not zero, got zeros alone"):
        model.fit(FEATURES, SEASON, np.zeros(T))
    for place, parameters, share in (
        (0, {"early_stopping": False}, "trained on"),
        (-1, {}, "trained on"),
        (9, {}, "held out"),
    ):
        with pytest.raises(ValueError, match=f": expected some weight on what is {share}, got zeros alone"):
            Forecaster(**SMALL | {"early_stopping": True} | parameters).fit(FEATURES, SEASON, np.eye(T)[place])
    model.rest_scale_ = np.full(2, np.inf)
    with pytest.raises(FloatingPointError, match="the forecast is no longer finite within 2 steps"):
        model.forecast(2)

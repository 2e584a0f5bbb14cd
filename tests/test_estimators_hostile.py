"""Data that users have and nobody hopes for: tables in other orders, missing and huge numbers, weights of nothing."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from fastrnn.estimators import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger

SMALL = {"epochs": 1, "hidden_size": 3, "random_state": 0}
N, T = 20, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, T, 2))
Y = np.arange(N) % 2
SERIES = 10 + np.sin(np.arange(60) / 3)
TABLES = [pd.DataFrame(one, columns=["a", "b"]) for one in X]

ESTIMATORS = {"classifier": SequenceClassifier, "regressor": SequenceRegressor, "tagger": SequenceTagger}
DATA = {"classifier": (X, Y), "regressor": (X, Y), "tagger": (X, np.tile(Y[:, None], T)), "forecaster": (SERIES, None)}


def targets(name):
    return DATA[name][1]


def small(name, **options):
    """Return an estimator of this name that trains in a moment."""
    return (ESTIMATORS | {"forecaster": Forecaster})[name](**SMALL | options)


# ---- tables ----


@pytest.mark.parametrize("name", ESTIMATORS)
def test_columns_have_the_same_order_in_all_tables(name):
    model = small(name)
    mixed = [*TABLES[:3], TABLES[3][["b", "a"]], *TABLES[4:]]
    with pytest.raises(ValueError, match=r"X\[3\]: expected the columns \['a', 'b'\], in this order, got \['b', 'a'\]"):
        model.fit(mixed, targets(name))
    model.fit(TABLES, targets(name))
    with pytest.raises(ValueError, match=r"X\[3\]: expected the columns"):
        model.predict(mixed)


@pytest.mark.parametrize("dtype", ["Float64", "Int64", object])
def test_tables_of_numbers_that_may_be_missing(dtype):
    whole = [(one * 10).round() for one in TABLES]
    model = SequenceClassifier(**SMALL).fit(whole, Y)
    given = [one.astype(dtype) for one in whole]
    np.testing.assert_array_equal(model.predict_proba(given), model.predict_proba(whole))
    given[2] = given[2].copy()
    given[2].iloc[1, 0] = np.nan
    with pytest.raises(ValueError, match=r"X\[2\]: expected finite numbers, got nan at step 1, feature 0"):
        model.predict(given)


def test_tables_of_words_are_refused():
    words = [one.assign(b="word") for one in TABLES]
    with pytest.raises(TypeError, match=r"X\[0\]: expected real numbers"):
        SequenceClassifier(**SMALL).fit(words, Y)


# ---- a fit that is refused ----


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_that_is_refused_changes_nothing(name):
    model = small(name)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, targets(name), np.zeros(N))
    assert vars(model).keys() == model.get_params().keys()
    expected = model.fit(X, targets(name)).predict(X)
    others = targets(name) + 5
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X[:, :, :1], others, np.zeros(N))
    np.testing.assert_array_equal(model.predict(X), expected)


def test_a_forecaster_whose_fit_is_refused_tells_the_same():
    model = Forecaster(**SMALL, window=4).fit(SERIES)
    expected = model.forecast(3)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(np.c_[SERIES, SERIES], sample_weight=np.zeros(60))
    np.testing.assert_array_equal(model.forecast(3), expected)


def test_a_first_part_after_a_refused_fit_needs_classes():
    model = SequenceClassifier(**SMALL)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(X, Y, np.zeros(N))
    with pytest.raises(ValueError, match="classes: expected all labels"):
        model.partial_fit(X, Y)


def test_other_parameters_after_fit_wait_for_the_next():
    model = Forecaster(**SMALL, window=4).fit(SERIES)
    told, ahead = model.predict(SERIES), model.forecast(3)
    model.set_params(window=9, horizon=2)
    np.testing.assert_array_equal(model.predict(SERIES), told)
    np.testing.assert_array_equal(model.forecast(3), ahead)


def test_a_forecaster_of_x_itself_goes_on_with_that():
    model = Forecaster(**SMALL, window=4, early_stopping=False).fit(SERIES[:40])
    with pytest.raises(ValueError, match="y: expected X itself, as before, got other values"):
        model.partial_fit(SERIES[40:], 2 * SERIES[40:])
    assert not np.array_equal(model.forecast(3), model.partial_fit(SERIES[40:], SERIES[40:]).forecast(3))


# ---- sizes ----


@pytest.mark.parametrize("name", ESTIMATORS)
def test_numbers_whose_squares_are_too_large(name):
    with pytest.raises(ValueError, match=r"X: expected numbers whose squares float64 can hold, got up to \d"):
        small(name).fit(X * 1e200, targets(name))


def test_targets_whose_squares_are_too_large():
    with pytest.raises(ValueError, match="y: expected numbers whose squares"):
        SequenceRegressor(**SMALL).fit(X, Y * 1e200)
    with pytest.raises(ValueError, match="X: expected numbers whose squares"):
        Forecaster(**SMALL).fit(SERIES * 1e200)


def test_a_forecast_that_leaves_all_bounds_is_said():
    model = Forecaster(**SMALL, window=4).fit(SERIES)
    model.linear_.coef_[:] = 2.0
    with pytest.raises(FloatingPointError, match="no longer finite within 1000 steps"):
        model.forecast(1000)


def test_a_gap_between_periods_has_no_next():
    months = pd.period_range("2019-01", periods=61, freq="M")
    model = Forecaster(**SMALL, window=4).fit(pd.Series(SERIES, months[:60]))
    assert model.forecast(1).index[0] == months[60]
    model.fit(pd.Series(SERIES, months.delete(40)))
    with pytest.raises(ValueError, match="expected an index of dates or whole numbers at even steps"):
        model.forecast(1)


# ---- weights ----


@pytest.mark.parametrize("size", [1e-300, 1e300])
@pytest.mark.parametrize("name", [*ESTIMATORS, "forecaster"])
def test_weights_are_of_a_size_that_can_be_added_up(name, size):
    given, told = DATA[name]
    with pytest.raises(ValueError, match="sample_weight: expected the largest to be from 1e-30 to 1e30"):
        small(name).fit(given, told, np.full(len(given), size))


@pytest.mark.parametrize("name", [*ESTIMATORS, "forecaster"])
def test_what_is_held_out_has_weight(name):
    given, told = DATA[name]
    model, weight = small(name, early_stopping=True), np.zeros(len(given))
    weight[0] = 1.0  # of a sequence that this random_state does not hold out
    if name == "forecaster":
        weight[:40] = 1.0
    with pytest.raises(ValueError, match="early_stopping: expected some weight on what is held out"):
        model.fit(given, told, weight)


def test_of_one_sequence_held_out_there_is_no_r2():
    with pytest.raises(ValueError, match="early_stopping: expected 2 sequences held out"):
        SequenceRegressor(**SMALL, early_stopping=True).fit(X[:8], Y[:8])
    model = SequenceRegressor(**SMALL, early_stopping=True, validation_fraction=0.25).fit(X[:8], Y[:8])
    assert np.isfinite(model.validation_scores_).all()


@pytest.mark.parametrize("name", ["classifier", "tagger"])
def test_classes_have_weight(name):
    model = small(name, class_weight={0: 0, 1: 0})
    with pytest.raises(ValueError, match="class_weight: expected some weight on the classes that there are"):
        model.fit(X, targets(name))
    model.set_params(class_weight={0: 1, 1: 0})
    with pytest.raises(ValueError, match="class_weight: expected some weight on the classes that there are"):
        model.fit(X, targets(name), Y)
    with pytest.raises(ValueError, match=r"class_weight: expected a dict, 'balanced' or None, got array"):
        model.set_params(class_weight=np.ones(2)).fit(X, targets(name))


# ---- classes ----


def test_labels_that_the_tagger_has_not_seen_are_missed():
    labels = np.where(X[:, :, 0] > 0, "up", "down")
    model = SequenceTagger(**SMALL).fit(X, labels)
    right = model.predict(X) == labels
    others = np.where(right & (X[:, :, 1] > 0), "elsewhere", labels)
    assert model.score(X, others) == pytest.approx((right & (others == labels)).mean(), rel=1e-12)
    assert model.score(X, np.full((N, T), "elsewhere")) == 0


def test_a_class_of_one_sequence_has_no_share_to_hold_out():
    with pytest.raises(
        ValueError, match=r"early_stopping: a share of each class can't be held out\. The least populated"
    ):
        small("classifier", early_stopping=True).fit(X, np.arange(N) == 3)

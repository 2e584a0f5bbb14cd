"""What X and y may be for an estimator, and what is said of those that can't be."""

import re

import numpy as np
import pandas as pd
import pytest

from estimator_data import ESTIMATORS, F, N, T, fitted, ragged, sequences, small, targets, told

every = pytest.mark.parametrize("name", list(ESTIMATORS))


def as_objects(parts):
    """Return a 1-D object array."""
    found = np.empty(len(parts), object)
    found[:] = parts
    return found


def stacked(y):
    return np.stack(y) if isinstance(y, list) else y


# ---- forms ----


@every
def test_sequences_of_one_length_may_come_in_any_form(name):
    X = sequences()
    y = targets(name, X)
    expected = told(fitted(name, X), X)
    forms = [np.stack(X), np.stack(X).tolist(), np.asfortranarray(np.stack(X)), tuple(X), as_objects(X)]
    forms += [[pd.DataFrame(one) for one in X], [one.tolist() for one in X]]
    for form in forms:
        for labels in (y, stacked(y), stacked(y).tolist(), as_objects(y) if name == "tagger" else pd.Series(y)):
            estimator = small(name).fit(form, labels)
            np.testing.assert_allclose(told(estimator, form), expected, rtol=2e-6)
            np.testing.assert_allclose(told(estimator, X), expected, rtol=2e-6)
            assert estimator.n_features_in_ == F


@every
def test_ragged_sequences_may_come_in_any_form(name):
    X = ragged()
    y = targets(name, X)
    expected = told(fitted(name), X)
    for form in (as_objects(X), tuple(X), [one.tolist() for one in X], pd.Series(X)):
        labels = y if name != "tagger" or not isinstance(form, pd.Series) else pd.Series(y)
        estimator = small(name).fit(form, labels)
        np.testing.assert_array_equal(told(estimator, form), expected)


def test_every_sequence_is_told_by_itself():
    """Padding has no share in what is told, for lists of any company."""
    X = ragged()
    for name in ESTIMATORS:
        estimator = fitted(name, bidirectional=True)
        alone = [told(estimator, [one]) for one in X]
        np.testing.assert_array_equal(np.concatenate(alone), told(estimator, X))


def test_the_form_of_a_taggers_labels_is_that_of_its_sequences():
    X = sequences()
    estimator = fitted("tagger", X)
    whole, listed = estimator.predict(np.stack(X)), estimator.predict(X)
    assert whole.shape == (N, T)
    assert [one.shape for one in listed] == [(T,)] * N
    np.testing.assert_array_equal(whole, np.stack(listed))
    assert [len(one) for one in estimator.predict(ragged())] == [len(one) for one in ragged()]
    assert estimator.predict_proba(np.stack(X)).shape == (N, T, 2)
    assert estimator.score(np.stack(X), np.stack(targets("tagger", X))) == estimator.score(X, targets("tagger", X))


@every
def test_a_table_is_sequences_of_one_feature(name):
    X = sequences(features=1)
    table, y = np.stack(X)[:, :, 0], targets(name, X)
    estimator = small(name).fit(table, stacked(y))
    expected = told(fitted(name, X), X)
    np.testing.assert_allclose(told(estimator, table), expected, rtol=2e-6)
    assert estimator.n_features_in_ == T
    np.testing.assert_array_equal(told(estimator, X), told(estimator, table))
    one = [column[:, 0] for column in X]  # (T_i,)
    np.testing.assert_array_equal(told(fitted(name, X), one), expected)
    np.testing.assert_array_equal(told(fitted(name, X), table[:, :3]), told(fitted(name, X), table[:, :3, None]))
    with pytest.raises(ValueError, match=rf"^X has 5 features, but \w+ is expecting {T} features as input"):
        estimator.predict(table[:, :5])
    with pytest.raises(ValueError, match=r"^X\[0\]: expected 1 features, got shape \(6, 2\)$"):
        estimator.predict(sequences())


@every
def test_names_of_columns_are_kept_and_compared(name):
    X = sequences(features=1)
    table = pd.DataFrame(np.stack(X)[:, :, 0], columns=list("abcdef"))
    y = stacked(targets(name, X))
    estimator = small(name).fit(table, pd.DataFrame(y) if name == "tagger" else y)
    assert estimator.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(table[list("fedcba")])
    frames = [pd.DataFrame(one, columns=["x", "y"]) for one in ragged()]
    estimator = fitted(name, frames, targets(name, ragged()))
    assert estimator.feature_names_in_.tolist() == ["x", "y"]
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict([frame[["y", "x"]] for frame in frames])
    assert not hasattr(fitted(name), "feature_names_in_")


def test_one_sequence_whose_rows_are_steps():
    X = sequences([40])[0]
    y = np.where(X[:, 0] > 0, "up", "down")
    frame = pd.DataFrame(X, columns=["x", "y"])
    estimator = small("tagger").fit(frame, pd.Series(y))
    same = small("tagger").fit(X[None], y[None])
    np.testing.assert_array_equal(estimator.predict(frame), same.predict(X[None])[0])
    np.testing.assert_array_equal(estimator.predict_proba(frame), told(same, X[None]))
    assert estimator.predict(frame[:7]).shape == (7,)
    assert estimator.score(frame, y) == same.score(X[None], y[None])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_array_equal(estimator.predict(X[None])[0], estimator.predict(frame))
    weight = np.arange(40.0)
    weighted = small("tagger").fit(frame, y, sample_weight=weight)
    np.testing.assert_array_equal(
        weighted.predict_proba(frame), told(small("tagger").fit(X[None], y[None], weight[None]), X[None])
    )
    right = weighted.predict(frame) == y
    assert weighted.score(frame, y, weight) == pytest.approx(np.average(right, weights=weight), rel=1e-12)


@pytest.mark.parametrize("labels", [[3, 1], [True, False], ["yes", "no"], [1.0, 2.0], [-1, 10**12]])
def test_labels_of_any_kind(labels):
    X = ragged()
    y = np.array(labels)[np.arange(N) % 2]
    estimator = fitted("classifier", X, y)
    np.testing.assert_array_equal(estimator.classes_, np.unique(y))
    assert estimator.predict(X).dtype == y.dtype
    if y.dtype.kind == "U":  # of other objects scikit-learn can't tell what they are, and refuses them
        objects = fitted("classifier", X, y.astype(object))
        assert objects.predict(X).tolist() == estimator.predict(X).tolist()


# ---- what is refused ----

X3 = np.stack(sequences())
BAD = {
    "no sequence": (X3[:0], r"^Found array with 0 sample"),
    "no step": (X3[:, :0], r"^X: expected shape \(N, T, F\) with at least one step and feature, .* got \(24, 0, 2\)$"),
    "no step of one": ([X3[0], X3[1, :0]], r"^X\[1\]: expected shape \(T, F\) or \(T,\) with at least one step"),
    "four axes": (X3[None], r"^X: expected shape .* got \(1, 24, 6, 2\)$"),
    "three axes each": ([X3, X3[:3]], r"^X\[0\]: expected shape \(T, F\) or \(T,\) .* got \(24, 6, 2\)$"),
    "features of one": ([X3[0], X3[1, :, :1]], r"^X\[1\]: expected 2 features, got shape \(6, 1\)$"),
    "NaN": (np.where(X3 > 2, np.nan, X3), r"^Input X contains NaN"),
    "infinity of one": (
        [X3[0], np.full((4, 2), np.inf)],
        r"^X\[1\]: expected finite numbers, got inf at step 0, feature 0",
    ),
    "text": ([np.array([["a", "b"]])], r"^X\[0\]: expected real numbers, got dtype <U1"),
    "complex": (X3 * 1j, r"^Complex data not supported"),
    "numbers": ([1.0, 2.0], r"^Expected 2D array, got 1D array instead"),
}


@pytest.mark.parametrize("what", BAD)
@every
def test_what_x_can_not_be(name, what):
    X, message = BAD[what]
    y = stacked(targets(name, sequences()))[: len(X)]
    for method in (lambda: small(name).fit(X, y), lambda: fitted(name).predict(X)):
        with pytest.raises((ValueError, TypeError), match=message):
            method()


@every
def test_another_number_of_features_than_before(name):
    estimator = fitted(name)
    with pytest.raises(ValueError, match=r"^X has 3 features, but Sequence\w+ is expecting 2 features as input"):
        estimator.predict(sequences(features=3))
    with pytest.raises(ValueError, match=r"^X: expected shape \(N, T, 2\), or a list of arrays \(T_i, 2\), as in fit"):
        estimator.predict(X3[0])
    with pytest.raises(ValueError, match=r"^X: some values are too large for 'float32'$"):
        small(name, standardize=False).fit(1e39 * X3, stacked(targets(name, sequences())))


LABELS = np.stack(targets("tagger", sequences()))
Y = {
    "classifier": {
        "missing": (None, "requires y to be passed, but the target y is None"),
        "too few": (LABELS[:3, 0], r"inconsistent numbers of samples: \[24, 3\]"),
        "two axes": (LABELS, r"y should be a 1d array, got an array of shape \(24, 6\)"),
        "continuous": (X3[:, 0, 0], "Unknown label type: continuous"),
        "NaN": (np.full(N, np.nan), "Input y contains NaN"),
    },
    "regressor": {
        "missing": (None, "requires y to be passed, but the target y is None"),
        "too many": (np.zeros(N + 1), r"inconsistent numbers of samples: \[24, 25\]"),
        "three axes": (X3, "Found array with dim 3"),
        "infinite": (np.full(N, np.inf), "Input y contains infinity"),
        "text": (LABELS[:, 0], "could not convert string to float"),
    },
    "tagger": {
        "missing": (None, "requires y to be passed, but the target y is None"),
        "too few": (LABELS[:3], r"^y: expected values for 24 sequences, as X has, got 3$"),
        "a step too few": (LABELS[:, 1:], r"^y\[0\]: expected one for each of 6 steps, got shape \(5,\)$"),
        "one label each": (LABELS[:, 0], r"^y\[0\]: expected one for each of 6 steps, got shape \(\)$"),
        "one ragged": ([*LABELS[:5], LABELS[5, 1:], *LABELS[6:]], r"^y\[5\]: expected one for each of 6 steps, got"),
        "continuous": (X3[:, :, 0], "Unknown label type: continuous"),
    },
}  # fmt: skip
CASES = [(name, what) for name, own in Y.items() for what in own]


@pytest.mark.parametrize(("name", "what"), CASES)
def test_what_y_can_not_be(name, what):
    y, message = Y[name][what]
    with pytest.raises(ValueError, match=message):
        small(name).fit(X3, y)


def test_what_weights_can_not_be():
    for name in ESTIMATORS:
        y = stacked(targets(name, sequences()))
        wrong = [
            (np.ones(3), "expected (one|values) for .*24 sequences"),
            (-np.ones(N), "expected numbers >= 0, got -1$"),
            (np.zeros(N), "expected at least one that is not zero, got zeros alone$"),
            (np.full(N, np.nan), "contains NaN"),
        ]
        wrong += [(np.ones((N, T)), r"expected one for each of 24 sequences, got shape \(24, 6\)$")] * (
            name != "tagger"
        )
        wrong += [(np.ones((N, 5)), r"expected one for each of 6 steps, got shape \(5,\)$")] * (name == "tagger")
        for weight, message in wrong:
            with pytest.raises(ValueError, match=rf"sample_weight\S* {message}"):
                small(name).fit(X3, y, sample_weight=weight)


def test_one_sequence_has_no_share_to_hold_out():
    with pytest.raises(ValueError, match=r"^early_stopping: expected several sequences, of which a share is held out"):
        small("tagger", early_stopping=True).fit(X3[0], LABELS[0])


def test_a_class_weight_of_an_unknown_label():
    with pytest.raises(ValueError, match=re.escape("['down', 'up']")):
        small("classifier", class_weight={"left": 2}).fit(X3, LABELS[:, 0])

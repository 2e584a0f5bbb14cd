"""Estimators within scikit-learn: pipelines, cross-validation, searches in two processes, routed weights."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from estimator_data import ESTIMATORS, N, fitted, ragged, sequences, small, targets, told

every = pytest.mark.parametrize("name", list(ESTIMATORS))


def differences(X):
    """Return the changes from step to step."""
    return np.diff(X, axis=1)


def folds(estimator, X, y):
    """Return the scores of three folds by hand."""
    scores = []
    for train, test in KFold(3).split(np.arange(len(X))):
        estimator.fit([X[i] for i in train], [y[i] for i in train])
        scores.append(estimator.score([X[i] for i in test], [y[i] for i in test]))
    return scores


@every
def test_cross_validation_of_ragged_lists_is_what_a_loop_does(name):
    X = ragged()
    y = targets(name, X)
    expected = folds(small(name), X, y)
    assert cross_val_score(small(name), X, y, cv=KFold(3)).tolist() == expected
    objects = np.empty(N, object)
    objects[:] = X
    assert cross_val_score(small(name), objects, y, cv=KFold(3)).tolist() == expected


@every
def test_a_pipeline_of_three_axes(name):
    X = np.stack(sequences())
    y = np.stack(targets(name, X))[:, 1:] if name == "tagger" else targets(name, X)
    pipeline = make_pipeline(FunctionTransformer(differences), small(name))
    scores = cross_val_score(pipeline, X, y, cv=KFold(3))
    assert scores.tolist() == cross_val_score(small(name), differences(X), y, cv=KFold(3)).tolist()


def test_a_pipeline_of_a_table_with_names():
    table = pd.DataFrame(np.stack(sequences(features=1))[:, :, 0], columns=list("abcdef"))
    y = pd.Series(np.where(table["a"] > 0, "up", "down"))
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), small("classifier")).fit(table, y)
    assert pipeline[-1].feature_names_in_.tolist() == list("abcdef")
    assert set(pipeline.predict(table)) <= {"up", "down"}


def test_a_search_in_two_processes_finds_what_one_finds():
    X = sequences([5] * 30)
    y = targets("classifier", X)
    grid = {"hidden_size": [4, 8], "cell": ["gru", "lstm"]}
    one, two = (GridSearchCV(small("classifier"), grid, cv=2, n_jobs=jobs).fit(X, y) for jobs in (1, 2))
    assert one.cv_results_["mean_test_score"].tolist() == two.cv_results_["mean_test_score"].tolist()
    assert one.best_params_ == two.best_params_
    np.testing.assert_array_equal(told(one.best_estimator_, X), told(two.best_estimator_, X))
    assert len(set(one.cv_results_["mean_test_score"])) > 1


def test_probabilities_by_folds():
    X = ragged()
    y = targets("classifier", X)
    p = cross_val_predict(small("classifier"), X, y, cv=2, method="predict_proba")
    assert p.shape == (N, 2)
    assert cross_val_score(small("classifier"), X, y, cv=2, scoring="neg_log_loss").max() < 0


def test_within_other_estimators():
    X = np.stack(sequences(features=1))[:, :, 0]
    y = np.where(X[:, 0] > 0, "up", "down")
    both = VotingClassifier([("a", small("classifier")), ("b", small("classifier", cell="gru"))], voting="soft").fit(
        X, y
    )
    expected = (both.estimators_[0].predict_proba(X) + both.estimators_[1].predict_proba(X)) / 2
    np.testing.assert_allclose(both.predict_proba(X), expected, rtol=1e-14)
    assert CalibratedClassifierCV(small("classifier"), cv=2).fit(X, y).predict_proba(X).shape == (N, 2)
    values = np.exp(X[:, 0])
    logs = TransformedTargetRegressor(small("regressor"), func=np.log, inverse_func=np.exp).fit(X, values)
    np.testing.assert_allclose(logs.predict(X), np.exp(fitted("regressor", X, X[:, 0]).predict(X)), rtol=1e-6)


@every
def test_weights_are_routed(name):
    X = ragged()
    y, weight = targets(name, X), np.arange(1.0, N + 1)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = small(name).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(estimator, X, y, cv=KFold(2), params={"sample_weight": weight})["test_score"]
    half = N // 2
    for score, train, test in zip(found, (slice(half, N), slice(half)), (slice(half), slice(half, N)), strict=True):
        own = small(name).fit(X[train], y[train], weight[train])
        assert score == own.score(X[test], y[test], weight[test])


def test_without_scikit_learn_the_extra_is_named():
    code = "import sys; sys.modules['sklearn'] = None; import fastrnn; import fastrnn.estimators"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode
    assert "fastrnn.estimators needs scikit-learn: pip install 'fastrnn[sklearn]'" in ended.stderr


def test_fastrnn_itself_does_not_import_scikit_learn():
    code = "import sys, fastrnn; assert 'sklearn' not in sys.modules and 'fastrnn.estimators' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

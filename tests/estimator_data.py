"""Sequences with labels, values and labels a step, in every form that estimators take."""

import numpy as np

from fastrnn.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger

N, T, F = 24, 6, 2
SMALL = {"hidden_size": 8, "epochs": 3, "batch_size": 8, "random_state": 0}
ESTIMATORS = {"classifier": SequenceClassifier, "regressor": SequenceRegressor, "tagger": SequenceTagger}


def sequences(lengths=(T,) * N, features=F, seed=0):
    """Return a list of arrays (T_i, F)."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, features)) for length in lengths]


def ragged(seed=0):
    """Return N sequences of 2 to 9 steps."""
    return sequences(np.random.default_rng(seed).integers(2, 10, N), seed=seed)


def targets(name, X):
    """Return what an estimator of this name is to learn of sequences."""
    if name == "regressor":
        return np.array([100 + 10 * one[:, 0].mean() for one in X])
    if name == "classifier":
        return np.array(["up" if one[:, 0].mean() > 0 else "down" for one in X])
    return [np.where(one[:, 0] > 0, "up", "down") for one in X]


def small(name, **options):
    """Return an estimator that trains in a moment."""
    return ESTIMATORS[name](**SMALL | options)


def fitted(name, X=None, y=None, **options):
    """Return one that has been trained on sequences, ragged ones unless others are given."""
    X = ragged() if X is None else X
    return small(name, **options).fit(X, targets(name, X) if y is None else y)


def told(estimator, X):
    """Return what a model gives before labels are chosen: probabilities, or values; all rows below each other."""
    found = estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
    return np.concatenate(found) if isinstance(found, list) else np.reshape(found, (-1, *np.shape(found)[2:]))

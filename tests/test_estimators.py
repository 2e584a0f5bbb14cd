"""Estimators: the training is the Trainer's, its attributes tell of it, models predict, and are copied."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import StandardScaler

import fastrnn
from estimator_data import ESTIMATORS, SMALL, F, N, T, fitted, ragged, sequences, small, targets, told

NAMES = list(ESTIMATORS)
every = pytest.mark.parametrize("name", NAMES)


def by_hand(X, y, loss, outputs, pool=True, epochs=3):
    """Return the model that a person would train with what the estimator's parameters say."""
    rng = np.random.default_rng(np.random.RandomState(0).randint(2**31 - 1))
    layers = [fastrnn.LSTM(F, 8, seed=rng), *[fastrnn.Last()] * pool, fastrnn.Linear(8, outputs, seed=rng)]
    model = fastrnn.Sequential(*layers)
    trainer = fastrnn.Trainer(model, loss, fastrnn.Adam(5e-3), seed=rng)
    history = trainer.fit(X, y, epochs=epochs, batch_size=8, verbose=0)
    return model, history


def test_it_is_the_trainer_that_trains():
    X = ragged()
    scaler = StandardScaler().fit(np.concatenate(X))
    x = [scaler.transform(one).astype(np.float32) for one in X]
    labels = targets("classifier", X)
    values = targets("regressor", X)[:, None]
    steps = targets("tagger", X)
    expected = {
        "classifier": by_hand(x, (labels == "up").astype(int), "cross_entropy", 2),
        "regressor": by_hand(x, StandardScaler().fit_transform(values), "mse", 1),
        "tagger": by_hand(x, [(one == "up").astype(int) for one in steps], "cross_entropy", 2, pool=False),
    }
    for name, (model, history) in expected.items():
        estimator = fitted(name)
        for key, weight in model.parameters().items():
            np.testing.assert_array_equal(estimator.model_.parameters()[key], weight)
        assert estimator.loss_curve_ == history.loss


@every
def test_what_is_known_after_training(name):
    estimator = fitted(name)
    assert isinstance(estimator.model_, fastrnn.Sequential)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == len(estimator.history_.loss) == 3
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    assert estimator.best_loss_ == min(estimator.loss_curve_)
    assert estimator.validation_scores_ is None
    assert estimator.best_validation_score_ is None
    assert estimator.n_features_in_ == F
    assert estimator.n_outputs_ == (1 if name == "regressor" else 2)
    if name != "regressor":
        assert estimator.classes_.tolist() == ["down", "up"]


@every
def test_it_learns(name):
    X = ragged() + ragged(1) + ragged(2) + ragged(3)
    y = targets(name, X)
    estimator = small(name, epochs=40, learning_rate=2e-2).fit(X[24:], y[24:])
    assert estimator.score(X[:24], y[:24]) > (0.6 if name == "regressor" else 0.85)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_model_is_what_the_parameters_say(cell):
    options = {"cell": cell, "num_layers": 2, "dropout": 0.1, "bidirectional": True, "dtype": "float64"}
    found = [repr(layer) for layer in fitted("classifier", pooling="mean", **options).model_]
    assert found[0].startswith(cell.upper())
    for words in ("hidden_size=8", "num_layers=2", "dropout=0.1", "bidirectional=True", "dtype='float64'"):
        assert words in found[0]
    assert found[1:3] == ["MeanOverTime()", "Dropout(rate=0.1, per_sequence=False)"]
    last = fitted("classifier", **options).model_
    assert repr(last.layers[1]) == "Ends()"
    assert repr(fitted("regressor", pooling="max").model_.layers[1]) == "MaxOverTime()"
    assert [type(layer).__name__ for layer in fitted("tagger", dropout=0.1).model_] == ["LSTM", "Dropout", "Linear"]


# ---- random numbers ----


@every
def test_the_same_random_state_gives_the_same_bits_for_any_number_of_threads(name):
    X = sequences([20] * 40)
    found = []
    for threads in (1, 2):
        with fastrnn.num_threads(threads):
            found.append(told(fitted(name, X, dropout=0.2, hidden_size=40), X))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0], told(fitted(name, X, dropout=0.2, hidden_size=40, random_state=1), X))


def test_a_random_state_object_goes_on():
    state = np.random.RandomState(0)
    first, second = (told(fitted("classifier", random_state=state), ragged()) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, told(fitted("classifier"), ragged()))


# ---- predictions ----


@pytest.mark.parametrize("name", ["classifier", "tagger"])
def test_probabilities_and_labels_agree(name):
    X = ragged()
    estimator = fitted(name)
    found = [estimator.predict(X), estimator.predict_proba(X), estimator.predict_log_proba(X)]
    labels, p, logs = (np.concatenate(one) if isinstance(one, list) else one for one in found)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-14)
    np.testing.assert_allclose(np.exp(logs), p, rtol=1e-12)
    np.testing.assert_array_equal(estimator.classes_[p.argmax(axis=-1)], labels)
    y = targets(name, X)
    assert estimator.score(X, y) == accuracy_score(np.concatenate(y) if name == "tagger" else y, labels)


@every
def test_many_sequences_are_told_in_pieces_with_the_same_bits(name):
    estimator = fitted(name)
    X = ragged() * 30  # 720: more than one piece
    whole = estimator.predict(X)
    assert len(whole) == 720
    for one, alone in zip(whole, estimator.predict(X[:N]) if name != "tagger" else whole[:N], strict=False):
        np.testing.assert_array_equal(one, alone)
    np.testing.assert_array_equal(told(estimator, X)[-7:], told(estimator, X[-N:])[-7:])


def test_several_values_a_sequence_in_their_own_units():
    X = sequences([T] * 60)
    y = np.stack([[1e6 + 1e3 * one.sum(), 1e-3 * one[:, 0].sum()] for one in X])
    estimator = small("regressor", epochs=60, learning_rate=2e-2).fit(X, y)
    assert estimator.n_outputs_ == 2
    assert estimator.predict(X).shape == (60, 2)
    assert estimator.score(X, y) > 0.8
    assert small("regressor").fit(X, y[:, :1]).predict(X).shape == (60, 1)


def test_units_do_not_matter():
    X = ragged()
    y = targets("regressor", X)
    scaled = small("regressor", dtype="float64").fit([1e3 * one + 5 for one in X], 1e-3 * y)
    plain = fitted("regressor", dtype="float64")
    np.testing.assert_allclose(1e3 * scaled.predict([1e3 * one + 5 for one in X]), plain.predict(X), rtol=1e-9)
    raw = small("regressor", standardize=False).fit(X, y)
    assert raw.scaler_ is raw.target_scaler_ is None
    np.testing.assert_allclose(raw.predict(X), raw.model_(X)[:, 0])


# ---- copies ----


@every
def test_what_is_dumped_is_small_and_tells_the_same(name, tmp_path):
    estimator = fitted(name)
    joblib.dump(estimator, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    np.testing.assert_array_equal(told(loaded, ragged()), told(estimator, ragged()))
    weights = sum(array.nbytes for array in estimator.model_.parameters().values())
    assert (tmp_path / "model.joblib").stat().st_size < 3 * weights + 20_000  # Adam remembers twice as much
    assert clone(loaded).get_params() == estimator.get_params()
    assert not hasattr(clone(estimator), "model_")


def test_the_model_inside_can_be_saved_and_streamed(tmp_path):
    X = ragged()
    estimator = fitted("tagger")
    estimator.model_.save(tmp_path / "model.safetensors")
    loaded = fastrnn.load(tmp_path / "model.safetensors")
    x = estimator.scaler_.transform(X[0])
    np.testing.assert_allclose(loaded.predict_proba(x[None])[0], estimator.predict_proba(X)[0], rtol=1e-6)
    stream = estimator.model_.stream()
    labels = [estimator.classes_[stream.step(step).argmax()] for step in x.astype(np.float32)]
    assert labels == estimator.predict(X)[0].tolist()


def test_the_model_of_both_directions_comes_back_from_its_file(tmp_path):
    X = ragged()
    estimator = fitted("classifier", bidirectional=True, standardize=False)
    estimator.model_.save(tmp_path / "model.safetensors")
    loaded = fastrnn.load(tmp_path / "model.safetensors")
    assert repr(loaded) == repr(estimator.model_)
    np.testing.assert_array_equal(loaded(X), estimator.model_(X))


@pytest.mark.parametrize("verbose", [False, True])
def test_a_bar_is_shown_if_asked_for(verbose, capsys):
    fitted("classifier", verbose=verbose)
    assert ("loss" in capsys.readouterr().err) == verbose


# ---- parameters ----

WRONG = {
    "cell": ("elman", r"expected one of 'lstm', 'gru', 'rnn', got 'elman'"),
    "hidden_size": (0, "expected at least 1, got 0"),
    "num_layers": (1.5, "expected an int, got 1.5"),
    "bidirectional": (1, "expected True or False, got 1"),
    "dropout": (1.0, "expected a number from 0 to below 1, got 1.0"),
    "epochs": (0, "expected at least 1, got 0"),
    "batch_size": ("auto", "expected an int, got 'auto'"),
    "learning_rate": (0, "expected a finite number > 0, got 0"),
    "clip_norm": (-1.0, "expected a finite number > 0, got -1.0"),
    "standardize": ("yes", "expected True or False, got 'yes'"),
    "early_stopping": ("auto", "expected True or False, got 'auto'"),
    "validation_fraction": (1.0, "expected a finite number > 0 and < 1, got 1.0"),
    "n_iter_no_change": (0, "expected at least 1, got 0"),
    "warm_start": (None, "expected True or False, got None"),
    "dtype": ("float16", "expected 'float32' or 'float64', got 'float16'"),
}


@every
def test_parameters_are_stored_as_they_are_and_refused_by_fit(name):
    X = ragged()
    more = {"classifier": ("pooling", "class_weight"), "regressor": ("pooling",), "tagger": ("class_weight",)}[name]
    assert set(small(name).get_params()) == {*WRONG, *more, "random_state", "verbose"}
    own = {"pooling": ("first", "expected one of 'last', 'mean', 'max', got 'first'")}
    own["class_weight"] = ("even", "expected a dict, 'balanced' or None, got 'even'")
    for parameter, (value, message) in (WRONG | {key: own[key] for key in more}).items():
        estimator = small(name, **{parameter: value})
        assert getattr(estimator, parameter) is value
        with pytest.raises((ValueError, TypeError), match=rf"^{parameter}: {message}$"):
            estimator.fit(X, targets(name, X))
        assert not hasattr(estimator, "model_")


def test_whole_numbers_of_numpy_will_do():
    options = {**SMALL, "hidden_size": np.int64(8), "epochs": np.int32(3), "learning_rate": np.float32(5e-3)}
    assert fitted("classifier", **options).n_iter_ == 3

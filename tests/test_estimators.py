"""Estimators: the training is the Trainer's, its attributes tell of it, and it can be gone on with."""

import signal
from copy import deepcopy

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


# ---- going on ----


@every
def test_warm_start_goes_on(name):
    X = ragged()
    y = targets(name, X)
    estimator = small(name, warm_start=True).fit(X, y)
    before, scale = estimator.loss_curve_, estimator.scaler_
    estimator.fit(X, y)
    assert estimator.scaler_ is scale
    assert estimator.loss_curve_[:3] == before
    assert estimator.n_iter_ == 6
    assert estimator.loss_curve_[3] < before[0]
    assert fitted(name).fit(X, y).n_iter_ == 3  # without it, anew


def test_warm_start_wants_the_model_that_is_there():
    X = ragged()
    estimator = fitted("classifier", warm_start=True).set_params(hidden_size=9, pooling="max")
    with pytest.raises(ValueError, match=r"^hidden_size, pooling: expected what the model was built with, .* 9, 'max'"):
        estimator.fit(X, targets("classifier", X))
    with pytest.raises(ValueError, match=r"^y: expected classes among \['down' 'up'\], got 'left'$"):
        fitted("classifier", warm_start=True).fit(X, ["left"] * N)
    with pytest.raises(ValueError, match=r"^y: expected 1 numbers a sequence as before, got shape \(24, 2\)"):
        fitted("regressor", warm_start=True).fit(X, np.zeros((N, 2)))


@every
def test_parts_of_the_data_are_an_epoch_that_remembers_the_optimizer(name):
    """Three calls are three epochs, here of one batch each, which no order of the sequences tells apart."""
    X = ragged()
    y = targets(name, X)
    options = {} if name == "regressor" else {"classes": ["up", "down"]}
    estimator = small(name, batch_size=N, standardize=False)
    for _ in range(3):
        estimator.partial_fit(X, y, **options)
    whole = small(name, batch_size=N, standardize=False).fit(X, y)
    np.testing.assert_array_equal(told(estimator, X), told(whole, X))
    assert estimator.loss_curve_ == whole.loss_curve_
    assert estimator.n_iter_ == 3


@every
def test_partial_fit_goes_on_after_fit_and_after_a_copy(name):
    X = ragged()
    y = targets(name, X)
    estimator = fitted(name)
    copy = deepcopy(estimator)
    for one in (estimator, copy):
        one.partial_fit(X, y)
        assert one.n_iter_ == 4
        assert one.loss_curve_[3] < one.loss_curve_[0]
    np.testing.assert_array_equal(told(estimator, X), told(copy, X))


def test_partial_fit_knows_classes_that_come_later():
    X = ragged()
    estimator = small("classifier").partial_fit(X, ["a"] * N, classes=["c", "b", "a"])
    assert estimator.classes_.tolist() == ["a", "b", "c"]
    assert estimator.predict_proba(X).shape == (N, 3)
    estimator.partial_fit(X, ["c"] * N, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"^y: expected classes among \['a' 'b' 'c'\], got 'd'$"):
        estimator.partial_fit(X, ["c"] * (N - 1) + ["d"])
    with pytest.raises(ValueError, match=r"^classes: expected those of the first call, \['a' 'b' 'c'\], got \['a'\]$"):
        estimator.partial_fit(X, ["a"] * N, ["a"])


def test_what_partial_fit_refuses():
    X = ragged()
    y = targets("classifier", X)
    with pytest.raises(ValueError, match=r"^classes: expected all labels that there will be in the first call"):
        small("classifier").partial_fit(X, y)
    with pytest.raises(ValueError, match=r"^early_stopping: expected False for partial_fit"):
        small("classifier", early_stopping=True).partial_fit(X, y, ["up", "down"])
    with pytest.raises(ValueError, match=r"^class_weight: expected a dict or None for partial_fit"):
        small("classifier", class_weight="balanced").partial_fit(X, y, ["up", "down"])


def test_a_training_that_fails_leaves_nothing_fitted():
    X = ragged()
    estimator = fitted("regressor", warm_start=True, standardize=False)
    estimator.set_params(warm_start=False)
    with pytest.raises(ValueError, match=r"^y: expected numbers that float32 can hold"):
        estimator.fit(X, np.full(N, 1e40))
    with pytest.raises(ValueError, match="not fitted"):
        estimator.predict(X)
    estimator.set_params(warm_start=True).fit(X, np.arange(N))
    assert estimator.n_iter_ == 3


def test_an_interrupt_keeps_what_was_learnt(monkeypatch):
    update, updates = fastrnn.Adam.update, []

    def interrupted(self, *args):
        update(self, *args)
        updates.append(1)
        if len(updates) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(fastrnn.Adam, "update", interrupted)
    estimator = small("classifier", epochs=100)
    with pytest.warns(UserWarning, match=r"^fit: interrupted; what had been learnt is kept$"):
        estimator.fit(ragged(), targets("classifier", ragged()))
    assert len(updates) == 4
    assert estimator.n_iter_ == 1  # of three updates
    monkeypatch.undo()
    first = fitted("classifier", epochs=1)
    assert not np.array_equal(told(estimator, ragged()), told(first, ragged()))


# ---- early stopping ----


@every
def test_early_stopping_keeps_the_best(name):
    X = ragged() + ragged(1)
    y = targets(name, X)
    options = {"early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 3, "learning_rate": 5e-2}
    estimator = small(name, epochs=200, **options).fit(X, y)
    scores = estimator.validation_scores_
    best = int(np.argmax(scores))
    assert len(scores) == estimator.n_iter_ == best + 1 + 3 < 200
    assert estimator.best_validation_score_ == scores[best]
    assert estimator.best_loss_ is None
    shorter = small(name, **options | {"epochs": best + 1}).fit(X, y)  # its last epoch is the best
    np.testing.assert_array_equal(told(estimator, X), told(shorter, X))


def test_the_share_held_out_is_scored_as_score_does(monkeypatch):
    X = ragged() + ragged(1)
    weight = np.linspace(0.5, 2, len(X))
    held = []
    for name in NAMES:
        cls = ESTIMATORS[name]
        lesson = cls._lesson

        def kept(self, *args, lesson=lesson):
            held[:] = [lesson(self, *args)]
            return held[0]

        monkeypatch.setattr(cls, "_lesson", kept)
        estimator = small(name, early_stopping=True, validation_fraction=0.25, epochs=1)
        estimator.fit(X, targets(name, X), sample_weight=weight)
        train, rows = held[0].samples._rows, held[0].held_out._rows
        assert sorted([*train, *rows]) == list(range(48))
        assert len(rows) == 12
        y = targets(name, X)
        score = estimator.score([X[i] for i in rows], [y[i] for i in rows], sample_weight=weight[rows])
        assert estimator.validation_scores_ == [pytest.approx(score, rel=1e-6)]
        if name == "classifier":
            assert abs(np.mean(y[rows] == "up") - np.mean(y == "up")) < 1 / 12


# ---- weights ----


def test_balanced_classes_weigh_what_their_rarity_says():
    X = ragged()
    y = np.array(["often"] * 18 + ["seldom"] * 6)
    balanced = fitted("classifier", X, y, class_weight="balanced")
    given = fitted("classifier", X, y, class_weight={"often": 24 / 36, "seldom": 24 / 12})
    np.testing.assert_array_equal(told(balanced, X), told(given, X))
    assert not np.array_equal(told(balanced, X), told(fitted("classifier", X, y), X))
    half = small("classifier", class_weight="balanced").fit(X, y, sample_weight=[1 / 3] * 18 + [1] * 6)
    even = small("classifier").fit(X, y, sample_weight=[1 / 3] * 18 + [1] * 6)
    np.testing.assert_allclose(told(half, X), told(even, X), rtol=1e-6)


def test_balanced_steps_are_counted_as_steps():
    X = ragged()
    y = [np.where(np.arange(len(one)) == 0, "first", "later") for one in X]
    steps = sum(map(len, X))
    weights = {"first": steps / (2 * N), "later": steps / (2 * (steps - N))}
    balanced = fitted("tagger", X, y, class_weight="balanced")
    np.testing.assert_array_equal(told(balanced, X), told(fitted("tagger", X, y, class_weight=weights), X))


@every
def test_weights_of_sequences_are_repetitions(name):
    X = ragged()
    y, weight = targets(name, X), np.arange(N) % 3
    options = {"batch_size": 2 * N, "dtype": "float64"}
    weighted = small(name, **options).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(N), weight)
    repeated = small(name, **options).fit([X[i] for i in rows], [y[i] for i in rows])
    np.testing.assert_allclose(told(weighted, X), told(repeated, X), rtol=1e-9)


def test_weights_of_steps():
    X = sequences()
    y = targets("tagger", X)
    weight = np.ones((N, T))
    weight[:, 3:] = 0
    options = {"dtype": "float64", "batch_size": N}
    without = small("tagger", **options).fit([one[:3] for one in X], [one[:3] for one in y])
    for form in (weight, list(weight)):
        weighted = small("tagger", **options).fit(X, y, sample_weight=form)
        np.testing.assert_allclose(told(weighted, X), told(without, X), rtol=1e-9)
        assert weighted.score(X, y, form) == np.mean(
            [a[:3] == b[:3] for a, b in zip(weighted.predict(X), y, strict=True)]
        )


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
    np.testing.assert_allclose(loaded.predict_proba(x[None])[0], estimator.predict_proba(X)[0], rtol=1e-5)
    stream = estimator.model_.stream()
    labels = [estimator.classes_[stream.step(step).argmax()] for step in x.astype(np.float32)]
    assert labels == estimator.predict(X)[0].tolist()


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

"""How estimators train: going on, in parts, to an early end, and with weights."""

import signal
from copy import deepcopy

import numpy as np
import pytest

import fastrnn
from estimator_data import ESTIMATORS, N, T, fitted, ragged, sequences, small, targets, told
from fastrnn.estimators import fitting

NAMES = list(ESTIMATORS)
every = pytest.mark.parametrize("name", NAMES)


@every
def test_the_gradient_is_clipped(name):
    """Adam divides by the gradient's own size, and 1e-8: what is far below moves nothing."""
    still, moving = (np.array(fitted(name, clip_norm=norm).loss_curve_) for norm in (1e-16, None))
    np.testing.assert_allclose(still, still[0], rtol=1e-6)
    assert moving[-1] < 0.99 * moving[0]


def test_the_best_loss_is_the_least():
    estimator = fitted("regressor", learning_rate=1.0, epochs=6)
    assert estimator.best_loss_ == min(estimator.loss_curve_) < estimator.loss_curve_[-1]


def test_the_random_state_chooses_what_is_held_out(monkeypatch):
    split, shares = fitting.train_test_split, []

    def watched(*args, **options):
        shares.append(split(*args, **options))
        return shares[-1]

    monkeypatch.setattr(fitting, "train_test_split", watched)
    for state in (0, 0, 1):
        fitted("regressor", early_stopping=True, random_state=state)
    assert np.array_equal(shares[0][1], shares[1][1])
    assert not np.array_equal(shares[0][1], shares[2][1])


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


def test_scores_go_on_where_training_does():
    X = ragged()
    y = targets("classifier", X)
    estimator = small("classifier", early_stopping=True, warm_start=True).fit(X, y)
    before = estimator.validation_scores_
    assert len(before) == 3
    estimator.fit(X, y)
    assert estimator.validation_scores_[:3] == before
    assert len(estimator.validation_scores_) == 6


def test_warm_start_begins_with_its_own_random_state():
    X = ragged()
    y = targets("classifier", X)
    found = []
    for state in (0, 0, 5):
        estimator = fitted("classifier", warm_start=True).set_params(random_state=state).fit(X, y)
        found.append(told(estimator, X))
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    loaded = deepcopy(fitted("classifier", warm_start=True, dropout=0.5)).partial_fit(X, y).fit(X, y)
    again = fitted("classifier", warm_start=True, dropout=0.5).partial_fit(X, y).fit(X, y)
    np.testing.assert_array_equal(told(loaded, X), told(again, X))


def test_partial_fit_takes_another_learning_rate():
    X = ragged()
    y = targets("regressor", X)
    still = fitted("regressor")
    before = told(still, X)
    still.set_params(learning_rate=1e-12).partial_fit(X, y)
    np.testing.assert_allclose(told(still, X), before, rtol=1e-6)


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


@every
def test_a_fit_that_fails_leaves_the_model_of_before(name):
    X = ragged()
    estimator = fitted(name)
    before, attributes = told(estimator, X), dict(vars(estimator))
    wider, other = sequences([3, 3], features=3), sequences([3, 3])
    y = np.array([0.0, 1.0]) if name == "regressor" else [["a"] * 3, ["b"] * 3] if name == "tagger" else ["a", "b"]
    for bad in ((wider, y, [1.0]), (other, y, np.zeros(2)), (other, y[:1])):
        with pytest.raises(ValueError, match=r"^(sample_weight|y): |inconsistent numbers of samples"):
            estimator.fit(*bad)
    assert vars(estimator) == attributes
    np.testing.assert_array_equal(told(estimator, X), before)


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


def test_all_labels_are_asked_for_after_a_fit_that_failed():
    X = ragged()
    y = targets("classifier", X)
    estimator = small("classifier")
    parameters = dict(vars(estimator))
    with pytest.raises(ValueError, match="sample_weight"):
        estimator.fit(X, y, [1.0])
    assert vars(estimator) == parameters
    with pytest.raises(ValueError, match=r"^classes: expected all labels that there will be in the first call"):
        estimator.partial_fit(X, y)


@every
def test_weights_have_to_count_where_something_is_held_out(name):
    X = ragged()
    y, without = targets(name, X), []
    for weight in np.eye(N):  # which count in one place or in the other
        with pytest.raises(ValueError, match=r": expected some weight on what is .*, got zeros alone") as refused:
            small(name, early_stopping=True).fit(X, y, weight)
        without.append(str(refused.value).split(":")[0])
    assert (without.count("sample_weight"), without.count("early_stopping")) == (3, 21)
    assert small(name).fit(X, y, weight).n_iter_ == 3


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


@pytest.mark.parametrize("seed", range(4))
def test_the_share_held_out_has_its_part_of_each_class(monkeypatch, seed):
    monkeypatch.setattr(
        "fastrnn.estimators.classifier.SequenceClassifier._train", lambda *args, **_: held.append(args[1])
    )
    held = []
    y = np.array(["often"] * 20 + ["seldom"] * 4)
    small("classifier", early_stopping=True, validation_fraction=0.25, random_state=seed).fit(ragged(), y)
    assert (y[held[0].held_out._rows] == "seldom").sum() == 1


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

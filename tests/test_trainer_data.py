"""Trainer on bad data and bad arguments: refused by name before anything is trained."""

import numpy as np
import pytest

import fastrnn
from fastrnn.data import Batch
from fastrnn.losses import LOSSES
from layer_table import same_bits


def model(*last):
    return fastrnn.Sequential(fastrnn.RNN(2, 4, seed=0), fastrnn.Linear(4, 3, seed=1), *last)


X = np.random.default_rng(0).standard_normal((10, 5, 2))
Y = np.random.default_rng(1).uniform(size=(10, 5, 3))
GOOD = {"x": X, "y": Y, "epochs": 2, "batch_size": 2, "verbose": 0}

BAD = [
    ({"y": Y[:-1]}, ValueError, "^x, y: expected as many samples in both"),
    ({"x": X[:0], "y": Y[:0]}, ValueError, "^x, y: .*at least one"),
    ({"x": X[0, 0], "y": Y[:2]}, ValueError, r"^x: expected shape \(N, T, F\) or \(T, F\) with 2 features, got "),
    ({"x": 1.0}, ValueError, r"^x: expected samples along a first axis, got 1.0"),
    ({"x": X[..., :1]}, ValueError, r"^x: expected shape \(N, T, F\) or \(T, F\) with 2 features"),
    # one sequence is not a batch: its steps must not be shuffled as if they were samples
    ({"x": X[0], "y": Y[0]}, ValueError, r"^x: expected samples first, got samples of shape \(2,\)"),
    ({"x": X[:, :0], "y": Y[:, :0]}, ValueError, "T = 0"),
    ({"x": X * 1j}, TypeError, "^x: expected real numbers"),
    ({"x": X.astype(str)}, TypeError, "^x: expected real numbers"),
    ({"x": [[[1, 2]], [[1, 2], [3, 4]]], "y": Y[:2]}, ValueError, "^x: expected one rectangular array"),
    ({"y": Y[..., :1]}, ValueError, r"^target: expected shape \(10, 5, 3\), got \(10, 5, 1\)"),
    ({"y": Y[:, 0]}, ValueError, "^target: expected shape"),
    ({"y": Y * 1j}, TypeError, "^target: expected real numbers"),
    ({"y": [[1.0], [1.0, 2.0]] * 5}, ValueError, "^y: expected one rectangular array"),
    ({"epochs": 0}, ValueError, "^epochs: expected at least 1, got 0"),
    ({"epochs": 1.5}, TypeError, "^epochs: expected an int"),
    ({"batch_size": 0}, ValueError, "^batch_size: expected at least 1, got 0"),
    ({"batch_size": "32"}, TypeError, "^batch_size: expected an int"),
    ({"validation": 0}, ValueError, "^validation: "),
    ({"validation": 1.0}, ValueError, "^validation: .*< 1"),
    ({"validation": -0.1}, ValueError, "^validation: "),
    ({"validation": 0.96}, ValueError, "^validation: a share of 0.96 leaves nothing of 10 samples"),
    ({"validation": "0.1"}, TypeError, "^validation: expected a number"),
    ({"validation": True}, TypeError, "^validation: expected a number"),
    ({"validation": (X,)}, (TypeError, ValueError), "^validation: "),
    ({"validation": (X, Y[:-1])}, ValueError, "as many samples in both"),
    # what the model or the loss refuses must not wait until an epoch has been trained
    ({"validation": (X[..., :1], Y)}, ValueError, "expected shape"),
    ({"validation": (X, Y[..., :1])}, ValueError, "expected shape"),
    ({"x": [(X, Y)], "y": None, "validation": 0.1}, ValueError, r"^validation: expected a tuple \(x, y\)"),
    ({"x": None, "y": None}, TypeError, "^x: "),
    ({"x": 3, "y": None}, TypeError, "^x: "),
    ({"x": [], "y": None}, ValueError, "^x: expected at least one batch"),
    ({"callbacks": [3]}, TypeError, "^callbacks: "),
    ({"callbacks": print}, TypeError, "^callbacks: "),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_arguments_of_fit_train_nothing(arguments, error, message):
    m = model()
    before = m.state_dict()
    trainer = fastrnn.Trainer(m, "mse", fastrnn.SGD(0.1), seed=0)
    trainer.fit(**GOOD)  # the data are good but for what each case changes
    assert not same_bits(m.state_dict(), before)
    before = m.state_dict()
    with pytest.raises(error, match=message):
        trainer.fit(**{**GOOD, **arguments})
    assert same_bits(m.state_dict(), before)


@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_one_bad_target_among_good_ones_trains_nothing(loss):
    m = model()
    y = np.zeros((10, 5), int) if loss == "cross_entropy" else Y.copy()
    y[7, 3] = 3
    before = m.state_dict()
    with pytest.raises(ValueError, match=r"^target: "):
        fastrnn.Trainer(m, loss, seed=0).fit(X, y, batch_size=2, epochs=1, verbose=0)
    assert same_bits(m.state_dict(), before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x", "y"])
def test_data_that_are_not_finite_stop_the_step_with_parameters_unchanged(where, value):
    m = model()
    data = {"x": X.copy(), "y": Y.copy()}
    data[where][4, 2, 1] = value
    before = m.state_dict()
    trainer = fastrnn.Trainer(m, "mse", seed=0)
    if where == "x" and np.isinf(value):
        # tanh of infinity is 1: the loss is finite, and its gradient is not (0 · ∞)
        with pytest.raises(FloatingPointError, match=r"^the gradient's norm is nan; check the .*: the gradient of 0"):
            trainer.step(**data)
    elif where == "x":
        with pytest.raises(FloatingPointError, match=r"^the loss is nan; check the data, or .*: x .* sample 4 of the"):
            trainer.step(**data)
    else:
        with pytest.raises(FloatingPointError, match=r"^the loss is (nan|inf); check the data"):
            trainer.step(**data)
    assert same_bits(m.state_dict(), before)
    place = {"x": r"x: .* in sample 4 at \(2, 1\)", "y": r"target: expected finite numbers, .* at \[4, 2, 1\]"}[where]
    with pytest.raises(ValueError, match=f"^{place}"):
        trainer.fit(**data, batch_size=10, verbose=0)
    assert same_bits(m.state_dict(), before)
    trainer.fit(X, Y, epochs=1, verbose=0)  # and the optimiser has not kept the bad gradient either
    assert all(np.isfinite(array).all() for array in m.parameters().values())


@pytest.mark.parametrize("loss", LOSSES)
def test_nan_in_the_input_is_one_clear_error_for_every_loss(loss):
    m, x = model(), X.copy()
    x[3, 1, 0] = np.nan
    target = np.zeros((10, 5), int) if loss == "cross_entropy" else Y
    before = m.state_dict()
    with pytest.raises(ValueError, match=r"^x: expected finite numbers, got nan in sample 3 at \(1, 0\)"):
        fastrnn.Trainer(m, loss, seed=0).fit(x, target, verbose=0)
    with pytest.raises(FloatingPointError, match=r"^epoch 1, update 1: the loss is nan; check the data"):
        fastrnn.Trainer(m, loss, seed=0).fit([(x, target)], verbose=0)  # batches are seen only as they come
    assert same_bits(m.state_dict(), before)


@pytest.mark.parametrize("loss", ["bce", "cross_entropy"])
@pytest.mark.parametrize("last", [fastrnn.Sigmoid(), fastrnn.Softmax()])
def test_losses_of_logits_refuse_a_model_that_ends_in_probabilities(loss, last):
    with pytest.raises(ValueError, match=rf"^loss: '{loss}' takes logits, but the model ends in S"):
        fastrnn.Trainer(model(last), loss)
    fastrnn.Trainer(model(last), "mse")
    fastrnn.Trainer(model(fastrnn.Tanh()), loss)


def test_bad_arguments_of_the_trainer():
    for wrong in (fastrnn.LSTM(2, 3), None, "model"):
        with pytest.raises(TypeError, match=r"^model: expected a Sequential or another Model, got "):
            fastrnn.Trainer(wrong, "mse")
    for wrong in ("MSE", None, 1):
        with pytest.raises(ValueError, match=r"^loss: expected one of 'squared_error', "):
            fastrnn.Trainer(model(), wrong)
    for wrong, error in ((0, ValueError), (-1.0, ValueError), (np.nan, ValueError), ("1", TypeError)):
        with pytest.raises(error, match=r"^clip_norm: expected a "):
            fastrnn.Trainer(model(), "mse", clip_norm=wrong)
    with pytest.raises(TypeError, match=r"^seed: expected "):
        fastrnn.Trainer(model(), "mse", seed="0")
    for wrong in ("adam", 0.1, fastrnn.Adam):
        with pytest.raises(TypeError, match=r"^optimizer: expected "):
            fastrnn.Trainer(model(), "mse", wrong)
    with pytest.raises(TypeError, match=r"^loss: "):  # a loss of one's own has to say what its link is
        fastrnn.Trainer(model(), lambda prediction, target: (0.0, prediction - target))


def test_bad_arguments_of_evaluate():
    trainer = fastrnn.Trainer(model(), "mse")
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError)):
        with pytest.raises(error, match=r"^batch_size: expected "):
            trainer.evaluate(X, Y, batch_size=wrong)
    with pytest.raises(ValueError, match=r"^x, y: "):
        trainer.evaluate(X, Y[:-1])


def test_what_fit_gets_is_cast_and_left_alone():
    m = model()
    x, y = X.astype(np.float32), Y.astype(np.float32)
    kept = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    one = fastrnn.Trainer(m, "mse", seed=0).fit(x, y, epochs=2, verbose=0)
    assert same_bits(x, kept[0])
    assert same_bits(y, kept[1])
    two = fastrnn.Trainer(model(), "mse", seed=0).fit(x.tolist(), y.tolist(), epochs=2, verbose=0)
    assert one.loss == two.loss


def test_a_failed_fit_leaves_the_bar_closed_and_the_trainer_usable():
    trainer = fastrnn.Trainer(model(), "mse", seed=0)

    def stop(_trainer, _history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, Y, epochs=3, verbose=0, callbacks=[stop])
    assert len(trainer.fit(X, Y, epochs=1, verbose=0).loss) == 1


# ---- what a later batch would stumble over ----


def ragged():
    """Return padded x and y and their lengths; the longest sequence is not in the first batch of four."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((12, 5, 2)), rng.standard_normal((12, 5, 1)), np.array([3, 2, 4, 1] * 2 + [5, 1, 2, 3])


def unpadded(array, lengths):
    return [one[:n] for one, n in zip(array, lengths, strict=True)]


def small(**options):
    model = fastrnn.Sequential(fastrnn.GRU(2, 3, seed=0), fastrnn.Linear(3, 1, seed=1))
    return fastrnn.Trainer(model, "mse", seed=0, **options)


def last_is(value, shape):
    array = np.ones(shape)
    array[(-1,) * len(shape)] = value
    return array


@pytest.mark.parametrize("tbptt", [None, 2])
@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (last_is(-1.0, (12,)), ValueError, r"^weight: expected numbers >= 0, got -1\.0 in sample 11$"),
        (last_is(-1.0, (12, 5)), ValueError, r"^weight: expected numbers >= 0, got -1\.0 in sample 11 at 4$"),
        (np.ones((12, 7)), ValueError, r"^weight: expected one for each sample, or for each step .* got \(12, 7\)$"),
        (np.ones((12, 1)), ValueError, r"^weight: expected one for each sample, or for each step .* got \(12, 1\)$"),
        (np.ones((12, 5, 1)), ValueError, r"^weight: expected one for each sample, .* got \(12, 5, 1\)$"),
        (["1"] * 12, TypeError, r"^weight: expected real numbers, got dtype <U1$"),
    ],
)
def test_weights_that_do_not_fit_train_nothing(tbptt, weight, error, message):
    x, y, _ = ragged()
    trainer = small(tbptt=tbptt)
    with pytest.raises(error, match=message):
        trainer.fit(x, y, sample_weight=weight, batch_size=4, shuffle=False, verbose=0)
    assert trainer.updates == 0


def test_one_unknown_id_among_many_trains_nothing():
    ids = np.random.default_rng(0).integers(0, 5, (12, 5))
    model = fastrnn.Sequential(fastrnn.Embedding(5, 2), fastrnn.GRU(2, 3), fastrnn.Linear(3, 5))
    trainer = fastrnn.Trainer(model, "cross_entropy")
    wrong = ids.copy()
    wrong[11, 3] = 99
    with pytest.raises(ValueError, match=r"^x: expected ids from 0 to 4, got 99 in sample 11 at 3$"):
        trainer.fit(wrong, ids, batch_size=4, shuffle=False, verbose=0)
    assert trainer.updates == 0
    wrong[0, 1:] = -1  # padding may be anything
    lengths = [1] + [5] * 10 + [3]
    assert np.isfinite(trainer.fit(wrong, ids, lengths=lengths, epochs=1, batch_size=4, verbose=0).loss[0])


@pytest.mark.parametrize("tbptt", [None, 2])
def test_lists_may_belong_to_padded_arrays(tbptt):
    x, y, lengths = ragged()
    w = np.random.default_rng(1).uniform(size=(12, 5))
    expected = small(tbptt=tbptt).fit(x, y, lengths=lengths, sample_weight=w, batch_size=4, epochs=2, verbose=0)
    lists = small(tbptt=tbptt).fit(
        x, unpadded(y, lengths), lengths=lengths, sample_weight=unpadded(w, lengths), batch_size=4, epochs=2, verbose=0
    )
    assert lists.loss == expected.loss
    trainer = small(tbptt=tbptt)
    for other in ({"y": y}, {"y": unpadded(y, lengths), "sample_weight": w}):
        with pytest.raises(
            ValueError, match=r"^(y: expected a list|weight: expected one for each sample, or for each)"
        ):
            trainer.fit(unpadded(x, lengths), **other, batch_size=4, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=r"^y: expected targets for every step, \(12, 5\), got shape \(12, 6, 1\)$"):
        trainer.fit(x, np.ones((12, 6, 1)), lengths=lengths, verbose=0)
    assert trainer.updates == 0


@pytest.mark.parametrize("tbptt", [None, 2])
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"lengths": [3, 2]}, ValueError),
        ({"lengths": [3, 2] * 10}, ValueError),
        ({"lengths": [9] * 12}, ValueError),
        ({"lengths": [0] + [3] * 11}, ValueError),
        ({"lengths": [-1] + [3] * 11}, ValueError),
        ({"lengths": [2.5] * 12}, TypeError),
        ({"lengths": [[2] * 12]}, ValueError),
        ({"lengths": [3] * 12, "weight": [1.0] * 11}, ValueError),
        ({"lengths": [3] * 12, "weight": [1.0] * 13}, ValueError),
        ({"lengths": [3] * 12, "weight": np.ones((12, 9))}, ValueError),
        ({"lengths": [3] * 12, "weight": np.ones((12, 5, 1))}, ValueError),
    ],
)
def test_lengths_and_weights_of_a_batch_that_do_not_fit_train_nothing(tbptt, given, error):
    x, y, _ = ragged()
    trainer = small(tbptt=tbptt)
    with pytest.raises(error, match=rf"^{'weight' if 'weight' in given else 'lengths'}: expected"):
        trainer.fit([Batch(x, y, **given)], verbose=0)
    assert trainer.updates == 0


@pytest.mark.parametrize("tbptt", [None, 2])
def test_lengths_and_weights_of_any_kind(tbptt):
    x, y, lengths = ragged()
    w = np.random.default_rng(1).uniform(size=(12, 5))
    expected = small(tbptt=tbptt).step(x, y, lengths=lengths, sample_weight=w)
    for kind in (np.uint8, np.int16):
        assert small(tbptt=tbptt).step(x, y, lengths=lengths.astype(kind), sample_weight=w.tolist()) == expected
    alone = small(tbptt=tbptt).step(x, y, sample_weight=w.tolist())
    assert alone == small(tbptt=tbptt).step(x, y, sample_weight=w)


@pytest.mark.parametrize("batches", [[], iter([])])
def test_nothing_to_evaluate_is_an_error(batches):
    with pytest.raises(ValueError, match=r"^x: expected at least one batch, got none"):
        small().evaluate(batches)

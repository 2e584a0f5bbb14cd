"""Trainer: updates, batches, shuffling, validation, callbacks, the bar, repeatability; no bad data."""

import io
import re

import numpy as np
import pytest

import fastrnn
from fastrnn.optimizers import clip_by_global_norm
from layer_table import same_bits


def model(dtype="float64"):
    return fastrnn.Sequential(fastrnn.LSTM(2, 4, dtype=dtype, seed=0), fastrnn.Linear(4, 1, dtype=dtype, seed=1))


def data(n=10, steps=5):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, steps, 2))
    return x, x.cumsum(axis=1).sum(axis=-1, keepdims=True)


class Spy:
    """An optimiser that changes nothing and keeps the gradients it got."""

    learning_rate = 1.0

    def __init__(self):
        self.seen = []

    def update(self, parameters, gradients):
        self.seen.append({name: gradients[name].copy() for name in parameters})


class Watched:
    """A loss that keeps which samples it saw: their first target."""

    link = None

    def __init__(self):
        self.batches = []

    def __call__(self, prediction, target):
        self.batches.append(np.asarray(target)[:, 0, 0])
        error = prediction - target
        return float((error**2).mean()), 2 * error / error.size


def test_a_mini_batch_gradient_is_the_mean_of_its_samples():
    m, (x, y), spy = model(), data(6), Spy()
    trainer = fastrnn.Trainer(m, "mse", spy, clip_norm=None)
    loss = trainer.step(x, y)
    each = [trainer.step(x[i : i + 1], y[i : i + 1]) for i in range(6)]
    assert loss == pytest.approx(np.mean(each), rel=1e-12)
    for name, grad in spy.seen[0].items():
        mean = np.mean([one[name] for one in spy.seen[1:]], axis=0)
        np.testing.assert_allclose(grad, mean, rtol=1e-10, atol=1e-13)  # float64 sums of 30 steps in another order


def test_step_returns_the_loss_from_before_and_updates_once():
    m, (x, y) = model(), data()
    trainer = fastrnn.Trainer(m, "mse", fastrnn.SGD(0.1), clip_norm=None)
    before, (output, _, tape) = m.state_dict(), m.record(x)
    gradients = m.backward(tape, 2 * (output - y) / y.size).parameters
    assert trainer.step(x, y) == pytest.approx(((output - y) ** 2).mean(), rel=1e-13)
    for name, array in m.parameters().items():
        np.testing.assert_allclose(array, before[name] - 0.1 * gradients[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("limit", [0.01, 1e9])
def test_clip_norm(limit):
    (x, y), free, clipped = data(), Spy(), Spy()
    fastrnn.Trainer(model(), "mse", free, clip_norm=None).step(x, y)
    fastrnn.Trainer(model(), "mse", clipped, clip_norm=limit).step(x, y)
    (expected,) = free.seen
    norm = clip_by_global_norm(expected, limit)
    assert (norm > limit) == (limit < 1)
    for name, grad in clipped.seen[0].items():
        np.testing.assert_allclose(grad, expected[name], rtol=1e-14)
    default = Spy()
    fastrnn.Trainer(model(), "mse", default).step(100 * x, 100 * y)
    assert clip_by_global_norm(default.seen[0], 1.0) == pytest.approx(1.0)  # clip_norm is 1 unless said otherwise


def test_every_sample_once_an_epoch_in_another_order_and_the_last_batch_partial():
    (x, y), loss = data(10), Watched()
    y[:, 0, 0] = np.arange(10)
    fastrnn.Trainer(model(), loss, Spy(), seed=0).fit(x, y, epochs=3, batch_size=4, verbose=0)
    assert [len(batch) for batch in loss.batches] == [4, 4, 2] * 3
    orders = [np.concatenate(loss.batches[k : k + 3]) for k in (0, 3, 6)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(10))
        assert not np.array_equal(order, np.arange(10))
    assert not np.array_equal(orders[0], orders[1])


def test_history_is_the_mean_over_samples():
    m, (x, y), seen = model(), data(10), []

    class Loss(Watched):
        def __call__(self, prediction, target):
            value, gradient = super().__call__(prediction, target)
            seen.append((value, len(target)))
            return value, gradient

    history = fastrnn.Trainer(m, Loss(), fastrnn.Adam(0.05), seed=0).fit(x, y, epochs=2, batch_size=4, verbose=0)
    for k in range(2):  # each batch weighs as many samples as it has, under the weights of its turn
        values, sizes = zip(*seen[3 * k : 3 * k + 3], strict=True)
        assert history.loss[k] == pytest.approx(np.average(values, weights=sizes), rel=1e-13)
    assert history.validation_loss == []
    assert len(history.seconds) == 2
    assert min(history.seconds) > 0
    assert repr(history) == f"History(epochs=2, loss={history.loss[-1]:.4g}, seconds={sum(history.seconds):.1f})"
    assert repr(fastrnn.History()) == "History(no epoch)"
    assert "validation_loss=0.5" in repr(fastrnn.History([1.0], [0.5], [0.1]))


def fit(seed, **options):
    m, (x, y) = model(), data(20)
    history = fastrnn.Trainer(m, "mse", fastrnn.Adam(1e-2), seed=seed).fit(
        x, y, **{"epochs": 3, "batch_size": 4, "validation": 0.25, "verbose": 0, **options}
    )
    return m.state_dict(), history


def test_a_seed_repeats_a_training_to_the_bit():
    (one, history), (two, again) = fit(5), fit(np.random.default_rng(5))
    assert same_bits(one, two)
    assert (history.loss, history.validation_loss) == (again.loss, again.validation_loss)
    others = [fit(6), fit(None), fit(None)]
    assert len({tuple(h.validation_loss) for _, h in [(one, history), *others]}) == 4


def test_nothing_depends_on_the_bar_or_on_numpys_global_seed():
    np.random.seed(1)  # noqa: NPY002 - a user might
    expected, _ = fit(5)
    np.random.seed(2)  # noqa: NPY002
    shown, _ = fit(5, verbose=1, file=io.StringIO())
    assert same_bits(shown, expected)


@pytest.mark.parametrize(("share", "size"), [(0.3, 3), (0.25, 2), (0.01, 1), (0.9, 9)])
def test_a_validation_share_is_drawn_by_the_seed_and_never_trained_on(share, size):
    def run(seed):
        (x, y), loss = data(10), Watched()
        y[:, 0, 0] = np.arange(10)
        fastrnn.Trainer(model(), loss, Spy(), seed=seed).fit(x, y, epochs=2, validation=share, verbose=0)
        train1, held1, train2, held2 = loss.batches
        np.testing.assert_array_equal(held1, held2)
        np.testing.assert_array_equal(np.sort(train1), np.sort(train2))
        assert len(held1) == size
        np.testing.assert_array_equal(np.sort(np.concatenate([train1, held1])), np.arange(10))
        return tuple(held1)

    assert run(0) == run(0)
    assert len({run(seed) for seed in range(8)}) > 1  # 10 draws of 8: all alike at random is 10⁻⁷ at most


def test_validation_by_data_of_ones_own_is_the_loss_at_the_epochs_end():
    m, (x, y) = model(), data(20)
    losses = []
    trainer = fastrnn.Trainer(m, "mse", fastrnn.Adam(1e-2), seed=0)
    history = trainer.fit(
        x[:12], y[:12], epochs=3, validation=(x[12:], y[12:]), verbose=0,
        callbacks=[lambda t, _: losses.append(float(((t.model(x[12:]) - y[12:]) ** 2).mean())) and None],
    )  # fmt: skip
    assert history.validation_loss == pytest.approx(losses, rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 256])
def test_evaluate_is_the_loss_by_hand_and_trains_nothing(batch_size):
    m, (x, y) = model(), data(7)
    before = m.state_dict()
    value = fastrnn.Trainer(m, "mse").evaluate(x, y, batch_size=batch_size)
    assert value == pytest.approx(((m(x) - y) ** 2).mean(), rel=1e-12)
    assert same_bits(m.state_dict(), before)


def test_batches_that_can_be_gone_through_again():
    m, (x, y), loss = model(), data(10), Watched()
    y[:, 0, 0] = np.arange(10)
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    fastrnn.Trainer(m, loss, fastrnn.Adam(), seed=0).fit(batches, epochs=2, validation=(x[:1], y[:1]), verbose=0)
    assert [batch.tolist() for batch in loss.batches] == [
        list(range(4)),
        list(range(4, 10)),
        [0],
    ] * 2  # their own order

    class Fresh:
        epochs = 0

        def __iter__(self):
            self.epochs += 1
            return iter(batches)

    source = Fresh()
    history = fastrnn.Trainer(model(), "mse", fastrnn.Adam(1e-2)).fit(source, epochs=4, verbose=0)
    assert source.epochs == len(history.loss) == 4
    once = fastrnn.Trainer(model(), "mse").fit(iter(batches), epochs=1, verbose=0)
    assert len(once.loss) == 1
    with pytest.raises(ValueError, match=r"^x: expected at least one batch an epoch, .*used only once"):
        fastrnn.Trainer(model(), "mse").fit(iter(batches), epochs=2, verbose=0)


def test_callbacks_run_after_every_epoch_and_can_end_the_training():
    (x, y), calls = data(), []

    def count(trainer, history):
        assert isinstance(trainer, fastrnn.Trainer)
        calls.append(len(history.loss))

    trainer = fastrnn.Trainer(model(), "mse", seed=0)
    history = trainer.fit(x, y, epochs=9, verbose=0, callbacks=[lambda _, h: len(h.loss) == 3, count])
    assert len(history.loss) == 3
    assert calls == [1, 2, 3]  # the later ones still run in the last epoch
    assert len(trainer.fit(x, y, epochs=2, verbose=0, callbacks=[count]).loss) == 2


def test_the_bar(capsys):
    (x, y), file = data(), io.StringIO()
    trainer = fastrnn.Trainer(model(), "mse", seed=0)
    trainer.fit(x, y, epochs=3, verbose=0, file=file)
    assert (file.getvalue(), *capsys.readouterr()) == ("", "", "")
    history = trainer.fit(x, y, epochs=3, validation=0.2, verbose=1, file=file)
    last = file.getvalue().split("\r")[-1]
    assert "3/3" in last
    shown = dict(re.findall(r"(loss|validation)=([\d.e+-]+)", last))  # rounded to three figures
    assert float(shown["loss"]) == pytest.approx(history.loss[-1], rel=6e-3)
    assert float(shown["validation"]) == pytest.approx(history.validation_loss[-1], rel=6e-3)
    assert tuple(capsys.readouterr()) == ("", "")
    trainer.fit(x, y, epochs=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert "1/1" in err


def test_classes_and_probabilities():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 6, 2))
    y = np.argmax(x.cumsum(axis=1), axis=-1)  # which feature has the larger sum so far
    m = fastrnn.Sequential(fastrnn.RNN(2, 8, seed=0), fastrnn.Linear(8, 2, seed=1))
    history = fastrnn.Trainer(m, "cross_entropy", fastrnn.Adam(1e-2), seed=0).fit(x, y, epochs=40, verbose=0)
    assert history.loss[0] > 0.59  # a guess costs log 2 = 0.69
    assert history.loss[-1] < 0.35
    p = m.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-6)
    assert (p.argmax(axis=-1) == y).mean() > 0.85

"""Trainer's options: accumulation, clipping, weights, ragged data, validation of every kind, schedules, metrics."""

import numpy as np
import pytest

import fastrnn
from fastrnn.data import Dataset
from layer_table import same_bits


def model(dtype="float64", **options):
    return fastrnn.Sequential(
        fastrnn.GRU(2, 4, dtype=dtype, seed=0, **options), fastrnn.Linear(4, 1, dtype=dtype, seed=1)
    )


def data(n=12, steps=5):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, steps, 2)), rng.standard_normal((n, steps, 1))


class Spy:
    """An optimiser that changes nothing and keeps the gradients it got."""

    learning_rate = 1.0

    def __init__(self):
        self.seen = []

    def update(self, parameters, gradients):
        self.seen.append({name: gradients[name].copy() for name in parameters})


def close(one, two):
    for name, array in one.items():
        np.testing.assert_allclose(array, two[name], rtol=1e-11, atol=1e-14)


# ---- accumulation ----


@pytest.mark.parametrize("parts", [[6, 6], [4, 4, 4], [2, 9, 1], [12]])
def test_accumulated_batches_are_one_large_batch(parts):
    x, y = data()
    large, small = Spy(), Spy()
    fastrnn.Trainer(model(), "mse", large, clip_norm=0.1).step(x, y)
    run = fastrnn.Trainer(model(), "mse", small, clip_norm=0.1, accumulate=len(parts))
    ends = np.cumsum(parts)
    for stop, size in zip(ends, parts, strict=True):
        assert not small.seen
        run.step(x[stop - size : stop], y[stop - size : stop])
    assert len(small.seen) == run.updates == 1
    close(small.seen[0], large.seen[0])


def test_what_is_left_at_the_end_of_an_epoch_is_an_update_too():
    x, y = data(10)
    spy = Spy()
    run = fastrnn.Trainer(model(), "mse", spy, accumulate=2, clip_norm=None)
    history = run.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    assert len(spy.seen) == run.updates == len(history.gradient_norm) == 4  # (4 + 4) and 2, twice
    alone = Spy()
    fastrnn.Trainer(model(), "mse", alone, clip_norm=None).step(x[8:], y[8:])
    close(spy.seen[1], alone.seen[0])
    assert len(history.batch_loss) == 6


# ---- clipping ----


def test_clip_value_comes_before_clip_norm():
    x, y = data()
    free, clipped, both = Spy(), Spy(), Spy()
    fastrnn.Trainer(model(), "mse", free, clip_norm=None).step(x, y)
    run = fastrnn.Trainer(model(), "mse", clipped, clip_norm=None, clip_value=0.01)
    run.step(x, y)
    expected = {name: np.clip(grad, -0.01, 0.01) for name, grad in free.seen[0].items()}
    close(clipped.seen[0], expected)
    norm = np.sqrt(sum((grad**2).sum() for grad in free.seen[0].values()))
    assert run.gradient_norm == pytest.approx(norm, rel=1e-12)
    fastrnn.Trainer(model(), "mse", both, clip_norm=0.02, clip_value=0.01).step(x, y)
    length = np.sqrt(sum((grad**2).sum() for grad in expected.values()))
    assert length > 0.02
    close(both.seen[0], {name: grad * (0.02 / length) for name, grad in expected.items()})


def test_a_gradient_that_is_infinite_is_not_hidden_by_clip_value():
    x, y = data()
    m = model("float32")
    before = m.state_dict()
    with pytest.raises(FloatingPointError, match=r"^the (loss|gradient)"):
        fastrnn.Trainer(m, "mse", clip_value=1.0).step(x, y * 1e38)
    assert same_bits(m.state_dict(), before)


def test_clip_state_bounds_what_flows_back():
    x, y = data()
    spy, m = Spy(), model()
    fastrnn.Trainer(m, "mse", spy, clip_norm=None, clip_state=1e-3).step(x, y)
    output, _, tape = m.record(x)
    close(spy.seen[0], m.backward(tape, 2 * (output - y) / y.size, clip_state=1e-3).parameters)
    free = m.backward(tape, 2 * (output - y) / y.size).parameters
    assert not np.allclose(free["0.weight_hh_l0"], spy.seen[0]["0.weight_hh_l0"], rtol=1e-3)


# ---- weights and ragged data ----


def test_weights_of_samples_and_of_steps():
    x, y = data()
    weight = np.random.default_rng(1).uniform(size=12)
    m = model()
    each = ((m(x) - y) ** 2).mean(axis=(1, 2))
    run = fastrnn.Trainer(m, "mse", Spy(), clip_norm=None)
    assert run.evaluate(x, y, sample_weight=weight) == pytest.approx(np.average(each, weights=weight), rel=1e-12)
    by_step = np.broadcast_to(weight[:, None], (12, 5))
    assert run.evaluate(x, y, sample_weight=by_step) == pytest.approx(np.average(each, weights=weight), rel=1e-12)
    twice, doubled = Spy(), Spy()
    fastrnn.Trainer(model(), "mse", twice, clip_norm=None).step(x[[0, 1, 1]], y[[0, 1, 1]])
    fastrnn.Trainer(model(), "mse", doubled, clip_norm=None).step(x[:2], y[:2], sample_weight=[1.0, 2.0])
    close(doubled.seen[0], twice.seen[0])


@pytest.mark.parametrize("tbptt", [None, 2])
def test_weights_go_with_their_steps_in_ragged_batches(tbptt):
    x, y = data(4)
    lengths = np.array([2, 5, 1, 3])
    weight = np.random.default_rng(1).uniform(0.5, 2, size=(4, 5))
    m = model()
    valid = np.arange(5) < lengths[:, None]
    error = ((m(x, lengths=lengths) - y) ** 2)[..., 0]
    expected = np.average(error[valid], weights=weight[valid])
    weight[~valid] = np.nan
    run = fastrnn.Trainer(m, "mse", fastrnn.SGD(1e-300), clip_norm=None, tbptt=tbptt)
    options = {"lengths": lengths, "sample_weight": weight}
    assert run.evaluate(x, y, **options) == pytest.approx(expected, rel=1e-12)
    history = run.fit(x, y, **options, epochs=1, batch_size=4, verbose=0)
    assert history.loss[0] == pytest.approx(expected, rel=1e-12)


def test_ragged_many_to_one():
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 2)) for n in (3, 1, 5, 2)]
    y = np.array([0, 1, 1, 0])
    m = fastrnn.Sequential(fastrnn.LSTM(2, 3, seed=0), fastrnn.Last(), fastrnn.Linear(3, 2, seed=0))
    run = fastrnn.Trainer(m, "cross_entropy", fastrnn.Adam(0.05), seed=0)
    before = run.evaluate(x, y)
    p = m.predict_proba(x)
    assert before == pytest.approx(-np.log(p[np.arange(4), y]).mean(), rel=1e-5)
    run.fit(x, y, epochs=40, batch_size=2, verbose=0)
    assert run.evaluate(x, y) < before / 2


def test_the_loss_of_an_epoch_weighs_steps_not_batches():
    x, y = data(4)
    lengths = np.array([1, 5, 1, 1])
    m = model()
    valid = np.arange(5) < lengths[:, None]
    expected = ((m(x, lengths=lengths) - y) ** 2)[valid].mean()
    run = fastrnn.Trainer(m, "mse", fastrnn.SGD(1e-300))
    history = run.fit(x, y, lengths=lengths, epochs=1, batch_size=2, verbose=0, validation=(x, y, lengths))
    assert history.loss[0] == pytest.approx(expected, rel=1e-12)
    assert history.validation_loss[0] == pytest.approx(expected, rel=1e-12)


def test_an_encoder_decoder_is_trained_on_arrays_and_validated():
    rng = np.random.default_rng(0)
    source, target = rng.integers(1, 6, (40, 4)), rng.integers(1, 6, (40, 3))
    target[:, 0] = source[:, 0]
    inputs = np.concatenate([np.zeros((40, 1), int), target[:, :-1]], axis=1)
    m = fastrnn.EncoderDecoder(
        fastrnn.Sequential(fastrnn.Embedding(6, 4, seed=0), fastrnn.GRU(4, 8, seed=0)),
        fastrnn.Sequential(fastrnn.Embedding(6, 4, seed=1), fastrnn.GRU(4, 8, seed=1), fastrnn.Linear(8, 6, seed=0)),
    )
    run = fastrnn.Trainer(m, "cross_entropy", fastrnn.Adam(0.02), seed=0)
    history = run.fit((source, inputs), target, epochs=20, batch_size=8, validation=0.25, verbose=0)
    assert history.loss[-1] < history.loss[0] - 0.2
    assert len(history.validation_loss) == 20
    lengths = np.full(40, 4), rng.integers(1, 4, 40)
    padded = np.where(np.arange(3) < lengths[1][:, None], target, -7)
    valid = padded >= 0
    p = np.asarray(m((source, inputs), lengths=lengths), np.float64)
    log_p = p - np.log(np.exp(p).sum(axis=-1, keepdims=True))
    expected = -np.take_along_axis(log_p, target[..., None], axis=-1)[..., 0][valid].mean()
    assert run.evaluate((source, inputs), padded, lengths=lengths) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"^x: expected shape|^x, y: expected as many samples"):
        run.fit((source, inputs[:-1]), target, verbose=0)


# ---- validation ----


def test_windows_of_one_series_are_validated_at_the_end_and_share_nothing_with_it():
    seen = []

    class Loss:
        link = None

        def __call__(self, prediction, target):
            seen.append(np.asarray(target)[:, 0, 0].copy())
            error = prediction - target
            return float((error**2).mean()), 2 * error / error.size

    x, y = data(20)
    y[:, 0, 0] = np.arange(20)
    dataset = Dataset(x, y, overlap=3)
    fastrnn.Trainer(model(), Loss(), Spy(), seed=0).fit(dataset, epochs=1, batch_size=32, validation=0.2, verbose=0)
    train, held_out = seen[-2:]
    np.testing.assert_array_equal(np.sort(train), np.arange(13))
    np.testing.assert_array_equal(held_out, np.arange(16, 20))
    with pytest.raises(ValueError, match=r"^validation: a share of 0.9 and 3 between leaves nothing of 20 samples"):
        fastrnn.Trainer(model(), Loss(), Spy()).fit(dataset, validation=0.9, verbose=0)


def test_validation_may_be_a_dataset_or_have_lengths():
    x, y = data()
    lengths = np.full(4, 3)
    m = model()
    run = fastrnn.Trainer(m, "mse", fastrnn.SGD(1e-300))
    expected = ((m(x[:4])[:, :3] - y[:4, :3]) ** 2).mean()
    for validation in ((x[:4], y[:4], lengths), Dataset(x[:4], y[:4], lengths=lengths)):
        history = run.fit(x, y, epochs=1, validation=validation, verbose=0)
        assert history.validation_loss[0] == pytest.approx(expected, rel=1e-12)


# ---- batches ----


def test_batches_of_like_length():
    lengths = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 9), 4))
    dataset = Dataset([np.zeros((n, 2)) for n in lengths], [np.zeros((n, 1)) for n in lengths])
    order = dataset.order(4, np.random.default_rng(0), bucket=True)
    assert all(len(set(lengths[rows])) == 1 for rows in order)
    np.testing.assert_array_equal(np.sort(np.concatenate(order)), np.arange(32))
    assert [lengths[rows[0]] for rows in order] != sorted((lengths[rows[0]] for rows in order), reverse=True)
    plain = dataset.order(4, np.random.default_rng(0))
    assert not all(len(set(lengths[rows])) == 1 for rows in plain)


def test_no_shuffling_keeps_the_order():
    seen = []

    def loss(prediction, target):
        seen.extend(target[:, 0, 0])
        return 0.0, np.zeros_like(prediction)

    loss.link = None
    x, y = data(10)
    fastrnn.Trainer(model(), loss, Spy()).fit(x, y, epochs=2, batch_size=3, shuffle=False, verbose=0)
    assert seen[-20:] == [*y[:, 0, 0], *y[:, 0, 0]]


def test_a_function_that_makes_batches_is_called_every_epoch():
    x, y = data(6)
    calls = []

    def batches():
        calls.append(len(calls))
        yield x[:3], y[:3]
        yield x[3:], y[3:], np.array([1, 5, 2])
        yield x[3:], y[3:], None, np.ones(3)

    history = fastrnn.Trainer(model(), "mse", seed=0).fit(batches, epochs=3, verbose=0)
    assert calls == [0, 1, 2]
    assert len(history.batch_loss) == 9
    with pytest.raises(TypeError, match=r"^x: expected batches \(x, y\), "):
        fastrnn.Trainer(model(), "mse").fit([x], verbose=0)


def test_memory_mapped_arrays_are_read_batch_by_batch(tmp_path):
    x, y = data(30)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    one, two = model(), model()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r"), np.load(tmp_path / "y.npy", mmap_mode="r")
    options = {"epochs": 2, "batch_size": 4, "validation": 0.2, "verbose": 0}
    history = fastrnn.Trainer(one, "mse", seed=0).fit(*mapped, **options)
    assert history.loss == fastrnn.Trainer(two, "mse", seed=0).fit(x, y, **options).loss
    assert same_bits(one.state_dict(), two.state_dict())


# ---- schedules and metrics ----


def test_a_schedule_sets_the_rate_of_every_update():
    rates = []

    class Watch(Spy):
        def update(self, parameters, gradients):  # noqa: ARG002
            rates.append(self.learning_rate)

    class Halving:
        per = "update"

        def rate(self, initial, count):
            return initial / 2**count

    x, y = data(8)
    history = fastrnn.Trainer(model(), "mse", Watch(), schedule=Halving()).fit(x, y, epochs=2, batch_size=4, verbose=0)
    assert rates == [1, 0.5, 0.25, 0.125]
    assert history.learning_rate == [0.5, 0.125]
    rates.clear()
    by_epoch = Halving()
    by_epoch.per = "epoch"
    history = fastrnn.Trainer(model(), "mse", Watch(), schedule=by_epoch).fit(x, y, epochs=2, batch_size=4, verbose=0)
    assert rates == [1, 1, 0.5, 0.5]
    assert history.learning_rate == [1, 0.5]


def test_metrics_of_training_and_validation():
    x, y = data(12)
    m = model()

    def worst(y_true, y_pred):
        return float(np.abs(y_true - y_pred).max())

    run = fastrnn.Trainer(m, "mse", fastrnn.SGD(1e-300), metrics=["mae", worst])
    history = run.fit(x[:8], y[:8], epochs=2, batch_size=3, validation=(x[8:], y[8:]), verbose=0)
    error = np.abs(m(x) - y)
    assert history.metrics["mae"] == pytest.approx([error[:8].mean()] * 2, rel=1e-9)
    assert history.metrics["worst"] == pytest.approx([error[:8].max()] * 2, rel=1e-9)
    assert history.validation_metrics["mae"] == pytest.approx([error[8:].mean()] * 2, rel=1e-9)
    assert run.score(x, y)["worst"] == pytest.approx(error.max(), rel=1e-9)
    assert set(history.latest()) == {"loss", "mae", "worst", "validation_loss", "validation_mae", "validation_worst"}
    assert "validation_worst" in repr(history)


def test_metrics_of_other_data_in_the_middle_of_an_epoch_change_none_of_its_own():
    x, y = data()
    runs = [fastrnn.Trainer(model(), "mse", metrics=["mae"], seed=0) for _ in range(2)]

    class Watching(fastrnn.Callback):
        def on_update(self, trainer, _history):
            trainer.score(x[:2], y[:2])

    alone = runs[0].fit(x, y, epochs=2, batch_size=4, verbose=0)
    watched = runs[1].fit(x, y, epochs=2, batch_size=4, verbose=0, callbacks=[Watching()])
    assert watched.metrics == alone.metrics


def test_metrics_have_names_of_their_own():
    def loss(y_true, y_pred):
        return float(np.abs(y_true - y_pred).max())

    for metrics in (["mae", "mae"], [loss], [lambda *_: 1.0, lambda *_: 2.0]):
        with pytest.raises(ValueError, match=r"^metrics: the name '.*' is taken; Scored\(function, name="):
            fastrnn.Trainer(model(), "mse", metrics=metrics)
    run = fastrnn.Trainer(model(), "mse", metrics=[fastrnn.metrics.Scored(loss, name="largest")])
    assert run.score(*data()).keys() == {"loss", "largest"}


def test_batches_in_which_nothing_counts_change_nothing():
    x = np.random.default_rng(0).standard_normal((6, 4, 2))
    y = np.full((6, 4), -100)
    m = fastrnn.Sequential(fastrnn.GRU(2, 3, seed=0), fastrnn.Linear(3, 2, seed=0))
    run = fastrnn.Trainer(m, "cross_entropy", fastrnn.Adam(0.1), accumulate=2, seed=0)
    run.step(x, np.zeros((6, 4), int))
    run.step(x, np.zeros((6, 4), int))  # so that there is momentum
    before = m.state_dict()
    history = run.fit(x, y, batch_size=2, epochs=1, verbose=0)
    assert same_bits(m.state_dict(), before)
    assert history.loss == [0.0]
    assert run.evaluate(x, np.zeros((6, 4), int), sample_weight=np.zeros(6)) == 0.0


@pytest.mark.parametrize("validated", [True, False])
def test_a_schedule_may_watch_the_losses(validated):
    x, y = data()
    still = fastrnn.SGD(1e-300)
    schedule = fastrnn.ReduceOnPlateau(patience=0, factor=0.5)
    run = fastrnn.Trainer(model(), "mse", still, schedule=schedule)
    history = run.fit(x, y, epochs=4, verbose=0, validation=(x, y) if validated else None)
    assert history.learning_rate == [1e-300, 1e-300, 5e-301, 2.5e-301]  # known after an epoch, used from the next on

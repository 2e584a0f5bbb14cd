"""Callbacks: when they are called, early stopping, tables, and the names of what is not finite."""

import csv
import io
import sys

import numpy as np
import pytest

import fastrnn
from layer_table import same_bits


def model(seed=0):
    return fastrnn.Sequential(fastrnn.RNN(2, 4, seed=seed), fastrnn.Linear(4, 1, seed=1))


def data(n=12):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 5, 2))
    return x, x.cumsum(axis=1)[..., :1]


def test_when_each_is_called():
    calls = []

    class Watch(fastrnn.Callback):
        def on_start(self, trainer, history):
            calls.append(("start", trainer.updates, len(history.loss)))

        def on_update(self, trainer, history):
            assert len(history.gradient_norm) == trainer.updates
            calls.append(("update", trainer.updates))

        def on_epoch(self, _trainer, history):
            calls.append(("epoch", len(history.loss)))
            return len(history.loss) == 2

        def on_end(self, _trainer, history):
            calls.append(("end", history.stopped))

    x, y = data(4)
    fastrnn.Trainer(model(), "mse").fit(x, y, epochs=5, batch_size=2, verbose=0, callbacks=[Watch()])
    assert calls == [
        ("start", 0, 0), ("update", 1), ("update", 2), ("epoch", 1), ("update", 3), ("update", 4), ("epoch", 2),
        ("end", "a callback ended it"),
    ]  # fmt: skip
    with pytest.raises(TypeError, match=r"^callbacks: expected fastrnn\.Callback objects or functions, got <class"):
        fastrnn.Trainer(model(), "mse").fit(x, y, verbose=0, callbacks=[Watch])


class Scripted(fastrnn.Callback):
    """Gives epochs the validation losses of a list, and parameters the epoch's number."""

    def __init__(self, losses):
        self.losses = losses

    def on_epoch(self, trainer, history):
        history.validation_loss[-1] = self.losses[len(history.loss) - 1]
        for array in trainer.model.parameters().values():
            array[...] = len(history.loss)


@pytest.mark.parametrize(
    ("losses", "options", "epochs", "best"),
    [
        ([5, 4, 3, 4, 4, 4, 4], {"patience": 3}, 6, 3),
        ([5, 4, 3, 4, 2, 4, 4, 4], {"patience": 3}, 8, 5),
        ([5, 4.95, 4.9, 4.85, 4.8], {"patience": 3, "min_change": 0.11}, 5, 4),
        ([5, 4.95, 4.9, 4.85, 4.8], {"patience": 2, "min_change": 0.3}, 3, 1),
        ([1, 2, 3, 3, 3, 3], {"patience": 2, "maximize": True}, 5, 3),
        ([5, 4, 3, 2, 1], {"patience": 1}, 5, 5),
        ([5, float("nan"), 4, float("nan"), 5], {"patience": 2}, 5, 3),
        ([float("nan"), 5, 4, 3, 2], {"patience": 2}, 5, 5),
    ],
)
def test_early_stopping(losses, options, epochs, best):
    x, y = data()
    for restore in (True, False):
        m, stopping = model(), fastrnn.EarlyStopping(**options, restore_best=restore)
        history = fastrnn.Trainer(m, "mse").fit(
            x, y, epochs=len(losses), validation=0.25, verbose=0, callbacks=[Scripted(losses), stopping]
        )
        assert len(history.loss) == epochs
        assert (stopping.best_epoch, stopping.best) == (best, losses[best - 1])
        assert bool(history.stopped) == (epochs < len(losses) or "no improvement" in history.stopped)
        assert {float(a.flat[0]) for a in m.parameters().values()} == {float(best if restore else epochs)}
        again = fastrnn.Trainer(model(), "mse").fit(
            x, y, epochs=1, validation=0.25, verbose=0, callbacks=[Scripted([99.0]), stopping]
        )  # it forgets an earlier training
        assert stopping.best == 99.0
        assert len(again.loss) == 1


def test_the_best_parameters_come_back_after_an_interrupt_too():
    x, y = data()
    m = model()
    stopping = fastrnn.EarlyStopping()
    fastrnn.Trainer(m, "mse").fit(x, y, epochs=3, validation=0.25, verbose=0, callbacks=[Scripted([1, 2, 3]), stopping])
    assert {float(a.flat[0]) for a in m.parameters().values()} == {1.0}


def test_what_is_monitored():
    x, y = data()
    run = fastrnn.Trainer(model(), "mse", metrics=["mae"])
    for monitor in ("loss", "mae"):
        run.fit(x, y, epochs=1, verbose=0, callbacks=[fastrnn.EarlyStopping(monitor=monitor)])
    with pytest.raises(ValueError, match=r"^monitor: .* of loss, mae, got 'validation_loss'; pass validation="):
        run.fit(x, y, epochs=1, verbose=0, callbacks=[fastrnn.EarlyStopping()])
    with pytest.raises(ValueError, match=r"^monitor: expected one of loss, mae, validation_loss, .*, got 'accuracy'$"):
        run.fit(x, y, epochs=1, validation=0.2, verbose=0, callbacks=[fastrnn.EarlyStopping(monitor="accuracy")])
    for wrong in ({"patience": 0}, {"min_change": -1.0}):
        with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}: "):
            fastrnn.EarlyStopping(**wrong)


def test_a_table_of_epochs(tmp_path):
    x, y = data()
    path = tmp_path / "log.csv"
    path.write_text("something old")
    run = fastrnn.Trainer(model(), "mse", metrics=["mae"])
    lines = []
    history = run.fit(
        x, y, epochs=3, validation=0.25, verbose=0,
        callbacks=[fastrnn.CSVLog(path), lambda *_: lines.append(path.read_text().count("\n"))],
    )  # fmt: skip
    assert lines == [2, 3, 4]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert list(rows[0]) == [
        "epoch", "loss", "mae", "validation_loss", "validation_mae", "learning_rate", "seconds",
    ]  # fmt: skip
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["loss"]) for row in rows] == history.loss
    assert [float(row["validation_mae"]) for row in rows] == history.validation_metrics["mae"]


def test_a_table_that_cannot_be_written_is_refused_before_training(tmp_path):
    x, y = data()
    run = fastrnn.Trainer(model(), "mse")
    for path in (tmp_path / "none" / "log.csv", tmp_path):
        with pytest.raises(OSError, match=r"^path: "):
            run.fit(x, y, verbose=0, callbacks=[fastrnn.CSVLog(path)])
    assert run.updates == 0


class Scalars:
    """What tensorboardX offers, as far as it is used."""

    written = []  # noqa: RUF012

    def __init__(self, directory):
        self.directory = directory

    def add_scalar(self, name, value, step):
        self.written.append((self.directory, name, value, step))

    def flush(self):
        self.written.append("flush")

    def close(self):
        self.written.append("close")


def test_tensorboard(monkeypatch):
    x, y = data()
    run = fastrnn.Trainer(model(), "mse")
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'fastrnn\[tensorboard\]'"):
        run.fit(x, y, verbose=0, callbacks=[fastrnn.TensorBoard("logs")])
    assert run.updates == 0
    module = type(sys)("tensorboardX")
    module.SummaryWriter = Scalars
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    history = run.fit(x, y, epochs=2, validation=0.25, verbose=0, callbacks=[fastrnn.TensorBoard("logs")])
    assert Scalars.written[-1] == "close"
    assert ("logs", "validation_loss", history.validation_loss[1], 2) in Scalars.written
    assert ("logs", "learning_rate", 1e-3, 1) in Scalars.written


def test_the_bar_shows_losses_metrics_and_speed():
    x, y = data()
    file = io.StringIO()
    fastrnn.Trainer(model(), "mse", metrics=["mae"]).fit(x, y, epochs=2, validation=0.25, file=file)
    last = file.getvalue().split("\r")[-1]
    for part in ("epoch 2/2", "loss=", "mae=", "validation=", "validation_mae=", "samples/s", "2/2"):
        assert part in last


def test_the_layer_that_is_not_finite_is_named():
    x, y = data()
    m = fastrnn.Sequential(
        fastrnn.RNN(2, 4, nonlinearity="relu", seed=0), fastrnn.Linear(4, 3, seed=1), fastrnn.Linear(3, 1, seed=1)
    )
    m.layers[1].parameters()["weight"][...] = 3e38
    before = m.state_dict()
    trainer = fastrnn.Trainer(m, "mse")
    with pytest.raises(FloatingPointError, match=r"the output of layer 1, Linear\(.*is the first that is not finite"):
        trainer.fit(x, y, epochs=1, verbose=0)
    assert same_bits(m.state_dict(), before)
    m.layers[2].parameters()["bias"][...] = np.nan
    with pytest.raises(FloatingPointError, match=r"parameter 2.bias is not finite"):
        trainer.fit(x, y, epochs=1, verbose=0)


def test_a_training_that_runs_away_names_the_update():
    x, y = data()
    trainer = fastrnn.Trainer(model(), "mse", fastrnn.SGD(1e30), clip_norm=None)
    with pytest.raises(FloatingPointError, match=r"^epoch \d+, update \d+: the (loss|gradient)"):
        trainer.fit(x, y, epochs=50, verbose=0)


def test_the_range_test_finds_a_rate_and_changes_nothing():
    x, y = data(64)
    trainer = fastrnn.Trainer(model(), "mse", fastrnn.Adam(1e-3), seed=0, accumulate=2)
    before, rng = trainer.model.state_dict(), trainer.rng.bit_generator.state
    found = trainer.find_learning_rate(x, y, low=1e-5, high=10.0, steps=60, batch_size=8)
    assert same_bits(trainer.model.state_dict(), before)
    assert (trainer.updates, trainer.optimizer.learning_rate, trainer.rng.bit_generator.state) == (0, 1e-3, rng)
    assert 1e-4 < found.suggestion < 1.0
    lowest = 10 + found.losses[10:].argmin()  # the first losses are means of few batches
    assert found.suggestion == pytest.approx(found.rates[lowest] / 10)
    np.testing.assert_allclose(np.diff(np.log(found.rates)), np.log(1e6) / 59)
    assert str(found).startswith(f"{found.suggestion:.2g}, of ")

    def loss_after(rate):
        run = fastrnn.Trainer(model(), "mse", fastrnn.Adam(rate), seed=0)
        return run.fit(x, y, epochs=5, verbose=0).loss[-1]

    assert loss_after(found.suggestion) < loss_after(1e-5) / 1.5
    for wrong in ({"low": 1.0, "high": 0.1}, {"steps": 2}, {"low": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=r"^(low|batch_size)"):
            trainer.find_learning_rate(x, y, **wrong)


class Bare:
    """As little of a file as one can write to."""

    closed = False

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_files_that_are_closed_or_can_only_be_written():
    x, y = data()
    closed, bare = io.StringIO(), Bare()
    closed.close()
    for file in (closed, bare):
        assert len(fastrnn.Trainer(model(), "mse").fit(x, y, epochs=1, file=file).loss) == 1
    assert "epoch 1/1" in bare.text


def test_silent_without_standard_error(monkeypatch):
    x, y = data()
    monkeypatch.setattr(sys, "stderr", None)
    assert len(fastrnn.Trainer(model(), "mse").fit(x, y, epochs=1).loss) == 1


def test_pictures_of_a_history_and_of_a_range_test(tmp_path):
    x, y = data()
    trainer = fastrnn.Trainer(model(), "mse", metrics=["mae"], seed=0)
    trainer.fit(x, y, epochs=3, validation=0.25, verbose=0).plot(tmp_path / "history.png")
    trainer.find_learning_rate(x, y, steps=10).plot(tmp_path / "rates.png")
    for name in ("history.png", "rates.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_be_monitored_is_refused_before_training():
    x, y = data()
    m = model()
    before = m.state_dict()
    plateau = fastrnn.Trainer(m, "mse", schedule=fastrnn.ReduceOnPlateau(monitor="validation_mae"), metrics=["mae"])
    for run, callbacks in (
        (fastrnn.Trainer(m, "mse"), [fastrnn.EarlyStopping()]),
        (fastrnn.Trainer(m, "mse"), [fastrnn.EarlyStopping(monitor="mae")]),
        (plateau, []),
    ):
        with pytest.raises(ValueError, match=r"^monitor: expected one of loss"):
            run.fit(x, y, verbose=0, callbacks=callbacks)
    assert same_bits(m.state_dict(), before)
    plateau.fit(x, y, epochs=1, validation=0.25, verbose=0)
    assert plateau.numbers == ("loss", "mae", "validation_loss", "validation_mae")


def test_a_schedule_may_watch_a_metric_grow():
    x, y = data()

    def epochs(y_true, _y_pred):
        calls.append(len(y_true))
        return float(len(calls) // 2)  # training's and validation's

    calls = []
    schedule = fastrnn.ReduceOnPlateau(patience=0, factor=0.5, mode="max", monitor="validation_epochs")
    run = fastrnn.Trainer(model(), "mse", fastrnn.SGD(1e-300), schedule=schedule, metrics=[epochs])
    history = run.fit(x, y, epochs=3, validation=0.25, verbose=0)
    assert history.learning_rate == [1e-300] * 3
    assert history.validation_metrics["epochs"] == [1.0, 2.0, 3.0]


def test_a_target_that_is_not_finite_is_named():
    x, y = data()
    y[3] = np.nan
    with pytest.raises(FloatingPointError, match=r"^epoch 1, update 1: .*: y is not finite in sample 3 of the batch"):
        fastrnn.Trainer(model(), "mse").fit([(x, y)], verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verbose": 2}, "^verbose: expected 0 or 1, got 2"),
        ({"sample_weight": np.ones((12, 5, 1))}, "^weight: expected one for each sample, or for each step"),
        ({"sample_weight": np.arange(12.0) - 1}, "^weight: expected numbers >= 0, got -1.0 in sample 0"),
    ],
)
def test_more_arguments_are_refused_before_training(options, message):
    x, y = data()
    run = fastrnn.Trainer(model(), "mse")
    with pytest.raises(ValueError, match=message):
        run.fit(x, y, **{"verbose": 0, **options})
    assert run.updates == 0

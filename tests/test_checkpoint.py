"""Checkpoints: a training that was killed, interrupted or ended goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn.serialization import load_with_metadata
from fastrnn.trainer.checkpoint import NAME, read, write
from layer_table import same_bits
from resumed_training import Halving, training

SCRIPT = Path(__file__).with_name("resumed_training.py")


EPOCHS = 40


def start(directory, result):
    """Return a process in which training has begun."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, directory, result, str(EPOCHS)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout.readline() == b"begins\n", process.communicate()[0].decode()
    return process


def test_killed_at_random_moments_a_training_ends_with_the_same_bits(tmp_path):
    train, expected = training(EPOCHS)
    began = time.perf_counter()
    history = train(tmp_path / "whole")
    seconds = time.perf_counter() - began
    rng = np.random.default_rng(0)
    directory, result = tmp_path / "run", tmp_path / "model.safetensors"
    seen = []
    for _ in range(20):
        process = start(directory, result)
        time.sleep(float(rng.uniform(0, seconds / 25)))  # so that it does not come to its end before the last
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        seen.append(read(directory / NAME)["trainer"]["updates"] if (directory / NAME).exists() else 0)
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    process = start(directory, result)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    model, metadata = load_with_metadata(result)
    assert same_bits(model.state_dict(), expected.state_dict())
    assert metadata["loss"] == repr(history.loss)
    assert metadata["batches"] == repr(history.batch_loss)
    assert [path.name for path in directory.iterdir()] == [NAME]


class StopError(Exception):
    """What ends a training in the middle."""


class StopAfter(fastrnn.Callback):
    def __init__(self, updates=10**9):
        self.updates = updates

    def on_update(self, trainer, _history):
        if trainer.updates == self.updates:
            raise StopError


def parts():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((12, 9, 2))
    return x, x.cumsum(axis=1)[..., :1]


def plain(optimizer=None, loss="mse", **options):
    model = fastrnn.Sequential(
        fastrnn.GRU(2, 4, zoneout=0.1, recurrent_dropout=0.1, seed=0), fastrnn.Linear(4, 1, seed=1)
    )
    return fastrnn.Trainer(model, loss, optimizer or fastrnn.Adam(0.02), **{"seed": 5, **options})


def worst(y_true, y_pred):
    return float(np.abs(y_true - y_pred).max())


VARIANTS = {
    "plain": ({}, {}),
    "tbptt": ({"tbptt": 4}, {}),
    "two windows": ({"tbptt": (2, 5), "accumulate": 3}, {}),
    "accumulate": ({"accumulate": 2}, {}),
    "validation": ({"metrics": ["mae", "r2", worst]}, {"validation": 0.25}),
    "schedule": ({"schedule": Halving()}, {}),
    "plateau": ({"schedule": fastrnn.ReduceOnPlateau(patience=1, factor=0.5)}, {"validation": 0.25}),
    "buckets": ({}, {"lengths": np.arange(12) % 9 + 1, "bucket": True}),
    "in order": ({}, {"shuffle": False}),
    "classes": ({"loss": "bce", "metrics": ["accuracy", "precision"]}, {}),
    "from 0": ({"schedule": fastrnn.Warmup(3, start_factor=0.0)}, {}),
    "down to 0": ({"schedule": fastrnn.Cosine(4)}, {}),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("updates", [2, 3, 5, 8, 11])  # the checkpoint is of the update before
def test_resumed_after_any_update(tmp_path, variant, updates):
    options, fit = VARIANTS[variant]
    x, y = parts()
    if options.get("loss") == "bce":
        y = y > 0
    fit = {"epochs": 6, "batch_size": 5, "verbose": 0, **fit}
    whole = plain(**deepcopy(options))
    expected = whole.fit(x, y, **fit, callbacks=[StopAfter()])
    with pytest.raises(StopError):
        plain(**deepcopy(options)).fit(
            x, y, **fit, callbacks=[StopAfter(updates)], checkpoint=fastrnn.Checkpoint(tmp_path, every=1)
        )
    again = plain(**deepcopy(options), seed=99)  # the generator is the checkpoint's
    history = again.fit(x, y, **fit, callbacks=[StopAfter()], checkpoint=tmp_path, resume=True)
    assert same_bits(again.model.state_dict(), whole.model.state_dict())
    for name in (
        "loss",
        "validation_loss",
        "batch_loss",
        "gradient_norm",
        "learning_rate",
        "metrics",
        "validation_metrics",
    ):
        assert getattr(history, name) == getattr(expected, name)
    assert again.updates == whole.updates


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: fastrnn.SGD(0.1),
        lambda: fastrnn.SGD(0.1, momentum=0.9),
        lambda: fastrnn.RMSprop(1e-2),
        lambda: fastrnn.Adam(1e-2),
        lambda: fastrnn.AdamW(1e-2),
    ],
)
def test_every_optimiser_goes_on(tmp_path, optimizer):
    x, y = parts()
    whole = plain(optimizer())
    whole.fit(x, y, epochs=4, verbose=0)
    plain(optimizer()).fit(x, y, epochs=2, verbose=0, checkpoint=tmp_path)
    again = plain(optimizer())
    again.fit(x, y, epochs=4, verbose=0, checkpoint=tmp_path, resume=True)  # more epochs may follow
    assert same_bits(again.model.state_dict(), whole.model.state_dict())


def test_stateful_batches_go_on(tmp_path):
    x, y = parts()
    batches = [(x[:, t : t + 3], y[:, t : t + 3]) for t in (0, 3, 6)]
    whole = plain()
    whole.fit(batches, stateful=True, epochs=3, verbose=0, callbacks=[StopAfter()])
    with pytest.raises(StopError):
        plain().fit(
            batches, stateful=True, epochs=3, verbose=0, callbacks=[StopAfter(5)],
            checkpoint=fastrnn.Checkpoint(tmp_path, every=1),
        )  # fmt: skip
    again = plain()
    again.fit(batches, stateful=True, epochs=3, verbose=0, callbacks=[StopAfter()], checkpoint=tmp_path, resume=True)
    assert same_bits(again.model.state_dict(), whole.model.state_dict())


def test_what_has_ended_is_not_trained_again(tmp_path):
    x, y = parts()
    stopping = fastrnn.EarlyStopping(patience=2, min_change=10.0)
    one = plain()
    expected = one.fit(x, y, epochs=50, validation=0.25, verbose=0, callbacks=[stopping], checkpoint=tmp_path)
    assert len(expected.loss) == 3
    assert "no improvement" in expected.stopped
    again = plain()
    history = again.fit(
        x, y, epochs=60, validation=0.25, verbose=0, checkpoint=tmp_path, resume=True,
        callbacks=[fastrnn.EarlyStopping(patience=2, min_change=10.0)],
    )  # fmt: skip
    assert history.loss == expected.loss
    assert history.stopped == expected.stopped
    assert same_bits(again.model.state_dict(), one.model.state_dict())  # those of the best epoch
    assert again.updates == one.updates


def test_no_epoch_is_trained_beyond_those_asked_for(tmp_path):
    x, y = parts()
    with pytest.raises(StopError):
        plain().fit(
            x, y, epochs=5, batch_size=4, verbose=0, callbacks=[StopAfter(11)],
            checkpoint=fastrnn.Checkpoint(tmp_path, every=1),
        )  # fmt: skip
    again = plain()
    history = again.fit(
        x, y, epochs=2, batch_size=4, verbose=0, callbacks=[StopAfter()], checkpoint=tmp_path, resume=True
    )
    assert len(history.loss) == 3
    assert again.updates == 10


def test_flags_of_numpys_are_the_same_flags(tmp_path):
    x, y = parts()
    for epochs in (1, 2):
        options = {"stateful": np.True_, "shuffle": np.False_, "checkpoint": tmp_path, "resume": np.True_}
        assert len(plain().fit(x, y, epochs=epochs, verbose=0, **options).loss) == epochs


def test_resuming_where_nothing_is_begins(tmp_path):
    x, y = parts()
    one, two = plain(), plain()
    one.fit(x, y, epochs=2, verbose=0)
    two.fit(x, y, epochs=2, verbose=0, checkpoint=tmp_path / "new" / "run", resume=True)
    assert same_bits(one.model.state_dict(), two.model.state_dict())


def interrupting(after):
    """Return a callback that sends the signal of Ctrl-C after so many updates."""

    class Interrupting(fastrnn.Callback):
        def on_update(self, trainer, _history):
            if trainer.updates == after:
                os.kill(os.getpid(), signal.SIGINT)

    return Interrupting()


def test_an_interrupt_ends_after_the_update_and_training_can_go_on(tmp_path):
    x, y = parts()
    whole = plain(accumulate=2)
    expected = whole.fit(x, y, epochs=4, batch_size=3, verbose=0, callbacks=[interrupting(-1)])
    one = plain(accumulate=2)
    history = one.fit(x, y, epochs=4, batch_size=3, verbose=0, callbacks=[interrupting(3)], checkpoint=tmp_path)
    assert history.stopped == "interrupted"
    assert (one.updates, len(history.loss), len(history.batch_loss)) == (3, 1, 6)
    again = plain(accumulate=2)
    history = again.fit(
        x, y, epochs=4, batch_size=3, verbose=0, callbacks=[interrupting(-1)], checkpoint=tmp_path, resume=True
    )
    assert same_bits(again.model.state_dict(), whole.model.state_dict())
    assert history.loss == expected.loss
    assert history.stopped == ""


def test_an_interrupt_without_a_checkpoint_keeps_what_was_trained():
    x, y = parts()
    trainer = plain()
    before = trainer.model.state_dict()
    history = trainer.fit(x, y, epochs=9, batch_size=3, verbose=0, callbacks=[interrupting(2)])
    assert (trainer.updates, history.stopped) == (2, "interrupted")
    assert not same_bits(trainer.model.state_dict(), before)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(trainer.fit(x, y, epochs=1, verbose=0).loss) == 1


def test_a_second_interrupt_ends_at_once():
    class Twice(fastrnn.Callback):
        def on_update(self, _trainer, _history):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("not reached")

    x, y = parts()
    with pytest.raises(KeyboardInterrupt):
        plain().fit(x, y, verbose=0, callbacks=[Twice()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ---- refused ----


def fitted(tmp_path, **options):
    x, y = parts()
    plain().fit(x, y, epochs=1, batch_size=4, verbose=0, checkpoint=tmp_path, **options)
    return (tmp_path / NAME).read_bytes()


def test_an_earlier_training_is_not_overwritten(tmp_path):
    content = fitted(tmp_path)
    x, y = parts()
    with pytest.raises(FileExistsError, match=r"^checkpoint: .* is that of an earlier training; pass resume=True"):
        plain().fit(x, y, verbose=0, checkpoint=tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


OTHERS = {
    "model": lambda: fastrnn.Trainer(fastrnn.Sequential(fastrnn.GRU(2, 1)), "mse"),
    "optimizer": lambda: plain(fastrnn.Adam(0.02, eps=1e-6)),
    "learning_rate": lambda: plain(fastrnn.Adam(0.03)),
    "loss": lambda: fastrnn.Trainer(plain().model, "squared_error", fastrnn.Adam(0.02)),
    "limits": lambda: plain(clip_norm=3.0),
    "tbptt": lambda: plain(tbptt=3),
    "accumulate": lambda: plain(accumulate=2),
    "schedule": lambda: plain(schedule=Halving()),
    "metrics": lambda: plain(metrics=["mae"]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_training(tmp_path, name):
    content = fitted(tmp_path)
    x, y = parts()
    other = OTHERS[name]()
    before = other.model.state_dict()
    with pytest.raises(fastrnn.CheckpointError, match=rf"a checkpoint of another training: {name} was "):
        other.fit(x, y, batch_size=4, verbose=0, checkpoint=tmp_path, resume=True)
    assert same_bits(other.model.state_dict(), before)
    assert (tmp_path / NAME).read_bytes() == content


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("batch_size", {"batch_size": 5}),
        ("shuffle", {"shuffle": False}),
        ("validation", {"validation": 0.25}),
        ("validation", {"validation": parts()}),
        ("callbacks", {"callbacks": [StopAfter()]}),
    ],
)
def test_a_checkpoint_of_another_call(tmp_path, name, options):
    fitted(tmp_path)
    x, y = parts()
    with pytest.raises(fastrnn.CheckpointError, match=rf"{name} was "):
        plain().fit(x, y, **{"batch_size": 4, "verbose": 0, **options}, checkpoint=tmp_path, resume=True)
    with pytest.raises(fastrnn.CheckpointError, match="samples was 12, and is 11 now"):
        plain().fit(x[1:], y[1:], batch_size=4, verbose=0, checkpoint=tmp_path, resume=True)


def test_damaged_checkpoints(tmp_path):
    content = fitted(tmp_path)
    x, y = parts()
    trainer = plain()
    before = trainer.model.state_dict()
    rng = np.random.default_rng(0)
    damaged = [content[:n] for n in (0, 1, 8, 100, len(content) // 2, len(content) - 1)]
    for _ in range(150):
        bytes_ = bytearray(content)
        bytes_[rng.integers(0, min(len(bytes_), 6000))] ^= 1 << rng.integers(8)
        damaged.append(bytes(bytes_))
    refused = 0
    for one in damaged:
        (tmp_path / NAME).write_bytes(one)
        try:
            trainer.fit(x, y, epochs=1, batch_size=4, verbose=0, checkpoint=tmp_path, resume=True)
        except fastrnn.CheckpointError as error:
            assert str(tmp_path) in str(error)  # noqa: PT017
            refused += 1
        else:
            trainer = plain()
            before = trainer.model.state_dict()
            continue
        assert same_bits(trainer.model.state_dict(), before)
    assert refused > 80


def mutated(tree, rng):
    """Return a tree with one of its parts replaced by something else."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = list(tree)[rng.integers(len(tree))]
        return {**tree, key: mutated(tree[key], rng)}
    return [None, -1, "text", [], {}, 1e300, np.zeros((0, 3)), np.full(3, np.nan), (), 10**30][rng.integers(10)]


def test_checkpoints_with_wrong_contents(tmp_path):
    fitted(tmp_path)
    tree = read(tmp_path / NAME)
    x, y = parts()
    rng = np.random.default_rng(0)
    for _ in range(300):
        write(tmp_path / NAME, mutated(tree, rng))
        trainer = plain()
        try:
            trainer.fit(x, y, epochs=1, batch_size=4, verbose=0, checkpoint=tmp_path, resume=True)
        except fastrnn.CheckpointError:
            continue


def test_other_files_are_no_checkpoints(tmp_path):
    x, y = parts()
    path = tmp_path / NAME
    for content in (b"", b"x" * 100, json.dumps({"a": 1}).encode()):
        path.write_bytes(content)
        with pytest.raises(fastrnn.CheckpointError, match="not a checkpoint"):
            plain().fit(x, y, verbose=0, checkpoint=tmp_path, resume=True)
    path.unlink()
    plain().model.save(path)
    with pytest.raises(fastrnn.CheckpointError, match="not a checkpoint of fastrnn's"):
        plain().fit(x, y, verbose=0, checkpoint=tmp_path, resume=True)
    write(path, {"anything": 1})
    with pytest.raises(fastrnn.CheckpointError, match="not a checkpoint of a training"):
        plain().fit(x, y, verbose=0, checkpoint=tmp_path, resume=True)


def test_places_that_cannot_be_written_and_bad_arguments(tmp_path):
    x, y = parts()
    trainer = plain()
    before = trainer.model.state_dict()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(OSError, match="file"):
        trainer.fit(x, y, verbose=0, checkpoint=tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        trainer.fit(x, y, verbose=0, checkpoint=tmp_path / "file" / "run")
    with pytest.raises(ValueError, match=r"^resume: expected a checkpoint to go on from"):
        trainer.fit(x, y, verbose=0, resume=True)
    with pytest.raises(TypeError, match=r"^checkpoint: expected a directory, got 3"):
        trainer.fit(x, y, verbose=0, checkpoint=3)
    for wrong in ({"every": 0}, {"minutes": 0}, {"minutes": -1.0}):
        with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}: expected"):
            fastrnn.Checkpoint(tmp_path, **wrong)
    assert same_bits(trainer.model.state_dict(), before)


def test_an_optimiser_that_cannot_be_kept_is_refused_before_training(tmp_path):
    class Own:
        learning_rate = 0.1

        def update(self, parameters, gradients):
            for name, w in parameters.items():
                w -= self.learning_rate * gradients[name]

    x, y = parts()
    trainer = plain(Own())
    with pytest.raises(TypeError, match=r"^checkpoint: Own has no state_dict and load_state_dict"):
        trainer.fit(x, y, verbose=0, checkpoint=tmp_path)
    assert trainer.updates == 0
    assert list(tmp_path.iterdir()) == []


def test_trees_come_back_as_they_were(tmp_path):
    tree = {
        "a": [1, 2.5, None, True, "text"], "b": (np.arange(3), {"c": np.float32(0.1)}), "d": {}, "e": float("inf"),
        "f": np.zeros((0, 4), np.float32), "g": np.array(3.0), "h": 2**127, "i": np.arange(6).reshape(2, 3).T,
    }  # fmt: skip
    write(tmp_path / "tree", tree)
    found = read(tmp_path / "tree")
    np.testing.assert_array_equal(found["b"][0], tree["b"][0])
    assert isinstance(found["b"], tuple)
    assert (found["a"], found["d"], found["e"], found["h"]) == (tree["a"], {}, float("inf"), 2**127)
    for name in "fgi":
        assert found[name].shape == tree[name].shape
        np.testing.assert_array_equal(found[name], tree[name])
    with pytest.raises(TypeError, match=r"^checkpoint: x is of type object"):
        write(tmp_path / "tree", {"x": object()})
    with pytest.raises(TypeError, match=r"^checkpoint: x is an array of complex128, which can't be written"):
        write(tmp_path / "tree", {"x": np.zeros(2, complex)})
    with pytest.raises(TypeError, match=r"^checkpoint: x has keys that are not text"):
        write(tmp_path / "tree", {"x": {1: 2}})


def test_names_with_dots_are_kept_apart(tmp_path):
    write(tmp_path / "tree", {"a.b": np.zeros(1), "a": {"b": np.ones(2)}})
    found = read(tmp_path / "tree")
    assert (found["a.b"].tolist(), found["a"]["b"].tolist()) == ([0.0], [1.0, 1.0])


def test_how_often(tmp_path):
    x, y = parts()
    saved = []

    class Watched(fastrnn.Checkpoint):
        def save(self, tree, updates):
            saved.append(updates)
            super().save(tree, updates)

    plain().fit(x, y, epochs=4, batch_size=4, verbose=0, checkpoint=Watched(tmp_path / "a", every=5))
    assert saved == [5, 10, 12]
    saved.clear()
    plain().fit(x, y, epochs=2, batch_size=4, verbose=0, checkpoint=Watched(tmp_path / "b", minutes=1e-9))
    assert saved == [1, 2, 3, 4, 5, 6, 6]
    saved.clear()
    plain().fit(x, y, epochs=2, batch_size=4, verbose=0, checkpoint=Watched(tmp_path / "c"))
    assert saved == [6]


@pytest.mark.parametrize(("tbptt", "interrupted", "windows"), [(None, 3, 4), (3, 1, 2), (3, 7, 8)])
def test_an_interrupt_waits_for_the_gradients_that_are_gathered(tmp_path, tbptt, interrupted, windows):
    x, y = parts()

    class Interrupting(fastrnn.losses.MSE):
        seen = 0

        def sums(self, *arguments):
            self.seen += 1
            if self.seen == interrupted:  # the first of two windows of an update
                os.kill(os.getpid(), signal.SIGINT)
            return super().sums(*arguments)

    def trainer(loss):
        return fastrnn.Trainer(plain().model, loss, fastrnn.Adam(0.02), accumulate=2, tbptt=tbptt, seed=5)

    whole = trainer("mse")
    whole.fit(x, y, epochs=2, batch_size=3, verbose=0)
    one = trainer(Interrupting())
    history = one.fit(x, y, epochs=2, batch_size=3, verbose=0, checkpoint=tmp_path)
    assert (one.updates, len(history.batch_loss), history.stopped) == (windows // 2, windows, "interrupted")
    again = trainer(Interrupting())
    again.loss.seen = 100
    again.fit(x, y, epochs=2, batch_size=3, verbose=0, checkpoint=tmp_path, resume=True)
    assert same_bits(again.model.state_dict(), whole.model.state_dict())


def test_more_epochs_go_on_from_the_last_parameters_not_from_the_best(tmp_path):
    x, y = parts()

    def worst_first():
        return [fastrnn.EarlyStopping(patience=50, monitor="loss", maximize=True)]

    whole = plain()
    expected = whole.fit(x, y, epochs=6, verbose=0, callbacks=worst_first())
    plain().fit(x, y, epochs=3, verbose=0, callbacks=worst_first(), checkpoint=tmp_path)
    again = plain()
    history = again.fit(x, y, epochs=6, verbose=0, callbacks=worst_first(), checkpoint=tmp_path, resume=True)
    assert history.batch_loss == expected.batch_loss
    assert same_bits(again.model.state_dict(), whole.model.state_dict())


def test_a_learning_rate_that_a_callback_has_set_goes_on(tmp_path):
    x, y = parts()

    def lower(trainer, history):
        if len(history.loss) == 1:
            trainer.optimizer.learning_rate = 1e-4

    expected = plain().fit(x, y, epochs=4, verbose=0, callbacks=[lower])
    plain().fit(x, y, epochs=2, verbose=0, callbacks=[lower], checkpoint=tmp_path)
    history = plain().fit(x, y, epochs=4, verbose=0, callbacks=[lower], checkpoint=tmp_path, resume=True)
    assert history.learning_rate == expected.learning_rate == [0.02, 1e-4, 1e-4, 1e-4]
    assert history.batch_loss == expected.batch_loss


def test_what_differs_in_a_long_description_is_shown(tmp_path):
    x, y = parts()
    fitted(tmp_path)
    wide = fastrnn.Sequential(
        fastrnn.GRU(2, 4, zoneout=0.25, recurrent_dropout=0.1, seed=0), fastrnn.Linear(4, 1, seed=1)
    )
    with pytest.raises(fastrnn.CheckpointError, match=r"model was .*\[0\.1\].*, and is .*\[0\.25\]"):
        fastrnn.Trainer(wide, "mse", fastrnn.Adam(0.02)).fit(
            x, y, batch_size=4, verbose=0, checkpoint=tmp_path, resume=True
        )


def test_keys_of_a_callbacks_state_are_text(tmp_path):
    class Odd(fastrnn.Callback):
        def state_dict(self):
            return {1: "a"}

    x, y = parts()
    with pytest.raises(TypeError, match=r"^checkpoint: callbacks\.0 has keys that are not text: \[1\]"):
        plain().fit(x, y, epochs=1, verbose=0, callbacks=[Odd()], checkpoint=tmp_path)

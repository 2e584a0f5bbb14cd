"""Checkpoints: a training that was killed, interrupted or ended goes on as if nothing had happened."""

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
from fastrnn._files import TEMPORARY
from fastrnn.serialization import load_with_metadata
from fastrnn.trainer.checkpoint import NAME, read, write
from layer_table import same_bits
from resumed_training import Halving, parts, plain, training

SCRIPT = Path(__file__).with_name("resumed_training.py")


EPOCHS = 40


def begun(script):
    """Return the number of a process in which training has begun."""
    script.stdin.write("\n")
    words = script.stdout.readline().split()
    assert words[0] == "begins", [words, script.communicate()[0]]
    return int(words[1])


def ended(script):
    """Return how the process ended, and what it said before."""
    said = []
    while not (line := script.stdout.readline()).startswith("ends "):
        assert line, said  # or the script itself has ended
        said.append(line)
    return int(line.split()[1]), said


def test_killed_at_random_moments_a_training_ends_with_the_same_bits(tmp_path):
    train, expected = training(EPOCHS)
    began = time.perf_counter()
    history = train(tmp_path / "whole")
    seconds = time.perf_counter() - began
    rng = np.random.default_rng(0)
    directory, result = tmp_path / "run", tmp_path / "model.safetensors"
    seen = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, SCRIPT, directory, result, str(EPOCHS)], bufsize=1, **pipes) as script:
        while len(seen) < 20 or len(set(seen)) <= 5:  # on a busy machine it takes longer to get anywhere
            assert len(seen) < 200
            process = begun(script)
            longest = seconds / 25 * max(1, len(seen) / 20)  # so that it does not come to its end before the last
            time.sleep(float(rng.uniform(0, longest)))
            os.kill(process, signal.SIGKILL)
            assert ended(script)[0] == -signal.SIGKILL
            seen.append(read(directory / NAME)["trainer"]["updates"] if (directory / NAME).exists() else 0)
        assert seen == sorted(seen)
        begun(script)
        assert ended(script) == (0, [])
    model, metadata = load_with_metadata(result)
    assert same_bits(model.state_dict(), expected.state_dict())
    assert metadata["loss"] == repr(history.loss)
    assert metadata["batches"] == repr(history.batch_loss)
    assert (directory / NAME).exists()


def test_files_that_were_left_half_written_are_removed_but_not_those_of_a_training_that_still_writes(tmp_path):
    old, new = (tmp_path / TEMPORARY.format(name) for name in ("old", "new"))
    for part in (old, new):
        part.touch()
    before = time.time() - 3600
    os.utime(old, (before, before))
    x, y = parts()
    plain().fit(x, y, epochs=1, verbose=0, checkpoint=tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([new, tmp_path / NAME])


class StopError(Exception):
    """What ends a training in the middle."""


class StopAfter(fastrnn.Callback):
    def __init__(self, updates=10**9):
        self.updates = updates

    def on_update(self, trainer, _history):
        if trainer.updates == self.updates:
            raise StopError


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

"""Checkpoints that are refused: damaged, another training's, in the way, or of what can't be kept."""

import json

import numpy as np
import pytest

import fastrnn
from fastrnn.trainer.checkpoint import NAME, read, write
from layer_table import same_bits
from resumed_training import Halving, parts, plain


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
        ("callbacks", {"callbacks": [fastrnn.Callback()]}),
    ],
)
def test_a_checkpoint_of_another_call(tmp_path, name, options):
    fitted(tmp_path)
    x, y = parts()
    with pytest.raises(fastrnn.CheckpointError, match=rf"{name} was "):
        plain().fit(x, y, **{"batch_size": 4, "verbose": 0, **options}, checkpoint=tmp_path, resume=True)
    with pytest.raises(fastrnn.CheckpointError, match="samples was 12, and is 11 now"):
        plain().fit(x[1:], y[1:], batch_size=4, verbose=0, checkpoint=tmp_path, resume=True)


def test_a_directory_in_the_place_of_a_checkpoint(tmp_path):
    (tmp_path / NAME).mkdir()
    x, y = parts()
    with pytest.raises(IsADirectoryError, match=NAME):
        plain().fit(x, y, verbose=0, checkpoint=tmp_path, resume=True)


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

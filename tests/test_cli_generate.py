"""fastrnn generate: what it learns from, what it writes and where, and what becomes of bad input and interrupts."""

import io
import json
import signal
import sys

import pytest

import fastrnn
from cli_runner import run
from detector_oracle import oracle
from fastrnn.cli import generate
from fastrnn.data import Vocabulary
from fastrnn.language import CharacterModel, load, train

TEXT = "Mañana, pasado mañana: el pan, la sal y el sol.\n" * 40
QUICK = ["--hidden", "8", "--epochs", "1", "--length", "20"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a directory with texts, a model in it and bad files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text(TEXT, encoding="utf-8")
    letters = "\n abc"
    layers = fastrnn.Embedding(5, 4, seed=0), fastrnn.LSTM(4, 6, seed=0), fastrnn.Linear(6, 5, seed=0)
    model = fastrnn.Sequential(*layers)
    model.link = "softmax"
    CharacterModel(model, Vocabulary(letters)).save("abc.model")
    oracle("happy").save("happy.model")
    CharacterModel(model, Vocabulary("abcdef")).save("six.model")
    content = {
        "short.txt": b"too short",
        "empty.txt": b"",
        "latin.txt": TEXT.encode("latin-1"),
        "binary.dat": b"\x7fELF\0\1\2" * 1000,
        "cut.model": (tmp_path / "abc.model").read_bytes()[:-1],
        "noise.model": bytes(range(256)) * 8,
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """Watch what training is asked to do."""
    asked = {}

    def watched(text, **options):
        asked.update(options, text=text)
        return train(text, **options)

    monkeypatch.setattr(generate, "train", watched)
    return asked


# ---- training ----


@pytest.mark.usefixtures("here")
def test_train_save_and_use_again():
    first = run("generate", "--train", "t.txt", "--prompt", "el ", "--save", "m", *QUICK)
    assert first.status == 0, first.err
    assert first.out.startswith("el ")
    assert len(first.out) == len("el ") + 20 + 1
    assert set(first.out) <= set(TEXT)
    for said in ("epoch 1/1", "LSTM(8, 8, 1)", "read 1,920 characters, 17 different", "1 time in", "saved to m"):
        assert said in first.err
    bits = float(first.err.partition(" bits per character on the last tenth")[0].split()[-1])
    assert bits == pytest.approx(load("m").bits_per_character(TEXT[-192:]), abs=0.0006)  # printed with three decimals

    again = run("generate", "--model", "m", "--prompt", "el ", "--length", "20")
    assert (again.status, again.out, again.err) == (0, first.out, "")


@pytest.mark.usefixtures("here")
def test_json():
    options = ["--temperature", "0.5", "--top-k", "3", "--seed", "4", "--json"]
    result = run("generate", "--train", "t.txt", "--prompt", "ñ", *options, *QUICK)
    found = json.loads(result.out)
    assert list(found) == ["prompt", "text", "temperature", "top_k", "seed", "bits_per_character"]
    assert (found["prompt"], found["temperature"], found["top_k"], found["seed"]) == ("ñ", 0.5, 3, 4)
    assert len(found["text"]) == 20
    assert f"{found['bits_per_character']:.3f} bits per character" in result.err
    assert result.out.count("\n") == 1
    assert json.loads(run("generate", "--model", "abc.model", "--json").out)["bits_per_character"] is None


def test_several_files_and_standard_input(here, asked, monkeypatch):
    (here / "other.txt").write_text("y nada más\r\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert run("generate", "--train", "-", "other.txt", "t.txt", *QUICK).status == 0
    assert asked["text"] == f"{TEXT}\ny nada más\n\n{TEXT}"


@pytest.mark.usefixtures("here")
def test_encodings(asked):
    assert run("generate", "--train", "latin.txt", "--encoding", "latin-1", *QUICK).status == 0
    assert asked["text"] == TEXT


@pytest.mark.usefixtures("here")
def test_the_options_reach_the_training(asked):
    assert run("generate", "--train", "t.txt", *QUICK).status == 0
    assert (asked["cell"], asked["hidden_size"], asked["num_layers"], asked["epochs"]) == ("lstm", 8, 1, 1)
    options = ["--cell", "gru", "--hidden", "5", "--layers", "2", "--epochs", "2", "--checkpoint", "run", "--resume"]
    assert run("generate", "--train", "t.txt", *QUICK, *options).status == 0
    assert (asked["cell"], asked["hidden_size"], asked["num_layers"], asked["epochs"]) == ("gru", 5, 2, 2)
    assert (asked["checkpoint"], asked["resume"]) == ("run", True)


@pytest.mark.usefixtures("here")
def test_what_is_written_follows_the_options():
    def written(*options):
        result = run("generate", "--model", "abc.model", "--length", "60", *options)
        assert (result.status, result.err) == (0, "")
        return result.out[:-1]

    assert written() == written("--seed", "0") != written("--seed", "1")
    assert written("--temperature", "0") == written("--temperature", "0", "--seed", "1")
    assert written("--top-k", "1", "--seed", "1") == written("--temperature", "0")
    assert len(written("--length", "7")) == 7  # the line that it begins with is not shown
    assert written("--prompt", "cab").startswith("cab")


# ---- bad input ----

TRAIN = ["generate", "--train", "t.txt"]
USE = ["generate", "--model", "abc.model"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["generate"], "expected --train FILE or --model PATH, and not both"),
        ([*USE, "--train", "t.txt"], "expected --train FILE or --model PATH, and not both"),
        (["generate", "t.txt"], "expected --train FILE or --model PATH"),
        ([*USE, "t.txt"], "t.txt is for training"),
        *(([*USE, f"--{name}", "2"], f"--{name} is for training") for name in ("epochs", "hidden", "layers", "save")),
        ([*USE, "--resume"], "--resume is for training"),
        (["generate", "--train", ""], "--train: expected a path"),
        (["generate", "--model", ""], "--model: expected a path"),
        # options
        *(([*TRAIN, option, "0"], option) for option in ("--length", "--hidden", "--layers", "--epochs", "--top-k")),
        *(([*TRAIN, "--temperature", value], "--temperature") for value in ("-1", "nan", "inf", "warm")),
        *(([*TRAIN, option, str(10**30)], option) for option in ("--length", "--hidden", "--layers")),
        ([*TRAIN, "--cell", "tdnn"], "'tdnn' is not one of"),
        ([*TRAIN, "--seed", "-1"], "--seed"),
        ([*TRAIN, "--encoding", "bogus"], "--encoding: unknown encoding 'bogus'"),
        ([*TRAIN, "--prompt", ""], "--prompt: expected at least one character"),
        ([*TRAIN, "--prompt", "el XZ日"], "--prompt: expected characters that are in the training text, got 'XZ日'"),
        ([*USE, "--prompt", "abcd"], "--prompt: expected characters that are in the training text, got 'd'"),
        # texts
        (["generate", "--train", "none.txt"], "none.txt: No such file"),
        (["generate", "--train", "."], ".: Is a directory"),
        (["generate", "--train", "empty.txt"], "empty.txt: the file is empty"),
        ([*TRAIN, "empty.txt"], "empty.txt: the file is empty"),
        (["generate", "--train", "short.txt"], "expected at least 1,000 characters to learn from, got 9"),
        (["generate", "--train", "binary.dat"], "binary.dat: binary data"),
        (["generate", "--train", "latin.txt"], "latin.txt: not utf-8 text"),
        # where to write
        ([*TRAIN, "--save", "none/m"], "--save: none: no such directory"),
        ([*TRAIN, "--save", ""], "--save"),
        ([*TRAIN, "--save", "t.txt"], "--save: t.txt: also read or written as something else"),
        ([*TRAIN, "--checkpoint", "run", "--save", "run"], "--save: run: also read or written as something else"),
        ([*TRAIN, "--resume"], "--resume: expected --checkpoint DIRECTORY too"),
        ([*TRAIN, "--checkpoint", ""], "--checkpoint: expected a directory"),
        # models
        (["generate", "--model", "none.model"], "none.model: No such file"),
        (["generate", "--model", "."], ".: Is a directory"),
        (["generate", "--model", "empty.txt"], "empty.txt: not a model file, or a damaged one"),
        (["generate", "--model", "t.txt"], "t.txt: not a model file, or a damaged one"),
        (["generate", "--model", "cut.model"], "cut.model: not a model file, or a damaged one"),
        (["generate", "--model", "noise.model"], "noise.model: not a model file, or a damaged one"),
        (["generate", "--model", "happy.model"], "happy.model: a model, but not one of text"),
        (["generate", "--model", "six.model"], "six.model: not a network that tells the next of 6 characters"),
    ],
)
def test_one_clear_line(here, monkeypatch, args, said):
    def never(*_, **__):
        raise AssertionError("trained before it saw what was wrong")

    monkeypatch.setattr(generate, "train", never)
    before = {path: path.stat().st_mtime_ns for path in here.iterdir()}
    result = run(*args)
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("fastrnn: ")
    assert said in result.err
    assert {path: path.stat().st_mtime_ns for path in here.iterdir()} == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("data", "said"), [(b"", "the file is empty"), (b"\0", "binary data"), (b"\xff", "not utf-8")])
def test_bad_standard_input(monkeypatch, data, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    result = run("generate", "--train", "-")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith(f"fastrnn: <stdin>: {said}")


# ---- going on ----


@pytest.mark.usefixtures("here")
def test_a_checkpoint_that_is_there_is_not_overwritten_unasked(here):
    options = [*TRAIN, *QUICK, "--checkpoint", "run"]
    first = run(*options)
    refused = run(*options)
    assert (refused.status, refused.out) == (2, "")
    assert "--checkpoint: run has that of an earlier training; --resume goes on with it" in refused.err
    again = run(*options, "--resume")  # nothing is left to train
    assert (again.status, again.out) == (0, first.out)

    other = run("generate", "--train", "latin.txt", "--encoding", "latin-1", *QUICK, "--checkpoint", "run", "--resume")
    assert (other.status, other.out) == (0, first.out)  # the same text
    (here / "t.txt").write_text(TEXT.swapcase(), encoding="utf-8")
    for change in ([], ["--layers", "2"], ["--epochs", "2"]):
        other = run(*options, "--resume", *change)
        assert (other.status, other.out) == (2, "")
        assert "--resume: expected the text, --cell, --hidden, --layers and --epochs of the training that" in other.err
        assert "another" in other.err
        assert len([line for line in other.err.splitlines() if line]) == 1


@pytest.mark.usefixtures("here")
def test_an_interrupt_keeps_what_there_is_and_resume_goes_on_with_it(monkeypatch):
    def interrupt(_, trainer, __):
        if trainer.updates == 40:  # in the second epoch
            signal.raise_signal(signal.SIGINT)

    options = [*TRAIN, *QUICK, "--epochs", "3"]
    kept = ["--checkpoint", "run", "--resume", "--save"]
    with monkeypatch.context() as patched:
        patched.setattr(fastrnn.EarlyStopping, "on_update", interrupt)
        result = run(*options, *kept, "half.model")
    assert (result.status, result.out) == (130, "")
    *_, told, saved, last = [line for line in result.err.splitlines() if line]
    assert (told.endswith("held out"), saved, last) == (True, "saved to half.model", "fastrnn: interrupted")

    resumed, whole = run(*options, *kept, "resumed.model"), run(*options, "--save", "whole.model")
    assert (resumed.status, whole.status) == (0, 0)
    assert resumed.out == whole.out
    models = [load(f"{name}.model").model.parameters() for name in ("half", "resumed", "whole")]
    half, resumed, whole = (one["1.weight_hh_l0"] for one in models)
    assert (resumed == whole).all()
    assert not (half == whole).all()

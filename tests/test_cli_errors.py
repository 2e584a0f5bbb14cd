"""Bad input to the command line: one clear line on standard error, exit status 2, nothing written, nothing trained."""

import io
import json
import sys

import pytest

import fastrnn
from cli_runner import run
from detector_oracle import oracle
from fastrnn.cli import detect
from fastrnn.detector.scanning import BLOCK


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a directory of good and bad files; training, which takes seconds, must not be reached."""

    def train(*_, **__):
        raise AssertionError("trained before it saw what was wrong")

    monkeypatch.setattr(detect, "train", train)
    monkeypatch.chdir(tmp_path)
    happy = oracle("happy")
    happy.save("happy.model")
    model = (tmp_path / "happy.model").read_bytes()
    happy.model.save("plain.model")
    happy.model.save("sad.model", {"detector": json.dumps({"word": "sadly"})})  # five letters, not four
    content = {
        "t.txt": b"so happy\n",
        "empty.txt": b"",
        "latin.txt": "café happy\n".encode("latin-1"),
        "cut.txt": "happy é".encode()[:-1],
        "binary.dat": b"\x7fELF\0\1\2",
        "utf16.txt": "so happy\n".encode("utf-16"),
        "truncated.model": model[:-1],
        "header.model": model[:100],
        "noise.model": bytes(range(256)) * 8,
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def fails(here, *args):
    """Run what must fail; return its one line."""
    before = {path: path.stat().st_mtime_ns for path in here.iterdir()}
    result = run(*args)
    assert result.status == 2, result
    assert result.out == ""
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("fastrnn: ")
    assert result.err.endswith("\n")
    assert {path: path.stat().st_mtime_ns for path in here.iterdir()} == before
    return result.err.removeprefix("fastrnn: ").rstrip("\n")


USE = ["detect", "happy", "--model", "happy.model"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        # the word
        (["detect"], "WORD"),
        (["detect", ""], "word: expected at least one letter"),
        (["detect", "two words"], "letters only, got ' '"),
        (["detect", "mp3"], "letters only, got '3'"),
        (["detect", "a\nb"], r"letters only, got '\n'"),
        (["detect", "\udce9"], "letters only"),  # an argument that is not UTF-8
        # options
        (["detct"], "detct"),
        (["--bogus"], "--bogus"),
        (["detect", "happy", "--bogus"], "--bogus"),
        (["detect", "happy", "--cell", "gru"], "'gru' is not one of 'lstm', 'rnn'"),
        *((["detect", "happy", "--threshold", value], "--threshold") for value in ("0", "1", "-1", "2", "high", "inf")),
        (["detect", "happy", "--threshold", "nan"], "--threshold"),
        *((["detect", "happy", "--seed", value], "--seed") for value in ("-1", "1.5", "x")),
        (["detect", "happy", "--encoding", "bogus"], "--encoding: unknown encoding 'bogus'"),
        (["detect", "happy", "--encoding", ""], "--encoding"),
        (["detect", "happy", "--encoding", "rot13"], "--encoding"),  # not of text
        (["detect", "happy", "--save"], "--save"),
        # files
        ([*USE, "none.txt"], "none.txt: No such file"),
        ([*USE, "t.txt", "none.txt"], "none.txt: No such file"),
        ([*USE, "."], ".: Is a directory"),
        ([*USE, "empty.txt"], "empty.txt: the file is empty"),
        ([*USE, "t.txt", "empty.txt"], "empty.txt: the file is empty"),
        ([*USE, "binary.dat"], "binary.dat: binary data"),
        ([*USE, "utf16.txt"], "utf16.txt: "),
        ([*USE, "latin.txt"], "latin.txt: not utf-8 text: invalid continuation byte at byte 3; --encoding"),
        ([*USE, "cut.txt"], "cut.txt: not utf-8 text: unexpected end of data at byte 6"),
        ([*USE, "--encoding", "ascii", "latin.txt"], "latin.txt: not ascii text: "),
        ([*USE, "--encoding", "utf-16", "t.txt"], "t.txt: not utf-16 text: "),
        # models
        (["detect", "sad", "--model", "happy.model"], "happy.model detects 'happy', not 'sad'"),
        (["detect", "happy", "--model", "none.model"], "none.model: No such file"),
        (["detect", "happy", "--model", "."], ".: Is a directory"),
        (["detect", "happy", "--model", ""], "--model"),
        (["detect", "happy", "--model", "empty.txt"], "empty.txt: not a model file, or a damaged one"),
        (["detect", "happy", "--model", "t.txt"], "t.txt: not a model file, or a damaged one"),
        (["detect", "happy", "--model", "truncated.model"], "truncated.model: not a model file, or a damaged one"),
        (["detect", "happy", "--model", "header.model"], "header.model: not a model file, or a damaged one"),
        (["detect", "happy", "--model", "noise.model"], "noise.model: not a model file, or a damaged one"),
        (["detect", "happy", "--model", "plain.model"], "plain.model: a model, but not a word detector's"),
        (["detect", "sadly", "--model", "sad.model"], "sad.model: not a network that detects 'sadly'"),
        # where to write
        ([*USE, "--save", "none/new.model"], "--save: none: no such directory"),
        ([*USE, "--save", "."], "--save: .: can't be written"),
        ([*USE, "--save", "t.txt/new.model"], "--save: t.txt: no such directory"),
        ([*USE, "--save", "/dev/full"], "--save: /dev/full: can't be written"),
        ([*USE, "--save", ""], "--save"),
        ([*USE, "--plot", "loss.png"], "--plot"),  # nothing to draw without training
        (["detect", "happy", "--plot", "none/loss.png"], "--plot: none: no such directory"),
    ],
)
def test_one_clear_line(here, args, said):
    line = fails(here, *args)
    assert said in line
    assert "Traceback" not in line
    assert "Errno" not in line
    assert line.isprintable()


@pytest.mark.parametrize("name", ["loss", "loss.bogus", ".png", "loss.png.txt"])
def test_a_picture_of_no_known_format(here, name):
    pytest.importorskip("matplotlib")
    line = fails(here, "detect", "happy", "--plot", name)
    assert f"got '{name}'" in line
    assert "png" in line
    assert "--plot" in line


def test_a_picture_without_matplotlib(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert fails(here, "detect", "happy", "--plot", "loss.png") == "plots need Matplotlib: pip install 'fastrnn[plot]'"


# ---- what shows only after the scoring, whose line comes first ----


def fails_after_scoring(*args):
    """Run what must fail while it reads; return what it found before, and its one line."""
    result = run(*args)
    assert result.status == 2, result
    score, line = result.err.splitlines()
    assert score.startswith("happy: precision 1.00000")
    assert line.startswith("fastrnn: ")
    return result.out, line.removeprefix("fastrnn: ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "<stdin>: the file is empty"),
        (b"\0", "<stdin>: binary data"),
        (b"caf\xe9 happy", "<stdin>: not utf-8 text: invalid continuation byte at byte 3"),
    ],
)
@pytest.mark.usefixtures("here")
def test_bad_standard_input(monkeypatch, data, said):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    out, line = fails_after_scoring(*USE, "-")
    assert line.startswith(said)
    assert out == ""


@pytest.mark.parametrize(
    ("bad", "said"), [(b"\xff", f"not utf-8 text: invalid start byte at byte {3 * BLOCK};"), (b"\0", "binary data")]
)
def test_what_is_wrong_far_into_a_file_comes_after_what_was_found(here, bad, said):
    (here / "long.txt").write_bytes(b"so happy\n".ljust(3 * BLOCK, b".") + bad)
    out, line = fails_after_scoring(*USE, "long.txt")
    assert out == "long.txt:1:4: so happy\n"
    assert line.startswith(f"long.txt: {said}")


@pytest.mark.usefixtures("here")
def test_an_interrupt_while_reading(monkeypatch):
    class Interrupted(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, _):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Interrupted())))
    result = run(*USE, "-")
    assert result.status == 130
    assert [line for line in result.err.splitlines() if line][1:] == ["fastrnn: interrupted"]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (MemoryError(), 2, "out of memory"),
        (FloatingPointError("the loss is nan; check the data"), 2, "the loss is nan; check the data"),
        (ValueError("of two\nlines"), 2, "of two lines"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_in_training_is_one_line_too(here, monkeypatch, error, status, said):
    def train(*_, **__):
        raise error

    monkeypatch.setattr(detect, "train", train)
    result = run("detect", "happy", "--save", "new.model", "t.txt")
    assert (result.status, result.out) == (status, "")
    assert [line for line in result.err.splitlines() if line] == [f"fastrnn: {said}"]
    assert not (here / "new.model").exists()


def test_a_programming_error_is_not_hidden(monkeypatch):
    """Only what a user can mend becomes one line; a defect of fastrnn's shows where it is."""

    def show_config():
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(fastrnn, "show_config", show_config)
    with pytest.raises(ZeroDivisionError):
        run("info")

"""fastrnn detect and fastrnn info put to use: what goes to standard output, what to standard error, and exit statuses.

Everything runs in this process but what needs one of its own, which is in test_cli_process.py. Detectors are oracles
in files; only one test trains.
"""

import io
import json
import re
import sys

import pytest

import fastrnn
from cli_runner import run
from detector_oracle import matches, oracle
from fastrnn.cli import detect
from fastrnn.detector import load
from fastrnn.detector.scanning import BLOCK

TEXT = "So happy!\r\nunHAPPY 😀happyhappy\n\n" + "é" * 50 + "happy" + "ü" * 50 + "\nhapp y"
SCORE = r"{}: precision 1\.00000, recall 1\.00000 \(([\d,]+) of \1 words found, 0 false alarms, in [\d,]+ letters\) "


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a directory with a text and an oracle's model in it."""
    monkeypatch.chdir(tmp_path)
    oracle("happy").save("happy.model")
    (tmp_path / "t.txt").write_bytes(TEXT.encode())
    return tmp_path


def lines(name="t.txt", text=TEXT, word="happy"):
    return [f"{name}:{line}:{column}: {context}" for line, column, context in matches(word, text)]


# ---- with files ----


@pytest.mark.usefixtures("here")
def test_with_a_file_detections_are_all_there_is_on_standard_output():
    result = run("detect", "Happy", "--model", "happy.model", "t.txt")
    assert result.out.splitlines() == lines()
    assert len(lines()) == 5
    assert re.fullmatch(SCORE.format("Happy") + "at threshold 0.9\n", result.err)
    assert result.status == 0


def test_several_files_and_standard_input(here, monkeypatch):
    (here / "other.txt").write_bytes(b"no such word\nhappy")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\nat last: happy")))
    result = run("detect", "happy", "--model", "happy.model", "other.txt", "-", str(here / "t.txt"))
    assert result.out.splitlines() == ["other.txt:2:1: happy", "<stdin>:2:10: at last: happy", *lines(here / "t.txt")]
    assert result.status == 0


@pytest.mark.usefixtures("here")
def test_json_lines():
    result = run("detect", "happy", "--model", "happy.model", "--json", "t.txt")
    found = [json.loads(line) for line in result.out.splitlines()]
    assert all(list(hit) == ["file", "line", "column", "probability", "context"] for hit in found)
    assert [(hit["line"], hit["column"], hit["context"]) for hit in found] == matches("happy", TEXT)
    assert {hit["file"] for hit in found} == {"t.txt"}
    assert all(hit["probability"] == pytest.approx(0.9999546) for hit in found)  # the sigmoid of 10


def test_a_file_without_the_word_gives_no_line(here):
    (here / "sad.txt").write_text("nothing here\n")
    result = run("detect", "happy", "--model", "happy.model", "sad.txt")
    assert (result.status, result.out) == (0, "")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-32", "utf-32-be", "cp1252", "utf-8-sig"])
def test_encodings(here, encoding):
    text = "é happy\nunhappy"
    (here / "t.txt").write_bytes(text.encode(encoding))
    result = run("detect", "happy", "--model", "happy.model", "--encoding", encoding, "t.txt")
    assert result.out.splitlines() == lines(text=text)
    assert result.status == 0


def test_marked_utf_32_in_either_order(here):
    for order in ("le", "be"):
        (here / "t.txt").write_bytes(f"\ufeffso happy {order}".encode(f"utf-32-{order}"))
        result = run("detect", "happy", "--model", "happy.model", "--encoding", "utf-32", "t.txt")
        assert result.out == f"t.txt:1:4: so happy {order}\n", result.err


@pytest.mark.parametrize("offset", [0, 1])
def test_characters_that_straddle_blocks(here, offset):
    text = "." * offset + "é" * BLOCK + " happy"
    (here / "long.txt").write_text(text, encoding="utf-8")
    assert run("detect", "happy", "--model", "happy.model", "long.txt").out.splitlines() == lines("long.txt", text)


@pytest.mark.usefixtures("here")
def test_words_of_any_alphabet():
    oracle("straße").save("straße.model")
    result = run("detect", "STRAẞE", "--model", "straße.model", "--threshold", "0.5", "t.txt")
    assert (result.status, result.out) == (0, "")
    assert re.fullmatch(SCORE.format("STRAẞE") + "at threshold 0.5\n", result.err)


# ---- without ----


@pytest.mark.parametrize("word", ["a", "aba", "happy", "udacity", "mississippi", "llama", "straße"])
def test_without_a_file_it_shows_itself_on_standard_output(here, word):
    oracle(word).save("m")
    result = run("detect", word, "--model", "m")
    assert (result.status, result.err) == (0, "")
    found = re.fullmatch(
        SCORE.format(word) + rf"at threshold 0.9\n\n(?P<text>.*)\n+where it found '{word}':\n(?P<lines>.*)",
        result.out,
        re.DOTALL,
    )
    text = found["text"].rstrip("\n")
    assert found["lines"].splitlines() == lines("sample.txt", text, word)
    assert len(lines("sample.txt", text, word)) >= 5
    near_misses = next(line for line in text.splitlines() if line.startswith("Near misses"))
    shown = re.sub("Near misses: cut short|pulled apart|two letters swapped", "", near_misses)
    assert len(word) < 3 or word not in shown  # nothing in that line is the word
    assert not any(entry.name not in {"m", "happy.model", "t.txt"} for entry in here.iterdir())


@pytest.mark.usefixtures("here")
def test_without_a_file_json_lines_follow_the_score():
    score, *found = run("detect", "happy", "--model", "happy.model", "--json").out.splitlines()
    assert score.startswith("happy: precision")
    assert {json.loads(line)["file"] for line in found} == {"sample.txt"}


# ---- training ----


def test_train_save_plot_and_use_again(here):
    """From the word alone to a file of detections, and the same ones from the saved model."""
    image = pytest.importorskip("matplotlib.image")
    options = ["--cell", "rnn", "--seed", "3", "t.txt"]
    first = run("detect", "a", "--save", "a.model", "--plot", "loss.png", *options)
    assert first.status == 0, first.err
    assert first.out.splitlines() == lines(word="a")
    for said in ("trained a detector for 'a' in ", "RNN(1, 32, 1", "parameters", "a: precision ", "saved to a.model"):
        assert said in first.err
    assert "loss curve drawn to loss.png" in first.err
    assert image.imread(here / "loss.png").ndim == 3
    assert type(load("a.model").model.layers[0]) is fastrnn.RNN
    assert {entry.name for entry in here.iterdir()} == {"happy.model", "t.txt", "a.model", "loss.png"}

    again = run("detect", "a", "--model", "a.model", *options)
    assert (again.status, again.out) == (0, first.out)
    assert again.err.splitlines()[-1] == next(line for line in first.err.splitlines() if line.startswith("a: "))
    assert "trained" not in again.err


@pytest.fixture
def asked(monkeypatch):
    """Stand in for training and scoring, and return what they are asked to do."""
    asked = {}

    def train(letters, **options):
        asked["train"] = options
        return oracle(letters.word), fastrnn.History([1.0, 0.1], [], [0.1, 0.1])

    def score(detector, **options):
        asked["score"] = options
        return real_score(detector, letters=1, seed=0)

    real_score = detect.score
    monkeypatch.setattr(detect, "train", train)
    monkeypatch.setattr(detect, "score", score)
    return asked


@pytest.mark.usefixtures("here")
def test_the_options_reach_training_and_scoring(asked):
    assert run("detect", "happy", "t.txt").status == 0
    assert (asked["train"]["cell"], asked["score"]["threshold"]) == ("lstm", 0.9)
    assert run("detect", "happy", "--cell", "rnn", "--threshold", "0.25", "t.txt").status == 0
    assert (asked["train"]["cell"], asked["score"]["threshold"]) == ("rnn", 0.25)
    assert asked["score"].get("letters", 1_000_000) == 1_000_000


@pytest.mark.usefixtures("here")
def test_weights_and_letters_follow_the_seed_and_scoring_has_another(asked):
    def states(*options):
        assert run("detect", "happy", *options, "t.txt").status == 0
        return [asked[stage]["seed"].bit_generator.state["state"]["state"] for stage in ("train", "score")]

    zero, one, one_again, default = (states("--seed", "0"), states("--seed", "1"), states("--seed", "1"), states())
    assert one == one_again
    assert zero == default
    assert len({*zero, *one}) == 4  # no two streams are the same


# ---- what the statuses and the other commands say ----


@pytest.mark.parametrize("files", [[], ["t.txt"]])
def test_a_detector_below_0_99_ends_in_status_1(here, files):
    result = run("detect", "happy", "--model", "happy.model", "--threshold", "0.99999", "--save", "new", *files)
    assert result.status == 1
    assert result.err.splitlines()[-1].startswith("fastrnn: the detector is below 0.99")
    report = result.err if files else result.out
    assert "happy: precision 0.00000, recall 0.00000 (0 of" in report
    assert "t.txt:" not in result.out
    assert not (here / "new").exists()


@pytest.mark.usefixtures("here")
def test_an_untrained_model_ends_in_status_1():
    oracle("happy", high=-10.0).save("untrained")
    assert run("detect", "happy", "--model", "untrained", "t.txt").status == 1


def test_version_info_and_help(capsys):
    assert run("--version").out == f"fastrnn, version {fastrnn.__version__}\n"
    fastrnn.show_config()
    assert run("info").out == capsys.readouterr().out
    for flag in ("-h", "--help"):
        overview, detect = run(flag), run("detect", flag)
        assert overview.status == detect.status == 0
        assert re.search("^  detect .*^  info ", overview.out, re.DOTALL | re.MULTILINE)
        options = re.findall(r"^  (?:-\w, )?(--[\w-]+)", detect.out, re.MULTILINE)
        expected = "cell threshold seed json save model plot encoding help"
        assert options == [f"--{name}" for name in expected.split()]
        assert "WORD [FILE]..." in detect.out


def test_without_a_command_it_says_how_to_use_it_or_what_is_missing():
    """Not the whole help run together into one line."""
    result = run()
    said = (result.out + result.err).splitlines()
    assert said
    assert max(map(len, said)) <= 100
    assert result.status in (0, 2)  # Click before 8.2 gave 0

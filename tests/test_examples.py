"""Each example in its reduced form: it learns what it says and leaves rows and a picture."""

import importlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import results
from common import RESULTS, Options, each, each_seed, read_options
from results import NAMES, PAGE, results_page
from solving import Run, rows_of

ROOT = Path(__file__).parents[1]
SHARED = ("common", "results", "sequences", "solving")
SCRIPTS = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in SHARED)
OF_TORCH = ("video",)


def expect_to_learn(name, tmp_path):
    importlib.import_module(name).main(Options(seeds=1, quick=True, out=tmp_path))
    rows = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    assert all(math.isfinite(value) for row in rows for value in row["values"])
    assert [row for row in rows if row["met"]], "no row has a target that could be missed"
    assert not [row for row in rows if row["met"] is False]
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in OF_TORCH])
def test_the_reduced_form_learns(name, tmp_path):
    expect_to_learn(name, tmp_path)


@pytest.mark.parametrize("name", OF_TORCH)
def test_the_reduced_form_learns_with_torch(name, tmp_path):
    pytest.importorskip("torch")
    expect_to_learn(name, tmp_path)


def read_from(monkeypatch, line, **options):
    monkeypatch.setattr("sys.argv", ["example.py", *line.split()])
    return read_options(**options)


def test_arguments_are_for_examples_that_take_some(monkeypatch, tmp_path, capsys):
    found = read_from(monkeypatch, f"hello world --seeds 3 --out {tmp_path}", arguments="WORD")
    assert (found.arguments, found.seeds, found.out) == (("hello", "world"), 3, tmp_path)
    with pytest.raises(SystemExit):
        read_from(monkeypatch, f"hello --out {tmp_path}")
    assert "unexpected extra argument (hello)" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "named"), [("hello", "WORD"), ("--quick", "--quick"), ("--seeds 3", "--seeds")])
def test_what_is_no_result_of_the_whole_form_needs_a_place(monkeypatch, capsys, line, named):
    with pytest.raises(SystemExit):
        read_from(monkeypatch, line, arguments="WORD")
    assert f"{named}: say --out" in capsys.readouterr().err


def test_a_place_that_can_not_be_made_is_refused_before_any_training(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        read_from(monkeypatch, f"--out {tmp_path / 'file' / 'results'}")
    assert f"--out: {tmp_path / 'file' / 'results'}: Not a directory" in capsys.readouterr().err


def test_a_training_that_ran_out_of_sequences_is_no_success():
    runs = [Run([0.1, 0.2], 10, solved, wrong, 1000) for solved, wrong in ((True, 0), (False, 2))]
    solved, count, wrong = (row.as_dict() for row in rows_of("a task", runs, [1, 1], limit=25, wrong=0.1))
    assert (solved["values"], solved["met"]) == ([1, 0], False)
    assert (count["values"], count["met"]) == ([20, 20], False)
    assert (wrong["values"], wrong["met"]) == ([0, 0.2], False)
    assert [row.met for row in rows_of("a task", runs[:1], [1], limit=25, mean=20)] == [True, False, None]


def test_every_example_is_in_the_results():
    assert sorted(NAMES) == SCRIPTS


def test_the_page_is_what_the_results_say():
    assert PAGE.read_text(encoding="utf-8") == results_page()


TRAINS_FOR_EVER = """
import sys
import numpy as np
import fastrnn
from common import each_seed, read_options

def learn(seed):
    trainer = fastrnn.Trainer(fastrnn.Sequential(fastrnn.Linear(1, 1)), "mse")
    say = lambda trainer, history: print("training", flush=True) if len(history.loss) == 1 else None
    trainer.fit(np.ones((1, 1)), np.ones((1, 1)), epochs=10**9, callbacks=[say], verbose=0)

if __name__ == "__main__":
    each_seed(learn, read_options())
"""


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGINT), (2, signal.SIGTERM)])
def test_an_interrupt_ends_the_whole_example(workers, number, tmp_path):
    script = tmp_path / "endless.py"
    script.write_text(TRAINS_FOR_EVER, encoding="utf-8")
    path = os.pathsep.join([str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, script, "--workers", str(workers)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "training\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)  # until the last worker has closed its end
    finally:
        process.kill()
    assert process.returncode == 1
    assert "\ninterrupted\n" in errors
    assert errors.startswith("\nendless: ")  # the bar has the example's name
    assert "Traceback" not in errors


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_command_line_is_read(monkeypatch, tmp_path):

    def read(*arguments):
        monkeypatch.setattr(sys, "argv", ["example.py", *map(str, arguments)])
        return read_options(seeds=5)

    assert read("--workers", 3) == Options(seeds=5, quick=False, workers=3, out=RESULTS)
    assert read("--quick", "--out", tmp_path, "--workers", 1) == Options(1, True, 1, tmp_path)
    assert read("--quick", "--out", tmp_path, "--seeds", 2, "--workers", 1).seeds == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "[default: 10, or 1 if --quick]"),
        (["--quick"], 2, "--quick: say --out DIRECTORY too"),
        (["--seeds", "0"], 2, "0 is not in the range"),
        (["--nonsense"], 2, "No such option"),
    ],
)
def test_help_and_usage_errors_end_the_example(arguments, code, said, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "argv", ["example.py", *arguments])
    with pytest.raises(SystemExit) as end:
        read_options()
    assert end.value.code == code
    assert said in "".join(capsys.readouterr())
    assert signal.getsignal(signal.SIGINT) is before


def _square(x, fail):
    if fail and x == 2:
        raise ValueError(f"failed at {x}")
    return x * x


@pytest.mark.parametrize("workers", [1, 2])
def test_trainings_side_by_side_come_back_in_order(workers):
    results, seconds = each(_square, [(3, False), (1, False), (2, False)], Options(workers=workers))
    assert results == [9, 1, 4]
    assert len(seconds) == 3
    assert min(seconds) >= 0


def test_seeds_count_from_zero():
    assert each_seed(_square, Options(seeds=3), False)[0] == [0, 1, 4]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_that_fails_ends_the_example(workers):
    with pytest.raises(ValueError, match="failed at 2"):
        each_seed(_square, Options(seeds=4, workers=workers), True)


def test_an_example_that_fails_leaves_the_page_as_it_was(monkeypatch, tmp_path):
    from click.testing import CliRunner

    (tmp_path / "elman_xor.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.setattr(results, "HERE", tmp_path)
    monkeypatch.setattr(results, "PAGE", tmp_path / "results.md")
    found = CliRunner().invoke(results.main, ["elman_xor"])
    assert found.exit_code == 1
    assert "examples/elman_xor.py failed; results.md is as it was" in found.output
    assert not (tmp_path / "results.md").exists()

"""``fastrnn bench`` as a person runs it: a real run of one case, files, an interrupt, options that are wrong."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from cli_runner import run
from fastrnn.bench import running
from fastrnn.bench.results import Run

ONE = ["bench", "--threads", "1", "--rounds", "3", "--match", "rnn stream (1,1,1,8)"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Run one case once; return what was printed, and the file."""
    path = tmp_path_factory.mktemp("bench") / "run.json"
    result = run(*ONE, "--json", str(path))
    assert result.status == 0, result
    return result, path


def test_a_run_prints_a_table_and_keeps_it(measured):
    result, path = measured
    found = Run.from_json(path.read_text())
    assert found.complete
    assert [(r.work, r.case.name, r.threads) for r in found.results] == [("compare", "rnn stream (1,1,1,8)", 1)]
    assert found.results[0].ours > 0
    for words in ("rnn stream (1,1,1,8)", "1 thread", "µs of a stream step", "geometric mean of all plain cases"):
        assert words in result.out
    assert "1/1" in result.err
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_shown_again(measured):
    result, path = measured
    assert run("bench", "--from", str(path)).out == result.out
    tables = run("bench", "--from", str(path), "--markdown").out
    assert "| rnn stream (1,1,1,8) | " in tables
    rows = [line for line in tables.splitlines() if line.startswith(("| case", "| rnn stream"))]
    assert len(rows) == 2
    assert rows[0].count("|") == rows[1].count("|")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_file_is_drawn(measured, tmp_path, suffix):
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"run.{suffix}"
    result = run("bench", "--from", str(measured[1]), "--plot", str(picture))
    assert (result.status, result.err) == (0, "")
    assert picture.stat().st_size > 10_000
    if suffix == "svg":
        text = picture.read_text()
        assert all(
            f"<!-- {words} -->" in text
            for words in ("Roofline, 1 thread", "(1,1,1,8)", "rnn, inference", "tdnn, training")
        )


def test_a_run_of_training_has_tables_and_a_picture_of_its_own(tmp_path):
    pytest.importorskip("matplotlib")
    path, picture = tmp_path / "run.json", tmp_path / "run.svg"
    options = ["--threads", "1", "--rounds", "3", "--kind", "optimizer", "--match", "40 tensors"]
    result = run("bench", *options, "--json", str(path), "--plot", str(picture), "--markdown")
    assert result.status == 0, result
    rows = [line.split(" | ") for line in result.out.splitlines() if line.startswith(("| step", "| adam step 40"))]
    assert rows[0][:2] == ["| step of an optimiser", "fastrnn, ms"]
    assert rows[1][0] == "| adam step 40 tensors, 32 wide"
    assert float(rows[1][1]) > 0
    assert "<!-- 40 tensors, 32 wide -->" in picture.read_text()
    assert run("bench", "--from", str(path), "--markdown").out == result.out


@pytest.mark.parametrize("threads", [1, 2])
def test_a_worker_has_the_cpus_that_it_may_use(monkeypatch, threads):
    if len(running.usable_cpus()) < threads:
        pytest.skip("too few CPUs")
    say = "import json, os; print(json.dumps([len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS']]))"
    monkeypatch.setattr(running, "COMMAND", say)
    before = running.usable_cpus()
    assert list(running.run([], threads, 3)) == [[threads, str(threads)]]
    assert running.usable_cpus() == before


def test_a_worker_that_ends_is_one_line(monkeypatch):
    monkeypatch.setattr(running, "COMMAND", "import os; os._exit(3)")
    result = run(*ONE)
    assert result.status == 2
    assert result.err.splitlines()[-1] == "fastrnn: the worker with 1 thread ended with status 3"
    assert "Traceback" not in result.err


def test_an_interrupt_ends_in_a_report(tmp_path):
    path = tmp_path / "run.json"
    command = [sys.executable, "-m", "fastrnn", "bench", "--kind", "stream", "--threads", "1", "--json", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        seen = b""
        for byte in iter(lambda: process.stderr.read(1), b""):
            seen += byte
            if re.search(rb" [1-9]\d*/15 ", seen):  # something has been measured
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == "fastrnn: interrupted"
    assert b"Traceback" not in err
    assert "not complete" in out.decode()
    assert "rnn stream (1,1,1,8)" in out.decode()
    assert json.loads(path.read_text())["complete"] is False


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--bogus"], "--bogus"),
        (["--cell", "jordan"], "'jordan' is not one of"),
        (["--kind", "fast"], "'fast' is not one of"),
        (["--rounds", "2"], "--rounds"),
        (["--threads", "0"], "--threads: expected numbers from 1 on, separated by commas, got '0'"),
        (["--threads", "1,x"], "--threads: expected numbers from 1 on"),
        (["--threads", ""], "--threads: expected numbers from 1 on"),
        (["--threads", "100000"], "--threads: expected at most"),
        (["--match", "no such case"], "no case is left"),
        (["--json", ""], "--json: expected a path, got nothing"),
        (["--json", "none/run.json"], "--json: none: no such directory"),
        (["--json", "."], "--json: .: can't be written"),
        (["--plot", "none/run.png"], "--plot: none: no such directory"),
        (["--from", "none.json"], "none.json: No such file"),
        (["--from", "."], ".: Is a directory"),
        (["--from", "bad.json"], "--from: bad.json: not a file that fastrnn bench --json wrote"),
        (["--from", "bad.json", "--json", "new.json"], "--json: --from measures nothing"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, monkeypatch, args, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{}")
    result = run("bench", *args)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert said in result.err
    assert os.listdir() == ["bad.json"]


def test_a_picture_of_no_known_format(tmp_path):
    pytest.importorskip("matplotlib")
    result = run(*ONE, "--plot", str(tmp_path / "run.txt"))
    assert result.status == 2
    assert "--plot: path: expected a suffix among" in result.err


def test_the_list_of_cases():
    names = run("bench", "--list").out.splitlines()
    assert len(names) == len(set(names))
    assert "lstm train (25,1,512,512) float64" in names
    short = set(run("bench", "--list", "--quick").out.splitlines())
    assert {name for name in short - set(names) if " 50000 characters" not in name} == set()
    assert "lstm epoch one-hot, 50000 characters: epoch" in short
    assert {"lstm epoch one-hot, 500000 characters: epoch", "adam step 40 tensors, 32 wide: optimizer"} < set(names)

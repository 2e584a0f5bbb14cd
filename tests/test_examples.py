"""Each example in its reduced form: it learns what it says and leaves rows and a picture."""

import importlib
import json
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HELPERS = ("common", "results", "solving")
SCRIPTS = sorted(path.stem for path in (ROOT / "examples").glob("*.py") if path.stem not in HELPERS)


@pytest.fixture(autouse=True)
def examples_path(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_reduced_form_learns(name, tmp_path):
    from common import Options

    importlib.import_module(name).main(Options(seeds=1, quick=True, out=tmp_path))
    rows = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    assert all(math.isfinite(value) for row in rows for value in row["values"])
    assert [row for row in rows if row["met"]], "no row has a target that could be missed"
    assert not [row for row in rows if row["met"] is False]
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def read_from(monkeypatch, line, **options):
    from common import read_options

    monkeypatch.setattr("sys.argv", ["example.py", *line.split()])
    return read_options(**options)


def test_arguments_are_for_examples_that_take_some(monkeypatch, tmp_path, capsys):
    found = read_from(monkeypatch, f"hello world --seeds 3 --out {tmp_path}", arguments="WORD")
    assert (found.arguments, found.seeds, found.out) == (("hello", "world"), 3, tmp_path)
    with pytest.raises(SystemExit):
        read_from(monkeypatch, f"hello --out {tmp_path}")
    assert "unexpected extra argument (hello)" in capsys.readouterr().err


@pytest.mark.parametrize(("line", "named"), [("hello", "WORD"), ("--quick", "--quick")])
def test_what_is_no_result_of_the_whole_form_needs_a_place(monkeypatch, capsys, line, named):
    with pytest.raises(SystemExit):
        read_from(monkeypatch, line, arguments="WORD")
    assert f"{named}: say --out" in capsys.readouterr().err


def test_a_training_that_ran_out_of_sequences_is_no_success():
    from solving import Run, rows_of

    runs = [Run([0.1, 0.2], 10, solved, wrong, 1000) for solved, wrong in ((True, 0), (False, 2))]
    solved, count, wrong = (row.as_dict() for row in rows_of("a task", runs, [1, 1], limit=25, wrong=0.1))
    assert (solved["values"], solved["met"]) == ([1, 0], False)
    assert (count["values"], count["met"]) == ([20, 20], False)
    assert (wrong["values"], wrong["met"]) == ([0, 0.2], False)
    assert [row.met for row in rows_of("a task", runs[:1], [1], limit=25, mean=20)] == [True, False, None]


def test_every_example_is_in_the_results():
    from results import NAMES

    assert sorted(NAMES) == SCRIPTS  # an example that has no place in ORDER


def test_the_page_is_what_the_results_say():
    from results import PAGE, results_page

    assert PAGE.read_text(encoding="utf-8") == results_page()

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


def test_every_example_is_in_the_results():
    from results import NAMES

    assert sorted(NAMES) == SCRIPTS  # an example that has no place in ORDER


def test_the_page_is_what_the_results_say():
    from results import PAGE, results_page

    assert PAGE.read_text(encoding="utf-8") == results_page()

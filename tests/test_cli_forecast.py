"""fastrnn forecast put to use, and what it says to bad input: one clear line, exit status 2, nothing trained."""

import csv
import io
import json
import sys

import numpy as np
import pytest

from cli_runner import run
from fastrnn.cli import forecast
from fastrnn.forecasting import Series, train_and_test

T = 48
MONTHS = [f"{2000 + i // 12}-{i % 12 + 1:02d}" for i in range(T + 12)]
VALUES = np.round(100 + np.arange(T) + 10 * np.sin(np.arange(T) * np.pi / 6) + np.sin(np.arange(T) ** 2), 3)
QUICK = ("--networks", "1")


def table(values=VALUES, head="date,sales", mark=","):
    rows = [f"{month},{value}" for month, value in zip(MONTHS, values, strict=False)]
    return "\n".join([head, *rows, ""]).replace(",", mark)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in a directory with a table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(table(), encoding="utf-8")
    return tmp_path


def rows_of(result):
    assert result.status == 0, result.err
    return list(csv.DictReader(io.StringIO(result.out)))


# ---- use ----


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """One training with everything, and its directory."""
    path = tmp_path_factory.mktemp("forecast")
    (path / "t.csv").write_text(table(), encoding="utf-8")
    options = ("--horizon", "12", "--save", str(path / "m"), "--plot", str(path / "p.png"), "--seed", "3")
    return path, run("forecast", str(path / "t.csv"), *options, *QUICK)


def test_a_forecast_goes_on_with_the_dates(first):
    rows = rows_of(first[1])
    assert list(rows[0]) == ["date", "forecast", "lower", "upper"]
    assert [row["date"] for row in rows] == MONTHS[T:]
    truth = 100 + np.arange(T, T + 12) + 10 * np.sin(np.arange(T, T + 12) * np.pi / 6)
    told = np.array([[float(row[name]) for name in ("lower", "forecast", "upper")] for row in rows])
    assert np.abs(told[:, 1] - truth).max() < 8
    assert (np.diff(told, axis=1) > 0).all()


def test_standard_error_tells_what_it_is_worth(first):
    path, result = first
    lines = result.err.splitlines()
    for said in (
        "sales: 48 values, 2000-01 to 2003-12; trained in ",
        "transform: ",
        "one step ahead, and on the average",
    ):
        assert any(said in line for line in lines), result.err
    errors = {line.strip().rpartition("  ")[0].split("  ")[0]: line.split()[-2:] for line in lines if line[:2] == "  "}
    assert list(errors) == ["model", "persistence", "seasonal naive"]
    assert "3/3" in result.err  # the progress bar
    assert float(errors["model"][0]) < float(errors["persistence"][0])
    assert lines[-2:] == [f"saved to {path / 'm'}", f"drawn to {path / 'p.png'}"]
    assert (path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(entry.name for entry in path.iterdir()) == ["m", "p.png", "t.csv"]


def test_the_model_is_used_again(first):
    path, result = first
    again = run("forecast", str(path / "t.csv"), "--horizon", "12", "--model", str(path / "m"))
    assert (again.status, again.out, again.err) == (0, result.out, "")


def test_json(first, monkeypatch):
    path, result = first
    text = (path / "t.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    found = json.loads(run("forecast", "-", "--horizon", "12", "--json", "--seed", "3", *QUICK).out)
    assert list(found) == ["column", "forecast", "backtest"]
    assert found["column"] == "sales"
    assert found["backtest"]["rows"] == 10
    assert {kind: list(errors) for kind, errors in found["backtest"].items() if kind != "rows"} == {
        kind: ["model", "persistence", "seasonal naive"] for kind in ("rmse", "mae")
    }
    for row, printed in zip(found["forecast"], rows_of(result), strict=True):
        assert row["label"] == printed["date"]
        assert float(f"{row['forecast']:.7g}") == float(printed["forecast"])
    used = json.loads(run("forecast", str(path / "t.csv"), "--horizon", "2", "--json", "--model", str(path / "m")).out)
    assert "backtest" not in used


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + table()).encode(),
        table(mark=";").encode(),
        table(mark="\t").replace("\n", "\r\n").encode(),
        table().replace("\n", "\n\n").encode(),
    ],
    ids=["BOM", "semicolons", "tabs", "blank lines"],
)
def test_other_ways_to_write_the_same_table(first, content):
    path, result = first
    (path / "t.csv").write_bytes(content)
    options = ("--horizon", "12", "--model", str(path / "m"))
    assert run("forecast", str(path / "t.csv"), *options).out == result.out
    (path / "t.csv").write_text(table(), encoding="utf-8")


def test_an_encoding_and_a_column_of_many(first):
    path, result = first
    rows = [f"{month},x,{value},é" for month, value in zip(MONTHS, VALUES, strict=False)]
    (path / "many.csv").write_bytes("\n".join(["month,a,umsätze,b", *rows]).encode("latin-1"))
    options = ("--horizon", "12", "--model", str(path / "m"), "--encoding", "latin-1")
    found = run("forecast", str(path / "many.csv"), "--column", "umsätze", "--date", "month", *options)
    assert found.out == result.out
    (path / "many.csv").unlink()


def test_the_column_that_was_trained_on_is_taken_again(first):
    path, result = first
    rows = [f"{month},{value},0" for month, value in zip(MONTHS, VALUES, strict=False)]
    (path / "many.csv").write_text("\n".join(["date,sales,other", *rows]), encoding="utf-8")
    assert run("forecast", str(path / "many.csv"), "--horizon", "12", "--model", str(path / "m")).out == result.out
    (path / "many.csv").unlink()


@pytest.fixture
def asked(monkeypatch):
    """Stand in for training, and return what it is asked to do."""
    asked = {}

    def trained(series, horizon, plan, **options):
        asked.update(series=series, horizon=horizon, plan=plan, **options)
        return train_and_test(Series(VALUES, series.calendar, series.name), 1, plan, seed=0, verbose=0)

    monkeypatch.setattr(forecast, "train_and_test", trained)
    return asked


def test_gaps_are_filled_when_asked(here, asked):
    lines = table().splitlines()
    lines[5] = lines[5].split(",")[0] + ","
    del lines[9]
    (here / "gaps.csv").write_text("\n".join(lines), encoding="utf-8")
    refused = run("forecast", "gaps.csv", "--horizon", "1")
    assert refused.status == 2
    assert "gaps.csv: line 6: the value is missing; --missing interpolate or previous" in refused.err
    assert not asked
    rows = rows_of(run("forecast", "gaps.csv", "--horizon", "1", "--missing", "interpolate", *QUICK))
    assert rows[0]["date"] == MONTHS[T]
    expected = VALUES.copy()
    expected[[4, 8]] = (VALUES[[3, 7]] + VALUES[[5, 9]]) / 2
    np.testing.assert_allclose(asked["series"].values, expected)


def test_the_options_reach_the_training(here, asked):
    options = ("--transform", "log", "--difference", "both", "--season", "6", "--networks", "2", "--seed", "9")
    assert run("forecast", "t.csv", "--horizon", "3", *options).status == 0
    assert asked["plan"] == ("log", "both", 6, None, 2)
    assert (asked["horizon"], asked["seed"]) == (3, 9)
    assert here


def test_without_dates_steps_are_numbers(here, asked):
    (here / "n.csv").write_text("sales\n" + "\n".join(map(str, VALUES)), encoding="utf-8")
    rows = rows_of(run("forecast", "n.csv", "--horizon", "2", *QUICK))
    assert [row["step"] for row in rows] == ["49", "50"]
    assert asked["series"].calendar is None


# ---- bad input ----


@pytest.fixture
def spoilt(here, monkeypatch, first):
    """Work among files that are bad in many ways; training must not be reached."""

    def never(*_, **__):
        raise AssertionError("trained before it saw what was wrong")

    for name in ("choose", "fit"):
        monkeypatch.setattr(f"fastrnn.forecasting.backtesting.{name}", never)
    model = (first[0] / "m").read_bytes()
    lines = table().splitlines()
    content = {
        "m": model,
        "cut.model": model[:-1],
        "empty.csv": b"",
        "binary.csv": b"\x7fELF\0\1\2",
        "latin.csv": "sales\ncaf\u00e9\n".encode("latin-1"),
        "utf16.csv": table().encode("utf-16"),
        "head.csv": b"date,sales\n",
        "text.csv": table().replace("100.0", "high").encode(),
        "comma.csv": table(mark=";").replace(".", ",").encode(),
        "two.csv": b"a,b\n1,2\n",
        "short.csv": table(VALUES[:29]).encode(),
        "flat.csv": table(np.full(T, 5.0)).encode(),
        "late.csv": table(np.r_[np.full(40, 5.0), np.arange(8)]).encode(),
        "twice.csv": "\n".join([*lines[:9], lines[8], *lines[9:]]).encode(),
        "unsorted.csv": "\n".join([lines[0], *reversed(lines[1:])]).encode(),
        "days.csv": ("date,sales\n" + "".join(f"2000-01-{i:02d},{i % 7}\n" for i in range(1, 32))).encode(),
        "last.csv": ("year,sales\n" + "".join(f"{9950 + i},{i % 7}\n" for i in range(T))).encode(),
        "tiny.csv": table(VALUES * 1e-120).encode(),
        "zero.csv": table(np.arange(T)).encode(),
    }
    for name, data in content.items():
        (here / name).write_bytes(data)
    (here / "dangling").symlink_to(here / "none" / "m")
    return here


def fails(here, *args):
    """Run what must fail; return its one line."""
    before = {path: path.lstat().st_mtime_ns for path in here.iterdir()}
    result = run("forecast", *args)
    assert result.status == 2, result
    assert result.out == ""
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("fastrnn: ")
    assert {path: path.lstat().st_mtime_ns for path in here.iterdir()} == before
    return result.err.removeprefix("fastrnn: ").rstrip("\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        # options
        ([], "FILE"),
        (["t.csv"], "--horizon"),
        *((["t.csv", "--horizon", value], "--horizon") for value in ("0", "-1", "1.5", "many")),
        (["t.csv", "--horizon", "49"], "horizon: expected at most 48, as many steps as the series has, got 49"),
        (["t.csv", "--horizon", str(10**30)], "horizon: expected at most 48"),
        (["t.csv", "--horizon", "1", "--season", "0"], "--season"),
        (["t.csv", "--horizon", "1", "--season", "17"], "season: expected at most"),
        (["t.csv", "--horizon", "1", "--transform", "cube"], "'cube' is not one of 'auto', 'none', 'log', 'sqrt'"),
        (["t.csv", "--horizon", "1", "--difference", "third"], "'third' is not one of"),
        (["t.csv", "--horizon", "1", "--missing", "zero"], "'zero' is not one of"),
        (["t.csv", "--horizon", "1", "--networks", "0"], "--networks"),
        (["t.csv", "--horizon", "1", "--seed", "-1"], "--seed"),
        (["t.csv", "--horizon", "1", "--encoding", "bogus"], "--encoding: unknown encoding 'bogus'"),
        (
            ["zero.csv", "--horizon", "1", "--transform", "log"],
            "transform: log needs values > 0, and the smallest is 0",
        ),
        # columns
        (["t.csv", "--horizon", "1", "--column", "x"], "t.csv: --column: no column 'x'; there are 'date', 'sales'"),
        (["t.csv", "--horizon", "1", "--date", "x"], "t.csv: --date: no column 'x'"),
        (["t.csv", "--horizon", "1", "--column", "date"], "t.csv: line 2: expected a number, got '2000-01'"),
        (["two.csv", "--horizon", "1"], "two.csv: --column: expected the name of one of the columns 'a', 'b'"),
        # what is in the file
        (["none.csv", "--horizon", "1"], "none.csv: No such file"),
        ([".", "--horizon", "1"], ".: Is a directory"),
        (["empty.csv", "--horizon", "1"], "empty.csv: the file is empty"),
        (["binary.csv", "--horizon", "1"], "binary.csv: binary data"),
        (["latin.csv", "--horizon", "1"], "latin.csv: not utf-8 text"),
        (["utf16.csv", "--horizon", "1"], "utf16.csv: "),
        (["head.csv", "--horizon", "1"], "head.csv: a header and nothing below it"),
        (["text.csv", "--horizon", "1"], "text.csv: line 2: expected a number, got 'high'"),
        (["comma.csv", "--horizon", "1"], "(a decimal comma? expected a point)"),
        (["short.csv", "--horizon", "1"], "series: too short, expected at least 30 values, got 29"),
        (["flat.csv", "--horizon", "1"], "series: constant, all 48 values are 5"),
        (["last.csv", "--horizon", "3"], "horizon: 3 steps lead beyond the year 9999"),
        (["tiny.csv", "--horizon", "1"], "expected at least 1e-100; write them in a smaller unit"),
        (["late.csv", "--horizon", "1"], "series: constant, all 38 values are 5"),
        (["twice.csv", "--horizon", "1"], "twice.csv: line 10: date: the date 2000-08 comes twice"),
        (["unsorted.csv", "--horizon", "1"], "unsorted.csv: line 3: date: the date 2003-11 is earlier than 2003-12"),
        # models
        (["t.csv", "--horizon", "1", "--model", "none"], "none: No such file"),
        (["t.csv", "--horizon", "1", "--model", ""], "--model"),
        (["t.csv", "--horizon", "1", "--model", "t.csv"], "t.csv: not a model file, or a damaged one"),
        (["t.csv", "--horizon", "1", "--model", "cut.model"], "cut.model: not a model file, or a damaged one"),
        (["t.csv", "--horizon", "1", "--model", "m", "--season", "3"], "--season is for training, and --model does"),
        (["t.csv", "--horizon", "49", "--model", "m"], "horizon: expected at most 48"),
        (
            ["days.csv", "--horizon", "1", "--model", "m"],
            "expected steps of one month as in training, got steps of one day",
        ),
        # where to write
        (["t.csv", "--horizon", "1", "--save", "none/m"], "--save: none: no such directory"),
        (["t.csv", "--horizon", "1", "--save", "t.csv"], "--save: t.csv: also read or written as something else"),
        (["t.csv", "--horizon", "1", "--save", "a.png", "--plot", "a.png"], "--plot: a.png: also read or written"),
        (["t.csv", "--horizon", "1", "--save", "n" * 256], "File name too long"),
        (["t.csv", "--horizon", "1", "--save", "dangling"], "/none: no such directory"),
        (["t.csv", "--horizon", "1", "--save", "."], "--save: .: can't be written"),
        (["t.csv", "--horizon", "1", "--plot", "none/p.png"], "--plot: none: no such directory"),
        (["t.csv", "--horizon", "1", "--plot", "p.bogus"], "--plot: path: expected a suffix among"),
    ],
)
def test_one_clear_line(spoilt, args, said):
    line = fails(spoilt, *args)
    assert said in line
    assert "Traceback" not in line
    assert "Errno" not in line
    assert len(line) < 350


def test_an_interrupt_leaves_nothing_behind(here, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(forecast, "train_and_test", interrupted)
    result = run("forecast", "t.csv", "--horizon", "1", "--save", "m")
    assert (result.status, result.out, result.err.strip()) == (130, "", "fastrnn: interrupted")
    assert [entry.name for entry in here.iterdir()] == ["t.csv"]

"""``fastrnn forecast FILE``: read a column of a table, train on it, and tell what comes next.

Each helper is one stage of the command; `forecast` puts them in order.
"""

import csv
import json
import math
import sys
import time
from typing import Any

import click
import numpy as np

from fastrnn.cli.files import (
    check_encoding,
    check_paths,
    check_picture,
    check_readable,
    check_writable,
    named,
    or_nowhere,
    shown,
    text_of,
)
from fastrnn.forecasting import (
    Backtest,
    Forecast,
    Plan,
    Series,
    SeriesModel,
    Table,
    TableError,
    load,
    read_table,
    series_in,
    train_and_test,
)
from fastrnn.forecasting.backtesting import MODEL
from fastrnn.forecasting.series import FILLS, Array
from fastrnn.forecasting.training import DIFFERENCES, MEMBERS
from fastrnn.forecasting.transforms import STABILIZERS


@click.command()
@click.argument("file")
@click.option("--column", metavar="NAME", help="Of the numbers; the only column besides the dates if not given.")
@click.option("--date", metavar="NAME", help="The column of dates; found by itself if not given.")
@click.option("--horizon", type=click.IntRange(1), required=True, help="How many steps to tell.")
@click.option("--missing", type=click.Choice(FILLS), default=FILLS[0], show_default=True, help="What to do with gaps.")
@click.option("--transform", type=click.Choice(["auto", *STABILIZERS]), help="Of the values.  [default: auto]")
@click.option("--difference", type=click.Choice(DIFFERENCES), help="Between values.  [default: auto]")
@click.option("--season", type=click.IntRange(1), help="Steps of a season; 1 for none.  [default: by dates or values]")
@click.option("--networks", type=click.IntRange(1, 1000), help=f"How many to train.  [default: {MEMBERS}]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and batches.")
@click.option("--json", "as_json", is_flag=True, help="Print forecast and backtest as JSON instead of CSV.")
@click.option("--save", metavar="PATH", help="Keep the trained model in this file.")
@click.option("--model", metavar="PATH", help="Use the model in this file instead of training one.")
@click.option("--plot", metavar="PICTURE", help="Draw the end of the series and the forecast.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of the file.")
def forecast(
    file: str,
    column: str | None,
    date: str | None,
    horizon: int,
    missing: str,
    transform: str | None,
    difference: str | None,
    season: int | None,
    networks: int | None,
    seed: int,
    as_json: bool,
    save: str | None,
    model: str | None,
    plot: str | None,
    encoding: str,
) -> int:
    """Forecast a column of FILE, a table by commas, semicolons or tabs with a header; - is standard input.

    Prints date, forecast and the interval that should hold nine values in ten. The model is first trained without the
    last fifth of the series and compared there with persistence and the seasonal naive forecast; then it is trained on
    all of it. Progress and errors go to standard error.
    """
    options = {"transform": transform, "difference": difference, "season": season, "networks": networks}
    _check_options(file, model, save, plot, encoding, {name for name, value in options.items() if value is not None})
    check_readable(file, encoding)
    trained = None
    if model:
        with named(model):
            trained = load(model)
    series = _read(file, encoding, column, date, missing, trained)

    tested = None
    if trained is None:
        plan = Plan(transform or "auto", difference or "auto", season, members=networks or MEMBERS)
        trained, tested = _train(series, horizon, plan, seed)
    found = trained.forecast(series, horizon)
    report = or_nowhere(sys.stderr)
    if save:
        trained.save(save)
        print(f"saved to {save}", file=report)
    if plot:
        from fastrnn.forecasting.pictures import draw  # noqa: PLC0415 - an extra

        draw(series, found, plot)
        print(f"drawn to {plot}", file=report)
    _print_json(series, found, tested) if as_json else _print_csv(series, found)
    return 0


# ---- before any work ----


def _check_options(
    file: str, model: str | None, save: str | None, plot: str | None, encoding: str, given: set[str]
) -> None:
    """Find what would fail after the training."""
    check_paths(model=model)
    if model and given:
        raise click.UsageError(f"--{min(given)} is for training, and --model does without: leave one of them out")
    check_writable(file, save=save, plot=plot)
    check_picture("--plot", plot)
    check_encoding("--encoding", encoding)


def _read(
    file: str, encoding: str, column: str | None, date: str | None, missing: str, trained: SeriesModel | None
) -> Series:
    """Return the series; of a model that is there already, the column that it was trained on if there is one."""
    text = "".join(text_of(file, encoding))
    try:
        table = read_table(text)
        return series_in(table, column or _column_of(trained, table), date, missing)
    except TableError as error:
        raise TableError(f"{shown(file)}: {error}") from None


def _column_of(trained: SeriesModel | None, table: Table) -> str | None:
    return trained.frame.name if trained is not None and table.names.count(trained.frame.name) == 1 else None


# ---- the model ----


def _train(series: Series, horizon: int, plan: Plan, seed: int) -> tuple[SeriesModel, Backtest]:
    """Train a model and say what it is worth."""
    start = time.perf_counter()
    trained, tested = train_and_test(series, horizon, plan, seed=seed)
    report = or_nowhere(sys.stderr)
    T = len(series.values)
    print(
        f"{series.name}: {T:,} values, {series.label(0)} to {series.label(T - 1)}; "
        f"trained in {time.perf_counter() - start:.1f} s\n{trained.settings}",
        file=report,
    )
    steps = len(tested.rmse[MODEL])
    ahead = "one step ahead" if steps == 1 else f"one step ahead, and on the average of {steps}"
    print(f"root mean squared error of the last {tested.rows:,} values, not trained on, {ahead}:", file=report)
    for name, errors in tested.rmse.items():
        mean = "" if steps == 1 else f"{np.mean(errors):12.5g}"
        print(f"  {name:<16}{errors[0]:12.5g}{mean}", file=report)
    return trained, tested


# ---- what it tells ----


def _print_csv(series: Series, found: Forecast) -> None:
    writer = csv.writer(or_nowhere(sys.stdout), lineterminator="\n")
    writer.writerow(["step" if series.calendar is None else "date", "forecast", "lower", "upper"])
    digits = _digits(found)
    for label, *numbers in zip(*found, strict=True):
        writer.writerow([label, *(f"{number:.{digits}g}" for number in numbers)])


def _digits(found: Forecast) -> int:
    """Return how many digits show four of what the numbers differ by, seven at least."""
    numbers = np.concatenate(found[1:])
    largest, width = np.abs(numbers).max(), np.ptp(numbers)
    return min(17, max(7, 5 + math.floor(math.log10(largest / width)))) if width else 7


def _print_json(series: Series, found: Forecast, tested: Backtest | None) -> None:
    rows = [dict(zip(("label", "forecast", "lower", "upper"), row, strict=True)) for row in zip(*found, strict=True)]
    tree: dict[str, Any] = {"column": series.name, "forecast": rows}
    if tested is not None:
        errors = {"rmse": tested.rmse, "mae": tested.mae}
        listed = {kind: {name: _listed(own) for name, own in found.items()} for kind, found in errors.items()}
        tree["backtest"] = {"rows": tested.rows, **listed}
    print(json.dumps(tree, indent=1, allow_nan=False))


def _listed(errors: Array) -> list[float | None]:
    """Return errors as JSON has them: null for one that is infinite."""
    return [error if math.isfinite(error) else None for error in errors.tolist()]

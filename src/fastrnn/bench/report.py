"""What a run has found, in text: a table for each number of threads, means, the worst case, and the targets."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastrnn.bench.cases import CELLS, KINDS, Case
from fastrnn.bench.contestants import CONTESTANTS, entrants
from fastrnn.bench.jobs import COMPARISONS
from fastrnn.bench.judging import judge
from fastrnn.bench.results import Result, Run, geometric_mean, ratios

Row = tuple[str, ...]
TARGETS_HEAD: Row = ("target", "threads", "asked", "found", "", "")


def text(run: Run) -> str:
    """Return the whole report for a terminal."""
    lines = [f"{name}: {value}" for name, value in run.machine.items()]
    for threads in run.threads():
        lines += _section(run, threads, _aligned, "")
    lines += [*_others(run), *_absences(run), "", *_aligned([TARGETS_HEAD, *_verdicts(run)])]
    return "\n".join(lines if run.complete else [*lines, "", "not complete: interrupted, or a worker has failed"])


def markdown(run: Run) -> str:
    """Return the tables for a document."""
    lines = [f"- {name}: {value}" for name, value in run.machine.items()]
    for threads in run.threads():
        lines += _section(run, threads, _piped, "- ")
    return "\n".join([*lines, "", *_piped([TARGETS_HEAD, *_verdicts(run)])])


def _section(run: Run, threads: int, layout: Callable[[list[Row]], Iterator[str]], bullet: str) -> Iterator[str]:
    """Yield all tables of one number of threads."""
    yield from ("", _title(run, threads))
    for table in TABLES:
        rows = _rows(run, threads, table)
        if len(rows) > 1:
            yield from ("", *layout(rows))
            if table.work == "compare":
                yield from ("", *(bullet + line for line in _means(run, threads)))


# ---- rows ----


class Table(NamedTuple):
    """Of the results of one kind of work: the first column's head, the times' unit, and what the last column has."""

    work: str
    first: str
    unit: str
    scale: float
    last: str
    value: Callable[[Run, Result], str]


def _peak(run: Run, result: Result) -> str:
    return _percent(run.share(result))


def _outside(run: Run, result: Result) -> str:
    """Return what a job of its own has found about the same epoch."""
    found = [other.outside for other in run.chosen("overhead", threads=result.threads) if other.case == result.case]
    return _percent(found[0] if found else None)


def _over_default(_: Run, result: Result) -> str:
    return _number(result.ratio("pytorch"))


def _over_trainer(_: Run, result: Result) -> str:
    ratio = result.ratio("trainer")
    return "–" if not ratio else f"{1 / ratio - 1:+.1%}"


TABLES = (
    Table("compare", "case", "ms", 1e3, "peak", _peak),
    Table("epoch", "epoch of training", "s", 1, "outside kernels", _outside),
    Table("optimizer", "step of an optimiser", "ms", 1e3, "pytorch / fastrnn", _over_default),
    Table("fit", "fit of an estimator", "s", 1, "over the trainer", _over_trainer),
)


def _rows(run: Run, threads: int, table: Table) -> list[Row]:
    """Return a head and a row for each case, with a column for everyone who has a time somewhere, or ought to."""
    results = run.chosen(table.work, dtype=None, threads=threads)
    known = dict.fromkeys([*CONTESTANTS, "reference", *(name for result in results for name in entrants(result.case))])
    names = [name for name in known if any(_time(result, name, table) != "–" for result in results)]
    head = (table.first, *(f"{name}, {table.unit}" for name in names), "best peer", "ratio", table.last)
    return [head, *(_row(run, result, names, table) for result in results)]


def _row(run: Run, result: Result, names: list[str], table: Table) -> Row:
    """Return one case: times, or a word for why there is none."""
    cells = [_time(result, name, table) for name in names]
    return (
        result.case.name,
        *cells,
        result.best_peer or "–",
        _number(result.ratio()),
        table.value(run, result),
    )


def _time(result: Result, name: str, table: Table) -> str:
    if name in result.values:
        return f"{result.values[name] * table.scale:.3g}"
    reason = result.reasons.get(name, "")
    return "WRONG" if reason.startswith("WRONG") else "failed" if reason.startswith("failed") else "–"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _title(run: Run, threads: int) -> str:
    """Return how many threads there were, and their peaks."""
    known = [(dtype, run.peak(threads, dtype)) for dtype in ("float32", "float64")]
    peaks = "".join(f"; FMA peak {peak / 1e9:.0f} GFLOP/s {dtype}" for dtype, peak in known if peak)
    return f"{threads} thread{'s' * (threads > 1)}{peaks}"


def _means(run: Run, threads: int) -> Iterator[str]:
    """Yield geometric means of best peer / fastrnn, of the plain cases, by cell and kind and of others; the worst."""
    results = [result for result in run.chosen(threads=threads) if result.ratio() is not None]
    if not results:
        yield "best peer / fastrnn: nothing to compare"
        return
    plain = [result for result in results if result.case.plain]
    if plain:
        yield f"best peer / fastrnn, geometric mean of {len(plain)} plain cases: {geometric_mean(ratios(plain)):.2f}"
    for cell in CELLS:
        parts = []
        for kind in KINDS:
            own = [result for result in plain if (result.case.cell, result.case.kind) == (cell, kind)]
            parts += [f"{kind} {geometric_mean(ratios(own)):.2f}"] if own else []
        if parts:
            yield f"{cell}: {', '.join(parts)}"
    others: dict[str, list[Result]] = {}
    for result in results:
        if not result.case.plain:
            others.setdefault(_sort(result.case), []).append(result)
    for name, own in others.items():
        yield f"{name}: {geometric_mean(ratios(own)):.2f}"
    worst = min(results, key=lambda result: result.ratio() or math.inf)
    yield f"worst case: {worst.case.name}, {_number(worst.ratio())} (against {worst.best_peer})"


def _sort(case: Case) -> str:
    """Return which of the cases that are not plain a case belongs to: its name without the shape and the cell's own."""
    words = case.name.split()
    return " ".join(words[3:]) or " ".join(words[:2])


def _others(run: Run) -> Iterator[str]:
    """Yield what was measured besides the comparison."""
    other = [result for result in run.results if result.work not in COMPARISONS]
    if other:
        yield ""
    for result in other:
        unit, scale = {"memory": ("MB", 1e-6), "overhead": ("s", 1)}.get(result.work, ("ms", 1e3))
        values = ", ".join(f"{name} {value * scale:.3g} {unit}" for name, value in result.values.items())
        said = values or "; ".join(f"{name}: {reason}" for name, reason in result.reasons.items())
        yield f"{result.work}, {result.case.name}, {result.threads} threads: {said}"


def _absences(run: Run) -> Iterator[str]:
    """Yield why there are gaps in the table, each reason once."""
    cases: dict[tuple[str, str], list[str]] = {}
    for result in (result for work in COMPARISONS for result in run.chosen(work, dtype=None)):
        for name, reason in result.reasons.items():
            cases.setdefault((name, reason), []).append(f"{result.case.name}, {result.threads} threads")
    if cases:
        yield ""
    for (name, reason), where in cases.items():
        yield f"{name}: {reason} ({where[0] if len(where) == 1 else f'{len(where)} cases'})"


def _verdicts(run: Run) -> Iterator[Row]:
    for target, threads, state, value, detail in judge(run):
        asked = f"{'>=' if target.at_least else '<='} {target.bound:g}"
        yield (target.text, str(threads), asked, _number(value), state, detail)


# ---- layout ----


def _aligned(rows: list[Row]) -> Iterator[str]:
    """Yield lines in columns, the first of them and words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *rest = zip(row, widths, strict=True)
        cells = [f"{cell:>{width}}" for cell, width in rest[:-1]]
        yield "  ".join([f"{first[0]:{first[1]}}", *cells, rest[-1][0]]).rstrip()


def _piped(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    for i, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if i == 0:
            yield f"|{'---|' * len(row)}"

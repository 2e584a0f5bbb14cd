"""``fastrnn bench``: run the benchmark, print what it found, keep it and draw it."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from tqdm import tqdm

from fastrnn._files import write_whole
from fastrnn.bench.cases import CELLS, KINDS, OTHERS
from fastrnn.bench.jobs import Job, plan
from fastrnn.bench.report import markdown, text
from fastrnn.bench.results import Run
from fastrnn.bench.running import WorkerError, machine, run, usable_cpus
from fastrnn.bench.timing import ROUNDS
from fastrnn.bench.training import Epoch, Fitting, Step
from fastrnn.cli.files import check_picture, check_writable

CELL_NAMES = tuple(dict.fromkeys((*CELLS, *(cell for cell, _ in OTHERS))))
KIND_NAMES = tuple(dict.fromkeys((*KINDS, *(kind for _, kind in OTHERS), Epoch.kind, Step.kind, Fitting.kind)))


@click.command()
@click.option("--quick", is_flag=True, help="Each regime once, in under four minutes.")
@click.option("--threads", metavar="K[,K]...", help="Thread counts.  [default: 1,2, as far as there are CPUs]")
@click.option("--cell", "cells", type=click.Choice(CELL_NAMES), multiple=True, help="This cell alone; may be repeated.")
@click.option(
    "--kind", "kinds", type=click.Choice(KIND_NAMES), multiple=True, help="This kind of work alone; likewise."
)
@click.option("--match", metavar="TEXT", default="", help="Cases alone whose names have this in them.")
@click.option("--rounds", type=click.IntRange(3), default=ROUNDS, show_default=True, help="Of timing, for each case.")
@click.option("--json", "json_file", metavar="FILE", help="Write what was found to this file.")
@click.option("--plot", metavar="PICTURE", help="Draw ratios and a roofline.")
@click.option("--from", "source", metavar="FILE", help="Measure nothing: show what --json wrote.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print tables for a document.")
@click.option("--list", "listing", is_flag=True, help="Print the names of the cases and measure nothing.")
def bench(
    quick: bool,
    threads: str | None,
    cells: tuple[str, ...],
    kinds: tuple[str, ...],
    match: str,
    rounds: int,
    json_file: str | None,
    plot: str | None,
    source: str | None,
    as_markdown: bool,
    listing: bool,
) -> int:
    """Time fastrnn against those of PyTorch, ONNX Runtime and JAX that are installed.

    Every contestant's result is first compared with the reference. The ratio is that of the best peer's time to
    fastrnn's; above 1, fastrnn is ahead. An interrupt ends in a report of what has been measured.
    """
    check_writable(json=json_file, plot=plot)
    check_picture("--plot", plot)
    if source is not None:
        if json_file:
            raise click.UsageError("--json: --from measures nothing that could be written")
        return _show(_read(source), None, plot, as_markdown)
    counts = _thread_counts(threads)
    jobs = {k: [job for job in plan(k, short=quick) if _wanted(job, cells, kinds, match)] for k in counts}
    jobs = {k: own for k, own in jobs.items() if own}
    if not jobs:
        raise click.UsageError("no case is left; fastrnn bench --list prints their names")
    if listing:
        print("\n".join(dict.fromkeys(job.name for own in jobs.values() for job in own)))
        return 0
    found = Run(machine=machine())
    try:
        _measure(found, jobs, rounds)
    finally:  # an interrupt and a worker's end leave what has been measured
        if found.results:
            _show(found, json_file, plot, as_markdown)
    return 0


def _thread_counts(text: str | None) -> list[int]:
    """Return the thread counts asked for, each once."""
    cpus = len(usable_cpus())
    if text is None:
        return [k for k in (1, 2) if k <= cpus]
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise click.UsageError(f"--threads: expected numbers from 1 on, separated by commas, got {text!r}")
    if counts[-1] > cpus:
        raise click.UsageError(f"--threads: expected at most {cpus}, the CPUs that there are, got {counts[-1]}")
    return counts


def _wanted(job: Job, cells: Sequence[str], kinds: Sequence[str], match: str) -> bool:
    return (not cells or job.case.cell in cells) and (not kinds or job.case.kind in kinds) and match in job.name


def _measure(found: Run, jobs: dict[int, list[Job]], rounds: int) -> None:
    """Run all jobs, and show on standard error which one is being done."""
    silent = sys.stderr is None
    with tqdm(total=sum(map(len, jobs.values())), unit="case", disable=silent, dynamic_ncols=True) as bar:
        try:
            for threads, own in jobs.items():
                names = iter([*(job.name for job in own), "done"])
                with contextlib.closing(run(own, threads, rounds)) as messages:  # ends the worker, come what may
                    for message in messages:
                        found.add(message)
                        if message["kind"] == "result":
                            bar.update()
                        if message["kind"] != "peak":
                            bar.set_description(f"{threads} thread{'s' * (threads > 1)}, {next(names)}")
        except WorkerError as error:
            raise click.ClickException(str(error)) from None
    found.complete = True


def _read(source: str) -> Run:
    try:
        return Run.from_json(Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"--from: {source}: {error}") from None


def _show(found: Run, json_file: str | None, plot: str | None, as_markdown: bool) -> int:
    """Keep, print and draw what was found; a file that can't be written doesn't keep the report from being seen."""
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: print(markdown(found) if as_markdown else text(found), flush=True))
        if json_file:
            write_whole(json_file, found.to_json().encode())
        if plot:
            from fastrnn.bench.pictures import draw  # noqa: PLC0415 - an extra

            draw(found, plot)
    return 0

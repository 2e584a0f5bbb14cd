"""What every example shares: its options, trainings side by side, and what it leaves behind.

An example is a script that reads from top to bottom: data, model, training, and what came of it. Its ``main(options)``
calls `each` or `each_seed` to train, and `report` to leave rows for the table of results and a picture; it ends in

    if __name__ == "__main__":
        main(read_options())

``results.py`` runs all of them and writes docs/results.md.
"""

import inspect
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

import fastrnn
from fastrnn._files import write_whole
from fastrnn.plots import write

DATA = Path(__file__).parent / "data"
RESULTS = Path(__file__).parents[1] / "docs" / "results"
_START = time.perf_counter()

Outcome = tuple[Any, float]  # what a training returned, and its seconds


@dataclass(frozen=True)
class Options:
    """How an example is run.

    Attributes
    ----------
    seeds : int
        How many trainings, from seed 0 on.
    quick : bool
        The reduced form, which the test suite runs: the same code on a smaller task, in seconds.
    workers : int
        Processes that train side by side, each with one thread.
    out : Path
        The directory for NAME.json and NAME.png.
    arguments : tuple of str
        What else was given, to an example that takes anything else.
    """

    seeds: int = 10
    quick: bool = False
    workers: int = 1
    out: Path = RESULTS
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One line of the table of results.

    Attributes
    ----------
    task : str
        What was learnt, and by what; empty if it is that of the row above.
    measure : str
        What the values are, and their unit.
    values : sequence of float
        One a seed.
    target : str
        What was asked for, in words; empty if nothing was.
    met : bool, optional
        Whether it was reached; None where there is no target.
    worst : callable
        ``max`` where small values are good, ``min`` where large ones are.
    seconds : sequence of float
        What each training took, with one thread.
    published : str
        The figure of the literature, and whose it is.
    """

    task: str
    measure: str
    values: Sequence[float]
    target: str = ""
    met: bool | None = None
    worst: Callable[[Iterable[float]], float] = max
    seconds: Sequence[float] = ()
    published: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        values = [float(value) for value in self.values]
        return {
            "task": self.task,
            "measure": self.measure,
            "values": values,
            "mean": statistics.fmean(values),
            "worst": float(self.worst(values)),
            "target": self.target,
            "met": None if self.met is None else bool(self.met),
            "seconds": [float(second) for second in self.seconds],
            "published": self.published,
        }


def read_options(seeds: int = 10, arguments: str = "") -> Options:
    """Read an example's command line.

    Parameters
    ----------
    seeds : int
        How many trainings, unless told otherwise.
    arguments : str
        What the help calls the arguments that the example takes, any number of them; empty if it takes none.
    """

    @click.command(help=sys.modules["__main__"].__doc__)
    @click.option("--seeds", "count", type=click.IntRange(1), help=f"Trainings.  [default: {seeds}, or 1 if --quick]")
    @click.option("--quick", is_flag=True, help="The reduced form, in seconds; needs --out.")
    @click.option(
        "--workers", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Processes."
    )
    @click.option(
        "--out", type=click.Path(file_okay=False, path_type=Path), help="For results.  [default: docs/results]"
    )
    def read(count: int | None, quick: bool, workers: int, out: Path | None, given: tuple[str, ...] = ()) -> Options:
        partial = "--quick" if quick else arguments if given else "--seeds" if count not in (None, seeds) else ""
        if partial and out is None:
            raise click.UsageError(f"{partial}: say --out DIRECTORY too; docs/results is for the whole form")
        out = out or RESULTS
        try:
            out.mkdir(parents=True, exist_ok=True)  # before any training
        except OSError as error:
            raise click.UsageError(f"--out: {out}: {error.strerror}") from None
        return Options(count or (1 if quick else seeds), quick, workers, out, given)

    if arguments:
        read.params.append(click.Argument(["given"], nargs=-1, metavar=f"[{arguments}]..."))
    try:
        chosen = read(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    if not isinstance(chosen, Options):  # --help has been printed
        sys.exit(0)
    _on_interrupt(_end)
    return chosen


def _on_interrupt(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _end(*_: Any) -> None:
    """End the example at once: with Python's own handler, `fit` would end one training and the next would begin."""
    _on_interrupt(signal.SIG_IGN)  # a second one must not keep `each` from ending its workers
    sys.exit("interrupted")


def each_seed(learn: Callable[..., Any], options: Options, *arguments: Any) -> tuple[list[Any], list[float]]:
    """Return ``learn(seed, *arguments)`` of every seed, and the seconds that each took."""
    return each(learn, [(seed, *arguments) for seed in range(options.seeds)], options)


def each(learn: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], options: Options) -> tuple[list[Any], list[float]]:
    """Return ``learn(*job)`` of every job, in their order, and the seconds that each took.

    `learn` is a function of a module, so that other processes can find it; each training has one thread to itself.
    """
    with tqdm(total=len(jobs), desc=Path(inspect.getfile(learn)).stem, dynamic_ncols=True) as bar:
        if options.workers == 1:
            outcomes = []
            for job in jobs:
                outcomes.append(_timed(learn, job))
                bar.update()
        else:
            outcomes = _side_by_side(learn, jobs, options.workers, bar)
    return [result for result, _ in outcomes], [seconds for _, seconds in outcomes]


def _side_by_side(learn: Callable[..., Any], jobs: Sequence[tuple[Any, ...]], workers: int, bar: Any) -> list[Outcome]:
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin_worker) as pool:
        futures = [pool.submit(_timed, learn, job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
                bar.update()
        except BaseException:  # a training that failed, or an interrupt: no use in waiting for the others
            for worker in active_children():
                worker.terminate()
            raise
        return [future.result() for future in futures]


def _begin_worker() -> None:
    """Prepare a worker for being ended by the example, which Ctrl-C ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # one between processes would be left behind


def _timed(learn: Callable[..., Any], job: tuple[Any, ...]) -> Outcome:
    start = time.perf_counter()
    with fastrnn.num_threads(1):
        result = learn(*job)
    return result, time.perf_counter() - start


def report(name: str, rows: Sequence[Row], figure: Any, options: Options, text: str = "") -> None:
    """Print the rows and leave them in NAME.json beside the picture NAME.png.

    Parameters
    ----------
    name : str
        The example's.
    rows : sequence of Row
    figure : matplotlib.figure.Figure
        By `fastrnn.plots.figure`.
    options : Options
    text : str
        What should be read beside the table, in Markdown: samples, a smaller table.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    write(figure, options.out / f"{name}.png")
    elapsed = round(time.perf_counter() - _START, 1)
    tree = {"rows": [row.as_dict() for row in rows], "text": text, "elapsed": elapsed}
    write_whole(options.out / f"{name}.json", (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode())
    task = ""
    for row in tree["rows"]:
        task = row["task"] or task  # an empty one is that of the row above
        verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
        print(f"{task}: {row['measure']}: mean {row['mean']:.4g}, worst {row['worst']:.4g}", end="")
        print(f" ({row['target']}: {verdict})" if row["target"] else "")
    if text:
        print(text)

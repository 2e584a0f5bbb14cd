"""What a run is made of: jobs, each a kind of measurement on a case, and what each of them measures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastrnn.bench import memory
from fastrnn.bench.cases import CELLS, EXTENDED, QUICK_EXTENDED, Case, float64, full, quick
from fastrnn.bench.contestants import CONTESTANTS, Contestant, entrants
from fastrnn.bench.contestants.epochs import FastEpoch
from fastrnn.bench.contestants.ours import FastJordan, FastRNN
from fastrnn.bench.data import data
from fastrnn.bench.equality import difference, truth
from fastrnn.bench.timing import Clock, interleaved, split
from fastrnn.bench.training import EPOCHS, FITS, QUICK_EPOCHS, STEPS, AnyCase, Epoch
from fastrnn.bench.training_data import given, lesson

Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A measurement on a case: of contestants (the works in COMPARISONS), or one of fastrnn's own (``padding``, …)."""

    work: str
    case: Any  # of the kind that the work is for: Case, Epoch, Step or Fitting

    @property
    def name(self) -> str:
        """The case's name, and the work if it is not the comparison."""
        return self.case.name if self.work == "compare" else f"{self.case.name}: {self.work}"


COMPARISONS = ("compare", "epoch", "optimizer", "fit")
SUBNORMAL = 1e-41
DROPOUT, ZONEOUT = 0.2, 0.1


def compare(case: AnyCase, threads: int, rounds: int) -> Found:
    """Compare all contestants with the reference, then time those that are right.

    Returns
    -------
    dict
        ``seconds`` of one call by contestant, and for every other contestant its ``reasons``: not installed, not
        able to, WRONG, or failed.
    """
    expected = truth(case)
    ready: dict[str, Contestant] = {}
    reasons: dict[str, str] = {}
    for name, contestant in entrants(case).items():
        made = prepared(contestant, case, threads, expected.arrays)
        if isinstance(made, str):
            reasons[name] = made
        else:
            ready[name] = made
    seconds = interleaved({name: contestant.call for name, contestant in ready.items()}, rounds)
    if expected.seconds is not None:
        seconds["reference"] = expected.seconds
    return {"seconds": seconds, "reasons": reasons}


def prepared(contestant: type[Contestant], case: AnyCase, threads: int, expected: Any) -> Contestant | str:
    """Return a contestant that has computed the right thing, or why there is none."""
    reason = contestant.missing() or contestant.refuses(case)
    if reason:
        return reason
    try:
        made = contestant(case, given(case), threads)
        wrong = difference(case, made.arrays(), expected)
    except Exception as error:  # others' libraries raise what they like; the report shows it
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return f"WRONG: {wrong}" if wrong else made


def _measured(runs: Mapping[str, Contestant], rounds: int) -> Found:
    return {"seconds": interleaved({name: run.call for name, run in runs.items()}, rounds), "reasons": {}}


def padding(case: Case, threads: int, rounds: int) -> Found:
    """Time ragged rows, and as many rows that all have T steps; the latter's seconds scaled to the real steps."""
    dense = replace(case, ragged=False)
    runs = {"fastrnn": FastRNN(case, data(case), threads), "dense": FastRNN(dense, data(dense), threads)}
    found = _measured(runs, rounds)
    found["seconds"]["dense"] *= case.row_steps / dense.row_steps
    return found


def subnormals(case: Case, threads: int, rounds: int) -> Found:
    """Time training when the gradient that arrives is subnormal, and when it is not."""
    given, tiny = data(case), np.full((case.T, case.N, case.H), SUBNORMAL, case.dtype)
    runs = {"fastrnn": FastRNN(case, given._replace(grad=tiny), threads), "normal": FastRNN(case, given, threads)}
    return _measured(runs, rounds)


def options(case: Case, threads: int, rounds: int) -> Found:
    """Time a plain layer, and the same with what can come to it; beside an Elman layer Jordan's network as well."""
    given = data(case)
    runs: dict[str, Contestant] = {"fastrnn": FastRNN(case, given, threads)}
    for name, more in (("bidirectional", replace(case, bidirectional=True)), ("two layers", replace(case, layers=2))):
        runs[name] = FastRNN(more, data(more), threads)
    runs["zoneout"] = FastRNN(case, given, threads, zoneout=ZONEOUT)
    if case.kind == "train":
        runs["recurrent dropout"] = FastRNN(case, given, threads, recurrent_dropout=DROPOUT)
    if case.cell == "rnn":
        runs["jordan"] = FastJordan(case, given, threads)
    return _measured(runs, rounds)


def overhead(case: Epoch, threads: int, rounds: int) -> Found:
    """Time epochs, and what of them is spent within the model's ``record`` and ``backward``: the kernels and BLAS."""
    run = FastEpoch(case, lesson(case), threads)
    run.arrays()
    clock = Clock()
    clock.watch(run.model, "record", "backward")
    whole, kernels = split(run.call, clock, rounds)
    return {"seconds": {"fastrnn": whole, "kernels": kernels}, "reasons": {}}


def peak_memory(case: Case, threads: int, rounds: int) -> Found:  # noqa: ARG001 - one round is all there is
    """Return by how many bytes a process grows that trains, one process for each contestant."""
    grown: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name in ("fastrnn", "pytorch"):
        contestant = CONTESTANTS[name]
        reason = contestant.missing() or contestant.refuses(case)
        result = reason or memory.measure(name, case, threads)
        if isinstance(result, str):
            reasons[name] = result
        else:
            grown[name] = result
    return {"bytes": grown, "reasons": reasons}


WORK: dict[str, Callable[[Any, int, int], Found]] = {
    **dict.fromkeys(COMPARISONS, compare),
    "padding": padding,
    "subnormals": subnormals,
    "options": options,
    "memory": peak_memory,
    "overhead": overhead,
}


def plan(threads: int, *, short: bool) -> Iterator[Job]:
    """Yield the jobs of a run, full or short."""
    for case in quick(threads) if short else full():
        yield Job("compare", case)
        if not case.plain:
            continue
        if case.kind != "stream" and (not short or (case.T, case.N, case.H) == (100, 32, 64)):
            yield Job("compare", float64(case))
        if case.ragged:
            yield Job("padding", case)
    if not short or threads == 1:
        for cell in ("lstm",) if short else CELLS:
            yield Job("subnormals", Case(cell, "train", 100, 32, 128, 128))
            yield Job("memory", Case(cell, "train", 50, 64, 500, 500))
        for cell in ("rnn", "lstm") if short else CELLS:
            for shape in (QUICK_EXTENDED,) if short else EXTENDED:
                yield from (Job("options", Case(cell, kind, *shape)) for kind in ("infer", "train"))
        for epoch in QUICK_EPOCHS if short else EPOCHS:
            yield from (Job(work, epoch) for work in ("epoch", "overhead"))
        yield from (Job("optimizer", step) for step in STEPS)
        yield from (Job("fit", fitting) for fitting in FITS)

"""Holds a run to its targets. What is not known does not pass.

A target is unmet if a peer that it needs is not installed or one of its cases could not be measured, whatever the
others show; it is partly met if all is well with those of its cases that were chosen to run.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fastrnn.bench.jobs import Job, plan
from fastrnn.bench.results import Result, Run, geometric_mean
from fastrnn.bench.targets import TARGETS, Target


class Verdict(NamedTuple):
    """How a target fared with one number of threads.

    Attributes
    ----------
    target : Target
    threads : int
    state : {"met", "partly", "missed", "unmet"}
    value : float or None
        The mean, or the worst case's value.
    detail : str
        Which case that was, by how much it missed, or why it is unmet.
    """

    target: Target
    threads: int
    state: str
    value: float | None
    detail: str


def judge(run: Run) -> Iterator[Verdict]:
    """Yield a verdict on every target for every number of threads that it is asked for."""
    for target in TARGETS:
        for threads in target.threads:
            yield verdict(run, target, threads)


def verdict(run: Run, target: Target, threads: int) -> Verdict:
    """Return how one target fared with one number of threads."""
    results = [result for result in run.results if result.threads == threads and _asks(target, result)]
    quantities = [(target.quantity(run, result), result.case.name) for result in results]
    known = [(value, name) for value, name in quantities if value is not None]
    why = _why(target, results) or next((f"nothing known of {name}" for value, name in quantities if value is None), "")
    if not known:
        return Verdict(target, threads, "unmet", None, why or "not measured")
    worst, where = min(known) if target.at_least else max(known)
    value = geometric_mean(value for value, _ in known) if target.mean else worst
    detail = f"worst: {where}, {worst:.2f}" if target.mean else where
    if value < target.bound if target.at_least else value > target.bound:
        return Verdict(target, threads, "missed", value, f"by {abs(value / target.bound - 1):.0%}; {detail}")
    if why:
        return Verdict(target, threads, "unmet", value, why)
    asked = sum(_asks(target, job) for job in plan(threads, short=False))
    if len(known) < asked:
        return Verdict(target, threads, "partly", value, f"{len(known)} of {asked} cases; {detail}")
    return Verdict(target, threads, "met", value, detail)


def _asks(target: Target, job: Job | Result) -> bool:
    return job.work == target.work and job.case.dtype == target.dtype and target.cases(job.case)


def _why(target: Target, results: Sequence[Result]) -> str:
    """Return why the target can't be met, whatever was measured; empty if nothing speaks against it."""
    for result in results:
        for name, reason in result.reasons.items():
            if _needs(target, name, reason):
                return f"{name}: {reason}; {result.case.name}"
    return ""


def _needs(target: Target, name: str, reason: str) -> bool:
    """Return whether a value is needed that is not there; against the best peer, only what a peer can't do is not."""
    if name == "fastrnn" or target.peers is not None:
        return name in ("fastrnn", *(target.peers or ()))
    return "not installed" in reason or reason.startswith("failed")

"""The process that measures with one number of threads: a plan on standard input, results as JSON lines.

What it writes at once is not lost when it is interrupted, or when a library takes the process down with it.
"""

import json
import os
import sys
from typing import Any, TextIO

from fastrnn.bench.contestants import CONTESTANTS
from fastrnn.bench.jobs import WORK
from fastrnn.bench.peak import peak
from fastrnn.bench.training import case_of

EVERY = 8  # jobs, after which the peak is measured again


def environment(threads: int) -> dict[str, str]:
    """Return the variables by which libraries are told their number of threads when they are loaded."""
    names = ("FASTRNN", "OMP", "MKL", "OPENBLAS", "BLIS", "VECLIB", "NUMEXPR")
    own = {f"{name}_NUM_THREADS": str(threads) for name in names}
    own["VECLIB_MAXIMUM_THREADS"] = own.pop("VECLIB_NUM_THREADS")
    own["NPROC"] = str(threads)  # XLA's pool
    own["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        own["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return own


def work(question: dict[str, Any], out: TextIO) -> None:
    """Do the jobs and write a line for each, and one for each measurement of the peak.

    Parameters
    ----------
    question : dict
        ``threads``, ``rounds``, and ``jobs``, each a pair of the work and its case.
    out : file
    """
    threads, rounds = question["threads"], question["rounds"]

    def say(kind: str, found: dict[str, Any]) -> None:
        print(json.dumps({"kind": kind, "threads": threads, **found}), file=out, flush=True)

    versions = {contestant.needs[0]: contestant.version() for contestant in CONTESTANTS.values() if contestant.needs}
    say("start", {"versions": versions})
    for i, (job, fields) in enumerate(question["jobs"]):
        if i % EVERY == 0:
            for dtype in ("float32", "float64"):
                say("peak", {"dtype": dtype, "rate": peak(dtype, threads)})
        say("result", {"work": job, "case": fields, **WORK[job](case_of(job, fields), threads, rounds)})


def main() -> None:
    """Run as a process: results go to what standard output was, so that a library's chatter can't get among them."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    work(json.load(sys.stdin), out)

"""Starts a worker for each number of threads, on as many CPUs, and hands on what it says."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fastrnn.bench.jobs import Job
from fastrnn.bench.worker import environment
from fastrnn.info import config

COMMAND = "from fastrnn.bench.worker import main; main()"


class WorkerError(RuntimeError):
    """A worker that ended before its plan did."""


def usable_cpus() -> list[int]:
    """Return the CPUs that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def machine() -> dict[str, str]:
    """Return what a run runs on: the processor, and what `fastrnn.show_config` says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"processor": names[0] if names else platform.processor() or "unknown", **config()}


def run(jobs: Sequence[Job], threads: int, rounds: int) -> Generator[dict[str, Any], None, None]:
    """Yield what a worker finds, as it finds it.

    Parameters
    ----------
    jobs : sequence of Job
    threads : int
        How many each contestant may use, and on how many CPUs the worker runs.
    rounds : int
        Of timing, for each case.

    Raises
    ------
    WorkerError
        If the worker ends before it has done all jobs.
    """
    with _on_cpus(usable_cpus()[:threads]):  # inherited, and in force before anything is imported
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment(threads)},
            start_new_session=True,  # an interrupt is for the caller, who ends the worker
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        question = {"threads": threads, "rounds": rounds, "jobs": [(job.work, job.case.to_json()) for job in jobs]}
        with suppress(BrokenPipeError), process.stdin:  # its status tells more
            json.dump(question, process.stdin)
        for line in process.stdout:
            yield json.loads(line)
        if process.wait():
            raise WorkerError(
                f"the worker with {threads} thread{'s' * (threads > 1)} ended with status {process.returncode}"
            )
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@contextmanager
def _on_cpus(cpus: Sequence[int]) -> Iterator[None]:
    """Let this thread, and what it starts, run on these CPUs alone, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

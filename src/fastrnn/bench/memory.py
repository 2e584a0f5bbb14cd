"""How much memory training takes at its peak: by how much a process of its own grows (``ru_maxrss``)."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn.bench.cases import Case
from fastrnn.bench.data import data

COMMAND = "from fastrnn.bench.memory import main; main()"


def measure(name: str, case: Case, threads: int) -> int | str:
    """Return the bytes by which a process grows that trains twice, or in words why there are none."""
    if not Path("/proc/self/statm").exists():
        return "no way to read a process's memory on this system"
    question = json.dumps([name, case.to_json(), threads])
    done = subprocess.run([sys.executable, "-c", COMMAND], input=question, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"failed: {' '.join(done.stderr.split())[-200:]}"
    return int(done.stdout)


def main() -> None:
    """Answer the question on standard input."""
    from fastrnn.bench.contestants import CONTESTANTS  # noqa: PLC0415 - the caller imports them by itself

    resource: Any = import_module("resource")  # not on every system
    name, fields, threads = json.load(sys.stdin)
    case = Case(**fields)
    small = replace(case, T=2, N=2, I=8, H=8)
    CONTESTANTS[name](small, data(small), threads).call()  # what is loaded at the first call
    contestant = CONTESTANTS[name](case, data(case), threads)
    # A process inherits the peak of the one that started it, and importing has a peak of its own. Pages in use up to
    # the present peak make it rise with every further one.
    here = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ballast = np.ones(max(0, before - here), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for _ in range(2):
        contestant.call()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)
    del ballast

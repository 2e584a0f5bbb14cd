"""How long ``import fastrnn`` takes beyond ``import scipy.linalg.cython_blas``, which it cannot do without.

``python tools/import_time.py [rounds]``: medians over fresh processes, one of each in turn, of elapsed time and of CPU
time. The latter is what a busy machine disturbs least. The target is 0.08 s.
"""

import os
import resource
import statistics
import subprocess
import sys
import time

STATEMENTS = ("import scipy.linalg.cython_blas", "import fastrnn")
# An installed package has its .pyc; without, two thirds of the time would be the compiler's.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cpu_of_children() -> float:
    """Return the user and system time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seconds(statement: str) -> tuple[float, float]:
    """Return the elapsed and the CPU time of a process that runs a statement."""
    before, began = cpu_of_children(), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], env=ENVIRONMENT, check=True)
    return time.perf_counter() - began, cpu_of_children() - before


def main(rounds: int = 15) -> None:
    """Print the medians, and by how much the second statement's exceed the first's."""
    for statement in STATEMENTS:
        seconds(statement)  # files into the cache, the .pyc of an editable install written
    times = [[seconds(statement) for statement in STATEMENTS] for _ in range(rounds)]
    for kind, name in enumerate(("elapsed", "CPU")):
        blas, fastrnn = (statistics.median(row[which][kind] for row in times) for which in range(2))
        print(f"{name:8} cython_blas {blas:.3f} s   fastrnn {fastrnn:.3f} s   beyond {fastrnn - blas:+.3f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

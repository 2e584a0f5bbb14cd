"""How many threads recurrent layers use: one number for the process, and another within a ``with`` block.

The result is the same, bit for bit, for any number. Small work stays on the calling thread whatever the number.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fastrnn._validation import positive_int

MOST = 256  # FR_MAX_THREADS of csrc/pool.h


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and on Linux the share that its container allows."""
    if hasattr(os, "process_cpu_count"):
        cpus = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        cpus = len(os.sched_getaffinity(0))
    else:
        cpus = os.cpu_count() or 1
    return max(1, min(cpus, _container_share()))


def _container_share() -> int:
    """Return the CPUs that the control group's quota amounts to, rounded up; a large number without a quota."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no such file, or "max"
        return MOST


def _initial() -> int:
    """Return the number to begin with: of the environment, or one thread for each usable CPU.

    OMP_NUM_THREADS counts too: joblib and others set it in their workers so that these don't fight over the CPUs.
    """
    for name in ("FASTRNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(name, "").strip()
        if text.isdigit() and int(text) >= 1:
            return min(int(text), MOST)
        if text and name == "FASTRNN_NUM_THREADS":
            raise ImportError(f"{name}: expected a whole number of at least 1, got {text!r}")
    return min(usable_cpus(), MOST)


_process = _initial()
_within: ContextVar[int] = ContextVar("fastrnn_num_threads", default=0)


def get_num_threads() -> int:
    """Return how many threads a call made here may use."""
    return _within.get() or _process


def set_num_threads(n: int) -> None:
    """Let each call use at most ``n`` threads from now on, in all threads of the process.

    Parameters
    ----------
    n : int
        1 to 256. The number at start is FASTRNN_NUM_THREADS, or OMP_NUM_THREADS, or one for each CPU that the process
        may use.

    Raises
    ------
    ValueError, TypeError
        If ``n`` is not such a number.
    """
    global _process  # noqa: PLW0603 - one number for the process is what this is for
    _process = _checked(n)


@contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Within the ``with`` block, in this thread or task alone, let each call use at most ``n`` threads.

    Raises
    ------
    ValueError, TypeError
        If ``n`` is not a whole number from 1 to 256.
    """
    token = _within.set(_checked(n))
    try:
        yield
    finally:
        _within.reset(token)


def _checked(n: int) -> int:
    if positive_int("n", n) > MOST:
        raise ValueError(f"n: expected at most {MOST} threads, got {n}")
    return int(n)

"""Settings of the benchmarks: one thread on one CPU, few rounds, but enough for a median."""

import os

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
# Before anything is imported; `fastrnn bench` does the same for other numbers of threads.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), "1"))


def pytest_configure(config) -> None:
    config.option.benchmark_max_time = 0.5
    config.option.benchmark_min_rounds = 5
    config.option.benchmark_columns = ["median", "iqr", "rounds"]
    config.option.benchmark_sort = "name"
    config.option.benchmark_warmup = "on"

"""Settings for the whole suite, made before NumPy and SciPy are imported."""

import os

# OpenBLAS wakes a thread for every core even for small products; where the cores are busy with something else
# that makes the suite ten times slower. What it computes does not change.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The kernels' own threads too wait for each other; the tests of threads ask for them.
os.environ.setdefault("FASTRNN_NUM_THREADS", "1")


def pytest_report_header() -> str:
    """Say which kernels this run tests, and which are compiled in but can't run on this CPU."""
    from fastrnn import _kernels

    untested = ", ".join(set(_kernels.COMPILED_ISAS) - set(_kernels.ISAS)) or "none"
    return f"fastrnn kernels tested: {', '.join(_kernels.ISAS)}; compiled but not run by this CPU: {untested}"

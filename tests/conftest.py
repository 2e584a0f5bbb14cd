"""Settings for the whole suite, made before NumPy and SciPy are imported."""

import os
from types import ModuleType

import pytest

# OpenBLAS wakes a thread for every core even for small products; where the cores are busy with something else
# that makes the suite ten times slower. What it computes does not change.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # PyTorch's and scikit-learn's, for the same reason
# The kernels' own threads too wait for each other; the tests of threads ask for them.
os.environ.setdefault("FASTRNN_NUM_THREADS", "1")


def pytest_report_header() -> str:
    """Say which kernels this run tests, and which are compiled in but can't run on this CPU."""
    from fastrnn import _kernels

    untested = ", ".join(set(_kernels.COMPILED_ISAS) - set(_kernels.ISAS)) or "none"
    return f"fastrnn kernels tested: {', '.join(_kernels.ISAS)}; compiled but not run by this CPU: {untested}"


def needs_torch(item: pytest.Function) -> bool:
    """Return whether a test, its module or a fixture asks for PyTorch by `importorskip`."""
    code = item.function.__code__
    by_itself = "importorskip" in code.co_names and "torch" in code.co_consts
    return by_itself or "torch" in item.fixturenames or isinstance(getattr(item.module, "torch", None), ModuleType)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs PyTorch, so that it can be chosen where the rest has been tested without (see .ci/run)."""
    for item in items:
        if isinstance(item, pytest.Function) and needs_torch(item):
            item.add_marker("torch")

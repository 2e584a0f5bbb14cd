"""Whole sequences through one layer, against the reference and, if it is installed, PyTorch: equal first, then timed.

Run: pytest benchmarks. One group for each case, so the table shows ratios within it.
"""

import numpy as np
import pytest

from contestants import CONTESTANTS, Case, data

CASES = [
    Case(cell, *shape)
    for cell in ("rnn_tanh", "lstm")
    for shape in ((1000, 1, 8, 8), (100, 1, 32, 128), (100, 32, 64, 64), (100, 32, 128, 128), (25, 16, 512, 512))
]


@pytest.mark.parametrize("name", CONTESTANTS)
@pytest.mark.parametrize("work", ["infer", "train"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_layer(benchmark, case: Case, work: str, name: str) -> None:
    given = data(case)
    run = getattr(CONTESTANTS[name](case, given), work)
    truth = getattr(CONTESTANTS["reference"](case, given), work)()
    assert_equal(run(), truth, case)
    benchmark.group = f"{case.name} {work}"
    benchmark(run)


def assert_equal(got, truth, case: Case) -> None:
    """float32 rounding grows like the root of the number of additions, T·(I + H) at most for a weight's gradient."""
    eps = np.finfo(np.float32).eps
    pairs = zip(got, truth, strict=True) if isinstance(truth, list) else [(got, truth)]
    for a, b in pairs:
        bound = 8 * eps * np.sqrt(case.T * case.N * (case.I + case.H)) * np.abs(b).max()
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)

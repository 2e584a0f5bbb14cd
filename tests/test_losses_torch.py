"""Losses with every option against PyTorch: golden/torch-losses.npz, and live where it is installed."""

import numpy as np
import pytest

from fastrnn.losses import LOSSES
from golden import make_losses

with np.load(make_losses.PATH) as file:
    GOLDEN = dict(file)


def expect_like_torch(name, case):
    ours, options, *_ = make_losses.CASES[name]
    loss = LOSSES[ours](**options)
    value, gradient = loss(case["prediction"], case["target"])
    assert value == pytest.approx(float(case["value"]), rel=1e-12)
    np.testing.assert_allclose(gradient, case["gradient"], rtol=1e-12, atol=1e-15)
    value, gradient = loss(case["prediction"].astype(np.float32), case["target"])
    eps = float(np.finfo(np.float32).eps)
    assert value == pytest.approx(float(case["value"]), rel=16 * eps)
    assert gradient.dtype == np.float32
    limit = 16 * eps * np.abs(case["gradient"]).max()  # differences of numbers of order 10 are cut off at 1, too
    np.testing.assert_allclose(gradient, case["gradient"], rtol=0, atol=limit)


def test_every_case_is_stored():
    assert {key.split("/")[0] for key in GOLDEN} == set(make_losses.CASES)
    assert {ours for ours, *_ in make_losses.CASES.values()} == set(LOSSES)
    assert make_losses.PATH.stat().st_size < 100_000


@pytest.mark.parametrize("name", make_losses.CASES)
def test_as_pytorch_computed_it(name):
    expect_like_torch(name, {key: GOLDEN[f"{name}/{key}"] for key in ("prediction", "target", "value", "gradient")})


@pytest.mark.parametrize("name", make_losses.CASES)
def test_as_pytorch_computes_it(name):
    pytest.importorskip("torch")
    for seed in range(1, 4):
        expect_like_torch(name, make_losses.run(name, rows=31, seed=seed))

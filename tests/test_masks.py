"""Dropout's masks: the same for every ISA and element type, and as random as they must be."""

import numpy as np
import pytest

from fastrnn import _elementwise, _kernels, reference

DTYPES = ("float32", "float64")


def kept(seed, rows, columns, rate, dtype="float32", isa=None):
    """Return the mask, True where kept."""
    out = np.empty((rows, columns), dtype)
    _elementwise.drop(np.ones((rows, columns), dtype), out, rate, seed, isa=isa)
    return out != 0


@pytest.mark.parametrize("isa", _kernels.ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("columns", [1, 3, 8, 17, 64, 67])
def test_every_kernel_makes_the_mask_of_the_reference(columns, seed, dtype, isa):
    np.testing.assert_array_equal(kept(seed, 5, columns, 0.3, dtype, isa), ~reference.dropped(seed, 5, columns, 0.3))


@pytest.mark.parametrize("isa", _kernels.ISAS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_kept_is_scaled_and_nothing_else_is_written(dtype, isa):
    x = np.random.default_rng(0).standard_normal((4, 19)).astype(dtype)
    around = np.full((6, 19), 7, dtype)
    _elementwise.drop(x, around[1:5], 0.25, 3, isa=isa)
    mask = kept(3, 4, 19, 0.25)
    np.testing.assert_array_equal(around[1:5], np.where(mask, x * x.dtype.type(1 / 0.75), 0))
    assert (around[[0, 5]] == 7).all()
    _elementwise.drop(x, x, 0, 3, isa=isa)  # in place, and nothing dropped
    np.testing.assert_array_equal(x[~mask] * 0, np.zeros_like(x[~mask]))


def test_what_is_dropped_is_zero_whatever_it_was():
    x = np.full((2, 40), np.nan, np.float32)
    out = np.empty_like(x)
    _elementwise.drop(x, out, 0.5, 0)
    assert (np.isnan(out) == kept(0, 2, 40, 0.5)).all()
    assert (out[~np.isnan(out)] == 0).all()


def sigmas(successes, n, p):
    return np.abs(np.asarray(successes) - n * p) / np.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 12345])
def test_rates_of_rows_columns_and_neighbours(seed, rate):
    rows, columns = 2000, 500
    gone = ~kept(seed, rows, columns, rate)
    assert sigmas(gone.sum(), gone.size, rate) < 5
    assert sigmas(gone.sum(0), rows, rate).max() < 6  # the largest of 500
    assert sigmas(gone.sum(1), columns, rate).max() < 6.5
    other = ~kept(seed + 1, rows, columns, rate)
    pairs = [
        gone[1:] & gone[:-1],
        gone[:, 1:] & gone[:, :-1],
        gone & other,
        gone[:, 16:] & gone[:, :-16],
        gone[7:] & gone[:-7],
    ]
    for both in pairs:  # neighbours know nothing of each other
        assert sigmas(both.sum(), both.size, rate**2) < 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((2, 3)), np.zeros((2, 3)), 1.0, 0), ValueError, "rate: expected a number from 0 .* got 1.0"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), -0.1, 0), ValueError, "rate: expected"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), float("nan"), 0), ValueError, "rate: expected"),
        ((np.zeros((2, 3)), np.zeros((3, 2)), 0.5, 0), ValueError, r"x, out: expected one shape"),
        ((np.zeros(3), np.zeros(3), 0.5, 0), ValueError, r"x, out: expected one shape"),
        ((np.zeros((2, 3)), np.zeros((2, 3), np.float32), 0.5, 0), TypeError, "out: expected float64"),
        ((np.zeros((2, 3)), np.zeros((2, 3)), 0.5, -1), OverflowError, "negative"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        _elementwise.drop(*arguments)

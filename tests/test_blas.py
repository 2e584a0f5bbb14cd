"""The row-major multiply over SciPy's BLAS: every dtype, transposition and kind of shape, and its errors."""

from itertools import product

import numpy as np
import pytest

from fastrnn import _blas

SIZES = [0, 1, 2, 3, 7, 16, 33, 100]
DTYPES = ["float32", "float64"]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def operands(m, n, k, dtype, *, trans_a, trans_b):
    """Return op(A) and op(B) as float64, and A and B as stored."""
    rng = np.random.default_rng([m, n, k])
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    stored = np.ascontiguousarray(a.T if trans_a else a), np.ascontiguousarray(b.T if trans_b else b)
    return (a.astype(np.float64), b.astype(np.float64)), stored


def bound(a, b, extra, dtype):
    """k products and their sum, each rounded: at most (k + 1)·eps·(|A| |B| + |C|), whatever the order of summation."""
    return (a.shape[1] + 1) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b) + np.abs(extra)) + np.finfo(dtype).tiny


@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("trans_a", [False, True])
@each_dtype
def test_every_shape(dtype, trans_a, trans_b):
    for m, n, k in product(SIZES, repeat=3):
        (a, b), (stored_a, stored_b) = operands(m, n, k, dtype, trans_a=trans_a, trans_b=trans_b)
        c = np.random.default_rng(0).standard_normal((m, n)).astype(dtype)
        true = a @ b
        got = _blas.gemm(stored_a, stored_b, trans_a=trans_a, trans_b=trans_b)
        assert got.shape == (m, n)
        assert got.dtype == dtype
        assert (np.abs(got - true) <= bound(a, b, 0, dtype)).all(), (m, n, k)
        out = c.copy()
        returned = _blas.gemm(stored_a, stored_b, trans_a=trans_a, trans_b=trans_b, out=out, accumulate=True)
        assert returned.shape == out.shape
        assert m * n == 0 or np.shares_memory(returned, out)
        assert (np.abs(out - (true + c)) <= bound(a, b, c, dtype)).all(), (m, n, k)
        out = np.full((m, n), np.nan, dtype)  # what was there must not matter
        _blas.gemm(stored_a, stored_b, trans_a=trans_a, trans_b=trans_b, out=out)
        np.testing.assert_array_equal(out, got)


@each_dtype
def test_read_only_operands_are_fine_and_stay_as_they_are(dtype):
    _, (a, b) = operands(5, 4, 3, dtype, trans_a=False, trans_b=False)
    a.flags.writeable = b.flags.writeable = False
    before = a.copy(), b.copy()
    _blas.gemm(a, b)
    np.testing.assert_array_equal(a, before[0])
    np.testing.assert_array_equal(b, before[1])


@each_dtype
def test_nan_and_infinity_go_through(dtype):
    a, b = np.ones((3, 3), dtype), np.eye(3, dtype=dtype)
    a[0, 0], a[1, 1] = np.nan, np.inf
    got = _blas.gemm(a, np.ones((3, 3), dtype))
    assert np.isnan(got[0]).all()
    assert (got[1] == np.inf).all()
    np.testing.assert_array_equal(got[2], 3)
    assert np.isnan(_blas.gemm(a, b)[1, 0])  # inf · 0


@pytest.mark.parametrize(("trans_a", "trans_b"), list(product([False, True], repeat=2)))
def test_inner_dimensions_must_agree(trans_a, trans_b):
    a, b = np.zeros((4, 3)[:: -1 if trans_a else 1]), np.zeros((5, 2)[:: -1 if trans_b else 1])
    with pytest.raises(ValueError, match=r"^b: expected an inner dimension of 3, that of a, got 5"):
        _blas.gemm(a, b, trans_a=trans_a, trans_b=trans_b)


def test_out_must_fit_and_is_needed_to_accumulate():
    a, b = np.zeros((4, 3)), np.zeros((3, 2))
    for shape in [(2, 4), (4, 3), (5, 2)]:
        with pytest.raises(ValueError, match=r"^out: expected shape \(4, 2\), got \("):
            _blas.gemm(a, b, out=np.zeros(shape))
    with pytest.raises(ValueError, match=r"^out: accumulate=True needs the array to add to"):
        _blas.gemm(a, b, accumulate=True)


def test_other_arrays_are_refused():
    a = np.zeros((3, 3))
    for other in (a.astype(np.float32), a.astype(int), a[:, ::-1], a[0], None):
        with pytest.raises((TypeError, ValueError)):  # Cython's own words; the layers cast before
            _blas.gemm(a, other)
    frozen = np.zeros((3, 3))
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _blas.gemm(a, a, out=frozen)


def test_dimensions_beyond_the_integers_of_blas_are_refused():
    size = 2**31 if _blas.INTEGER_BITS == 32 else 2**62 + 1
    with pytest.raises(ValueError, match="is beyond BLAS's"):
        _blas.gemm(np.zeros((size, 0), np.float32), np.zeros((0, 1), np.float32))  # holds nothing


def test_the_integers_of_blas_are_read_from_its_signature():
    signature = "void (char *, char *, {0} *, {0} *, {0} *, __pyx_t_5scipy_6linalg_11cython_blas_s *)"
    assert _blas._integer_bits(signature.format("int")) == 32
    assert _blas._integer_bits(signature.format("int64_t")) == 64
    with pytest.raises(ImportError, match="unknown integer type: 'short"):
        _blas._integer_bits(signature.format("short"))

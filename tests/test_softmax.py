"""The kernels' softmax of rows: against float64, scaled, in place, for every ISA and odd widths; what it refuses."""

from itertools import product

import numpy as np
import pytest

from fastrnn import _elementwise, _kernels

each_kernel = pytest.mark.parametrize(("isa", "dtype"), list(product(_kernels.ISAS, ("float32", "float64"))))
WIDTHS = (1, 2, 3, 5, 8, 15, 16, 17, 33, 96)


def softmax(z, scale=None, isa=None, out=None):
    out = np.full_like(z, -7) if out is None else out
    largest, sums = np.full((2, len(z)), -7, z.dtype)
    _elementwise.softmax(z, scale, out, largest, sums, isa=isa)
    return out, largest, sums


@each_kernel
@pytest.mark.parametrize("width", WIDTHS)
def test_against_float64(isa, dtype, width):
    rng = np.random.default_rng(width)
    z = (5 * rng.standard_normal((7, width))).astype(dtype)
    scale = rng.uniform(-2, 2, 7).astype(dtype)
    e = np.exp(z.astype(np.float64) - z.max(axis=1, keepdims=True))
    p, largest, sums = softmax(z, isa=isa)
    eps = np.finfo(dtype).eps
    np.testing.assert_array_equal(largest, z.max(axis=1))
    np.testing.assert_allclose(sums, e.sum(axis=1), rtol=(4 + width / 4) * eps)
    # exp, a sum of positive numbers, a quotient and a product; z - m is rounded by ½ ulp of up to 30
    np.testing.assert_allclose(p, e / e.sum(axis=1, keepdims=True), rtol=(20 + width / 4) * eps)
    scaled, *_ = softmax(z, scale, isa)
    np.testing.assert_allclose(scaled, scale[:, None] * p, rtol=2 * eps)
    np.testing.assert_array_equal(softmax(z, scale, isa, out=z)[0], scaled)


@each_kernel
def test_extreme_rows(isa, dtype):
    for lead in (0, 1, 17):
        z = np.full((3, lead + 2), -1e30, dtype)
        z[:, lead:] = [[1e30, 1e30], [np.nan, 0], [0, -np.inf]]
        p, largest, sums = softmax(z, isa=isa)
        np.testing.assert_array_equal(p[0], [0] * lead + [0.5, 0.5])
        assert np.isnan(sums[1])
        assert np.isnan(p[1]).all()
        np.testing.assert_array_equal(p[2], [0] * lead + [1, 0])
        np.testing.assert_array_equal(largest[[0, 2]], np.array([1e30, 0], dtype))
        np.testing.assert_array_equal(sums[[0, 2]], [2, 1])


def test_no_rows():
    assert softmax(np.empty((0, 3)))[0].shape == (0, 3)


def test_what_c_would_not_survive_is_refused():
    z, row = np.zeros((2, 3)), np.zeros(2)
    good = {"z": z, "scale": row, "out": z.copy(), "largest": row.copy(), "sums": row.copy()}
    wrong = [
        ("z", np.zeros(3), r"^z, out: "),
        ("z", np.zeros((2, 0)), r"^z, out: "),
        ("out", np.zeros((3, 2)), r"^z, out: "),
        ("scale", np.zeros(3), r"^scale: expected shape \(2,\), got \(3,\)"),
        ("largest", np.zeros((2, 1)), r"^largest: expected shape \(2,\)"),
        ("sums", np.zeros(1), r"^sums: expected shape \(2,\)"),
    ]
    for name, array, message in wrong:
        with pytest.raises(ValueError, match=message):
            _elementwise.softmax(**(good | {name: array}))
    for name, array in good.items():
        with pytest.raises(TypeError, match=rf"^{name}: expected float(32|64), got "):
            _elementwise.softmax(**(good | {name: array.astype(np.int64)}))
    read_only = np.zeros((2, 3))
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _elementwise.softmax(**(good | {"out": read_only}))

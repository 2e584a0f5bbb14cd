"""exp, tanh, sigmoid and ReLU of the kernels against true values (golden/activations.npz), in ulps."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from fastrnn import _elementwise, _kernels

GOLDEN = np.load(Path(__file__).with_name("golden") / "activations.npz")
DTYPES = ("float32", "float64")
# What csrc/activations.h states, in ulps. Found: 1.06, 2.50 and 2.41 over all float32 numbers, 0.99, 2.58 and 2.39
# over 7 million float64 numbers.
LARGEST_ERROR = {"exp": 1.1, "tanh": 2.7, "sigmoid": 2.5}
each_kernel = pytest.mark.parametrize(("isa", "dtype"), list(product(_kernels.ISAS, DTYPES)))


def apply(function, x, isa):
    out = np.full_like(x, -7)
    _elementwise.apply(function, x, out, isa=isa)
    return out


def ulps(y, function):
    """Return the error of y = function(the golden points) in ulps of y's dtype; where the truth overflows, inf is 0."""
    info, name = np.finfo(y.dtype), f"{function}_{y.dtype}"
    e, hi = GOLDEN[f"{name}_e"].astype(int), GOLDEN[f"{name}_hi"]
    lo = GOLDEN[f"{name}_lo"] if f"{name}_lo" in GOLDEN else np.zeros_like(hi)
    # truth lies in [½, 1)·2^e, so its last place counts 2^last
    last = np.where(hi == 0, info.minexp - info.nmant, np.maximum(e - info.nmant - 1, info.minexp - info.nmant))
    truth_overflows = (e > info.maxexp) | ((e == info.maxexp) & (hi >= 1 - 0.25 * info.eps))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(
            np.ldexp(y.astype(np.float64), -last) - np.ldexp(hi, e - last) - np.ldexp(lo.astype(float), e - last)
        )
    return np.where(truth_overflows, np.where(y == np.inf, 0, np.inf), error)


@pytest.mark.parametrize("function", LARGEST_ERROR)
@each_kernel
def test_largest_error_over_the_stored_points(isa, dtype, function):
    x = GOLDEN[f"x_{dtype}"]
    error = ulps(apply(function, x, isa), function)
    worst = np.argmax(error)
    assert error[worst] < LARGEST_ERROR[function], f"{function}({x[worst]!r}): {error[worst]:.2f} ulp"


@pytest.mark.parametrize("function", LARGEST_ERROR)
def test_the_measure_sees_a_wrong_last_place(function):
    """The comparator itself: correctly rounded results are within half an ulp (¾ where rounded twice), others not."""
    for dtype in DTYPES:
        e, hi = GOLDEN[f"{function}_{dtype}_e"].astype(int), GOLDEN[f"{function}_{dtype}_hi"]
        with np.errstate(over="ignore", under="ignore"):
            rounded = np.ldexp(hi, e).astype(dtype)
            above = np.nextafter(rounded, np.array(np.inf, dtype))
        assert ulps(rounded, function).max() < 0.75
        finite = np.isfinite(above)
        assert ulps(above, function)[finite].min() > 0.25


@pytest.mark.parametrize("function", LARGEST_ERROR)
@pytest.mark.parametrize("isa", _kernels.ISAS)
def test_float32_everywhere_against_float64(isa, function):
    """Every 5003rd float32: NumPy's float64 functions are truth enough, their errors being 1e-9 of these ulps."""
    x = np.arange(0, 2**32, 5003, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = x[np.isfinite(x)]
    with np.errstate(over="ignore"):
        wide = x.astype(np.float64)
        true = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda v: 1 / (1 + np.exp(-v))}[function](wide)
    representable = true < 2.0**128 * (1 - 2.0**-25)
    y = apply(function, x, isa)
    assert (y[~representable] == np.inf).all()
    x, y, true = x[representable], y[representable], true[representable]
    error = np.abs(y - true) / np.ldexp(1.0, np.maximum(np.frexp(true)[1] - 24, -149))
    assert error.max() < LARGEST_ERROR[function], x[error.argmax()]


@each_kernel
def test_special_values(isa, dtype):
    x = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan], dtype)
    nan = np.nan
    for function, expected in {
        "exp": [0, 1, 1, np.inf, nan],
        "tanh": [-1, -0.0, 0.0, 1, nan],
        "sigmoid": [0, 0.5, 0.5, 1, nan],
        "relu": [0, 0, 0, np.inf, nan],
    }.items():
        for lead in range(18):  # in every lane, and in the last, shorter vector
            y = apply(function, np.concatenate([np.ones(lead, dtype), x]), isa)[lead:]
            np.testing.assert_array_equal(y, expected, err_msg=function)
            if function == "tanh":
                np.testing.assert_array_equal(np.signbit(y[:4]), [True, True, False, False])


@each_kernel
def test_tanh_is_odd_to_the_bit_and_keeps_the_sign(isa, dtype):
    x = GOLDEN[f"x_{dtype}"]
    y = apply("tanh", x, isa)
    np.testing.assert_array_equal(apply("tanh", -x, isa), -y)
    np.testing.assert_array_equal(np.sign(y), np.sign(x))


@each_kernel
def test_tanh_of_tiny_numbers_is_the_number(isa, dtype):
    info = np.finfo(dtype)
    x = np.array([info.smallest_subnormal, 5 * info.smallest_subnormal, info.tiny, info.eps**2], dtype)
    np.testing.assert_array_equal(apply("tanh", x, isa), x)


@each_kernel
def test_saturation_is_exact_and_final(isa, dtype):
    """With p bits, tanh is within half an ulp of ±1 beyond |x| = (p + 2)/2·ln 2, sigmoid of 1 beyond twice that."""
    bits = np.finfo(dtype).nmant + 1
    beyond = np.concatenate([np.linspace(1.0, 4.0, 999), [1e3, 1e30]]).astype(dtype)
    at = dtype_of(dtype, (bits + 2) * np.log(2) / 2)
    np.testing.assert_array_equal(apply("tanh", at * beyond, isa), 1)
    np.testing.assert_array_equal(apply("tanh", -at * beyond, isa), -1)
    np.testing.assert_array_equal(apply("sigmoid", 2 * at * beyond, isa), 1)
    zero_below = dtype_of(dtype, np.log(np.finfo(dtype).smallest_subnormal.astype(np.float64)) - 1)
    np.testing.assert_array_equal(apply("sigmoid", zero_below * beyond, isa), 0)
    np.testing.assert_array_equal(apply("exp", zero_below * beyond, isa), 0)


def dtype_of(dtype, value):
    return np.dtype(dtype).type(value)


@each_kernel
def test_values_stay_in_range_and_rise(isa, dtype):
    x = GOLDEN[f"x_{dtype}"]
    for function, low, high in (("tanh", -1, 1), ("sigmoid", 0, 1)):
        y = apply(function, x, isa)
        assert y.min() == low
        assert y.max() == high
        # points are sorted, so the truth rises, and the result falls by no more than errors of two neighbours
        fall = np.maximum.accumulate(y) - y
        assert (fall <= 2 * LARGEST_ERROR[function] * np.spacing(np.abs(y))).all()


@each_kernel
def test_sigmoid_of_x_and_of_minus_x_add_up_to_one(isa, dtype):
    x = GOLDEN[f"x_{dtype}"]
    total = apply("sigmoid", x, isa).astype(np.float64) + apply("sigmoid", -x, isa)
    # errors in ulps of numbers below 1, whose ulp is eps / 2 at most
    assert np.abs(total - 1).max() <= 2 * LARGEST_ERROR["sigmoid"] * np.finfo(dtype).eps / 2


@each_kernel
def test_relu_is_exact(isa, dtype):
    x = GOLDEN[f"x_{dtype}"]
    np.testing.assert_array_equal(apply("relu", x, isa), np.maximum(x, 0))


@pytest.mark.parametrize("function", _elementwise.FUNCTIONS)
@each_kernel
def test_any_length_in_place_and_nothing_beyond_it(isa, dtype, function):
    x = np.random.default_rng(0).standard_normal(70).astype(dtype)
    whole = apply(function, x, isa)
    for n in range(len(x) + 1):
        out = np.full(len(x) + 1, 9, dtype)
        _elementwise.apply(function, x[:n], out[:n], isa=isa)
        np.testing.assert_array_equal(out[:n], whole[:n])
        np.testing.assert_array_equal(out[n:], 9)
        in_place = x.copy()
        _elementwise.apply(function, in_place[:n], in_place[:n], isa=isa)
        np.testing.assert_array_equal(in_place[:n], whole[:n])
        np.testing.assert_array_equal(in_place[n:], x[n:])
    matrix = x.reshape(7, 10)
    np.testing.assert_array_equal(apply(function, matrix, isa), whole.reshape(7, 10))

"""What the kernels promise besides the numbers: the same bits, purity, NaN, subnormals and empty batches."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastrnn import _kernels
from kernel_cases import DTYPES, WEIGHTS, Shape, answers, backward, cast, forward, problem

SMALL, WIDE = Shape(5, 3, 4, 6), Shape(5, 9, 4, 70)
CHUNKED = Shape(70, 4, 3, 9)  # two chunks; see csrc/sequence.h
each_path = pytest.mark.parametrize(
    ("shape", "multiply"), [(SMALL, "small"), (SMALL, "blas"), (WIDE, "small"), (WIDE, "blas"), (CHUNKED, "auto")]
)
each_kernel = pytest.mark.parametrize(
    ("cell", "isa", "dtype"),
    [(cell, isa, dtype) for cell in _kernels.CELLS for isa in _kernels.ISAS for dtype in DTYPES],
)


def each_kernel_with(first, state, second):
    """Parametrise over kernels and argument names: two for h and the rest, and one that only cells with c have."""
    return pytest.mark.parametrize(
        ("cell", "isa", "dtype", "name"),
        [
            (cell, isa, dtype, name)
            for cell, info in _kernels.CELLS.items()
            for isa in _kernels.ISAS
            for dtype in DTYPES
            for name in (first, state, second)[: 1 + info.states]
        ],
    )


def copy(a):
    return {name: None if array is None else array.copy() for name, array in a.items()}


def expect_same_bits(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@each_path
@each_kernel
def test_backward_twice_gives_the_same_bits_in_new_arrays(cell, isa, dtype, *, shape, multiply):
    a = cast(problem(cell, shape, True)[0], dtype)
    recorded = forward(cell, a, isa, multiply)
    first, second = (backward(cell, a, recorded, isa, multiply) for _ in range(2))
    expect_same_bits(first, second)
    for name, array in first.items():
        others = (*a.values(), *recorded, *second.values(), *(first[n] for n in first if n != name))
        assert not any(np.shares_memory(array, other) for other in others if other is not None), name


@each_path
@each_kernel
def test_inputs_come_back_unmodified(cell, isa, dtype, *, shape, multiply):
    frozen = cast(problem(cell, shape, True)[0], dtype)
    a = copy(frozen)  # writable, so that a kernel that writes to its input is seen and not stopped
    recorded = forward(cell, a, isa, multiply)
    before = [None if array is None else array.copy() for array in recorded]
    backward(cell, a, recorded, isa, multiply)
    for name, array in a.items():
        np.testing.assert_array_equal(array, frozen[name], err_msg=name)
    for array, copied in zip(recorded, before, strict=True):
        np.testing.assert_array_equal(array, copied)


@each_kernel
def test_threads_do_not_disturb_each_other(cell, isa, dtype):
    problems = [cast(problem(cell, Shape(60, n, 5, 24), True)[0], dtype) for n in (1, 2, 3, 4)]
    alone = [answers(cell, a, isa) for a in problems]
    with ThreadPoolExecutor(len(problems)) as pool:
        together = list(pool.map(lambda a: answers(cell, a, isa), problems * 3))
    for first, second in zip(alone * 3, together, strict=True):
        expect_same_bits(first, second)


# ---- NaN ----


@each_path
@each_kernel_with("x", "h_0", "c_0")
def test_nan_in_one_row_reaches_that_row_alone(cell, isa, dtype, name, *, shape, multiply):
    a = copy(cast(problem(cell, shape, True)[0], dtype))
    clean, _, _ = forward(cell, a, isa, multiply)
    row, start = 1, 2 if name == "x" else 0
    a[name][(start, row) if name == "x" else row] = np.nan
    h, c, gates = forward(cell, a, isa, multiply)
    assert np.isnan(h[start + 1 :, row]).all()
    np.testing.assert_array_equal(np.delete(h[1:], row, axis=1), np.delete(clean[1:], row, axis=1))
    np.testing.assert_array_equal(h[1 : start + 1, row], clean[1 : start + 1, row])
    # The gradient of the recurrent weights is a sum over all rows.
    assert np.isnan(backward(cell, a, (h, c, gates), isa, multiply)["grad_weight_hh"]).all()


@each_path
@each_kernel_with("grad_output", "grad_h_n", "grad_c_n")
def test_nan_in_an_upstream_gradient_reaches_that_row_and_all_parameters(cell, isa, dtype, name, *, shape, multiply):
    a = copy(cast(problem(cell, shape, True)[0], dtype))
    recorded = forward(cell, a, isa, multiply)
    clean = backward(cell, a, recorded, isa, multiply)
    row, last = 1, 2 if name == "grad_output" else shape.T - 1
    a[name][(last, row) if name == "grad_output" else row] = np.nan
    grads = backward(cell, a, recorded, isa, multiply)
    assert np.isnan(grads["grad_x"][: last + 1, row]).all()
    assert np.isnan(grads["grad_h_0"][row]).all()
    np.testing.assert_array_equal(grads["grad_x"][last + 1 :], clean["grad_x"][last + 1 :])
    for key, axis in (("grad_x", 1), ("grad_h_0", 0), ("grad_c_0", 0)):
        if key in grads:
            np.testing.assert_array_equal(np.delete(grads[key], row, axis), np.delete(clean[key], row, axis))
    for key in WEIGHTS:
        assert np.isnan(grads[f"grad_{key}"]).all(), key


# ---- subnormal numbers ----


def subnormal_product():
    """2^-1050: zero where this thread's arithmetic flushes subnormal results."""
    return (np.array([2.0**-1000]) * np.array([2.0**-50]))[0]


def fading(cell, shape, dtype):
    """Return a problem whose gradients are largely subnormal."""
    a = copy(cast(problem(cell, shape, True)[0], dtype))
    for name in ("grad_output", "grad_h_n", "grad_c_n"):
        if a[name] is not None:
            a[name] *= 2 * np.finfo(dtype).tiny
    return a


@each_path
@each_kernel
def test_the_mode_of_arithmetic_is_restored(cell, isa, dtype, *, shape, multiply):
    a = fading(cell, shape, dtype)
    assert subnormal_product() > 0
    recorded = forward(cell, a, isa, multiply)
    assert subnormal_product() > 0
    grads = backward(cell, a, recorded, isa, multiply)
    assert subnormal_product() > 0
    assert all(np.isfinite(grad).all() for grad in grads.values())


@each_kernel
def test_backward_flushes_subnormal_gradients(cell, isa, dtype):
    a = fading(cell, SMALL, dtype)  # BLAS runs this on the calling thread, whose mode is the kernel's
    grads = backward(cell, a, forward(cell, a, isa), isa)
    assert any(grad.any() for grad in grads.values())
    tiny = np.finfo(dtype).tiny
    assert not [name for name, grad in grads.items() if ((grad != 0) & (np.abs(grad) < tiny)).any()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", _kernels.ISAS)
def test_forward_and_stream_flush_subnormal_products(isa, dtype):
    tiny = np.finfo(dtype).tiny
    one, half, zero = (np.full((1, 1), value, dtype) for value in (1, 0.5, 0))
    x = np.full((1, 1, 1), tiny, dtype)
    for weight, expected in ((one, tiny), (half, 0)):
        h, _, _ = _kernels.forward("rnn_relu", x, zero, None, weight, zero, None, None, record=False, isa=isa)
        assert h[1] == expected
        out = np.empty_like(x)
        _kernels.Stream("rnn_relu", zero, None, weight, zero, None, None, isa=isa).run(x, out)
        assert out == expected
        assert subnormal_product() > 0


# ---- no rows ----


@pytest.mark.parametrize("bias", [True, False])
@each_kernel
def test_no_rows_give_empty_results_and_zero_gradients(cell, isa, dtype, bias):
    a = cast(problem(cell, SMALL, bias)[0], dtype)
    for name, axis in (("x", 1), ("grad_output", 1), ("h_0", 0), ("c_0", 0), ("grad_h_n", 0), ("grad_c_n", 0)):
        if a[name] is not None:
            a[name] = np.ascontiguousarray(a[name].take(range(0), axis))
    recorded = forward(cell, a, isa)
    assert recorded[0].shape == (SMALL.T + 1, 0, SMALL.H)
    grads = backward(cell, a, recorded, isa)
    for name in ("x", "h_0", "c_0", *WEIGHTS):
        assert (f"grad_{name}" in grads) == (a[name] is not None)
        if a[name] is not None:
            np.testing.assert_array_equal(grads[f"grad_{name}"], np.zeros_like(a[name]), strict=True)

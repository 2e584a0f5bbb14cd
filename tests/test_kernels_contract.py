"""What the kernels promise besides the numbers: the same bits, purity, NaN and subnormals."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastrnn import _kernels
from fastrnn._streams import Stream
from kernel_cases import DTYPES, WEIGHTS, Shape, answers, backward, cast, expect_same_bits, forward, problem

SMALL = Shape(5, 3, 4, 6)
# hoisted; a ring that is filled twice; fused; and fused with threads that share out rows
PATHS = [(SMALL, 1), (Shape(140, 4, 3, 9), 1), (Shape(5, 9, 4, 70), 2), (Shape(5, 17, 4, 20), 2)]
each_path = pytest.mark.parametrize(("shape", "threads"), PATHS, ids=str)
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
    return {name: array.copy() if isinstance(array, np.ndarray) else array for name, array in a.items()}


@each_path
@each_kernel
def test_backward_twice_gives_the_same_bits_in_new_arrays(cell, isa, dtype, *, shape, threads):
    a = cast(problem(cell, shape, True)[0], dtype)
    recorded = forward(cell, a, isa, threads)
    first, second = (backward(cell, a, recorded, isa, threads) for _ in range(2))
    expect_same_bits(first, second)
    for name, array in first.items():
        others = (*a.values(), *recorded, *second.values(), *(first[n] for n in first if n != name))
        assert not any(np.shares_memory(array, other) for other in others if other is not None), name


@each_path
@each_kernel
def test_inputs_come_back_unmodified(cell, isa, dtype, *, shape, threads):
    frozen = cast(problem(cell, shape, True)[0], dtype)
    a = copy(frozen)  # writable, so that a kernel that writes to its input is seen and not stopped
    recorded = forward(cell, a, isa, threads)
    before = [None if array is None else array.copy() for array in recorded]
    backward(cell, a, recorded, isa, threads)
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
def test_nan_in_one_row_reaches_that_row_alone(cell, isa, dtype, name, *, shape, threads):
    a = copy(cast(problem(cell, shape, True)[0], dtype))
    clean = forward(cell, a, isa, threads).h
    row, start = 1, 2 if name == "x" else 0
    a[name][(start, row) if name == "x" else row] = np.nan
    recorded = forward(cell, a, isa, threads)
    h = recorded.h
    assert np.isnan(h[start + 1 :, row]).all()
    np.testing.assert_array_equal(np.delete(h[1:], row, axis=1), np.delete(clean[1:], row, axis=1))
    np.testing.assert_array_equal(h[1 : start + 1, row], clean[1 : start + 1, row])
    # The gradient of the recurrent weights is a sum over all rows.
    assert np.isnan(backward(cell, a, recorded, isa, threads)["grad_weight_hh"]).all()


@each_path
@each_kernel_with("grad_output", "grad_h_n", "grad_c_n")
def test_nan_in_an_upstream_gradient_reaches_that_row_and_all_parameters(cell, isa, dtype, name, *, shape, threads):
    a = copy(cast(problem(cell, shape, True)[0], dtype))
    recorded = forward(cell, a, isa, threads)
    clean = backward(cell, a, recorded, isa, threads)
    row, last = 1, 2 if name == "grad_output" else shape.T - 1
    a[name][(last, row) if name == "grad_output" else row] = np.nan
    grads = backward(cell, a, recorded, isa, threads)
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
def test_the_mode_of_arithmetic_is_restored(cell, isa, dtype, *, shape, threads):
    a = fading(cell, shape, dtype)
    assert subnormal_product() > 0
    recorded = forward(cell, a, isa, threads)
    assert subnormal_product() > 0
    grads = backward(cell, a, recorded, isa, threads)
    assert subnormal_product() > 0
    assert all(np.isfinite(grad).all() for grad in grads.values())


@each_kernel
def test_backward_flushes_subnormal_gradients(cell, isa, dtype):
    tiny = np.finfo(dtype).tiny
    for shape, _ in PATHS:
        a = fading(cell, shape, dtype)
        recorded = forward(cell, a, isa)
        grads = backward(cell, a, recorded, isa)
        assert any(grad.any() for grad in grads.values())
        assert not [name for name, grad in grads.items() if ((grad != 0) & (np.abs(grad) < tiny)).any()]
        expect_same_bits(backward(cell, a, recorded, isa, threads=3), grads)  # the other threads' mode is the same


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", _kernels.ISAS)
def test_forward_and_stream_flush_subnormal_products_on_every_thread(isa, dtype):
    tiny = np.finfo(dtype).tiny
    N = 64  # of which each thread takes some
    x, zeros = np.full((N, 1), tiny, dtype), np.zeros((N, 1), dtype)
    one, half, none = (np.full((1, 1), value, dtype) for value in (1, 0.5, 0))
    for weight, expected in ((one, tiny), (half, 0)):
        for threads in (1, 4):
            h, *_ = _kernels.forward(
                "rnn_relu", x, zeros, None, weight, none, None, None, record=False, isa=isa, threads=threads
            )
            assert (h[N:] == expected).all()
        out = np.empty((1, N, 1), dtype)
        Stream("rnn_relu", zeros, None, weight, none, None, None, isa=isa).run(x[None], out)
        assert (out == expected).all()
        assert subnormal_product() > 0

"""Linear's kernels: against float64, the same bits however the rows are cut, and what C must never see."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

import fastrnn
from fastrnn import _dense, _kernels

DTYPES = ("float32", "float64")
each_kernel = pytest.mark.parametrize(("isa", "dtype"), list(product(_kernels.ISAS, DTYPES)))


class Shape(NamedTuple):
    S: int
    I: int  # noqa: E741 - the field's name for the number of inputs
    O: int  # noqa: E741 - the field's name for the number of outputs


# Both sides of every choice: vectors of 2 to 16 lanes, up to LANES/4 outputs and up to 16 rows without packing, 4
# columns transposed at once and 64 through memory, tiles of up to 8 rows, panels of up to 3 or 8 vectors, a ring of
# 512 rows, threads that share out rows (from 16 for each) or panels.
SHAPES = tuple(
    Shape(*shape)
    for shape in [
        (1, 1, 1), (1, 3, 2), (2, 4, 16), (2, 5, 17), (3, 65, 33), (7, 8, 64), (8, 130, 31), (9, 7, 15), (15, 67, 5),
        (16, 2, 49), (17, 33, 48), (18, 1, 97), (31, 16, 1), (32, 9, 2), (33, 64, 3), (47, 66, 4), (48, 129, 5),
        (16, 64, 64), (17, 64, 64), (65, 17, 130), (513, 5, 7), (1025, 2, 1), (1026, 3, 18), (2, 513, 260), (40, 1, 1),
    ]
)  # fmt: skip


def draw(shape, dtype, seed=0):
    """Return x, weight, bias and dE/dy of a random problem."""
    rng = np.random.default_rng([seed, *shape])
    sizes = (shape.S, shape.I), (shape.O, shape.I), (shape.O,), (shape.S, shape.O)
    return [rng.standard_normal(size).astype(dtype) for size in sizes]


def truth(x, weight, bias, grad_y):
    """Return y, dx, dW and db in float64."""
    x, weight, bias, grad_y = (a.astype(np.float64) for a in (x, weight, bias, grad_y))
    return x @ weight.T + bias, grad_y @ weight, grad_y.T @ x, grad_y.sum(axis=0)


def answers(x, weight, bias, grad_y, isa, threads=None):
    """Return the same as the kernels compute it."""
    y = _dense.forward(x, weight, bias, isa=isa, threads=threads)
    return y, *_dense.backward(x, weight, bias is not None, grad_y, isa=isa, threads=threads)


def expect_same_bits(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()  # unlike ==, this tells -0 from 0


@each_kernel
def test_output_and_gradients_equal_float64(isa, dtype):
    for i, shape in enumerate(SHAPES):
        problem = draw(shape, dtype)
        terms = shape.I + 1, shape.O, shape.S, shape.S
        got = answers(*problem, isa, (1, 2, 3)[i % 3])
        for a, true, n in zip(got, truth(*problem), terms, strict=True):
            assert a.dtype == dtype
            limit = 4 * np.finfo(dtype).eps * np.sqrt(n) * np.abs(true).max()
            np.testing.assert_allclose(a, true, rtol=0, atol=limit, err_msg=f"{shape}")


@each_kernel
def test_without_a_bias(isa, dtype):
    for shape in (Shape(1, 3, 5), Shape(40, 7, 1), Shape(40, 7, 35)):
        x, weight, bias, grad_y = draw(shape, dtype)
        *got, nothing = answers(x, weight, None, grad_y, isa)
        assert nothing is None
        expect_same_bits(got, answers(x, weight, 0 * bias, grad_y, isa)[:3])


# ---- the same bits ----


@each_kernel
def test_any_number_of_threads(isa, dtype):
    for shape in SHAPES:
        problem = draw(shape, dtype)
        one = answers(*problem, isa, 1)
        for threads in (2, 3, 23):
            expect_same_bits(answers(*problem, isa, threads), one)


@each_kernel
def test_any_rows_by_themselves(isa, dtype):
    for shape in SHAPES:
        x, weight, bias, grad_y = draw(shape, dtype)
        whole = answers(x, weight, bias, grad_y, isa)[:2]
        for lo, hi in [(0, 1), (1, 3), (0, 9), (3, 20), (0, 33), (shape.S - 1, shape.S)]:
            part = answers(x[lo:hi], weight, bias, grad_y[lo:hi], isa)[:2]
            expect_same_bits(part, [a[lo:hi] for a in whole])


@each_kernel
def test_any_outputs_by_themselves(isa, dtype):
    """A few outputs are computed with the lanes across the rows."""
    for shape in (Shape(40, 67, 37), Shape(5, 67, 37)):
        x, weight, bias, _ = draw(shape, dtype)
        whole = _dense.forward(x, weight, bias, isa=isa)
        for lo, hi in [(0, 1), (2, 4), (33, 37)]:
            part = _dense.forward(x, weight[lo:hi], bias[lo:hi], isa=isa)
            expect_same_bits([part], [np.ascontiguousarray(whole[:, lo:hi])])


@each_kernel
def test_packed_once(isa, dtype):
    for shape in SHAPES:
        x, weight, bias, _ = draw(shape, dtype)
        for b in (bias, None):
            y = _dense.forward(x, weight, b, isa=isa)
            packed = _dense.Packed(weight.copy(), b, isa=isa)
            out = np.full((shape.S + 2, shape.O), np.nan, dtype)
            packed.run(x, out[1:-1])
            expect_same_bits([out[1:-1]], [y])
            assert np.isnan(out[[0, -1]]).all()  # nothing is written beyond


@each_kernel
def test_signs_of_zero_and_numbers_below_the_normal_ones(isa, dtype):
    """Each way of computing treats them alike; subnormal numbers count as zero."""
    tiny = np.finfo(dtype).tiny / 2
    for O in (1, 5, 40):  # noqa: E741 - the number of outputs
        x, weight, bias, grad_y = draw(Shape(40, 37, O), dtype)
        bias[::2], weight[0], x[3], grad_y[5] = -0.0, -0.0, tiny, -tiny
        whole = answers(x, weight, bias, grad_y, isa)[:2]
        np.testing.assert_array_equal(whole[0][3], bias)
        np.testing.assert_array_equal(whole[1][5], 0)
        for row in (3, 5):
            one = slice(row, row + 1)
            expect_same_bits(answers(x[one], weight, bias, grad_y[one], isa)[:2], [a[one] for a in whole])
    assert np.float64(5e-324) + np.float64(0) > 0  # the caller's own arithmetic goes on as before


@each_kernel
def test_nan_stays_in_its_row(isa, dtype):
    for shape in (Shape(9, 5, 7), Shape(40, 5, 1), Shape(40, 5, 35)):
        x, weight, bias, grad_y = draw(shape, dtype)
        x[4, 2] = grad_y[4, 0] = np.nan
        y, dx, dw, db = answers(x, weight, bias, grad_y, isa)
        for a in (y, dx):
            assert np.isnan(a[4]).all()
            assert np.isfinite(np.delete(a, 4, axis=0)).all()
        assert np.isnan(dw[:, 2]).all()
        assert np.isnan(db).tolist() == [True] + [False] * (shape.O - 1)


# ---- the layer ----


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows(dtype):
    layer = fastrnn.Linear(3, 5, dtype=dtype, seed=0)
    for shape in ((0, 3), (4, 0, 3)):
        y, _, tape = layer.record(np.zeros(shape))
        assert y.shape == (*shape[:-1], 5)
        grads = layer.backward(tape, y)
        assert grads.x.shape == shape
        assert not grads.parameters["weight"].any()
        assert not grads.parameters["bias"].any()


def test_read_only_and_scattered_inputs():
    layer = fastrnn.Linear(6, 5, seed=0)
    x, _, _, grad_y = draw(Shape(9, 6, 5), "float32")
    wide, wide_y = np.full((18, 12), np.nan, np.float32), np.full((9, 10), np.nan, np.float32)
    wide[::2, ::-2], wide_y[:, ::2] = x, grad_y
    wide.flags.writeable = wide_y.flags.writeable = False
    for given, given_y in [(wide[::2, ::-2], wide_y[:, ::2]), (np.asfortranarray(x), np.asfortranarray(grad_y))]:
        y, _, tape = layer.record(given)
        grads = layer.backward(tape, given_y)
        expect = layer.backward(layer.record(x)[2], grad_y)
        expect_same_bits([y, grads.x, *grads.parameters.values()], [layer(x), expect.x, *expect.parameters.values()])


def test_a_stream_gives_the_bits_of_the_layer_and_keeps_its_weights():
    model = fastrnn.Sequential(fastrnn.Linear(20, 37, seed=0), fastrnn.Linear(37, 2, seed=1))
    x = draw(Shape(40, 20, 1), "float32")[0]
    y = model(x[None])[0]
    stream = model.stream()
    for layer in model.layers:
        layer.parameters()["weight"][...] = np.nan
    expect_same_bits([stream.run(x[:30]), *(stream.step(row) for row in x[30:])], [y[:30], *y[30:]])


# ---- what C must never see ----


def test_errors_name_the_argument():
    x, weight, bias, grad_y = draw(Shape(4, 3, 5), "float32")
    for arguments, message in [
        ((x[:, :2].copy(), weight, bias), r"^x: expected shape \(4, 3\), got \(4, 2\)"),
        ((x, weight, bias[1:]), r"^bias: expected shape \(5,\), got \(4,\)"),
        ((x, weight[:0], bias), r"^weight: expected at least one output and one input, got \(0, 3\)"),
        ((x[:, :0].copy(), weight[:, :0].copy(), bias), r"^weight: expected .*, got \(5, 0\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            _dense.forward(*arguments)
    with pytest.raises(ValueError, match=r"^grad_y: expected shape \(4, 5\), got \(3, 5\)"):
        _dense.backward(x, weight, True, grad_y[1:])
    with pytest.raises(ValueError, match=r"^x: expected shape \(4, 3\), got \(4, 2\)"):
        _dense.backward(x[:, :2].copy(), weight, True, grad_y)
    with pytest.raises(ValueError, match=r"^threads: expected at least 1, got 0"):
        _dense.forward(x, weight, bias, threads=0)
    with pytest.raises(ValueError, match=r"^isa: expected one of"):
        _dense.forward(x, weight, bias, isa="sse9")


def test_errors_of_packed_weights_name_the_argument():
    x, weight, bias, _ = draw(Shape(4, 3, 5), "float32")
    with pytest.raises(ValueError, match=r"^bias: expected shape"):
        _dense.Packed(weight, bias[1:])
    with pytest.raises(ValueError, match=r"^these weights were never packed"):
        _dense.Packed.__new__(_dense.Packed).run(x, x)
    packed = _dense.Packed(weight, bias)
    for shape in [(4, 3), (3, 5), (5, 5), (20,)]:
        with pytest.raises(ValueError, match=r"^x, out: expected shapes \(\.\.\., 3\) and \(\.\.\., 5\), as many rows"):
            packed.run(x, np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=r"^x, out: expected shapes"):
        packed.run(x.reshape(3, 4), np.zeros((4, 5), np.float32))
    with pytest.raises(TypeError, match=r"^out: expected float32, got float64"):
        packed.run(x, np.zeros((4, 5)))
    with pytest.raises(ValueError, match="not C-contiguous"):
        packed.run(np.asfortranarray(x), np.zeros((4, 5), np.float32))
    packed.run(x[:0], np.zeros((0, 5), np.float32))

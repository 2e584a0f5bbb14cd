"""The same bits, however the work is cut: by threads, into parts of the batch, in time, or ragged or not."""

from itertools import product

import numpy as np
import pytest

from fastrnn import _kernels
from kernel_cases import (
    DTYPES,
    Shape,
    answers,
    backward,
    cast,
    expect_same_bits,
    forward,
    outputs,
    problem,
    running,
)  # fmt: skip
from kernel_cases import rows as rows_of_batch

each_kernel = pytest.mark.parametrize(("cell", "isa", "dtype"), list(product(_kernels.CELLS, _kernels.ISAS, DTYPES)))

# By units: one row, few, hoisted in several chunks, fused; heavy weights. By rows: even and uneven shares, a full ring.
BY_UNITS = [Shape(9, 1, 3, 40), Shape(3, 2, 17, 70), Shape(37, 5, 3, 9), Shape(6, 15, 5, 33)]
BY_ROWS = [Shape(5, 16, 4, 10), Shape(4, 37, 9, 21), Shape(40, 17, 2, 5)]
HEAVY = Shape(2, 18, 5, 370)
OF_ROWS = ("output", "h_n", "c_n", "grad_x", "grad_h_0", "grad_c_0")


def case(cell, shape, dtype, *, ragged=False):
    return cast(problem(cell, shape, True, ragged=ragged)[0], dtype)


def of_rows(named):
    """Return what belongs to single sequences, and not to all of the batch."""
    return {name: named[name] for name in OF_ROWS if name in named}


def cut_to(named, lo, hi, steps):
    """Return the same of some sequences and the first steps."""
    timed = ("output", "grad_x")
    return {name: a[:steps, lo:hi] if name in timed else a[lo:hi] for name, a in of_rows(named).items()}


@each_kernel
def test_any_number_of_threads(cell, isa, dtype):
    for shape, ragged in [*product(BY_UNITS + BY_ROWS, (False, True)), (HEAVY, False)]:
        a = case(cell, shape, dtype, ragged=ragged)
        one = answers(cell, a, isa, 1)
        for threads in (2, 3, 4):
            expect_same_bits(answers(cell, a, isa, threads), one)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_more_threads_than_there_is_work_for(cell):
    for shape in (Shape(2, 1, 1, 1), Shape(2, 16, 1, 1), Shape(1, 20, 3, 2)):
        a = case(cell, shape, "float32", ragged=shape.T > 1)
        expect_same_bits(answers(cell, a, threads=23), answers(cell, a, threads=1))


@each_kernel
def test_any_part_of_the_batch_by_itself(cell, isa, dtype):
    """Fused or hoisted, by rows or by units, in tiles of any height: a row's bits are its own."""
    for shape, ragged in product((Shape(11, 19, 3, 21), Shape(5, 33, 18, 6)), (False, True)):
        a = case(cell, shape, dtype, ragged=ragged)
        whole = answers(cell, a, isa)
        for lo, hi in [(0, 1), (3, 5), (1, 4), (2, 10), (1, 17), (0, shape.N - 1)]:
            part = rows_of_batch(a, lo, hi)
            steps = len(part["x"])
            expect_same_bits(of_rows(answers(cell, part, isa, threads=1 + lo % 2)), cut_to(whole, lo, hi, steps))


@each_kernel
def test_a_ragged_batch_is_each_of_its_sequences_by_itself(cell, isa, dtype):
    for shape in (Shape(13, 6, 3, 9), Shape(9, 21, 5, 18)):
        a = case(cell, shape, dtype, ragged=True)
        whole = answers(cell, a, isa, threads=2)
        for row, steps in enumerate(a["lengths"]):
            alone = rows_of_batch(a, row, row + 1)
            assert len(alone["x"]) == steps
            expect_same_bits(of_rows(answers(cell, alone, isa)), cut_to(whole, row, row + 1, steps))
        padding = ~running(a)
        assert not whole["grad_x"][padding].any()


@each_kernel
def test_a_sequence_cut_in_time_with_the_state_handed_over(cell, isa, dtype):
    for shape in (Shape(21, 3, 3, 9), Shape(10, 9, 4, 20), Shape(10, 17, 2, 6)):
        a = case(cell, shape, dtype)
        whole = answers(cell, a, isa)
        at = shape.T // 3
        early = a | {"x": a["x"][:at], "grad_output": a["grad_output"][:at], "lengths": np.full(shape.N, at)}
        recorded = forward(cell, early, isa)
        middle = outputs(early, recorded)
        late = a | {"x": a["x"][at:], "grad_output": a["grad_output"][at:], "lengths": np.full(shape.N, shape.T - at)}
        late |= {"h_0": middle["h_n"], "c_0": middle.get("c_n")}
        second = answers(cell, late, isa)
        early |= {"grad_h_n": second["grad_h_0"], "grad_c_n": second.get("grad_c_0")}
        first = middle | backward(cell, early, recorded, isa)
        for name in ("output", "grad_x"):
            np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), whole[name], err_msg=name)
        for name, got in (("h_n", second), ("c_n", second), ("grad_h_0", first), ("grad_c_0", first)):
            if name in whole:
                np.testing.assert_array_equal(got[name], whole[name], err_msg=name)


@each_kernel
def test_recording_or_not(cell, isa, dtype):
    info = _kernels.CELLS[cell]
    for shape, ragged in product([*BY_UNITS, *BY_ROWS], (False, True)):
        a = case(cell, shape, dtype, ragged=ragged)
        h, c, saved, _ = forward(cell, a, isa)
        plain_h, plain_c, plain_saved, _ = forward(cell, a, isa, threads=2, record=False)
        assert plain_saved is None
        assert (saved is not None) == (info.saves > 0)
        np.testing.assert_array_equal(plain_h, h, err_msg=str(shape))
        np.testing.assert_array_equal(h[0], a["h_0"])
        if info.states == 1:
            assert c is plain_c is None
        else:
            np.testing.assert_array_equal(plain_c, outputs(a, (h, c))["c_n"], err_msg=str(shape))
            np.testing.assert_array_equal(c[0], a["c_0"])


@each_kernel
def test_buffers_used_again(cell, isa, dtype):
    """What an earlier call left in the buffers, NaN even, is not seen; they are the very same memory."""
    shape = Shape(9, 5, 3, 10)
    a = case(cell, shape, dtype)
    fresh = forward(cell, a, isa)
    old = [None if array is None else np.full(array.size, np.nan, dtype) for array in fresh]
    H, S = shape.H, shape.T * shape.N
    forms = (S + shape.N, H), (S + shape.N, H), (S, _kernels.CELLS[cell].saves, H), (S + shape.N, H)
    old = tuple(None if array is None else array.reshape(form) for array, form in zip(old, forms, strict=True))
    again = forward(cell, a, isa, reuse=old)
    for new, given, true in zip(again, old, fresh, strict=True):
        if true is not None:
            assert np.shares_memory(new, given)
            np.testing.assert_array_equal(new, true)
    wrong = tuple(None if array is None else array[1:].copy() for array in old)
    for new, given in zip(forward(cell, a, isa, reuse=wrong), wrong, strict=True):
        assert new is None or not np.shares_memory(new, given)
    other = np.dtype("float32" if dtype == "float64" else "float64")
    wrong = tuple(None if array is None else array.astype(other) for array in old)
    assert all(array is None or array.dtype == dtype for array in forward(cell, a, isa, reuse=wrong))


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_rows_in_another_order(cell):
    a = case(cell, Shape(6, 11, 3, 14), "float32")
    whole = answers(cell, a)
    order = np.random.default_rng(0).permutation(11)
    b = dict(a)
    for name in ("x", "grad_output"):
        b[name] = np.ascontiguousarray(a[name][:, order])
    for name in ("h_0", "c_0", "grad_h_n", "grad_c_n"):
        b[name] = None if a[name] is None else a[name][order]
    expected = {name: v[:, order] if name in ("output", "grad_x") else v[order] for name, v in of_rows(whole).items()}
    expect_same_bits(of_rows(answers(cell, b)), expected)

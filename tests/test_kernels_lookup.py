"""Inputs that are looked up: the bits of the rows written out, any threads, any part of a batch; and what is refused.

That they equal the reference with every other option is in test_options.py.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import _kernels
from kernel_cases import (
    ARRAYS,
    DTYPES,
    Options,
    Shape,
    answers,
    backward,
    cast,
    expect_equal,
    expect_same_bits,
    forward,
    outputs,
    problem,
    rows,
    solve,
)

SOURCES = ("table", "one-hot")
each_kernel = pytest.mark.parametrize(("cell", "isa", "dtype"), list(product(_kernels.CELLS, _kernels.ISAS, DTYPES)))

# One row; hoisted in chunks; fused by units; by rows; rings that are filled twice; many panels; more classes than rows.
SHAPES = [
    Shape(40, 1, 3, 40), Shape(37, 5, 3, 9), Shape(6, 15, 5, 33), Shape(4, 37, 9, 21), Shape(70, 17, 2, 5),
    Shape(3, 9, 4, 185), Shape(2, 3, 70, 6),
]  # fmt: skip


def case(cell, shape, options, dtype, *, ragged=False):
    return cast(problem(cell, shape, True, ragged=ragged, options=options)[0], dtype)


def written_out(a):
    """Return the same problem with all rows of x."""
    return {name: value for name, value in a.items() if name not in ("source", "table", "x_row")}


@each_kernel
def test_rows_written_out_have_the_same_bits_forward_and_near_gradients(cell, isa, dtype):
    for shape, source, ragged, reverse in product(SHAPES, SOURCES, (False, True), (False, True)):
        a = case(cell, shape, Options(reverse, source=source), dtype, ragged=ragged)
        dense = forward(cell, written_out(a), isa)
        looked_up = forward(cell, a, isa, threads=2)
        expect_same_bits(outputs(a, looked_up), outputs(a, dense))
        for name in ("saved", "h"):
            np.testing.assert_array_equal(getattr(looked_up, name), getattr(dense, name))
        got, known = (backward(cell, b, dense, isa) for b in (a, written_out(a)))
        for name in got.keys() & known.keys() - {"grad_weight_ih"}:  # nothing of these is computed in another way
            np.testing.assert_array_equal(got[name], known[name], err_msg=name)
        weight = {"grad_weight_ih": known["grad_weight_ih"]}
        expect_equal({name: got[name] for name in weight}, weight, dtype, shape)


@each_kernel
def test_any_number_of_threads(cell, isa, dtype):
    for shape, source, ragged in product(SHAPES, SOURCES, (False, True)):
        a = case(cell, shape, Options(keep=True, zoneout="drawn", watch="bounds", source=source), dtype, ragged=ragged)
        one = answers(cell, a, isa, 1)
        for threads in (2, 3):
            expect_same_bits(answers(cell, a, isa, threads), one)


@each_kernel
def test_any_part_of_the_batch_by_itself(cell, isa, dtype):
    for source, ragged in product(SOURCES, (False, True)):
        a = case(cell, Shape(5, 19, 3, 21), Options(source=source), dtype, ragged=ragged)
        whole = outputs(a, forward(cell, a, isa))
        for lo, hi in [(0, 1), (3, 5), (2, 10), (1, 18)]:
            part = rows(a, lo, hi)
            got = outputs(part, forward(cell, part, isa))
            np.testing.assert_array_equal(got["output"], whole["output"][: len(part["x"]), lo:hi])
            np.testing.assert_array_equal(got["h_n"], whole["h_n"][lo:hi])


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    cell=st.sampled_from(list(_kernels.CELLS)),
    isa=st.sampled_from(_kernels.ISAS),
    dtype=st.sampled_from(DTYPES),
    threads=st.sampled_from((1, 2, 3, 4)),
    bias=st.booleans(),
    ragged=st.booleans(),
    source=st.sampled_from(SOURCES),
    shape=st.builds(Shape, *(st.integers(1, most) for most in (9, 40, 70, 70))),
    seed=st.integers(1, 50),
)
def test_any_shape_equals_the_reference(cell, isa, dtype, threads, *, bias, ragged, source, shape, seed):
    a, true = solve(cell, shape, bias, seed, ragged=ragged, options=Options(source=source))
    expect_equal(answers(cell, cast(a, dtype), isa, threads), true, dtype, shape)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_rows_that_nobody_takes_have_no_gradient(cell):
    a = case(cell, Shape(3, 2, 4, 5), Options(source="table"), "float64")
    a |= {"table": np.concatenate([a["table"], np.ones((30, 4))])}
    got = answers(cell, a)
    taken = np.bincount(a["x_row"].ravel(), minlength=len(a["table"])) > 0
    assert not got["grad_table"][~taken].any()
    assert got["grad_table"][taken].all()
    a = case(cell, Shape(3, 2, 40, 5), Options(source="one-hot"), "float64")
    taken = np.bincount(a["x_row"].ravel(), minlength=40) > 0
    weight = answers(cell, a)["grad_weight_ih"]
    assert not weight[:, ~taken].any()
    assert weight[:, taken].any(axis=0).all()


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_one_hot_rows_do_not_see_the_weights_of_other_classes(cell):
    """Written out they would: 0 times infinity is not a number."""
    a = case(cell, Shape(3, 2, 4, 5), Options(source="one-hot"), "float64")
    a["x_row"] = np.minimum(a["x_row"], 2)
    expected = forward(cell, a).h
    a["weight_ih"] = a["weight_ih"].copy()
    a["weight_ih"][:, 3] = np.inf
    np.testing.assert_array_equal(forward(cell, a).h, expected)


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_the_gradient_of_the_table_is_added_where_it_is_to_be(cell):
    a = case(cell, Shape(40, 17, 2, 3), Options(source="table"), "float64")
    recorded = forward(cell, a)
    there = np.random.default_rng(0).standard_normal(a["table"].shape)
    given = there.copy()
    got = run_backward(cell, a, recorded, add_to=given)
    assert got[0] is given
    np.testing.assert_allclose(given, there + backward(cell, a, recorded)["grad_table"], rtol=0, atol=1e-12)
    none, *others = run_backward(cell, a, recorded, want_x=False)
    assert none is None
    for one, other in zip(others, got[1:], strict=True):
        np.testing.assert_array_equal(one, other)


# ---- what is refused ----


def run_forward(cell, a, x, x_row, **options):
    return _kernels.FORWARD[np.dtype("float64")](
        cell, x, *(a[name] for name in ARRAYS), **{"record": True, "x_row": x_row, **options}
    )


def run_backward(cell, a, recorded, **options):
    """Return what `_kernels.backward` returns of a dense problem, with options of one's own."""
    flat = [None if part is None else part.reshape(-1, *part.shape[2:]) for part in recorded]
    options = {"x": a["table"], "x_row": a["x_row"].ravel(), **options}
    grad_output = a["grad_output"].reshape(-1, a["grad_output"].shape[-1])
    return _kernels.BACKWARD[np.dtype("float64")](
        cell, options.pop("x"), *flat, a["weight_ih"], a["weight_hh"], True, grad_output, a["grad_h_n"], a["grad_c_n"],
        **options,
    )  # fmt: skip


@pytest.mark.parametrize("cell", _kernels.CELLS)
def test_rows_that_do_not_exist_are_refused(cell):
    a = case(cell, Shape(3, 2, 4, 5), Options(source="table"), "float64")
    R, recorded = len(a["table"]), forward(cell, a)
    for wrong in (-1, R, 2**40, -(2**62)):
        x_row = a["x_row"].ravel().copy()
        x_row[4] = wrong
        for call in (
            lambda: run_forward(cell, a, a["table"], x_row),  # noqa: B023 - called at once
            lambda: run_backward(cell, a, recorded, x_row=x_row),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=rf"^x_row: expected rows from 0 to {R - 1}, got {wrong}$"):
                call()
    x_row = a["x_row"].ravel().copy()
    x_row[0] = 4
    with pytest.raises(ValueError, match=r"^x_row: expected rows from 0 to 3, got 4$"):
        run_forward(cell, a, None, x_row)


def test_other_wrong_lookups_are_refused():
    a = case("gru", Shape(3, 2, 4, 5), Options(source="table"), "float64")
    x_row, recorded = a["x_row"].ravel(), forward("gru", a)
    with pytest.raises(ValueError, match=r"^x: expected an array where there is no x_row, got None$"):
        run_forward("gru", a, None, None)
    with pytest.raises(ValueError, match=r"^x: expected an array where there is no x_row, got None$"):
        run_backward("gru", a, recorded, x=None, x_row=None)
    with pytest.raises(ValueError, match=r"^x: expected whole steps of N = 2 rows, got 5 rows$"):
        run_forward("gru", a, a["table"], x_row[:5])
    with pytest.raises(ValueError, match=r"^weight_ih: expected shape \(15, 3\), got \(15, 4\)$"):
        run_forward("gru", a, np.ones((7, 3)), x_row)
    with pytest.raises(ValueError, match=r"^add_to: expected shape \(\d, 4\), got \(6, 4\)$"):
        run_backward("gru", a, recorded, x=a["table"][: x_row.max() + 1], add_to=np.zeros((6, 4)))
    for wrong in (x_row.astype(np.int32), x_row.astype(float), x_row[:, None]):
        with pytest.raises((ValueError, TypeError)):
            run_forward("gru", a, a["table"], wrong)

"""The Jordan network's kernels compute what the reference computes, and the same bits however the work is cut."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import _jordan, _kernels
from jordan_cases import (
    PARAMETERS,
    SHAPES,
    WEIGHTS,
    Shape,
    answers,
    backward,
    expect_equal,
    forward,
    outputs,
    problem,
)  # fmt: skip
from kernel_cases import DTYPES, cast, expect_same_bits, running

FUNCTIONS = tuple(product(_jordan.PHI, _jordan.PSI))
THREADS = (1, 2, 3)
each_kernel = pytest.mark.parametrize(("isa", "dtype"), list(product(_kernels.ISAS, DTYPES)))
each_psi = pytest.mark.parametrize("psi", _jordan.PSI)


@each_kernel
@pytest.mark.parametrize(("phi", "psi"), FUNCTIONS)
def test_outputs_states_and_gradients_equal_the_reference(phi, psi, isa, dtype):
    for i, shape in enumerate(SHAPES):
        for ragged, forced in product((False, True), repeat=2):
            a, true = problem(phi, psi, shape, (i + ragged) % 4 > 0, ragged=ragged, forced=forced)
            expect_equal(answers(phi, psi, cast(a, dtype), isa, THREADS[i % 3]), true, dtype, shape)


sizes = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 47, 48, 49, 64, 65, 97, 129]))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    functions=st.sampled_from(FUNCTIONS),
    kernel=st.tuples(st.sampled_from(_kernels.ISAS), st.sampled_from(THREADS)),
    dtype=st.sampled_from(DTYPES),
    options=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    shape=st.builds(Shape, st.integers(1, 9), st.one_of(st.integers(1, 18), st.just(33)), sizes, sizes, sizes),
    seed=st.integers(1, 50),
)
def test_any_shape_equals_the_reference(functions, kernel, dtype, options, shape, seed):
    bias, ragged, forced = options
    a, true = problem(*functions, shape, bias, seed, ragged=ragged, forced=forced)
    expect_equal(answers(*functions, cast(a, dtype), *kernel), true, dtype, shape)


# ---- the softmax ----


@each_kernel
def test_softmax_of_any_size_of_logits(isa, dtype):
    """Large logits do not overflow, whole rows below zero do not vanish, and NaN gives NaN."""
    for outputs_ in (1, 2, 15, 16, 17, 40):
        a = cast(problem("relu", "softmax", Shape(1, 9, 2, 3, outputs_))[0], dtype)
        logits = np.random.default_rng(outputs_).standard_normal(outputs_).astype(dtype)
        for shift in (0, -3000, 3000, 80):
            given = a | {"weight_ho": np.zeros_like(a["weight_ho"]), "bias_ho": logits + np.asarray(shift, dtype)}
            y = forward("relu", "softmax", given, isa)[0][9:]
            shifted = given["bias_ho"].astype(np.float64) - given["bias_ho"].max()
            true = np.exp(shifted) / np.exp(shifted).sum()
            np.testing.assert_allclose(y, np.tile(true, (9, 1)), rtol=40 * np.finfo(dtype).eps, atol=1e-35)
        given = a | {"bias_ho": np.where(np.arange(outputs_) == outputs_ - 1, np.nan, logits).astype(dtype)}
        assert np.isnan(forward("relu", "softmax", given, isa)[0][9:]).all()


# ---- the same bits ----

CUTS = [Shape(9, 1, 3, 40, 17), Shape(37, 5, 3, 9, 2), Shape(6, 15, 5, 33, 18), Shape(40, 17, 2, 5, 3)]
BY_ROWS = [Shape(5, 16, 4, 10, 3), Shape(4, 37, 9, 21, 20), Shape(40, 17, 2, 5, 3)]
TIMED = ("output", "grad_x")
OF_ROWS = (*TIMED, "y_n", "grad_y_0")


def case(psi, shape, dtype, *, ragged=False, forced=False):
    return cast(problem("tanh", psi, shape, ragged=ragged, forced=forced)[0], dtype)


def rows_of(a, lo, hi):
    """Return the problem of some rows of the batch alone, no longer than they are."""
    steps = a["lengths"][lo]
    part = dict(a, lengths=a["lengths"][lo:hi])
    for name in ("x", "grad_output", "teacher"):
        part[name] = None if a[name] is None else np.ascontiguousarray(a[name][:steps, lo:hi])
    return part | {name: a[name][lo:hi] for name in ("y_0", "grad_y_n")}


@each_psi
@each_kernel
def test_any_number_of_threads(psi, isa, dtype):
    for shape, ragged, forced in product([*CUTS, *BY_ROWS], (False, True), (False, True)):
        a = case(psi, shape, dtype, ragged=ragged, forced=forced)
        one = answers("tanh", psi, a, isa, 1)
        for threads in (2, 3, 23):
            expect_same_bits(answers("tanh", psi, a, isa, threads), one)


@each_psi
@each_kernel
def test_any_part_of_the_batch_by_itself(psi, isa, dtype):
    for shape, ragged in product((Shape(11, 19, 3, 21, 18), Shape(5, 33, 18, 6, 2)), (False, True)):
        a = case(psi, shape, dtype, ragged=ragged, forced=ragged)
        whole = answers("tanh", psi, a, isa)
        for lo, hi in [(0, 1), (3, 5), (1, 4), (2, 10), (1, 17), (0, shape.N - 1)]:
            part = rows_of(a, lo, hi)
            got = answers("tanh", psi, part, isa, threads=1 + lo % 2)
            steps = len(part["x"])
            expected = {name: whole[name][:steps, lo:hi] if name in TIMED else whole[name][lo:hi] for name in OF_ROWS}
            expect_same_bits({name: got[name] for name in OF_ROWS}, expected)


@each_psi
@each_kernel
def test_a_sequence_cut_in_time_with_the_state_handed_over(psi, isa, dtype):
    for shape in (Shape(21, 3, 3, 9, 4), Shape(10, 9, 4, 20, 17), Shape(10, 17, 2, 6, 3)):
        a = case(psi, shape, dtype)
        whole, at = answers("tanh", psi, a, isa), shape.T // 3
        early, late = (
            a | {"x": a["x"][part], "grad_output": a["grad_output"][part], "lengths": np.full(shape.N, steps)}
            for part, steps in ((slice(at), at), (slice(at, None), shape.T - at))
        )
        recorded = forward("tanh", psi, early, isa)
        middle = outputs(early, recorded[0])
        second = answers("tanh", psi, late | {"y_0": middle["y_n"]}, isa)
        first = middle | backward("tanh", psi, early | {"grad_y_n": second["grad_y_0"]}, recorded, isa)
        for name in TIMED:
            np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), whole[name], err_msg=name)
        np.testing.assert_array_equal(second["y_n"], whole["y_n"])
        np.testing.assert_array_equal(first["grad_y_0"], whole["grad_y_0"])


@each_kernel
def test_recording_or_not_and_buffers_used_again(isa, dtype):
    for shape, ragged, psi in product([*CUTS, *BY_ROWS], (False, True), ("linear", "softmax")):
        a = case(psi, shape, dtype, ragged=ragged)
        y, _, h = forward("tanh", psi, a, isa)
        plain, _, nothing = forward("tanh", psi, a, isa, threads=2, record=False)
        assert nothing is None
        np.testing.assert_array_equal(plain, y)
        np.testing.assert_array_equal(y[: shape.N], a["y_0"])
        old = np.full_like(y, np.nan), np.full_like(h, np.nan)
        again = forward("tanh", psi, a, isa, reuse=old)
        for new, spare, true in zip((again[0], again[2]), old, (y, h), strict=True):
            assert np.shares_memory(new, spare)
            np.testing.assert_array_equal(new, true)


@each_psi
def test_a_teacher_that_says_what_the_network_says_changes_only_the_gradients(psi):
    a = case(psi, Shape(7, 5, 3, 9, 4), "float64")
    free = answers("tanh", psi, a)
    forced = answers("tanh", psi, a | {"teacher": free["output"]})
    for name in ("output", "y_n"):
        np.testing.assert_array_equal(forced[name], free[name])
    assert not np.allclose(forced["grad_weight_ih"], free["grad_weight_ih"])


# ---- streams ----


@each_psi
@each_kernel
def test_a_stream_gives_the_bits_of_the_sequence_however_it_is_cut(psi, isa, dtype):
    for shape in (Shape(150, 1, 5, 7, 3), Shape(66, 9, 4, 20, 17), Shape(12, 33, 4, 40, 2)):
        a = case(psi, shape, dtype)
        whole = outputs(a, forward("tanh", psi, a, isa)[0])
        for chunks in ([1], [1, 2, 3, 5, 7, 11], [1000], [0, 6], [64], [65, 63, 1]):
            stream = _jordan.JordanStream("tanh", psi, a["y_0"], *(a[name] for name in PARAMETERS), isa=isa)
            np.testing.assert_array_equal(stream.state, a["y_0"])
            out, at, turn = np.full((shape.T, shape.N, shape.O), np.nan, dtype), 0, 0
            while at < shape.T:
                end = at + chunks[turn % len(chunks)]
                stream.run(a["x"][at:end], out[at:end])
                at, turn = end, turn + 1
            expect_same_bits({"output": out, "y_n": stream.state}, whole)


# ---- what C must never see ----


def refused(message, error=ValueError, **changed):
    a = case("linear", Shape(4, 3, 2, 5, 6), "float32") | changed
    with pytest.raises(error, match=message):
        forward(a.get("phi", "tanh"), a.get("psi", "linear"), a)


def test_errors_of_forward_name_the_argument():
    zeros = np.zeros
    refused(r"^phi: expected one of tanh, sigmoid, relu, got 'linear'", phi="linear")
    refused(r"^psi: expected one of linear, tanh, sigmoid, softmax, got 'relu'", psi="relu")
    for name, wrong in {
        "weight_ih": zeros((4, 2)), "weight_ho": zeros((6, 4)), "y_0": zeros((3, 5)), "bias_ih": zeros(4),
        "bias_hh": zeros(6), "bias_ho": zeros(5),
    }.items():  # fmt: skip
        refused(f"^{name}: expected shape", **{name: wrong.astype(np.float32)})
    for name in ("bias_ih", "bias_hh", "bias_ho"):
        refused("^bias_ih, bias_hh, bias_ho: expected all or none", **{name: None})
    refused("^fed: expected shape", teacher=zeros((3, 3, 6), np.float32))
    refused("^weights: expected at least one", weight_hh=zeros((5, 0), np.float32), weight_ho=zeros((0, 5), np.float32),
            bias_ho=zeros(0, np.float32), y_0=zeros((3, 0), np.float32))  # fmt: skip
    refused("^x: expected at least one step", x=zeros((0, 3, 2), np.float32), lengths=np.zeros(3, np.int64))


def test_errors_of_backward_name_the_argument():
    a = case("linear", Shape(4, 3, 2, 5, 6), "float32")
    y, fed, h = forward("tanh", "linear", a)
    good = {"x": a["x"].reshape(12, 2), "y": y, "fed": fed, "h": h, **{name: a[name] for name in WEIGHTS}}
    good |= {"bias": True, "grad_output": a["grad_output"].reshape(12, 6), "grad_y_n": a["grad_y_n"]}
    _jordan.backward("tanh", "linear", *good.values())
    for name, wrong in {"y": y[1:], "h": h[1:], "fed": y[1:], "grad_output": y[1:], "grad_y_n": h[:3]}.items():
        with pytest.raises(ValueError, match=f"^{name}: expected shape"):
            _jordan.backward("tanh", "linear", *(good | {name: wrong}).values())
    with pytest.raises(ValueError, match=r"^weight_ho: expected shape"):
        _jordan.backward("tanh", "linear", *(good | {"weight_ho": a["weight_ho"][1:]}).values())


def test_errors_of_streams_name_the_argument():
    a = case("linear", Shape(4, 3, 2, 5, 6), "float32")
    weights = [a[name] for name in PARAMETERS]
    with pytest.raises(ValueError, match=r"^y_0: expected shape"):
        _jordan.JordanStream("tanh", "linear", a["y_0"][:, 1:], *weights)
    with pytest.raises(ValueError, match=r"^y_0: expected at least one row"):
        _jordan.JordanStream("tanh", "linear", a["y_0"][:0], *weights)
    with pytest.raises(ValueError, match=r"^bias_ho: expected shape"):
        _jordan.JordanStream("tanh", "linear", a["y_0"], *weights[:-1], np.zeros(5, np.float32))
    with pytest.raises(ValueError, match=r"^this stream was never given its weights"):
        _jordan.JordanStream.__new__(_jordan.JordanStream).run(a["x"], a["grad_output"])
    stream = _jordan.JordanStream("tanh", "linear", a["y_0"], *weights)
    for x, out in [(a["x"][:, :2], a["teacher"]), (a["x"], np.zeros((3, 3, 6), np.float32))]:
        target = np.zeros((4, 3, 6), np.float32) if out is None else out
        with pytest.raises(ValueError, match=r"^x, out: expected shapes \(T, 3, 2\)"):
            stream.run(np.ascontiguousarray(x), target)
    with pytest.raises(TypeError, match=r"^x: expected float32"):
        stream.run(a["x"].astype(np.float64), np.zeros((4, 3, 6), np.float32))


def test_padding_of_a_ragged_batch_is_zero_in_the_gradient():
    a = case("softmax", Shape(9, 7, 3, 5, 4), "float32", ragged=True)
    assert not answers("tanh", "softmax", a)["grad_x"][~running(a)].any()

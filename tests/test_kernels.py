"""The compiled kernels compute what the float64 reference computes: every cell, dtype, ISA and kind of shape."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn import _kernels, reference
from kernel_cases import DTYPES, SHAPES, WEIGHTS, Shape, answers, cast, expect_equal, forward, problem

each_kernel = pytest.mark.parametrize(("cell", "isa", "dtype"), list(product(_kernels.CELLS, _kernels.ISAS, DTYPES)))
THREADS = (1, 2, 3, 4)


@pytest.mark.parametrize("ragged", [False, True], ids=["dense", "ragged"])
@each_kernel
def test_outputs_states_and_gradients_equal_the_reference(cell, isa, dtype, ragged):
    for i, shape in enumerate(SHAPES):
        if ragged and 1 in (shape.T, shape.N):
            continue
        a, true = problem(cell, shape, True, ragged=ragged)
        got = answers(cell, cast(a, dtype), isa, THREADS[i % 4])
        expect_equal(got, true, dtype, shape)
        if ragged:
            padding = np.arange(shape.T)[:, None] >= a["lengths"]
            assert not got["grad_x"][padding].any()


@each_kernel
def test_layers_without_biases_equal_the_reference(cell, isa, dtype):
    for i, shape in enumerate(SHAPES[::3]):
        a, true = problem(cell, shape, False)
        expect_equal(answers(cell, cast(a, dtype), isa, THREADS[i % 4]), true, dtype, shape)


# Around the edges that SHAPES picks by hand, wherever else they might be.
sizes = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 47, 48, 49, 63, 64, 65, 97, 128, 129, 161]))
rows = st.one_of(st.integers(1, 18), st.sampled_from([31, 32, 33, 64, 127, 128, 129, 255, 256, 257]))


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    cell=st.sampled_from(list(_kernels.CELLS)),
    isa=st.sampled_from(_kernels.ISAS),
    dtype=st.sampled_from(DTYPES),
    threads=st.sampled_from(THREADS),
    bias=st.booleans(),
    ragged=st.booleans(),
    shape=st.builds(Shape, st.integers(1, 9), rows, sizes, sizes),
    seed=st.integers(1, 50),
)
def test_any_shape_equals_the_reference(cell, isa, dtype, threads, *, bias, ragged, shape, seed):
    a, true = problem(cell, shape, bias, seed, ragged=ragged)
    expect_equal(answers(cell, cast(a, dtype), isa, threads), true, dtype, shape)


SAVED = {"lstm": (0, 1, 2, 3), "gru": (2, 0, 1, 3), "gru_before": (2, 1, 0)}  # the reference's order


@pytest.mark.parametrize("shape", [Shape(37, 7, 3, 9), Shape(5, 17, 3, 9), Shape(3, 2, 4, 70)], ids=str)
@pytest.mark.parametrize("cell", [name for name, info in _kernels.CELLS.items() if info.saves])
def test_saved_are_the_activated_gates_of_each_step(cell, shape):
    a, _ = problem(cell, shape, True)
    w = {name: a[name] for name in WEIGHTS}
    start = tuple(a[name] for name in ("h_0", "c_0") if a[name] is not None)
    _, tape = reference.forward(reference.CELLS[cell], a["x"], start, w)
    true = np.stack([np.stack([saved[k] for k in SAVED[cell]], axis=1) for saved in tape.saved])
    for isa, dtype in product(_kernels.ISAS, DTYPES):
        saved = forward(cell, cast(a, dtype), isa).saved
        expect_equal({"saved": saved}, {"saved": true}, dtype, shape)


def test_every_cell_has_a_reference_and_the_tables_agree():
    assert _kernels.CELLS.keys() == reference.CELLS.keys()
    for name, info in _kernels.CELLS.items():
        assert (info.gates, info.states) == (reference.CELLS[name].gates, reference.CELLS[name].states)
        assert info.saves == len(SAVED.get(name, ()))
    assert [info.number for info in _kernels.CELLS.values()] == list(range(len(_kernels.CELLS)))


def test_the_isas_are_those_compiled_in_that_run_here():
    assert _kernels.ISAS[0] == "base"  # runs everywhere
    assert set(_kernels.ISAS) <= set(_kernels.COMPILED_ISAS)
    assert _kernels._choose_isa("") == _kernels.ISAS[-1]
    assert [_kernels._choose_isa(name) for name in _kernels.ISAS] == list(_kernels.ISAS)
    with pytest.raises(ImportError, match=r"FASTRNN_ISA: expected one of base.*got 'sse9'"):
        _kernels._choose_isa("sse9")


def test_the_environment_overrides_the_isa():
    code = "from fastrnn import _kernels; print(_kernels.ISA)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FASTRNN_ISA": "base"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "base\n"

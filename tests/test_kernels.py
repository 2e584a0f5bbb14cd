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
from kernel_cases import DTYPES, SHAPES, Shape, answers, cast, expect_equal, forward, problem

each_kernel = pytest.mark.parametrize(
    ("cell", "isa", "dtype", "multiply"), list(product(_kernels.CELLS, _kernels.ISAS, DTYPES, _kernels.MULTIPLIES))
)


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no_bias"])
@each_kernel
def test_outputs_states_and_gradients_equal_the_reference(cell, isa, dtype, multiply, bias):
    for shape in SHAPES:
        a, true = problem(cell, shape, bias)
        expect_equal(answers(cell, cast(a, dtype), isa, multiply), true, dtype, shape)


# Around the edges that SHAPES picks by hand, wherever else they might be.
sizes = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 63, 64, 65, 66, 97, 159, 160, 161]))
rows = st.one_of(st.integers(1, 10), st.sampled_from([16, 17, 64, 127, 128, 129, 255, 256, 257]))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(
    cell=st.sampled_from(list(_kernels.CELLS)),
    isa=st.sampled_from(_kernels.ISAS),
    dtype=st.sampled_from(DTYPES),
    multiply=st.sampled_from(list(_kernels.MULTIPLIES)),
    bias=st.booleans(),
    shape=st.builds(Shape, st.integers(1, 9), rows, sizes, sizes),
    seed=st.integers(1, 50),
)
def test_any_shape_equals_the_reference(cell, isa, dtype, multiply, *, bias, shape, seed):
    a, true = problem(cell, shape, bias, seed)
    expect_equal(answers(cell, cast(a, dtype), isa, multiply), true, dtype, shape)


@each_kernel
def test_recording_changes_no_bit_of_the_output_and_the_last_state(cell, isa, dtype, multiply):
    info = _kernels.CELLS[cell]
    for shape in SHAPES:
        a = cast(problem(cell, shape, True)[0], dtype)
        h, c, gates = forward(cell, a, isa, multiply)
        plain_h, plain_c, plain_gates = forward(cell, a, isa, multiply, record=False)
        assert plain_gates is None
        assert (gates is not None) == info.saves_gates
        np.testing.assert_array_equal(plain_h, h, err_msg=str(shape))
        np.testing.assert_array_equal(h[0], a["h_0"])
        if info.states == 1:
            assert c is plain_c is None
        else:
            np.testing.assert_array_equal(plain_c, c[-1], err_msg=str(shape))
            np.testing.assert_array_equal(c[0], a["c_0"])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", _kernels.ISAS)
@pytest.mark.parametrize("cell", [name for name, info in _kernels.CELLS.items() if info.saves_gates])
def test_recorded_gates_are_the_activated_ones_of_each_step(cell, isa, dtype):
    shape = Shape(37, 7, 3, 8)  # two chunks
    a, _ = problem(cell, shape, True)
    w = {name: a[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    _, tape = reference.forward(reference.CELLS[cell], a["x"], (a["h_0"], a["c_0"]), w)
    true = np.stack([np.concatenate(saved[: _kernels.CELLS[cell].gates], axis=-1) for saved in tape.saved])
    _, _, gates = forward(cell, cast(a, dtype), isa)
    expect_equal({"gates": gates}, {"gates": true}, dtype, shape)


def test_every_cell_has_a_reference_and_the_tables_agree():
    assert _kernels.CELLS.keys() <= reference.CELLS.keys()
    for name, info in _kernels.CELLS.items():
        assert (info.gates, info.states) == (reference.CELLS[name].gates, reference.CELLS[name].states)


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

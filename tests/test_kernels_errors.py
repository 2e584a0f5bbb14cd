"""C trusts the shapes it is given, so the module around it names every argument that is wrong, and before any work."""

import numpy as np
import pytest

from fastrnn import _kernels
from kernel_cases import WEIGHTS, Shape, backward, cast, forward, problem

SHAPE = Shape(5, 3, 4, 6)
CELLS = list(_kernels.CELLS)


def arrays(cell, bias=True):
    return cast(problem(cell, SHAPE, bias)[0], "float32")


def resized(array, axis, by):
    shape = list(array.shape)
    shape[axis] += by
    return np.zeros(shape, array.dtype)


def cases(axes, free=()):
    """Return (cell, argument, axis, ±1) for every axis of every argument, but the free ones."""
    return [
        (cell, name, axis, by)
        for cell, info in _kernels.CELLS.items()
        for name, count in axes.items()
        for axis in range(count)
        for by in (-1, 1)
        if (name, axis) not in free and not (info.states == 1 and "c" in name.split("_"))
    ]


FORWARD = {"x": 3, "h_0": 2, "c_0": 2, "weight_ih": 2, "weight_hh": 2, "bias_ih": 1, "bias_hh": 1}
UPSTREAM = {"grad_output": 3, "grad_h_n": 2, "grad_c_n": 2}
RECORDED = ("h", "c", "gates")
# x is the measure of N for h_0 and of I for weight_ih, so these are what is named when x is another.
BLAMED = {("x", 1): "h_0", ("x", 2): "weight_ih"}


@pytest.mark.parametrize(("cell", "name", "axis", "by"), cases(FORWARD, free={("x", 0)}))
def test_forward_names_the_argument_of_a_wrong_shape(cell, name, axis, by):
    a = arrays(cell)
    a[name] = resized(a[name], axis, by)
    with pytest.raises(ValueError, match=rf"^{BLAMED.get((name, axis), name)}: expected shape \(.*\), got \(.*\)"):
        forward(cell, a)


@pytest.mark.parametrize(("cell", "name", "axis", "by"), cases(UPSTREAM))
def test_backward_names_the_upstream_gradient_of_a_wrong_shape(cell, name, axis, by):
    a = arrays(cell)
    recorded = forward(cell, a)
    a[name] = resized(a[name], axis, by)
    with pytest.raises(ValueError, match=rf"^{name}: expected shape \(.*\), got \(.*\)"):
        backward(cell, a, recorded)


@pytest.mark.parametrize("by", [-1, 1])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("cell", "which"), [(cell, i) for cell in CELLS for i in range(3)])
def test_backward_names_what_was_not_recorded_so(cell, which, axis, by):
    a = arrays(cell)
    recorded = list(forward(cell, a))
    if recorded[which] is None:
        recorded[which] = np.zeros((SHAPE.T + 1, SHAPE.N, SHAPE.H), np.float32)  # more than the cell records
        expected = "^c, gates, grad_c_n: "
    else:
        recorded[which] = resized(recorded[which], axis, by)
        expected = rf"^{RECORDED[which]}: expected shape \(.*\), got \(.*\)"
    with pytest.raises(ValueError, match=expected):
        backward(cell, a, recorded)


@pytest.mark.parametrize("cell", CELLS)
def test_one_state_too_many_or_too_few_is_refused(cell):
    a = arrays(cell)
    recorded = forward(cell, a)
    a["c_0"] = a["h_0"] if a["c_0"] is None else None
    with pytest.raises(ValueError, match=rf"^c_0: cell '{cell}' has {_kernels.CELLS[cell].states} states"):
        forward(cell, a)
    a["grad_c_n"] = a["h_0"] if a["grad_c_n"] is None else None
    with pytest.raises(ValueError, match=r"^c, gates, grad_c_n: "):
        backward(cell, a, recorded)


@pytest.mark.parametrize("missing", ["bias_ih", "bias_hh"])
@pytest.mark.parametrize("cell", CELLS)
def test_one_bias_of_two_is_refused(cell, missing):
    with pytest.raises(ValueError, match=r"^bias_ih, bias_hh: expected both or neither"):
        forward(cell, arrays(cell) | {missing: None})


@pytest.mark.parametrize("cell", CELLS)
def test_no_steps_no_inputs_and_no_units_are_refused(cell):
    a = arrays(cell)
    with pytest.raises(ValueError, match=r"^x: expected at least one step, got T = 0"):
        forward(cell, a | {"x": a["x"][:0]})
    without_inputs = {name: np.ascontiguousarray(a[name][..., :0]) for name in ("x", "weight_ih")}
    with pytest.raises(ValueError, match="at least one input"):
        forward(cell, a | without_inputs)
    without_units = {name: np.zeros([0] * a[name].ndim, np.float32) for name in WEIGHTS[1:]}
    without_units["weight_ih"] = np.zeros((0, SHAPE.I), np.float32)
    without_units |= {name: np.zeros((SHAPE.N, 0), np.float32) for name in ("h_0", "c_0") if a[name] is not None}
    with pytest.raises(ValueError, match="one unit"):
        forward(cell, a | without_units)


@pytest.mark.parametrize("name", ["x", "h_0", "weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_dtypes_are_not_mixed(name):
    a = arrays("rnn_tanh")
    a[name] = a[name].astype(np.float64)
    with pytest.raises((TypeError, ValueError)):  # Cython's own words; the layers cast before
        forward("rnn_tanh", a)


def test_unknown_cells_isas_and_functions_are_named():
    a, x = arrays("rnn_tanh"), np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^cell: expected one of rnn_tanh, .*, got 'gru9'"):
        forward("gru9", a)
    with pytest.raises(ValueError, match=r"^isa: expected one of base.*, got 'sse9'"):
        forward("rnn_tanh", a, isa="sse9")
    with pytest.raises(ValueError, match=r"^multiply: expected one of auto, .*, got 'fast'"):
        forward("rnn_tanh", a, multiply="fast")
    with pytest.raises(ValueError, match=r"^function: expected one of exp, .*, got 'sin'"):
        _kernels.apply("sin", x, x)


def test_apply_refuses_outputs_that_do_not_fit():
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^out: expected shape \(3,\), got \(4,\)"):
        _kernels.apply("exp", x, np.zeros(4, np.float32))
    with pytest.raises(TypeError, match=r"^out: expected float32, got float64"):
        _kernels.apply("exp", x, np.zeros(3))
    with pytest.raises(TypeError, match=r"^x: expected float32, got int32"):
        _kernels.apply("exp", np.zeros(3, np.int32), x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _kernels.apply("exp", np.zeros(3, np.float32), x)

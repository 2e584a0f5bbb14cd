"""C trusts the shapes it is given, so the module around it names every argument that is wrong, and before any work."""

import mmap

import numpy as np
import pytest

from fastrnn import _elementwise, _kernels
from kernel_cases import WEIGHTS, Shape, cast, problem

SHAPE = Shape(5, 3, 4, 6)
CELLS = list(_kernels.CELLS)


def arrays(cell, bias=True):
    """Return a problem with its rows packed, as the kernels take them."""
    a = cast(problem(cell, SHAPE, bias)[0], "float32")
    return a | {name: a[name].reshape(-1, a[name].shape[-1]) for name in ("x", "grad_output")}


def forward(cell, a, **options):
    return _kernels.forward(cell, *(a[name] for name in ("x", "h_0", "c_0", *WEIGHTS)), **{"record": True, **options})


def backward(cell, a, recorded, **options):
    upstream = (a[name] for name in ("grad_output", "grad_h_n", "grad_c_n"))
    return _kernels.backward(
        cell, a["x"], *recorded, a["weight_ih"], a["weight_hh"], a["bias_ih"] is not None, *upstream, **options
    )


def resized(array, axis, by):
    shape = list(array.shape)
    shape[axis] += by
    return np.zeros(shape, array.dtype)


def cases(axes):
    """Return (cell, argument, axis, ±1) for every axis of every argument."""
    return [
        (cell, name, axis, by)
        for cell, info in _kernels.CELLS.items()
        for name, count in axes.items()
        for axis in range(count)
        for by in (-1, 1)
        if not (info.states == 1 and "c" in name.split("_"))
    ]


FORWARD = {"x": 2, "h_0": 2, "c_0": 2, "weight_ih": 2, "weight_hh": 2, "bias_ih": 1, "bias_hh": 1}
UPSTREAM = {"grad_output": 2, "grad_h_n": 2, "grad_c_n": 2}
RECORDED = ("h", "c", "saved")
SHAPES_DIFFER = r"expected shape \(.*\), got \(.*\)"
NO_WHOLE_STEPS = r"x: expected whole steps of N = \d rows, got \d+ rows"
# x is the measure of I for weight_ih, and h_0 is the measure of N for x, so these are named when the other is wrong.
BLAMED = {
    ("x", 0): NO_WHOLE_STEPS,
    ("h_0", 0): NO_WHOLE_STEPS,
    ("grad_h_n", 0): NO_WHOLE_STEPS,
    ("x", 1): f"weight_ih: {SHAPES_DIFFER}",
}


@pytest.mark.parametrize(("cell", "name", "axis", "by"), cases(FORWARD))
def test_forward_names_the_argument_of_a_wrong_shape(cell, name, axis, by):
    a = arrays(cell)
    a[name] = resized(a[name], axis, by)
    with pytest.raises(ValueError, match="^" + BLAMED.get((name, axis), f"{name}: {SHAPES_DIFFER}")):
        forward(cell, a)


@pytest.mark.parametrize(("cell", "name", "axis", "by"), cases(UPSTREAM))
def test_backward_names_the_upstream_gradient_of_a_wrong_shape(cell, name, axis, by):
    a = arrays(cell)
    recorded = forward(cell, a)
    a[name] = resized(a[name], axis, by)
    with pytest.raises(ValueError, match="^" + BLAMED.get((name, axis), f"{name}: {SHAPES_DIFFER}")):
        backward(cell, a, recorded)


@pytest.mark.parametrize(("cell", "which"), [(cell, i) for cell in CELLS for i in range(3)])
def test_backward_names_what_was_not_recorded_so(cell, which):
    a = arrays(cell)
    good = forward(cell, a)
    S, N, H = SHAPE.T * SHAPE.N, SHAPE.N, SHAPE.H
    if good[which] is None:  # more than the cell records
        extra = np.zeros((S, 1, H) if which == 2 else (N + S, H), np.float32)
        with pytest.raises(ValueError, match=r"^c, saved, grad_c_n: "):
            backward(cell, a, [*good[:which], extra, *good[which + 1 :]])
        return
    for axis in range(good[which].ndim):
        for by in (-1, 1):
            wrong = [*good[:which], resized(good[which], axis, by), *good[which + 1 :]]
            with pytest.raises(ValueError, match=f"^{RECORDED[which]}: {SHAPES_DIFFER}"):
                backward(cell, a, wrong)
    if which:
        with pytest.raises(ValueError, match=r"^c, saved, grad_c_n: "):
            backward(cell, a, [*good[:which], None, *good[which + 1 :]])


@pytest.mark.parametrize("cell", CELLS)
def test_one_state_too_many_or_too_few_is_refused(cell):
    a = arrays(cell)
    recorded = forward(cell, a)
    a["c_0"] = a["h_0"] if a["c_0"] is None else None
    with pytest.raises(ValueError, match=rf"^c_0: cell '{cell}' has {_kernels.CELLS[cell].states} states"):
        forward(cell, a)
    a["grad_c_n"] = a["h_0"] if a["grad_c_n"] is None else None
    with pytest.raises(ValueError, match=r"^c, saved, grad_c_n: "):
        backward(cell, a, recorded)


@pytest.mark.parametrize("missing", ["bias_ih", "bias_hh"])
@pytest.mark.parametrize("cell", CELLS)
def test_one_bias_of_two_is_refused(cell, missing):
    with pytest.raises(ValueError, match=r"^bias_ih, bias_hh: expected both or neither"):
        forward(cell, arrays(cell) | {missing: None})


@pytest.mark.parametrize("cell", CELLS)
def test_no_rows_no_steps_no_inputs_and_no_units_are_refused(cell):
    a = arrays(cell)
    states = [name for name in ("h_0", "c_0") if a[name] is not None]
    with pytest.raises(ValueError, match=r"^x: expected whole steps of N = 0 rows"):
        forward(cell, a | {name: a[name][:0] for name in states})
    with pytest.raises(ValueError, match=r"^x: expected at least one step, got T = 0"):
        forward(cell, a | {"x": a["x"][:0]})
    without_inputs = {name: np.ascontiguousarray(a[name][..., :0]) for name in ("x", "weight_ih")}
    with pytest.raises(ValueError, match="at least one input"):
        forward(cell, a | without_inputs)
    without_units = {name: np.zeros([0] * a[name].ndim, np.float32) for name in WEIGHTS[1:]}
    without_units["weight_ih"] = np.zeros((0, SHAPE.I), np.float32)
    without_units |= {name: np.zeros((SHAPE.N, 0), np.float32) for name in states}
    with pytest.raises(ValueError, match="one unit"):
        forward(cell, a | without_units)


COUNTS = {
    "more later": ([3, 2, 3, 3, 3, 1], "counts: expected N = 3 rows in the first step, then as many or fewer"),
    "none in a step": ([3, 3, 3, 3, 3, 0], "counts: expected N = 3 rows in the first step, then as many or fewer"),
    "negative": ([3, 3, 3, 3, 3, 1, -1], "counts: expected N = 3 rows in the first step, then as many or fewer"),
    "too few at first": ([2] * 7 + [1], "counts: expected N = 3 rows in the first step"),
    "too many at first": ([4, 4, 4, 3], "counts: expected N = 3 rows in the first step"),
    "sum too small": ([3, 3, 3, 3, 2], "counts: expected to add up to the 15 rows of x, got 14"),
    "sum too large": ([3, 3, 3, 3, 3, 1], "counts: expected to add up to the 15 rows of x, got 16"),
    "none": ([], "counts: expected to add up to the 15 rows of x, got 0"),
}


@pytest.mark.parametrize(("counts", "message"), COUNTS.values(), ids=COUNTS)
def test_wrong_counts_are_refused(counts, message):
    a = arrays("lstm")
    recorded = forward("lstm", a)
    counts = np.array(counts, np.int64)
    for call in (lambda: forward("lstm", a, counts=counts), lambda: backward("lstm", a, recorded, counts=counts)):
        with pytest.raises(ValueError, match=f"^{message}"):
            call()


def test_no_counts_of_no_rows_are_no_steps():
    a = arrays("lstm")
    with pytest.raises(ValueError, match=r"^x: expected at least one step, got T = 0"):
        forward("lstm", a | {"x": a["x"][:0]}, counts=np.empty(0, np.int64))


@pytest.mark.parametrize("counts", [np.full(5, 3, np.int32), np.full(5, 3.0), np.full((5, 1), 3), [3] * 5])
def test_counts_of_another_type_are_refused(counts):
    with pytest.raises((TypeError, ValueError)):  # Cython's own words; the layers make counts
        forward("lstm", arrays("lstm"), counts=counts)


def without_memory(*shape):
    """Return an array of zeros of any size that no memory stands behind, only to be asked for its shape."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0x4000)
    try:
        memory = mmap.mmap(-1, 4 * int(np.prod(shape, dtype=object)), flags=flags, prot=mmap.PROT_READ)
    except (OSError, OverflowError):
        pytest.skip("this system gives no address space without memory")
    return np.frombuffer(memory, np.float32).reshape(shape)


@pytest.mark.skipif(not hasattr(mmap, "MAP_ANONYMOUS"), reason="needs mmap of Unix")
def test_sizes_that_c_could_not_count_with_are_refused():
    one, most = np.zeros((1, 1), np.float32), 2**31 - 1
    for x, h_0, w_ih, sizes in (
        (without_memory(most + 1, 1), one, one, r"\(2147483648, 1, 1, 1\)"),  # steps
        (without_memory(most + 1, 1), without_memory(most + 1, 1), one, r"\(1, 2147483648, 1, 1\)"),  # rows
        (without_memory(1, most + 1), one, without_memory(1, most + 1), r"\(1, 1, 2147483648, 1\)"),  # inputs
    ):
        with pytest.raises(ValueError, match=rf"^sizes \(T, N, I, G\*H\) = {sizes}: expected at most {most} each"):
            _kernels.forward("rnn_relu", x, h_0, None, w_ih, one, None, None, record=False)
    H = 2**17
    wide = without_memory(H, 1), without_memory(H, H)
    x, h_0 = without_memory(2**41, 1), without_memory(2**11, H)
    with pytest.raises(ValueError, match=r"^sizes \(T, N, I, H\) = .*: the work would take more memory than there is"):
        _kernels.forward("rnn_relu", x, h_0, None, *wide, None, None, record=False)


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
    with pytest.raises(ValueError, match=r"^function: expected one of exp, .*, got 'sin'"):
        _elementwise.apply("sin", x, x)


def test_apply_refuses_outputs_that_do_not_fit():
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"^out: expected shape \(3,\), got \(4,\)"):
        _elementwise.apply("exp", x, np.zeros(4, np.float32))
    with pytest.raises(TypeError, match=r"^out: expected float32, got float64"):
        _elementwise.apply("exp", x, np.zeros(3))
    with pytest.raises(TypeError, match=r"^x: expected float32, got int32"):
        _elementwise.apply("exp", np.zeros(3, np.int32), x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _elementwise.apply("exp", np.zeros(3, np.float32), x)

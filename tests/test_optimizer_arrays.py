"""What optimisers take for parameters and gradients, and what they refuse."""

import copy

import numpy as np
import pytest

import fastrnn
from layer_table import DTYPES
from optimizer_cases import EXAMPLES, gradients, parameters


def odd_arrays(dtype):
    """Return parameters that C does not take as they are, and some that it does."""
    rng = np.random.default_rng(3)
    raw = np.zeros(5 * np.dtype(dtype).itemsize + 1, np.uint8)
    unaligned = raw[1:].view(dtype)
    unaligned[...] = rng.standard_normal(5)
    return {
        "columns": rng.standard_normal((4, 6)).astype(dtype)[:, ::2],
        "fortran": np.asfortranarray(rng.standard_normal((3, 2)).astype(dtype)),
        "plain": rng.standard_normal((3, 2)).astype(dtype),
        "scalar": np.array(0.5, dtype),
        "empty": np.zeros((0, 3), dtype),
        "unaligned": unaligned,
        "backwards": rng.standard_normal(7).astype(dtype)[::-1],
        "masked": np.ma.masked_array(rng.standard_normal((2, 4)).astype(dtype))[:, ::2],
    }


@pytest.mark.parametrize("make", [e.__class__ for e in EXAMPLES], ids=lambda kind: kind.__name__)
def test_arrays_of_any_kind_are_updated_in_place(make):
    odd = {f"{name}.{dtype}": a for dtype in DTYPES for name, a in odd_arrays(dtype).items()}
    plain = {name: np.array(a, order="C") for name, a in odd.items()}
    arrays, one, other = dict(odd), make(0.1, weight_decay=0.1), make(0.1, weight_decay=0.1)
    rng = np.random.default_rng(0)
    for _ in range(3):
        g = {name: rng.standard_normal(a.shape[::-1]).astype(a.dtype).T for name, a in odd.items()}
        one.update(odd, g)
        other.update(plain, {name: np.array(a, order="C") for name, a in g.items()})
    for name, a in odd.items():
        assert a is arrays[name]
        np.testing.assert_array_equal(a, plain[name], err_msg=name)
    assert not np.array_equal(odd["plain.float32"], odd_arrays("float32")["plain"])


def test_no_parameters_are_no_trouble():
    for optimizer in (fastrnn.SGD(), fastrnn.Adam()):
        optimizer.update({}, {})
        assert optimizer.state_dict() == {"step": 1}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"b": None}, ValueError, r"gradients: expected one for each parameter, got none for \['b'\]"),
        ({"w": np.zeros((2, 3))}, ValueError, r"gradients: expected shape \(2, 2\) for 'w', got \(2, 3\)"),
        ({"w": np.zeros(4)}, ValueError, r"gradients: expected shape \(2, 2\) for 'w', got \(4,\)"),
        ({"b": np.zeros(1, np.float32)}, TypeError, r"gradients: expected float64 for 'b', got float32"),
        ({"b": np.zeros(1, ">f8")}, TypeError, r"gradients: expected float64 for 'b', got >f8"),
        ({"b": [1]}, TypeError, r"gradients: expected float64 for 'b', got int64"),
        ({"b": np.zeros(1, complex)}, TypeError, r"gradients: expected float64 for 'b', got complex128"),
    ],
)
def test_gradients_that_do_not_fit_are_refused_and_nothing_changes(changes, error, message):
    for optimizer in (fastrnn.SGD(momentum=0.5), fastrnn.Adam()):
        p, (g, h) = parameters(), gradients(2)
        optimizer.update(p, g)
        before, state = {name: a.copy() for name, a in p.items()}, optimizer.state_dict()
        with pytest.raises(error, match=message):
            optimizer.update(p, {name: a for name, a in (h | changes).items() if a is not None})
        for name in p:
            np.testing.assert_array_equal(p[name], before[name])
        after = optimizer.state_dict()
        assert after["step"] == 1
        for key, value in state.items():
            np.testing.assert_array_equal(after[key], value)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(np.zeros((2, 2), int), TypeError), ([[0.0]], TypeError), (np.broadcast_to(1.0, (2, 2)), ValueError)],
)
def test_parameters_that_cannot_be_updated_are_refused(wrong, error):
    with pytest.raises(error, match=r"^parameters: expected .* for 'w'"):
        fastrnn.Adam().update(parameters() | {"w": wrong}, gradients(1)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b": None}, "but 'b' is missing"),
        ({"c": np.zeros(2)}, "got 'c' besides"),
        ({"w": np.zeros((2, 3))}, r"float64 \(2, 2\) for 'w', got float64 \(2, 3\)"),
        ({"b": np.zeros(1, np.float32)}, r"float64 \(1,\) for 'b', got float32 \(1,\)"),
    ],
)
def test_other_parameters_than_before_are_refused(changes, message):
    adam = fastrnn.Adam()
    adam.update(parameters(), gradients(1)[0])
    other = {name: a for name, a in (parameters() | changes).items() if a is not None}
    with pytest.raises(ValueError, match="^parameters: expected those of the steps before, " + message):
        adam.update(other, {name: np.zeros_like(a) for name, a in other.items()})
    assert adam.state_dict()["step"] == 1
    adam.update(parameters(), gradients(1)[0])


@pytest.mark.parametrize("optimizer", EXAMPLES, ids=repr)
def test_the_same_parameters_in_other_arrays_or_another_order_go_on(optimizer):
    one, other, p, q = copy.deepcopy(optimizer), copy.deepcopy(optimizer), parameters(), parameters()
    for t, g in enumerate(gradients(6)):
        one.update(p, g)
        if t == 2:
            q = {name: q[name].copy() for name in reversed(q)}
        other.update(q, g)
    np.testing.assert_array_equal(p["w"], q["w"])
    np.testing.assert_array_equal(p["b"], q["b"])


def test_arguments_that_change_what_is_remembered_cannot_change_in_between():
    sgd = fastrnn.SGD(momentum=0.5)
    sgd.update(parameters(), gradients(1)[0])
    sgd.momentum = 0.0
    with pytest.raises(ValueError, match="set by other arguments"):
        sgd.update(parameters(), gradients(1)[0])


def test_an_update_within_an_update_is_refused():
    adam = fastrnn.Adam()

    class Calling(np.ndarray):
        def __setitem__(self, key, value):
            adam.update(p, g)

    p = {"w": np.ones((4, 4)).view(Calling)[:, ::2]}
    g = {"w": np.ones((4, 2))}
    with pytest.raises(RuntimeError, match="at work in another thread"):
        adam.update(p, g)
    assert adam.state_dict()["step"] == 0

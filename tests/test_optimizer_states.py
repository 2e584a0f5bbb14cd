"""States of optimisers: going on from them to the bit, and which are refused."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from optimizer_cases import EXAMPLES, gradients, parameters


def expect_equal_states(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        np.testing.assert_array_equal(value, other[key], err_msg=key)


def ways_to_go_on(optimizer):
    """Return copies of an optimiser in the middle of its work, each made in another way."""
    loaded = type(optimizer)(**optimizer.settings())
    loaded.load_state_dict(optimizer.state_dict())
    used = type(optimizer)(**optimizer.settings())
    used.update(parameters(), gradients(1)[0])
    used.load_state_dict(optimizer.state_dict())
    return loaded, used, copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))


@pytest.mark.parametrize("optimizer", EXAMPLES, ids=repr)
@pytest.mark.parametrize("cut", [0, 3])
def test_states_go_on_to_the_bit(optimizer, cut):
    one, p, grads = copy.deepcopy(optimizer), parameters(), gradients(8)
    for g in grads[:cut]:
        one.update(p, g)
    for other in ways_to_go_on(one):
        whole, q, r = copy.deepcopy(one), *({name: a.copy() for name, a in p.items()} for _ in range(2))
        for g in grads[cut:]:
            whole.update(q, g)
            other.update(r, g)
        for name in p:
            np.testing.assert_array_equal(q[name], r[name])
        expect_equal_states(whole.state_dict(), other.state_dict())
    assert one.state_dict()["step"] == cut  # none of them shares memory with it


def test_states_are_named_and_are_copies():
    p, (g,) = parameters("float32"), gradients(1, "float32")
    adam = fastrnn.Adam(betas=(0.5, 0.75))
    assert adam.state_dict() == {"step": 0}
    adam.update(p, g)
    state = adam.state_dict()
    assert list(state) == ["step", "m.w", "v.w", "m.b", "v.b"]
    np.testing.assert_array_equal(state["m.w"], g["w"] / 2)
    np.testing.assert_array_equal(state["v.b"], g["b"] ** 2 / 4)
    state["m.w"][...] = 9
    assert not (adam.state_dict()["m.w"] == 9).any()
    adam.load_state_dict(state)
    state["m.w"][...] = 8
    assert (adam.state_dict()["m.w"] == 9).all()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"step": None}, TypeError, "^step: expected an int"),
        ({"step": -1}, ValueError, "^step: expected at least 0, got -1"),
        ({"step": 1.5}, TypeError, "^step: expected an int, got 1.5"),
        ({"m.w": None}, ValueError, r"^state: expected \['m', 'v'\] of each parameter; missing \['m.w'\]"),
        ({"velocity.w": np.zeros((2, 2))}, ValueError, r"not expected \['velocity.w'\]"),
        ({"m.c": np.zeros(1), "v.c": np.zeros(1)}, ValueError, r"not expected \['m.c', 'v.c'\]"),
        ({"m.w": np.zeros(4)}, ValueError, r"^m.w: expected shape \(2, 2\), got \(4,\)"),
        ({"v.b": np.zeros(1, np.float32)}, TypeError, "^v.b: expected float64, got float32"),
        ({"m.b": np.array([np.nan])}, ValueError, "^m.b: expected finite numbers"),
        ({"v.b": np.array([np.inf])}, ValueError, "^v.b: expected finite numbers"),
        ({"v.b": np.array([-1.0])}, ValueError, "^v.b: expected a mean of squares, which is >= 0, got -1"),
    ],
)
def test_states_that_do_not_fit_are_refused_and_nothing_changes(changes, error, message):
    adam, p = fastrnn.Adam(), parameters()
    for g in gradients(3):
        adam.update(p, g)
    good = adam.state_dict()
    bad = {key: value for key, value in (good | {"step": 7} | changes).items() if value is not None}
    with pytest.raises(error, match=message):
        adam.load_state_dict(bad)
    expect_equal_states(adam.state_dict(), good)
    adam.load_state_dict(good)


def test_before_the_first_step_there_is_nothing_to_load():
    adam, used = fastrnn.Adam(), fastrnn.Adam()
    used.update(parameters(), gradients(1)[0])
    with pytest.raises(ValueError, match=r"^state: expected step alone before the first one, got \['m.w'\]"):
        used.load_state_dict({"step": 0, "m.w": np.zeros(2)})
    assert used.state_dict()["step"] == 1
    used.load_state_dict(adam.state_dict())
    other = {"of another shape": np.zeros(7)}
    used.update(other, other)
    with pytest.raises(ValueError, match=r"^gradients: "):
        adam.update(parameters(), {})
    assert adam.state_dict() == {"step": 0}
    adam.update(other, other)


def test_states_of_another_kind_are_refused_before_the_parameters_are_known():
    momentum = fastrnn.SGD(momentum=0.9)
    momentum.update(parameters(), gradients(1)[0])
    for kind in (fastrnn.Adam, fastrnn.SGD, fastrnn.RMSprop):
        with pytest.raises(ValueError, match=r"^state: expected"):
            kind().load_state_dict(momentum.state_dict())
    whole = fastrnn.Adam()
    with pytest.raises(TypeError, match=r"^m.w: expected float32 or float64, got int64"):
        whole.load_state_dict({"step": 1, "m.w": np.zeros(2, int), "v.w": np.zeros(2, int)})
    loaded = fastrnn.Adam()
    loaded.load_state_dict({"step": 1, "m.w": np.zeros(2), "v.w": np.zeros(2)})
    with pytest.raises(ValueError, match=r"^parameters: expected those of the steps before"):
        loaded.update(parameters(), gradients(1)[0])

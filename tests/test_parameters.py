"""Parameters: initial values, state_dict, and copies of layers by deepcopy, pickle and repr."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import _kernels
from layer_table import BUILDERS, CELLS, DTYPES, WITH_PARAMETERS, randomise, recurrent, same_bits

BIDIRECTIONAL = {"bidirectional": True, "recurrent_dropout": 0.2, "dropout": 0.3}
MODELS = {
    **BUILDERS,
    "both directions": lambda **o: recurrent("gru", 3, 5, 2, **BIDIRECTIONAL, **o),
    "both directions and states": lambda **o: recurrent("lstm", 3, 5, 2, zoneout=(0.1, 0.2), **BIDIRECTIONAL, **o),
    "model": lambda **o: fastrnn.Sequential(
        recurrent("lstm", 3, 5, **o), fastrnn.Tanh(), fastrnn.Linear(5, 2, **{"seed": 0, **o})
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_initial_weights(cell, dtype):
    hidden, inputs = 24, 7
    layer = recurrent(cell, inputs, hidden, 2, dtype=dtype, seed=3)
    p = layer.parameters()
    for k, features in enumerate((inputs, hidden)):
        # float32 rounds each of the 24 products of an inner product of unit vectors to 6e-8
        tolerance = 24 * np.finfo(dtype).eps
        limit = np.sqrt(6 / (features + hidden))  # Glorot: fan-in and fan-out of one gate
        for gate in range(_kernels.CELLS[cell].gates):
            rows = slice(gate * hidden, (gate + 1) * hidden)
            w_hh, w_ih = p[f"weight_hh_l{k}"][rows], p[f"weight_ih_l{k}"][rows]
            np.testing.assert_allclose(w_hh @ w_hh.T, np.eye(hidden), atol=tolerance)
            assert np.abs(w_ih).max() <= limit * (1 + 1e-6)
            assert np.abs(w_ih).max() > 0.9 * limit  # of 168 uniform draws, all below 0.9: 2e-8
            assert abs(w_ih.mean()) < 5 * limit / np.sqrt(3 * w_ih.size)  # five standard deviations
        blocks = np.split(p[f"weight_hh_l{k}"], _kernels.CELLS[cell].gates)
        assert all(not np.allclose(blocks[0], block) for block in blocks[1:])


@pytest.mark.parametrize("cell", CELLS)
def test_initial_biases_are_zero_but_for_the_forget_gate(cell):
    p = recurrent(cell, 3, 4, 2).parameters()
    forget = [0, 1, 0, 0] if cell == "lstm" else [0] * _kernels.CELLS[cell].gates
    for k in range(2):
        np.testing.assert_array_equal(p[f"bias_ih_l{k}"], np.repeat(forget, 4))
        np.testing.assert_array_equal(p[f"bias_hh_l{k}"], 0)


def test_initial_weights_of_linear():
    p = fastrnn.Linear(40, 60, seed=0).parameters()
    limit = np.sqrt(6 / 100)
    assert 0.99 * limit < np.abs(p["weight"]).max() <= limit * (1 + 1e-6)
    np.testing.assert_array_equal(p["bias"], 0)


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_seeds(name):
    def weights(seed):
        return BUILDERS[name](seed=seed).state_dict()

    assert same_bits(weights(5), weights(5))
    assert same_bits(weights(np.random.default_rng(5)), weights(5))
    rng = np.random.default_rng(5)
    drawn = [weights(rng), weights(rng)]  # one generator for several layers goes on where it stands
    others = [weights(6), weights(None), weights(None), drawn[1]]
    first = next(key for key in weights(5) if key.startswith("weight"))
    values = [other[first] for other in (weights(5), *others)]
    assert len({value.tobytes() for value in values}) == len(values)


@pytest.mark.parametrize("name", [*WITH_PARAMETERS, "model"])
def test_state_dict_copies_and_parameters_do_not(name):
    layer = MODELS[name]()
    own, copied = layer.parameters(), layer.state_dict()
    assert same_bits(own, copied)
    for key, array in own.items():
        assert not np.shares_memory(array, copied[key])
        array[...] = 0.25
        assert layer.parameters()[key] is array
        assert not (copied[key] == 0.25).all()
    own.clear()
    assert layer.parameters().keys() == copied.keys()  # the dict itself is a new one


@pytest.mark.parametrize("name", [*WITH_PARAMETERS, "model"])
def test_load_state_dict_copies_in_and_casts(name):
    layer, other = MODELS[name](), randomise(MODELS[name](), np.random.default_rng(1))
    given = {key: array.astype(np.float64) for key, array in other.parameters().items()}
    before = layer.parameters()
    layer.load_state_dict(dict(reversed(given.items())))
    assert same_bits(layer.parameters(), other.parameters())
    assert all(layer.parameters()[key] is array for key, array in before.items())  # in place
    for array in given.values():
        array[...] = 0
    assert same_bits(layer.parameters(), other.parameters())


@pytest.mark.parametrize("name", [*WITH_PARAMETERS, "model"])
def test_load_state_dict_is_all_or_none(name):
    layer = MODELS[name]()
    before = layer.state_dict()
    good = {key: array + 1 for key, array in before.items()}
    last = list(good)[-1]
    bad = {
        "missing": ({key: array for key, array in good.items() if key != last}, ValueError, f"missing.*{last}"),
        "unknown": ({**good, "weight_xy": np.zeros(3)}, ValueError, r"unknown \['weight_xy'\]"),
        "shape": ({**good, last: good[last][..., :-1]}, ValueError, f"^{last}: expected shape"),
        "complex": ({**good, last: good[last] * 1j}, TypeError, f"^{last}: expected real numbers"),
        "text": ({**good, last: good[last].astype(str)}, TypeError, f"^{last}: expected real numbers"),
        "empty": ({}, ValueError, "missing"),
        "no mapping": (list(good), TypeError, "^state_dict: expected a"),
        "None": (None, TypeError, "^state_dict: expected a"),
    }
    for given, error, message in bad.values():
        with pytest.raises(error, match=message):
            layer.load_state_dict(given)
        assert same_bits(layer.parameters(), before)


def test_load_state_dict_may_get_the_layers_own_arrays_in_another_order():
    layer = randomise(fastrnn.LSTM(3, 5), np.random.default_rng(1))
    before = layer.state_dict()
    swap = {"bias_ih_l0": "bias_hh_l0", "bias_hh_l0": "bias_ih_l0"}
    layer.load_state_dict({key: layer.parameters()[swap.get(key, key)] for key in before})
    assert same_bits(layer.parameters(), {key: before[swap.get(key, key)] for key in before})


COPIES = {
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {k}": lambda layer, k=k: pickle.loads(pickle.dumps(layer, k))
        for k in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", MODELS)
def test_copies_are_equal_and_independent(name, how):
    layer = randomise(MODELS[name](), np.random.default_rng(1))
    if name == "model":
        layer.link = "sigmoid"
    twin, x = COPIES[how](layer), np.random.default_rng(2).standard_normal((6, 4, 3)).astype(np.float32)
    expected, before = layer.forward(x)[0], layer.state_dict()
    assert type(twin) is type(layer)
    assert same_bits(twin.forward(x)[0], expected)
    assert (repr(twin), twin.dtype, getattr(twin, "link", None)) == (
        repr(layer),
        layer.dtype,
        getattr(layer, "link", None),
    )
    for array in twin.parameters().values():
        array += 1
    assert same_bits(layer.parameters(), before)
    assert same_bits(layer.forward(x)[0], expected)
    assert not before or not np.allclose(twin.forward(x)[0], expected)  # the twin does use its own arrays


def test_a_tape_is_of_the_original_not_of_the_copy():
    layer = fastrnn.RNN(3, 5)
    output, _, tape = layer.record(np.ones((2, 1, 3)))
    with pytest.raises(ValueError, match=r"^tape: "):
        copy.deepcopy(layer).backward(tape, output)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_repr_evaluates_back(name, dtype):
    layer = MODELS[name](dtype=dtype)
    twin = eval(repr(layer), vars(fastrnn).copy())
    assert type(twin) is type(layer)
    assert twin.config() == layer.config()
    assert {k: v.shape for k, v in twin.parameters().items()} == {k: v.shape for k, v in layer.parameters().items()}


@pytest.mark.parametrize("how", ["deepcopy", "pickle 5"])
def test_copies_draw_the_same_masks(how):
    layer = MODELS["both directions and states"]()
    x = np.random.default_rng(2).standard_normal((6, 4, 3)).astype(np.float32)
    assert same_bits(COPIES[how](layer).record(x, seed=1)[0], layer.record(x, seed=1)[0])


def test_repr_names_what_differs_from_the_defaults():
    assert "nonlinearity='relu'" in repr(fastrnn.RNN(3, 5, nonlinearity="relu"))
    assert "bias=False" in repr(fastrnn.Linear(3, 5, bias=False))
    assert "batch_first=True" in repr(fastrnn.LSTM(3, 5, batch_first=True))
    assert repr(fastrnn.ReLU()) == "ReLU()"
    plain = repr(fastrnn.LSTM(3, 5))
    for name in ("dropout", "bidirectional", "recurrent_dropout", "zoneout", "reset_after"):
        assert name not in plain
    text = repr(MODELS["both directions and states"]())
    for part in ("bidirectional=True", ", dropout=0.3", "recurrent_dropout=0.2", "zoneout=[0.1, 0.2]"):
        assert part in text

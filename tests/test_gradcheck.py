"""check_gradients: it passes for every layer, and it sees a backward that is wrong on purpose."""

import numpy as np
import pytest

import fastrnn
from layer_table import BUILDERS, CELLS, DTYPES, parts, randomise, recurrent, same_bits

SMALL = {
    **{cell: lambda cell=cell, **options: recurrent(cell, 3, 2, **options) for cell in CELLS},
    **{name: build for name, build in BUILDERS.items() if name not in CELLS},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SMALL)
def test_every_layer_passes(name, dtype):
    layer = randomise(SMALL[name](dtype=dtype), np.random.default_rng(0))
    before = layer.state_dict()
    rng = np.random.default_rng(1)
    x = rng.uniform(0.1, 0.9, (4, 2, 3)) * rng.choice([-1, 1], (4, 2, 3))  # off the kink of ReLU
    given = x.copy()
    report = fastrnn.check_gradients(layer, x)
    assert report.ok, str(report)
    assert list(report.errors) == ["x", *(f"state[{i}]" for i in range(len(parts(layer.forward(x)[1])))), *before]
    assert same_bits(layer.state_dict(), before)  # the layer is not touched, nor is its dtype
    assert same_bits(x, given)
    assert layer.dtype is None or layer.dtype == dtype


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{"num_layers": 2}, {"bias": False}, {"batch_first": True}])
def test_every_option_passes(cell, options):
    # ReLU has a kink at 0, where differences and slopes part: this seed keeps pre-activations away from it
    layer = randomise(recurrent(cell, 2, 3, **options), np.random.default_rng(4))
    report = fastrnn.check_gradients(layer)
    assert report.ok, str(report)


def test_a_model_passes():
    layers = [fastrnn.LSTM(2, 3, seed=0), fastrnn.Tanh(), fastrnn.RNN(3, 2, seed=1), fastrnn.Linear(2, 2, seed=2)]
    report = fastrnn.check_gradients(fastrnn.Sequential(*layers, fastrnn.Softmax()))
    assert report.ok, str(report)
    assert {"x", "state[0]", "state[1]", "state[2]", "0.weight_hh_l0", "2.bias_hh_l0", "3.bias"} <= report.errors.keys()


def broken(kind, spoil):
    """Return a layer type whose backward is passed through ``spoil``."""

    class Broken(kind):
        def backward(self, tape, grad_output, grad_state=None):
            gradients = super().backward(tape, grad_output, grad_state)
            spoil(gradients)
            return gradients

    return Broken


def scale(name, factor):
    def spoil(gradients):
        target = {"x": gradients.x, "h": parts(gradients.state)[:1], "c": parts(gradients.state)[1:]}
        for array in np.atleast_1d(target.get(name)) if name == "x" else target.get(name, ()):
            array *= factor
        if name in gradients.parameters:
            gradients.parameters[name][...] *= factor

    return spoil


@pytest.mark.parametrize(
    ("where", "entry"),
    [("x", "x"), ("h", "state[0]"), ("c", "state[1]")]
    + [(name, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")],
)
@pytest.mark.parametrize("factor", [0.0, -1.0, 0.999, 1.00001])
def test_a_wrong_gradient_is_seen_and_named(where, entry, factor):
    layer = randomise(broken(fastrnn.LSTM, scale(where, factor))(2, 3, seed=0), np.random.default_rng(1))
    report = fastrnn.check_gradients(layer)
    assert not report.ok
    assert [name for name, error in report.errors.items() if error > report.tolerance] == [entry]
    wrong = [line.split()[0] for line in str(report).splitlines() if line.endswith("WRONG")]
    assert wrong == [entry]


def test_one_wrong_element_or_nan_is_seen():
    def one(gradients):
        gradients.parameters["weight_hh_l0"][3, 1] *= 1.001

    def nan(gradients):
        gradients.x[0, 0, 0] = np.nan

    for spoil in (one, nan):
        assert not fastrnn.check_gradients(broken(fastrnn.LSTM, spoil)(2, 3, seed=0)).ok


def test_ignoring_the_final_states_gradient_is_seen():
    class Deaf(fastrnn.LSTM):
        def backward(self, tape, grad_output, grad_state=None):  # noqa: ARG002
            return super().backward(tape, grad_output, None)

    assert not fastrnn.check_gradients(Deaf(2, 3, seed=0)).ok


def test_a_broken_layer_inside_a_model_is_named():
    def spoil(gradients):
        gradients.parameters["weight"][...] *= 1.01

    model = fastrnn.Sequential(fastrnn.RNN(2, 3, seed=0), broken(fastrnn.Linear, spoil)(3, 2, seed=0))
    report = fastrnn.check_gradients(model)
    assert [name for name, error in report.errors.items() if error > report.tolerance] == ["1.weight"]


def test_the_check_is_seeded_and_checks_its_input():
    layer = fastrnn.LSTM(2, 3, seed=0)
    assert fastrnn.check_gradients(layer, seed=1).errors == fastrnn.check_gradients(layer, seed=1).errors
    assert fastrnn.check_gradients(layer, seed=1).errors != fastrnn.check_gradients(layer, seed=2).errors
    with pytest.raises(ValueError, match=r"^x: expected shape"):
        fastrnn.check_gradients(layer, np.zeros((4, 3, 3)))

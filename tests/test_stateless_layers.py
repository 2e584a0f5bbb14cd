"""Linear and the activations as layers: by their formulas, over any leading axes."""

import numpy as np
import pytest

import fastrnn
from layer_table import randomise

ROUNDING = 1e-12  # float64, sums of at most 60 products of order 1


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (2, 1, 4, 3)])
def test_linear_acts_on_the_last_axis(shape):
    rng = np.random.default_rng(6)
    layer = randomise(fastrnn.Linear(3, 5, dtype="float64"), rng)
    x, dy = rng.standard_normal(shape), rng.standard_normal((*shape[:-1], 5))
    w, b = layer.parameters()["weight"], layer.parameters()["bias"]
    assert (w.shape, b.shape) == ((5, 3), (5,))  # as in PyTorch
    y, state, tape = layer.record(x)
    assert state is None
    close(y, x @ w.T + b)
    grads = layer.backward(tape, dy)
    close(grads.x, dy @ w)
    close(grads.parameters["weight"], dy.reshape(-1, 5).T @ x.reshape(-1, 3))
    close(grads.parameters["bias"], dy.reshape(-1, 5).sum(axis=0))
    assert list(fastrnn.Linear(3, 5, bias=False).parameters()) == ["weight"]


def test_activations_by_their_formulas():
    x = np.linspace(-4, 4, 36).reshape(3, 4, 3)
    e = np.exp(x)
    expected = {"Tanh": np.tanh(x), "Sigmoid": 1 / (1 + 1 / e), "ReLU": np.where(x > 0, x, 0)}
    expected["Softmax"] = e / e.sum(axis=-1, keepdims=True)
    for name, y in expected.items():
        layer = getattr(fastrnn, name)()
        close(layer(x), y)
        assert layer(x).dtype == np.float64
        assert layer(x.astype(np.float32)).dtype == layer(np.arange(3)).dtype == np.float32
        assert layer.parameters() == {}


def test_slopes_of_activations():
    x, dy = np.array([-2.0, 0.0, 0.5]), np.array([2.0, 3.0, 5.0])
    slopes = {"Tanh": 1 - np.tanh(x) ** 2, "Sigmoid": np.exp(-x) / (1 + np.exp(-x)) ** 2, "ReLU": [0, 0, 1]}
    for name, slope in slopes.items():  # ReLU's slope at 0 is 0, as in PyTorch
        layer = getattr(fastrnn, name)()
        close(layer.backward(layer.record(x)[2], dy).x, dy * slope)
    layer = fastrnn.Softmax()
    y, _, tape = layer.record(np.stack([x, -x]))
    jacobians = [np.diag(row) - np.outer(row, row) for row in y]
    close(layer.backward(tape, np.stack([dy, dy])).x, [jacobian @ dy for jacobian in jacobians])

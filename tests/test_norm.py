"""LayerNorm: by its definition, by differences, and as PyTorch computes it."""

import numpy as np
import pytest

import fastrnn
from layer_table import DTYPES, randomise, same_bits


@pytest.mark.parametrize("shape", [(7,), (4, 7), (5, 3, 7)])
@pytest.mark.parametrize("affine", [True, False])
def test_by_its_definition(affine, shape):
    rng = np.random.default_rng(0)
    layer = randomise(fastrnn.LayerNorm(7, eps=0.1, elementwise_affine=affine, dtype="float64"), rng)
    x = 3 + 2 * rng.standard_normal(shape)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.1)
    if affine:
        expected = layer.parameters()["weight"] * expected + layer.parameters()["bias"]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-13, atol=1e-14)
    assert list(layer.parameters()) == (["weight", "bias"] if affine else [])
    assert fastrnn.check_gradients(layer, x).ok
    assert fastrnn.check_gradients(layer).ok


def test_it_starts_as_the_plain_norm():
    layer = fastrnn.LayerNorm(7)
    x = np.random.default_rng(0).standard_normal((4, 7)).astype(np.float32)
    assert same_bits(layer(x), fastrnn.LayerNorm(7, elementwise_affine=False)(x))
    assert (layer.eps, layer.dtype, layer.multiplications()) == (1e-5, np.float32, 0)


def test_a_large_mean_does_not_drown_the_variance():
    x = np.float32(1e4) + np.arange(8, dtype=np.float32)
    expected = (np.arange(8) - 3.5) / np.sqrt(np.arange(8.0).var() + 1e-5)
    np.testing.assert_allclose(fastrnn.LayerNorm(8)(x), expected, atol=1e-6)
    np.testing.assert_array_equal(fastrnn.LayerNorm(8)(np.full(8, 3.0)), np.zeros(8))  # no variance at all


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_as_pytorch(dtype, affine):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    ours = randomise(fastrnn.LayerNorm(7, elementwise_affine=affine, dtype=dtype), rng)
    theirs = torch.nn.LayerNorm(7, elementwise_affine=affine, dtype=getattr(torch, dtype))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.parameters().items()})
    x, dy = (rng.standard_normal((4, 3, 7)).astype(dtype) for _ in range(2))
    given = torch.tensor(x, requires_grad=True)
    output = theirs(given)
    output.backward(torch.tensor(dy))
    y, _, tape = ours.record(x)
    grads = ours.backward(tape, dy)
    close = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps}  # values O(1), sums of at most 12
    np.testing.assert_allclose(y, output.detach().numpy(), **close)
    np.testing.assert_allclose(grads.x, given.grad.numpy(), **close)
    for name, parameter in theirs.named_parameters():
        np.testing.assert_allclose(grads.parameters[name], parameter.grad.numpy(), **close)


def test_what_it_refuses():
    for name, value, error in (
        ("features", 0, ValueError), ("features", 2.0, TypeError), ("eps", 0, ValueError), ("eps", "1", TypeError),
        ("elementwise_affine", 1, TypeError), ("dtype", "int8", ValueError),
    ):  # fmt: skip
        with pytest.raises(error, match=rf"^{name}: expected "):
            fastrnn.LayerNorm(**{"features": 3, name: value})
    with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., features\) with 3 features, got \(4, 2\)"):
        fastrnn.LayerNorm(3)(np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"position 1 LayerNorm takes 3 features, but gets 5"):
        fastrnn.Sequential(fastrnn.Linear(2, 5), fastrnn.LayerNorm(3))


def test_an_eps_that_is_nothing_in_the_dtype_of_the_layer():
    with pytest.raises(ValueError, match=r"^eps: expected more than 0 in float32, got 1e-50$"):
        fastrnn.LayerNorm(3, eps=1e-50)
    with pytest.raises(ValueError, match=r"^eps: some values are too large"):
        fastrnn.LayerNorm(3, eps=1e50)
    layer = fastrnn.LayerNorm(3, eps=1e-50, dtype="float64")
    assert same_bits(layer(np.ones((2, 3))), np.zeros((2, 3)))

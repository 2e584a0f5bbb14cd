"""Layers that take time away or add it: by their definitions, sequence by sequence, padding unread."""

import numpy as np
import pytest

import fastrnn
from layer_table import same_bits

T, N, F = 6, 4, 2
LENGTHS = [3, 6, 1, 5]
DEFINITIONS = {
    "Last": lambda x: x[-1],
    "Ends": lambda x: np.array([x[-1, 0], x[0, 1]]),
    "MeanOverTime": lambda x: x.sum(axis=0) / len(x),
    "MaxOverTime": lambda x: np.array([max(column) for column in x.T]),
}


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_sequence_by_its_definition(name, lengths):
    layer, x = getattr(fastrnn, name)(), data(T, N, F)
    steps = [T] * N if lengths is None else lengths
    for n, length in enumerate(steps):
        x[length:, n] = np.nan
    y, state, tape = layer.record(x, lengths=lengths)
    assert (y.shape, state, layer.parameters()) == ((N, F), None, {})
    expected = np.stack([DEFINITIONS[name](x[:length, n]) for n, length in enumerate(steps)])
    np.testing.assert_allclose(y, expected, rtol=1e-15)  # one rounding of a sum of 6
    assert same_bits(layer(x, lengths=lengths), y)
    dy = data(N, F, seed=1)
    dx = layer.backward(tape, dy).x
    for n, length in enumerate(steps):
        alone, _, own = layer.record(x[:length, n])
        np.testing.assert_allclose(alone, y[n], rtol=1e-15)
        np.testing.assert_allclose(layer.backward(own, dy[n]).x, dx[:length, n], rtol=1e-15)
        assert not dx[length:, n].any()


@pytest.mark.parametrize("name", DEFINITIONS)
def test_gradients_of_ragged_batches_by_differences(name):
    layer, x, dy, h = getattr(fastrnn, name)(), data(T, N, F), data(N, F, seed=1), 1e-6
    dx = layer.backward(layer.record(x, lengths=LENGTHS)[2], dy).x
    for index in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][index] -= h
        moved[1][index] += h
        low, high = (np.vdot(layer(one, lengths=LENGTHS), dy) for one in moved)
        assert abs((high - low) / (2 * h) - dx[index]) < 1e-8


def test_the_first_of_equal_maxima_has_the_gradient():
    x = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 0.0], [3.0, 2.0, 0.0]])
    layer = fastrnn.MaxOverTime()
    dx = layer.backward(layer.record(x)[2], np.array([1.0, 2.0, 3.0])).x
    np.testing.assert_array_equal(dx, [[0, 2, 3], [1, 0, 0], [0, 0, 0]])


def test_nan_within_a_sequence_shows():
    x = data(T, N, F)
    x[2, 1, 0] = np.nan
    for name in ("MeanOverTime", "MaxOverTime"):
        y = getattr(fastrnn, name)()(x, lengths=LENGTHS)
        assert np.isnan(y[1, 0])
        assert np.isnan(y).sum() == 1


def test_a_mean_of_many_steps_keeps_its_digits():
    x = np.full((1_000_000, 1), 0.1, np.float32)
    np.testing.assert_allclose(fastrnn.MeanOverTime()(x), np.float32(0.1), rtol=1.2e-7)  # one float32 rounding


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_pooling_refuses(name):
    layer, x = getattr(fastrnn, name)(), data(T, N, F)
    for shape in ((3,), (), (2, 2, 2, 2), (0, 4, 3), (0, 3)):
        with pytest.raises(ValueError, match=r"^x: expected shape \(T, N, F\) or \(T, F\) with at least one step, got"):
            layer(np.zeros(shape))
    with pytest.raises(ValueError, match=r"^lengths: expected 1 to 6, the steps of x, got 0 to 7"):
        layer(x, lengths=[0, 7, 1, 1])
    with pytest.raises(ValueError, match=r"^lengths: expected one for each of 4 sequences"):
        layer(x, lengths=[1, 2])
    with pytest.raises(ValueError, match=r"^lengths: expected None with one sequence \(6, 2\)"):
        layer(x[:, 0], lengths=[3])
    with pytest.raises(ValueError, match=rf"^stream: {name}\(\) can't run step by step"):
        layer.stream()


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("cell", [fastrnn.RNN, fastrnn.GRU])
def test_the_ends_of_a_bidirectional_layer_are_its_final_states(cell, lengths):
    layer = cell(F, 3, 2, bidirectional=True, seed=0)
    output, h_n = layer(data(T, N, F), lengths=lengths)
    assert same_bits(fastrnn.Ends()(output, lengths=lengths), np.concatenate([h_n[-2], h_n[-1]], axis=-1))


def test_the_ends_of_a_single_step_are_that_step():
    x = data(1, N, F)
    layer = fastrnn.Ends()
    assert same_bits(layer(x), x[0])
    assert same_bits(layer.backward(layer.record(x)[2], x[0]).x, x)


def test_ends_are_those_of_two_directions():
    with pytest.raises(ValueError, match=r"^x: expected 2H features, those of two directions, got 3$"):
        fastrnn.Ends()(data(T, N, 3))
    with pytest.raises(ValueError, match=r"2H features, those of two directions, got 3"):
        fastrnn.Sequential(fastrnn.RNN(2, 3, seed=0), fastrnn.Ends())


@pytest.mark.parametrize("shape", [(F,), (N, F)])
def test_repeat(shape):
    layer, x, dy = fastrnn.Repeat(5), data(*shape), data(5, *shape, seed=1)
    y, state, tape = layer.record(x)
    assert state is None
    assert same_bits(y, np.stack([x] * 5))
    assert same_bits(layer(x), y)
    np.testing.assert_allclose(layer.backward(tape, dy).x, sum(dy), rtol=1e-14)
    assert fastrnn.check_gradients(layer).ok
    assert repr(layer) == "Repeat(steps=5)"


def test_what_repeat_refuses():
    for value, error in ((0, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)):
        with pytest.raises(error, match=r"^steps: expected "):
            fastrnn.Repeat(value)
    layer = fastrnn.Repeat(5)
    with pytest.raises(ValueError, match=r"^x: expected shape \(N, F\) or \(F,\), got \(2, 2, 2\)"):
        layer(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match=r"^grad_output: expected shape \(5, 3\), got \(4, 3\)"):
        layer.backward(layer.record(np.zeros(3))[2], np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"^stream: Repeat\(steps=5\) can't run step by step"):
        layer.stream()

"""Sequential: axes, what fits together, states, probabilities, the summary. Streams: test_streams.py."""

from itertools import pairwise

import numpy as np
import pytest

import fastrnn
from layer_table import CELLS, DTYPES, parts, recurrent, same_bits


def chain(dtype="float32"):
    return fastrnn.Sequential(
        recurrent("lstm", 3, 4, 2, dtype=dtype), fastrnn.Tanh(), recurrent("rnn_tanh", 4, 5, dtype=dtype),
        fastrnn.Linear(5, 2, dtype=dtype, seed=0),
    )  # fmt: skip


def data(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def by_hand(model, x):
    """Return the output of a model for a time-major batch, layer by layer."""
    for layer in model:
        x = layer.forward(x)[0]
    return x


def test_samples_come_first():
    model, x = chain(), data(4, 6, 3)
    expected = by_hand(model, x.swapaxes(0, 1)).swapaxes(0, 1)
    assert expected.shape == (4, 6, 2)
    for output in (model(x), model.predict(x), model.forward(x)[0], model.record(x)[0]):
        assert same_bits(output, expected)
    for i in range(4):  # one sequence without a batch axis
        # Linear's BLAS may multiply another number of rows otherwise: a few float32 roundings
        np.testing.assert_allclose(model(x[i]), expected[i], atol=5e-6)
        assert same_bits(model(x[i]), by_hand(model, x[i]))


def test_without_recurrence_any_leading_axes():
    model = fastrnn.Sequential(fastrnn.Linear(3, 5, seed=0), fastrnn.ReLU(), fastrnn.Linear(5, 2, seed=1))
    x = data(2, 4, 6, 3)
    expected = by_hand(model, x)
    for shape in ((2, 4, 6), (8, 6), (48,), (2, 1, 4, 1, 6)):
        assert same_bits(model(x.reshape(*shape, 3)), expected.reshape(*shape, 2))
    assert model(x[0, 0, 0]).shape == (2,)


def test_states_one_for_each_layer():
    model, x = chain("float64"), np.random.default_rng(0).standard_normal((4, 9, 3))
    output, final = model.forward(x)
    assert [len(parts(state)) for state in final] == [2, 0, 1, 0]
    assert final[0][0].shape == (2, 4, 4)
    first, middle = model.forward(x[:, :5])
    second, last = model.forward(x[:, 5:], middle)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), output, atol=1e-13)
    np.testing.assert_allclose(last[0][1], final[0][1], atol=1e-13)
    for wrong in ((None,) * 3, (None,) * 5, final[0][0], "abcd", 1):
        with pytest.raises(TypeError, match=r"^state: expected a tuple with one state for each of 4 layers"):
            model.forward(x, wrong)


def test_backward_is_the_chain_of_the_layers():
    model, x, dy = chain(), data(4, 6, 3), data(4, 6, 2, seed=1)
    output, final, tape = model.record(x)
    end = (tuple(np.ones_like(part) for part in final[0]), None, np.ones_like(final[2]), None)
    grads = model.backward(tape, dy, end)
    tapes, h = [], x.swapaxes(0, 1)
    for layer in model:
        h, _, one = layer.record(h)
        tapes.append(one)
    dh, expected, states = dy.swapaxes(0, 1), {}, []
    for i in reversed(range(4)):
        gradients = model.layers[i].backward(tapes[i], dh, end[i])
        dh, states = gradients.x, [gradients.state, *states]
        expected |= {f"{i}.{name}": grad for name, grad in gradients.parameters.items()}
    assert same_bits(grads.x, dh.swapaxes(0, 1))
    assert list(grads.parameters) == list(model.parameters())
    assert same_bits(grads.parameters, {name: expected[name] for name in grads.parameters})
    assert all(map(same_bits, grads.state, states))
    assert output.shape == dy.shape


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype(dtype):
    model = chain(dtype)
    assert model.dtype == dtype
    assert model(data(2, 3, 3)).dtype == model(np.ones((2, 3, 3), int)).dtype == dtype
    assert model.predict(data(2, 3, 3)).dtype == dtype
    with pytest.raises(ValueError, match=r"^layers: expected one dtype, got float32, float64"):
        fastrnn.Sequential(fastrnn.LSTM(3, 4), fastrnn.Linear(4, 2, dtype="float64"))


@pytest.mark.parametrize("cell", CELLS)
def test_batch_first_layers_are_refused(cell):
    with pytest.raises(ValueError, match=r"^layers: .* at position 1 has batch_first=True"):
        fastrnn.Sequential(fastrnn.Linear(2, 3), recurrent(cell, 3, 4, batch_first=True))


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"^layers: at position 2 Linear takes 5 features, but gets 4"):
        fastrnn.Sequential(fastrnn.LSTM(3, 4), fastrnn.Tanh(), fastrnn.Linear(5, 2))
    with pytest.raises(ValueError, match=r"^layers: at position 1 LSTM takes 3 features, but gets 4"):
        fastrnn.Sequential(fastrnn.Linear(3, 4), fastrnn.LSTM(3, 4))
    with pytest.raises(ValueError, match=r"^layers: expected at least one layer, got none"):
        fastrnn.Sequential()
    with pytest.raises(ValueError, match=r"^layers: expected at least one layer with parameters"):
        fastrnn.Sequential(fastrnn.Tanh())
    for wrong in (None, "LSTM", fastrnn.LSTM, [fastrnn.Linear(3, 4)], lambda x: x):
        with pytest.raises(TypeError, match=r"^layers: expected a Layer at position 1, got "):
            fastrnn.Sequential(fastrnn.Linear(3, 4), wrong)


def test_a_model_inside_a_model_is_refused():
    # Outside a model is sample-first, inside it is time-major: an inner model would take time for samples.
    inner = fastrnn.Sequential(recurrent("lstm", 4, 4), fastrnn.Linear(4, 2, seed=0))
    with pytest.raises((TypeError, ValueError), match=r"^layers: .*position 1"):
        fastrnn.Sequential(recurrent("lstm", 3, 4), inner)


@pytest.mark.parametrize("shape", [(4, 6, 2), (4, 6, 4), (3,), (), (1, 4, 6, 3)])
def test_wrong_input_shapes(shape):
    model = chain()
    for call in (model, model.predict, model.record, model.forward):
        with pytest.raises(ValueError, match=r"^x: expected shape \(N, T, F\) or \(T, F\) with 3 features, got \("):
            call(np.zeros(shape))
    with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., F\) with 3 features, got \("):
        fastrnn.Sequential(fastrnn.Linear(3, 1))(np.zeros((2, 2)))


def test_no_samples_and_no_steps():
    model = chain()
    assert model(np.empty((0, 6, 3))).shape == (0, 6, 2)
    output, _, tape = model.record(np.empty((0, 6, 3)))
    assert model.backward(tape, output).x.shape == (0, 6, 3)
    with pytest.raises(ValueError, match=r"T = 0"):
        model(np.empty((4, 0, 3)))


def test_predict_proba():
    x = data(4, 6, 3)
    for loss, function in (
        ("bce", lambda z: 1 / (1 + np.exp(-z.astype(np.float64)))),
        ("cross_entropy", lambda z: np.exp(z.astype(np.float64)) / np.exp(z.astype(np.float64)).sum(-1, keepdims=True)),
    ):
        model = chain()
        with pytest.raises(ValueError, match=r"^predict_proba: .*cross_entropy"):
            model.predict_proba(x)
        fastrnn.Trainer(model, loss)  # training on logits says what turns them into probabilities
        p = model.predict_proba(x)
        np.testing.assert_allclose(p, function(model.predict(x)), rtol=1e-6)  # a few float32 roundings
        assert p.dtype == np.float32
    for last in (fastrnn.Sigmoid(), fastrnn.Softmax()):
        model = fastrnn.Sequential(*chain(), last)
        assert same_bits(model.predict_proba(x), model.predict(x))


def test_parameters_carry_the_layers_index():
    model = chain()
    expected = {f"{i}.{name}": array for i, layer in enumerate(model) for name, array in layer.parameters().items()}
    assert list(model.parameters()) == list(expected)
    assert all(array is expected[name] for name, array in model.parameters().items())
    assert "0.weight_ih_l1" in expected
    assert "3.bias" in expected


def table(model):
    """Return the numbers of a summary: {first column: (output shape, parameters, multiplications)}."""
    lines = [line for line in model.summary().splitlines()[1:] if not set(line) <= {"-"}]
    rows = [line.rsplit(maxsplit=2) for line in lines]
    return {row[0].split("  ")[0]: tuple(int(number.replace(",", "")) for number in row[1:]) for row in rows}


@pytest.mark.parametrize(("M", "N"), [(1, 1), (3, 5), (40, 30)])
def test_the_lessons_1_m_n_1_network_takes_m_mn_n_multiplications(M, N):
    layers = [fastrnn.Linear(1, M), fastrnn.Sigmoid(), fastrnn.Linear(M, N), fastrnn.Sigmoid(), fastrnn.Linear(N, 1)]
    model = fastrnn.Sequential(*layers)
    rows = table(model)
    assert rows["total"] == (M + M + M * N + N + N + 1, M + M * N + N)
    assert [row[1] for row in rows.values()][:-1] == [M, 0, M * N, 0, N]
    assert model.multiplications() == M + M * N + N


def test_summary_of_a_recurrent_model():
    model = fastrnn.Sequential(fastrnn.LSTM(7, 32, 2), fastrnn.RNN(32, 6, bias=False), fastrnn.Linear(6, 1))
    lstm = 4 * 32 * (7 + 32) + 4 * 32 * (32 + 32)
    rows = list(table(model).values())
    assert rows[0] == (lstm + 2 * 2 * 4 * 32, lstm)  # two biases in each of two layers
    assert rows[1] == (6 * 32 + 6 * 6, 6 * 32 + 6 * 6)
    assert rows[2] == (7, 6)
    assert rows[3] == tuple(map(sum, zip(*rows[:3], strict=True)))
    text = model.summary()
    for expected in ("LSTM(7, 32, 2)", "(N, T, 32)", "(N, T, 6)", "(N, T, 1)", "multiplications a step"):
        assert expected in text
    assert len({len(line) for line in text.splitlines()}) == 1  # columns line up


@pytest.mark.parametrize(("activation", "init"), [(fastrnn.Tanh, "glorot"), (fastrnn.ReLU, "he")])
def test_twelve_hidden_layers_train(activation, init):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (64, 2))
    y = np.prod(np.sign(x), axis=1, keepdims=True)  # the sign of the product: not linear
    sizes = [2, *[16] * 12]
    pairs = pairwise(sizes)
    layers = [part for a, b in pairs for part in (fastrnn.Linear(a, b, init=init, seed=rng), activation())]
    model = fastrnn.Sequential(*layers, fastrnn.Linear(16, 1, seed=rng))
    history = fastrnn.Trainer(model, "mse", fastrnn.Adam(3e-3), seed=0).fit(x, y, epochs=100, verbose=0)
    assert history.loss[0] > 0.5  # 1 is what a constant gets
    assert history.loss[-1] < 0.1

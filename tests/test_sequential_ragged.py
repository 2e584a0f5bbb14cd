"""Sequential with lengths, lists and pooling: each sequence of a ragged batch is as it is by itself, padding unread."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from layer_table import randomise, same_bits

T, N, F = 7, 5, 3
LENGTHS = [3, 7, 1, 5, 5]
D = {"dtype": "float64"}
MODELS = {
    "recurrent": lambda: [fastrnn.LSTM(F, 4, 2, **D), fastrnn.Linear(4, 2, **D)],
    "pointwise first": lambda: [fastrnn.Linear(F, 4, **D), fastrnn.LayerNorm(4, **D), fastrnn.GRU(4, 3, **D)],
    "two recurrent": lambda: [fastrnn.RNN(F, 4, **D), fastrnn.Tanh(), fastrnn.RNN(4, 2, bidirectional=True, **D)],
    "window": lambda: [fastrnn.TDNN(F, 4, 3, **D), fastrnn.TDNN(4, 3, 3, causal=False, **D), fastrnn.Softmax()],
    "dropout": lambda: [fastrnn.RNN(F, 4, **D), fastrnn.Dropout(0.5, per_sequence=True)],
    "last": lambda: [fastrnn.LSTM(F, 4, **D), fastrnn.Last(), fastrnn.Linear(4, 2, **D)],
    "mean": lambda: [fastrnn.Linear(F, 4, **D), fastrnn.MeanOverTime()],
    "maximum": lambda: [fastrnn.GRU(F, 4, **D), fastrnn.Tanh(), fastrnn.MaxOverTime(), fastrnn.Softmax()],
    "there and back": lambda: [
        fastrnn.RNN(F, 4, **D), fastrnn.Last(), fastrnn.Repeat(3), fastrnn.RNN(4, 4, **D), fastrnn.Linear(4, 2, **D),
    ],
    "ids": lambda: [fastrnn.Embedding(9, F, **D), fastrnn.RNN(F, 4, **D), fastrnn.Linear(4, 2, **D)],
    "ids without recurrence": lambda: [fastrnn.Embedding(9, F, **D), fastrnn.MeanOverTime(), fastrnn.Linear(F, 2, **D)],
}  # fmt: skip
each_model = pytest.mark.parametrize("name", MODELS)
CLOSE = {"rtol": 1e-12, "atol": 1e-12}  # float64, sums of fewer than 100 products of order 1, in another grouping


def build(name):
    return randomise(fastrnn.Sequential(*MODELS[name]()), np.random.default_rng(0))


def batch(model, lengths=LENGTHS, seed=1):
    """Return x, its padding NaN, or for ids no id."""
    rng = np.random.default_rng(seed)
    padding = np.arange(T) >= np.asarray(lengths)[:, None]
    if model.takes_ids:
        return np.where(padding, -1, rng.integers(0, 9, (len(lengths), T)))
    x = rng.standard_normal((len(lengths), T, F))
    x[padding] = np.nan
    return x


@each_model
def test_each_sequence_by_itself(name):
    model = build(name)
    x, given_x = batch(model), batch(model)
    output, states, tape = model.record(x, lengths=LENGTHS, **({"seed": 0} if model.random else {}))
    dy = np.random.default_rng(2).standard_normal(output.shape)
    there = model.timed[-1] and not any(layer.pools for layer in model)  # the input's time is there at the end
    if there:
        dy[np.arange(T) >= np.array(LENGTHS)[:, None]] = np.nan
    if not model.random:
        assert same_bits(model(x, lengths=LENGTHS), output)
        assert same_bits(model.predict(x, lengths=LENGTHS), output)
    grads = model.backward(tape, dy)
    np.testing.assert_array_equal(x, given_x)
    assert len(states) == len(model.layers)
    if model.random:  # each draws its own masks
        for n, steps in enumerate(LENGTHS):
            np.testing.assert_allclose(model(x, lengths=LENGTHS)[n, :steps], model(x[n, :steps]), **CLOSE)
        return
    total = {key: np.zeros(array.shape) for key, array in model.parameters().items()}
    for n, steps in enumerate(LENGTHS):
        y, _, own_tape = model.record(x[n, :steps])
        own = model.backward(own_tape, dy[n, :steps] if there else dy[n])
        np.testing.assert_allclose(output[n, :steps] if there else output[n], y, **CLOSE)
        if there:
            assert not output[n, steps:].any()
        if not model.takes_ids:
            np.testing.assert_allclose(grads.x[n, :steps], own.x, **CLOSE)
            assert not grads.x[n, steps:].any()
        total = {key: total[key] + grad for key, grad in own.parameters.items()}
    for key, grad in grads.parameters.items():
        np.testing.assert_allclose(grad, total[key], err_msg=key, **CLOSE)


@each_model
def test_a_list_of_sequences(name):
    model = build(name)
    x = batch(model)
    sequences = [row[:steps].copy() for row, steps in zip(x, LENGTHS, strict=True)]
    expected = model(x, lengths=LENGTHS)
    for call in (model, model.predict):
        output = call(sequences)
        if isinstance(output, list):
            assert [y.shape for y in output] == [(steps, model.sizes[-1]) for steps in LENGTHS]
            for n, y in enumerate(output):
                np.testing.assert_allclose(y, expected[n, : len(y)], **CLOSE)
        else:
            np.testing.assert_allclose(output, expected, **CLOSE)
        assert isinstance(output, list) == (not any(layer.pools for layer in model))
    for some in (tuple(sequences), sequences[:1], sequences[3:]):  # one alone, and all of one length, are lists too
        assert len(model(some)) == len(some)
    with pytest.raises(ValueError, match=r"^lengths: expected None with a list"):
        model(sequences, lengths=LENGTHS)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(list(MODELS)), st.lists(st.integers(1, T), min_size=1, max_size=8), st.randoms())
def test_permuting_the_batch_permutes_the_result(name, lengths, random):
    model = build(name)
    x, order = batch(model, lengths), list(range(len(lengths)))
    random.shuffle(order)
    output = model(x, lengths=lengths)
    np.testing.assert_allclose(model(x[order], lengths=np.array(lengths)[order]), output[order], **CLOSE)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(list(MODELS)), st.lists(st.integers(1, T), min_size=1, max_size=8),
    st.sampled_from([np.nan, np.inf, 1e300, 0.0]),
)  # fmt: skip
def test_what_the_padding_holds_never_matters(name, lengths, content):
    model = build(name)
    x = batch(model, lengths)
    other, padding = x.copy(), np.arange(T) >= np.array(lengths)[:, None]
    other[padding] = -7 if model.takes_ids else content
    dropped = {"seed": 3} if model.random else {}
    output, _, tape = model.record(x, lengths=lengths, **dropped)
    output2, _, tape2 = model.record(other, lengths=lengths, **dropped)
    assert same_bits(output2, output)
    assert same_bits(model.backward(tape2, output).parameters, model.backward(tape, output).parameters)


@each_model
def test_gradients_of_a_ragged_batch_by_differences(name):
    model = build(name)
    x = batch(model)
    seed = {"seed": 4} if model.random else {}
    output, _, tape = model.record(x, lengths=LENGTHS, **seed)
    dy, h = np.random.default_rng(2).standard_normal(output.shape), 1e-5
    grads = model.backward(tape, dy).parameters
    for key, array in model.parameters().items():
        for index in [(0,) * array.ndim, tuple(size - 1 for size in array.shape)]:
            value, sides = array[index], []
            for step in (h, -h):
                array[index] = value + step
                sides.append(np.vdot(model.record(x, lengths=LENGTHS, **seed)[0], dy))
            array[index] = value
            assert abs((sides[0] - sides[1]) / (2 * h) - grads[key][index]) < 1e-7, (key, index)


@each_model
def test_lengths_that_are_all_of_x_are_no_lengths(name):
    model = build(name)
    x = batch(model, [T] * N)
    assert same_bits(model(x, lengths=[T] * N), model(x))


@each_model
def test_no_sequences(name):
    model = build(name)
    x = batch(model)[:0]
    assert len(model(x, lengths=np.zeros(0, int))) == 0
    output, _, tape = model.record(x, lengths=np.zeros(0, int))
    assert not any(grad.any() for grad in model.backward(tape, output).parameters.values())


def test_buffers_are_used_again_with_the_same_result():
    model = build("recurrent")
    x, other = batch(model), batch(model, seed=9)
    expected, _, tape = model.record(x, lengths=LENGTHS)
    grads = model.backward(tape, expected)
    expected, old = expected.copy(), model.record(other, lengths=LENGTHS)[2]
    output, _, tape = model.record(x, lengths=LENGTHS, reuse=old)
    assert same_bits(output, expected)
    assert same_bits(model.backward(tape, output).parameters, grads.parameters)
    with pytest.raises(RuntimeError, match=r"^tape: its buffers were given"):
        model.backward(old, output)


def test_states_of_ragged_batches_are_handed_on():
    model = build("recurrent")
    x = batch(model)
    x = np.concatenate([x, x], axis=1)  # seven steps of which some count, and again
    _, middle = model.forward(x[:, :T], lengths=LENGTHS)
    _, final = model.forward(x[:, :T], middle, lengths=LENGTHS)
    for n, steps in enumerate(LENGTHS):
        whole = np.concatenate([x[n, :steps], x[n, :steps]])
        _, own = model.forward(whole)
        np.testing.assert_allclose(final[0][1][:, n], own[0][1], **CLOSE)


def test_predict_proba_of_lists():
    model = fastrnn.Sequential(fastrnn.RNN(F, 4, seed=0), fastrnn.Linear(4, 2, seed=1))
    model.link = "softmax"
    sequences = [np.ones((steps, F)) for steps in LENGTHS]
    p = model.predict_proba(sequences)
    assert [one.shape for one in p] == [(steps, 2) for steps in LENGTHS]
    for one in p:
        np.testing.assert_allclose(one.sum(axis=-1), 1, rtol=1e-6)
        assert one.dtype == np.float32
    padded = np.ones((N, T, F))
    np.testing.assert_allclose(model.predict_proba(padded, lengths=LENGTHS)[1], p[1], rtol=1e-6)


def test_one_long_sequence_among_short_ones_is_not_padded_in_a_list():
    model = fastrnn.Sequential(fastrnn.Linear(2, 3, seed=0), fastrnn.Last())
    sequences = [np.ones((200_000, 2), np.float32), *[np.ones((1, 2), np.float32)] * 50]
    assert model(sequences).shape == (51, 3)


# ---- axes and what is refused ----


def test_axes_at_both_ends():
    linear, rnn = (lambda: fastrnn.Linear(3, 3)), (lambda: fastrnn.RNN(3, 3))
    assert fastrnn.Sequential(rnn(), fastrnn.Last(), linear()).timed == [True, True, False, False]
    assert fastrnn.Sequential(linear(), fastrnn.Repeat(2), rnn()).timed == [False, False, True, True]
    assert fastrnn.Sequential(linear(), fastrnn.Tanh()).timed == [False] * 3
    model = fastrnn.Sequential(linear(), fastrnn.Repeat(4), rnn())
    assert model(np.ones((5, 3))).shape == (5, 4, 3)
    assert model(np.ones(3)).shape == (4, 3)
    assert fastrnn.check_gradients(model).ok
    output, _, tape = model.record(np.ones((5, 3)))
    assert model.backward(tape, output).x.shape == (5, 3)
    pooled = fastrnn.Sequential(rnn(), fastrnn.Last())
    assert pooled(np.ones((5, 4, 3))).shape == (5, 3)
    assert pooled(np.ones((4, 3))).shape == (3,)
    assert fastrnn.check_gradients(pooled).ok
    lines = fastrnn.Sequential(rnn(), fastrnn.Last(), linear(), fastrnn.Repeat(2)).summary().splitlines()
    assert ["(N, T, 3)" in line for line in lines[2:6]] == [True, False, False, True]
    assert all("(N, 3)" in line for line in lines[3:5])


def test_chains_that_have_no_time_where_it_is_wanted():
    rnn = fastrnn.RNN(3, 3)
    with pytest.raises(ValueError, match=r"^layers: at position 2 RNN.* has no axis of time"):
        fastrnn.Sequential(fastrnn.Linear(3, 3), fastrnn.Last(), rnn)
    with pytest.raises(ValueError, match=r"^layers: at position 2 MeanOverTime\(\) .* has no axis of time"):
        fastrnn.Sequential(rnn, fastrnn.Last(), fastrnn.MeanOverTime())
    with pytest.raises(ValueError, match=r"^layers: at position 1 Repeat\(steps=2\) adds an axis of time, but"):
        fastrnn.Sequential(rnn, fastrnn.Repeat(2))


def test_bad_lengths_and_lists():
    model = build("recurrent")
    x = np.zeros((N, T, F))
    for lengths, error, message in (
        ([1, 2], ValueError, "expected one for each of 5 sequences"), ([0, 1, 1, 1, 1], ValueError, "expected 1 to 7"),
        ([1, 1, 1, 1, 8], ValueError, "expected 1 to 7"), ([1.0] * 5, TypeError, "expected whole numbers"),
    ):  # fmt: skip
        for call in (model, model.forward, model.record, model.predict):
            with pytest.raises(error, match=rf"^lengths: {message}"):
                call(x, lengths=lengths)
    with pytest.raises(ValueError, match=r"^lengths: expected None with one sequence \(7, 3\)"):
        model(x[0], lengths=[3])
    with pytest.raises(ValueError, match=r"^lengths: expected None, as the input of this model has no axis of time"):
        fastrnn.Sequential(fastrnn.Linear(3, 2))(x, lengths=LENGTHS)
    with pytest.raises(ValueError, match=r"^x: expected an array, got a list; the input of this model has no axis"):
        fastrnn.Sequential(fastrnn.Linear(3, 2))([x[0], x[1]])
    with pytest.raises(ValueError, match=r"^x\[1\]: expected shape .* with 3 features, got \(2, 4\)"):
        model([np.zeros((2, 3)), np.zeros((2, 4))])
    with pytest.raises(ValueError, match=r"^x\[1\]: expected at least one step, got T = 0 in shape \(0, 3\)"):
        model([np.zeros((2, 3)), np.zeros((0, 3))])
    with pytest.raises(TypeError, match=r"^x\[0\]: expected real numbers"):
        model([np.zeros((2, 3), complex)])
    ids = build("ids")
    with pytest.raises(ValueError, match=r"^x: expected ids from 0 to 8, got 9"):
        ids([np.array([1, 9]), np.array([1])])
    with pytest.raises(ValueError, match=r"^lengths: expected None with one sequence \(7,\)"):
        ids(np.zeros(7, int), lengths=[3])


def test_streams_of_models_that_pool_or_repeat_are_refused_by_name():
    for name, layer in (("last", r"Last\(\)"), ("mean", r"MeanOverTime\(\)"), ("maximum", r"MaxOverTime\(\)")):
        with pytest.raises(ValueError, match=rf"^stream: {layer} can't run step by step"):
            build(name).stream()
    with pytest.raises(ValueError, match=r"^stream: Repeat\(steps=4\) can't run step by step"):
        fastrnn.Sequential(fastrnn.Linear(3, 3), fastrnn.Repeat(4), fastrnn.RNN(3, 3)).stream()


def test_many_to_one_trains():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 6, 1))
    y = x.mean(axis=1)
    model = fastrnn.Sequential(fastrnn.Linear(1, 4, seed=0), fastrnn.MeanOverTime(), fastrnn.Linear(4, 1, seed=1))
    history = fastrnn.Trainer(model, "mse", fastrnn.Adam(3e-2), seed=0).fit(x, y, epochs=30, verbose=0)
    assert history.loss[-1] < history.loss[0] / 20
    classes = (y[:, 0] > 0).astype(int)
    model = fastrnn.Sequential(fastrnn.RNN(1, 4, seed=0), fastrnn.Last(), fastrnn.Linear(4, 2, seed=1))
    history = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(3e-2), seed=0).fit(x, classes, epochs=30, verbose=0)
    assert history.loss[-1] < 0.3
    assert model.predict_proba(x).shape == (64, 2)


def test_lists_of_lists_of_different_lengths():
    model = fastrnn.Sequential(fastrnn.RNN(1, 2, seed=0))
    lists = [[[1.0], [2.0]], [[3.0]]]
    with pytest.raises(ValueError, match=r"^x: expected one rectangular array, or a list of ndarrays, one for each "):
        model(lists)
    assert [one.shape for one in model([np.array(one) for one in lists])] == [(2, 2), (1, 2)]
    assert model([[[1.0], [2.0]]]).shape == (1, 2, 2)


def test_ids_too_large_are_named_as_such():
    model = fastrnn.Sequential(fastrnn.Embedding(9, 3, seed=0), fastrnn.RNN(3, 2, seed=0))
    ids = np.full((2, 4), 2**64 - 1, np.uint64)
    with pytest.raises(ValueError, match=r"expected ids from 0 to 8, got 9223372036854775807"):
        model(ids)
    ids[:, :2] = 1
    assert model(ids, lengths=[2, 1]).shape == (2, 4, 2)  # padding is not read

"""TDNN: by its equation, as PyTorch's conv1d, in chunks, ragged, streamed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from layer_table import DTYPES, randomise, same_bits

WINDOWS = [(1, 1), (2, 1), (5, 1), (3, 2), (2, 4), (3, 7)]  # the last spans more steps than there are
CENTRED = [(window, dilation) for window, dilation in WINDOWS if window % 2]
T, N, I, O = 9, 4, 3, 5  # noqa: E741
LENGTHS = [3, 9, 1, 7]
ROUNDING = 1e-13  # float64, sums of at most 5 · 3 products of order 1


def layer(window, dilation=1, dtype="float64", **options):
    return randomise(fastrnn.TDNN(I, O, window, dilation=dilation, dtype=dtype, **options), np.random.default_rng(0))


def data(*shape, seed=1, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(a, b, tolerance=ROUNDING):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def by_equation(tdnn, x, before):
    """Return y (T, O) of one sequence x (T, I), ``before`` (C, I) coming first."""
    weight, bias = tdnn.parameters()["weight"], tdnn.parameters().get("bias", 0)
    shift = 0 if tdnn.causal else tdnn.context // 2

    def at(s):
        if 0 <= s < len(x):
            return x[s]
        return before[s] if s < 0 else np.zeros(I)  # the last entry of `before` is the step before the first

    return np.stack([
        bias + sum(weight[:, :, tdnn.window - 1 - k] @ at(t + shift - k * tdnn.dilation) for k in range(tdnn.window))
        for t in range(len(x))
    ])  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("window", "dilation"), WINDOWS)
def test_causal_by_its_equation(window, dilation, bias):
    tdnn, x = layer(window, dilation, bias=bias), data(T, N, I)
    C = (window - 1) * dilation
    state = data(C, N, I, seed=2)
    output, final = tdnn(x, state)
    assert (output.shape, final.shape) == ((T, N, O), (C, N, I))
    for n in range(N):
        close(output[:, n], by_equation(tdnn, x[:, n], state[:, n]))
        alone, end = tdnn(x[:, n], state[:, n])  # without a batch axis
        close(alone, output[:, n])
        assert same_bits(end, final[:, n])
        close(tdnn(x)[0][:, n], by_equation(tdnn, x[:, n], np.zeros((C, I))))
    assert same_bits(final, np.concatenate([state, x])[T:])


@pytest.mark.parametrize(("window", "dilation"), CENTRED)
def test_centred_by_its_equation(window, dilation):
    tdnn, x = layer(window, dilation, causal=False), data(T, N, I)
    output, final = tdnn(x)
    assert final is None
    for n in range(N):
        close(output[:, n], by_equation(tdnn, x[:, n], np.zeros((tdnn.context, I))))
        close(tdnn(x[:, n])[0], output[:, n])


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("window", "dilation"), CENTRED)
def test_gradients(window, dilation, causal):
    for options in ({}, {"bias": False}, {"batch_first": True}):
        report = fastrnn.check_gradients(layer(window, dilation, causal=causal, **options))
        assert report.ok, str(report)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("window", "dilation"), CENTRED)
@pytest.mark.parametrize("lengths", [LENGTHS, [4, 4, 4, 4], [1, 2, 3, 9]])
def test_each_sequence_of_a_ragged_batch_by_itself(lengths, window, dilation, causal):
    tdnn, x, dy = layer(window, dilation, causal=causal), data(T, N, I), data(T, N, O, seed=2)
    state, end = (data(tdnn.context, N, I, seed=seed) if causal else None for seed in (3, 4))
    padding = np.arange(T)[:, None] >= lengths
    x[padding] = dy[padding] = np.nan
    output, final, tape = tdnn.record(x, state, lengths=lengths)
    assert same_bits(tdnn(x, state, lengths=lengths)[0], output)
    grads = tdnn.backward(tape, dy, end)
    assert not output[padding].any()
    assert not grads.x[padding].any()
    total = {name: np.zeros(array.shape) for name, array in tdnn.parameters().items()}
    for n, steps in enumerate(lengths):
        start, last = (None, None) if state is None else (state[:, n], end[:, n])
        y, own_final, own_tape = tdnn.record(x[:steps, n], start)
        own = tdnn.backward(own_tape, dy[:steps, n], last)
        close(output[:steps, n], y)
        close(grads.x[:steps, n], own.x)
        if causal:
            assert same_bits(final[:, n], own_final)
            close(grads.state[:, n], own.state)
        for name, grad in own.parameters.items():
            total[name] += grad
    for name, grad in grads.parameters.items():
        close(grad, total[name], 1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(WINDOWS),
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_chunks_with_the_state_handed_on_are_the_whole(shape, chunks, rows, seed):
    tdnn, steps = layer(*shape), sum(chunks)
    x, dy = data(steps, rows, I, seed=seed), data(steps, rows, O, seed=seed + 1)
    start, end = (data(tdnn.context, rows, I, seed=seed + k) for k in (2, 3))
    output, final, tape = tdnn.record(x, start)
    whole = tdnn.backward(tape, dy, end)
    state, at, tapes = start, 0, []
    for size in chunks:
        part, state, own = tdnn.record(x[at : at + size], state)
        close(part, output[at : at + size])
        tapes.append((own, at, at + size))
        at += size
    assert same_bits(state, final)
    d_state, total = end, dict.fromkeys(whole.parameters, 0)
    for own, first, last in reversed(tapes):
        grads = tdnn.backward(own, dy[first:last], d_state)
        d_state = grads.state
        close(grads.x, whole.x[first:last])
        total = {name: total[name] + grad for name, grad in grads.parameters.items()}
    close(d_state, whole.state)
    for name, grad in whole.parameters.items():
        close(total[name], grad, 1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.sampled_from(CENTRED), st.booleans(), st.lists(st.integers(1, T), min_size=1, max_size=6), st.randoms())
def test_permuting_the_batch_permutes_the_result(shape, causal, lengths, random):
    tdnn, rows = layer(*shape, causal=causal), len(lengths)
    order = list(range(rows))
    random.shuffle(order)
    x, dy = data(T, rows, I), data(T, rows, O, seed=2)
    x[np.arange(T)[:, None] >= lengths] = np.nan
    output, final, tape = tdnn.record(x, lengths=lengths)
    output2, final2, tape2 = tdnn.record(x[:, order], lengths=np.array(lengths)[order])
    close(output2, output[:, order])
    if causal:
        assert same_bits(final2, final[:, order])
    close(tdnn.backward(tape2, dy[:, order]).x, tdnn.backward(tape, dy).x[:, order])


def test_buffers_are_used_again_with_the_same_result():
    tdnn, x, dy = layer(3, 2), data(T, N, I), data(T, N, O, seed=2)
    output, final, tape = tdnn.record(x, lengths=LENGTHS)
    grads = tdnn.backward(tape, dy, final)
    old = tdnn.record(data(T, N, I, seed=3), data(4, N, I, seed=4), lengths=LENGTHS)[2]
    buffer = old.saved.rows
    output2, final2, tape2 = tdnn.record(x, lengths=LENGTHS, reuse=old)
    assert tape2.saved.rows is buffer
    assert same_bits(output2, output)
    assert same_bits(final2, final)
    assert same_bits(tdnn.backward(tape2, dy, final).parameters, grads.parameters)
    with pytest.raises(RuntimeError, match=r"^tape: its buffers were given to another"):
        tdnn.backward(old, dy)
    with pytest.raises(ValueError, match=r"^x_0: "):
        tdnn.record(x, x, reuse=tape2)
    assert same_bits(tdnn.backward(tape2, dy, final).x, grads.x)  # what was refused has not ended it
    assert tdnn.record(x, reuse=tape2)[2].saved.rows is not buffer  # which is of another size


def test_batch_first_is_the_transposed():
    tdnn, twin = layer(3, 2), layer(3, 2, batch_first=True)
    x, dy = data(T, N, I), data(T, N, O, seed=2)
    state = data(4, N, I, seed=3)  # (C, N, I) in both
    output, final, tape = tdnn.record(x, state, lengths=LENGTHS)
    output2, final2, tape2 = twin.record(x.swapaxes(0, 1), state, lengths=LENGTHS)
    assert same_bits(output2.swapaxes(0, 1), output)
    assert same_bits(final2, final)
    grads, grads2 = tdnn.backward(tape, dy, state), twin.backward(tape2, dy.swapaxes(0, 1), state)
    assert same_bits(grads2.x.swapaxes(0, 1), grads.x)
    assert same_bits(grads2.state, grads.state)
    assert same_bits(grads2.parameters, grads.parameters)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("window", "dilation"), CENTRED)
def test_as_pytorchs_conv1d(window, dilation, causal, dtype):
    torch = pytest.importorskip("torch")
    ours = layer(window, dilation, dtype, causal=causal)
    padding = 0 if causal else ours.context // 2
    theirs = torch.nn.Conv1d(I, O, window, dilation=dilation, padding=padding, dtype=getattr(torch, dtype))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.parameters().items()})
    x, dy = data(N, T, I, dtype=dtype), data(N, T, O, seed=2, dtype=dtype)
    given_x = torch.tensor(x.swapaxes(1, 2).copy(), requires_grad=True)  # (N, I, T)
    padded = torch.nn.functional.pad(given_x, (ours.context, 0)) if causal else given_x
    output = theirs(padded)
    output.backward(torch.tensor(dy.swapaxes(1, 2).copy()))
    y, _, tape = ours.record(x.swapaxes(0, 1))
    grads = ours.backward(tape, dy.swapaxes(0, 1))
    tolerance = 200 * np.finfo(dtype).eps  # sums of up to T · N products of order 1
    close(y.transpose(1, 2, 0), output.detach().numpy(), tolerance)
    close(grads.x.transpose(1, 2, 0), given_x.grad.numpy(), tolerance)
    for name, parameter in theirs.named_parameters():
        close(grads.parameters[name], parameter.grad.numpy(), tolerance)


def test_streams_are_the_whole():
    m = fastrnn.Sequential(layer(3, 2), fastrnn.Tanh(), fastrnn.TDNN(O, 2, 2, dtype="float64", seed=1))
    x = data(N, T, I)
    whole, final = m.forward(x)
    stream = m.stream(batch_size=N)
    head = [stream.step(x[:, t]) for t in range(3)]
    close(np.concatenate([np.stack(head, axis=1), stream.run(x[:, 3:])], axis=1), whole)
    one = m.stream()
    close(np.concatenate([one.run(x[0, :5]), one.run(x[0, 5:])]), whole[0])
    m.parameters()["0.weight"][...] = 0  # a stream has its own
    close(m.stream(final, batch_size=N).step(x[:, 0]), m.forward(x[:, :1], final)[0][:, 0])
    state = data(4, I)
    streamed = layer(3, 2).stream(state)
    state[...] = 9  # what was given is copied
    out = np.empty((T, O))
    streamed.run(x[0], out)
    close(out, layer(3, 2)(x[0], data(4, I))[0])
    with pytest.raises(ValueError, match=r"^stream: TDNN\(.*\) can't run step by step: its window sees later steps"):
        fastrnn.Sequential(layer(3, causal=False)).stream()


def test_initial_weights_and_costs():
    tdnn = fastrnn.TDNN(40, 60, 5, seed=0)
    limit = np.sqrt(6 / (5 * 100))
    weight = tdnn.parameters()["weight"]
    assert weight.shape == (60, 40, 5)
    assert 0.99 * limit < np.abs(weight).max() <= limit * (1 + 1e-6)
    assert not tdnn.parameters()["bias"].any()
    assert tdnn.multiplications() == 60 * 40 * 5


def test_what_it_refuses():
    for name, value, error in (
        ("input_size", 0, ValueError), ("output_size", 1.0, TypeError), ("window", 0, ValueError),
        ("dilation", 0, ValueError), ("dilation", "2", TypeError), ("bias", 1, TypeError), ("causal", 0, TypeError),
        ("batch_first", None, TypeError), ("dtype", "int8", ValueError), ("seed", -1, TypeError),
    ):  # fmt: skip
        with pytest.raises(error, match=rf"^{name}: expected "):
            fastrnn.TDNN(**{"input_size": 3, "output_size": 5, "window": 3, name: value})
    with pytest.raises(ValueError, match=r"^window: expected an odd number with causal=False, got 4"):
        fastrnn.TDNN(3, 5, 4, causal=False)
    tdnn, x = layer(3, 2), data(T, N, I)
    with pytest.raises(
        ValueError, match=r"^x: expected shape \(T, N, I\) or \(T, I\) with 3 features, got \(9, 4, 2\)"
    ):
        tdnn(x[..., :2])
    with pytest.raises(ValueError, match=r"^x: .*T = 0"):
        tdnn(x[:0])
    with pytest.raises(ValueError, match=r"^x_0: expected shape \(4, 4, 3\), got \(3, 4, 3\)"):
        tdnn(x, x[:3])
    with pytest.raises(ValueError, match=r"^grad_x_n: expected shape \(4, 4, 3\), got \(3, 4, 3\)"):
        tdnn.backward(tdnn.record(x)[2], np.zeros((T, N, O)), x[:3])
    centred = layer(3, causal=False)
    with pytest.raises(ValueError, match=r"^x_0: expected None with causal=False, got ndarray"):
        centred(x, x[:2])
    with pytest.raises(ValueError, match=r"^grad_x_n: expected None with causal=False, got ndarray"):
        centred.backward(centred.record(x)[2], np.zeros((T, N, O)), x[:2])
    with pytest.raises(ValueError, match=r"^layers: .* has batch_first=True"):
        fastrnn.Sequential(layer(3, batch_first=True))
    for lengths, message in (([1, 2], "expected one for each of 4"), ([0, 1, 1, 1], "expected 1 to 9")):
        with pytest.raises(ValueError, match=rf"^lengths: {message}"):
            tdnn(x, lengths=lengths)
    with pytest.raises(ValueError, match=r"^lengths: expected None with one sequence \(9, 3\)"):
        tdnn(x[:, 0], lengths=[3])


def test_a_window_that_spans_too_many_steps():
    assert fastrnn.TDNN(1, 1, 2, dilation=2**24).context == 2**24
    for window, dilation in ((2, 2**24 + 1), (3, 10**12), (5, 2**23)):
        span = (window - 1) * dilation
        with pytest.raises(ValueError, match=rf"^window, dilation: expected .* <= 16777216, got {span}$"):
            fastrnn.TDNN(1, 1, window, dilation=dilation)

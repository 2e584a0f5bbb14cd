"""Streams: step by step and block by block give what a whole sequence gives, from a snapshot of the weights."""

import gc
import tracemalloc

import numpy as np
import pytest

import fastrnn
from layer_table import CELLS, DTYPES, parts, recurrent, same_bits


def model(cell="lstm", hidden=5, dtype="float32", layers=2):
    return fastrnn.Sequential(
        recurrent(cell, 3, hidden, layers, dtype=dtype), fastrnn.Tanh(), fastrnn.Linear(hidden, 2, dtype=dtype, seed=1)
    )


def data(steps, dtype="float32"):
    return np.random.default_rng(0).standard_normal((steps, 3)).astype(dtype)


def close(got, whole, steps, hidden):
    """Hold two orders of summation, which Linear has, to eps · √(T·H) · scale, with a factor 8 for the layers above."""
    bound = 8 * np.finfo(whole.dtype).eps * np.sqrt(steps * hidden) * max(1, np.abs(whole).max())
    np.testing.assert_allclose(got, whole, rtol=0, atol=bound)


WIDE = 520
CHUNKS = [[1] * 150, [150], [1, 2, 3, 64, 65, 15], [0, 70, 0, 80], [128, 22], [63, 1, 64, 1, 21]]


def in_chunks(stream, x, chunks):
    got, at = [], 0
    for size in chunks:
        block = x[at : at + size]
        got.append(stream.step(block[0])[None] if size == 1 else stream.run(block))
        at += size
        assert stream.steps == at
    return np.concatenate(got)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [5, 33, 130])
@pytest.mark.parametrize("cell", CELLS)
def test_any_mix_of_steps_and_blocks_is_the_whole(cell, hidden, dtype):
    x = data(150, dtype)
    m = fastrnn.Sequential(recurrent(cell, 3, hidden, 2, dtype=dtype), fastrnn.Tanh())
    whole = m(x)
    for chunks in CHUNKS:
        assert same_bits(in_chunks(m.stream(), x, chunks), whole)
    with_linear = model(cell, hidden, dtype)
    close(in_chunks(with_linear.stream(), x, CHUNKS[2]), with_linear(x), 150, hidden)


def test_step_writes_to_out_and_returns_it():
    m, x = model(), data(4)
    one, other = m.stream(), m.stream()
    out = np.full(2, np.nan, np.float32)
    for x_t in x:
        expected = one.step(x_t)
        assert other.step(x_t, out=out) is out
        assert same_bits(out, expected)
    assert one.step(x[0]) is not one.step(x[0])


def test_run_writes_to_out_and_returns_it():
    m, x = model(), data(70)
    out = np.full((70, 2), np.nan, np.float32)
    assert m.stream().run(x, out=out) is out
    assert same_bits(out, m.stream().run(x))
    assert m.stream().run(x[:0]).shape == (0, 2)
    part = np.zeros((100, 2), np.float32)
    m.stream().run(x, out=part[10:80])
    assert same_bits(part[10:80], out)
    assert not part[:10].any()
    assert not part[80:].any()


@pytest.mark.parametrize("hidden", [5, WIDE])
@pytest.mark.parametrize("cell", CELLS)
def test_a_running_stream_does_not_see_training(cell, hidden):
    m, x = model(cell, hidden, layers=1), data(12)
    expected = m.stream().run(x)
    stream = m.stream()
    head = stream.run(x[:4])
    fastrnn.Trainer(m, "mse", fastrnn.SGD(0.5)).fit(x[None], np.ones((1, 12, 2)), epochs=2, verbose=0)
    for array in m.parameters().values():
        array += 0.5
    tail = [stream.step(x_t) for x_t in x[4:]]
    close(np.concatenate([head, tail]), expected, 12, hidden)
    assert not np.allclose(m.stream().run(x), expected, atol=1e-2)  # a new stream does


def test_streams_of_one_model_are_independent():
    m, x = model(), data(10)
    one, two = m.stream(), m.stream()
    expected = [m.stream().run(x), m.stream().run(x[::-1])]
    pairs = [(one.step(a), two.step(b)) for a, b in zip(x, x[::-1], strict=True)]
    for got, want in zip(zip(*pairs, strict=True), expected, strict=True):
        close(got, want, 10, 5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stream_starts_from_a_given_state(cell):
    m, x = model(cell), data(10)
    whole = m(x)
    _, states = m.forward(x[:6])
    before = [part.copy() for part in parts(states[0])]
    stream = m.stream(states)
    close(stream.run(x[6:]), whole[6:], 10, 5)
    assert all(map(same_bits, parts(states[0]), before))  # the state given is copied, and not moved along
    for state in parts(states[0]):
        state[...] = 9
    assert np.isfinite(stream.step(x[0])).all()
    wrong = [part[:, None] for part in before]
    with pytest.raises(ValueError, match=r"^h_0: expected shape \(2, 5\), got \(2, 1, 5\)"):
        m.stream((tuple(wrong) if len(wrong) > 1 else wrong[0], None, None))
    with pytest.raises(TypeError, match=r"^state: expected a tuple with one state for each of 3 layers"):
        m.stream((None,))


def test_inputs_are_cast_and_left_alone():
    m = model()
    expected = m.stream().run(np.eye(3, dtype=np.float32))
    locked = np.eye(3, dtype=np.float32)
    locked.flags.writeable = False
    for x in (np.eye(3), np.eye(3, dtype=np.int8), np.eye(3).tolist(), np.asfortranarray(np.eye(3)), locked):
        assert same_bits(m.stream().run(x), expected)
        np.testing.assert_allclose(m.stream().step(x[0]), expected[0], atol=1e-6)
    assert same_bits(locked, np.eye(3, dtype=np.float32))


def test_wrong_input_and_output_is_refused_and_the_stream_stays_where_it_is():
    m, x = model(), data(3)
    stream = m.stream()
    for wrong in (np.zeros(2), np.zeros((1, 3)), np.zeros(4), 0.0):
        with pytest.raises(ValueError, match=r"^x: expected shape \(F,\) with 3 features, got \("):
            stream.step(wrong)
    for wrong in (np.zeros(3), np.zeros((1, 1, 3)), np.zeros((2, 4))):
        with pytest.raises(ValueError, match=r"^block: expected shape \(T, F\) with 3 features, got \("):
            stream.run(wrong)
    for call, name in ((stream.step, "x"), (stream.run, "block")):
        with pytest.raises(TypeError, match=f"^{name}: expected real numbers"):
            call(x * 1j)
    locked = np.zeros(2, np.float32)
    locked.flags.writeable = False
    outs = [np.zeros(3, np.float32), np.zeros((1, 2), np.float32), np.zeros(2), np.zeros(4, np.float32)[::2], locked]
    for out in outs:
        with pytest.raises(ValueError, match=r"^out: expected a writable C-contiguous float32 array of shape \(2,\)"):
            stream.step(x[0], out=out)
    for out in (np.zeros((2, 2), np.float32), np.zeros((2, 3), np.float32).T, np.zeros(2, np.float32)):
        with pytest.raises(ValueError, match=r"^out: expected a writable C-contiguous float32 array of shape \(3, 2\)"):
            stream.run(x, out=out)
    for out in ([0.0, 0.0], 1.0, "out"):
        with pytest.raises(TypeError, match=r"^out: expected"):
            stream.step(x[0], out=out)
    assert stream.steps == 0
    assert same_bits(stream.run(x), m.stream().run(x))


@pytest.mark.parametrize(("hidden", "count", "dtype"), [(64, 1000, "float32"), (512, 20, "float64")])
@pytest.mark.parametrize("cell", CELLS)
def test_a_step_allocates_nothing_that_stays_and_next_to_nothing_that_goes(cell, hidden, count, dtype):
    m = fastrnn.Sequential(recurrent(cell, 3, hidden, dtype=dtype), fastrnn.Linear(hidden, 1, dtype=dtype, seed=0))
    stream, x, out = m.stream(), data(1)[0].astype(dtype), np.empty(1, dtype)

    def steps(n):
        for _ in range(n):
            stream.step(x, out=out)

    steps(10)
    gc.collect()
    tracemalloc.start()
    try:
        steps(10)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        steps(count)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000  # less than a byte a step: tracemalloc's own bookkeeping
    assert peak - before < 4000  # a step's views, 2.7 kB: not even one state of the wide model (4 kB) is copied


def test_a_stream_of_a_model_without_recurrence():
    m = fastrnn.Sequential(fastrnn.Linear(3, 4, seed=0), fastrnn.ReLU(), fastrnn.Linear(4, 2, seed=1))
    x = data(5)
    stream = m.stream()
    np.testing.assert_allclose([stream.step(x_t) for x_t in x], m(x), atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        fastrnn.LSTM(3, 2, seed=0),
        fastrnn.TDNN(3, 2, 2, seed=0),
        fastrnn.Jordan(3, 2, 2, seed=0),
        fastrnn.LayerNorm(3),
        fastrnn.Sequential(fastrnn.RNN(3, 2, seed=0)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_how_many_sequences_a_stream_takes(layer):
    for wrong, error in ((0, ValueError), (-1, ValueError), (2.5, TypeError), ("a", TypeError), (True, TypeError)):
        with pytest.raises(error, match=r"^batch_size: expected "):
            layer.stream(batch_size=wrong)

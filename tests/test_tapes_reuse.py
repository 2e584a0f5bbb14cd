"""record(reuse=): an earlier tape's buffers are used again, with the same results; and the earlier tape has ended."""

import tracemalloc

import numpy as np
import pytest

import fastrnn
from layer_table import CELLS, like, randomise, recurrent, same_bits

SHAPE = (9, 4, 3)
RAGGED = [3, 9, 1, 7]


def recorded(layer, seed=0, shape=SHAPE, *, seed_of_masks=None, **options):
    """Return x, an initial state, and what `record` makes of them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(layer.dtype)
    state = like(layer.forward(x)[1], rng)
    return x, state, layer.record(x, state, seed=seed_of_masks, **options)


def buffers(tape):
    """Return the arrays of all layers of a tape."""
    directions = [direction[:4] for layer in tape.saved.layers for direction in layer.directions]
    layers = tape.saved.layers
    arrays = [*(layer.x for layer in layers), *(layer.output for layer in layers)]
    arrays += [array for one in directions for array in one]
    return [array for array in arrays if array is not None]


def spoil(tape):
    """Fill a tape's buffers with NaN, so that nothing left in them can serve."""
    for array in buffers(tape):
        array[...] = np.nan


def addresses(tape):
    return [array.__array_interface__["data"][0] for array in buffers(tape)]


OPTIONS = [{}, {"bidirectional": True}, {"bidirectional": True, "recurrent_dropout": 0.3, "zoneout": 0.2}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("lengths", [None, RAGGED])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_same_bits_in_the_same_memory(cell, layers, lengths, options):
    layer = randomise(recurrent(cell, 3, 5, layers, **options), np.random.default_rng(1))
    _, _, (_, _, old) = recorded(layer, lengths=lengths, seed_of_masks=1)
    where = addresses(old)
    spoil(old)
    x, state, (output, final, tape) = recorded(layer, seed=2, lengths=lengths, seed_of_masks=7)
    grads = layer.backward(tape, output, final)
    output2, final2, tape2 = layer.record(x, state, lengths=lengths, reuse=old, seed=7)
    assert addresses(tape2) == where
    assert same_bits(output2, output)
    assert same_bits(final2, final)
    grads2 = layer.backward(tape2, output, final)
    assert same_bits(grads2.x, grads.x)
    assert same_bits(grads2.state, grads.state)
    assert same_bits(grads2.parameters, grads.parameters)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_again_and_again(cell, batch_first):
    layer = recurrent(cell, 3, 5, 2, batch_first=batch_first)
    _, _, (_, _, tape) = recorded(layer)
    where = addresses(tape)
    for seed in range(5):
        x, state, (output, _, _) = recorded(layer, seed)
        again, _, tape = layer.record(x, state, reuse=tape)
        assert same_bits(again, output)
        assert addresses(tape) == where


@pytest.mark.parametrize("cell", CELLS)
def test_the_earlier_tape_has_ended(cell):
    layer = recurrent(cell, 3, 5)
    x, state, (output, _, old) = recorded(layer)
    _, _, tape = layer.record(x, state, reuse=old)
    with pytest.raises(RuntimeError, match=r"^tape: its buffers were given to another by record\(reuse=\.\.\.\)"):
        layer.backward(old, output)
    with pytest.raises(RuntimeError, match=r"^reuse: its buffers were given to another by record\(reuse=\.\.\.\)"):
        layer.record(x, state, reuse=old)
    layer.backward(tape, output)
    layer.backward(tape, output)


@pytest.mark.parametrize("cell", CELLS)
def test_a_tape_of_another_layer_is_refused_and_goes_on(cell):
    layer, twin = recurrent(cell, 3, 5), recurrent(cell, 3, 5)
    x, state, _ = recorded(layer)
    _, _, (output, _, other) = recorded(twin)
    for wrong in (other, "tape", 1, (layer, None), buffers(other)[0]):
        with pytest.raises(ValueError, match=r"^reuse: expected one that this \w+ recorded, got "):
            layer.record(x, state, reuse=wrong)
    twin.backward(other, output)


@pytest.mark.parametrize("cell", CELLS)
def test_a_call_that_is_refused_leaves_the_tape_as_it_was(cell):
    layer = recurrent(cell, 3, 5)
    x, _, (output, _, tape) = recorded(layer)
    expected = layer.backward(tape, output)
    for call in (
        lambda: layer.record(x[..., :2], reuse=tape),
        lambda: layer.record(x, 5 * (1,), reuse=tape),
        lambda: layer.record(x, lengths=[1], reuse=tape),
    ):
        with pytest.raises((TypeError, ValueError)):
            call()
    assert same_bits(layer.backward(tape, output).parameters, expected.parameters)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_another_shape_gets_buffers_of_its_own(cell, bidirectional):
    layer = recurrent(cell, 3, 5, 2, bidirectional=bidirectional)
    for shape, lengths in (((8, 4, 3), None), ((9, 5, 3), None), ((9, 3), None), (SHAPE, RAGGED), ((12, 3, 3), None)):
        _, _, (_, _, old) = recorded(layer)
        before, memory = buffers(old), [array.copy() for array in buffers(old)]
        x, state, (output, final, tape) = recorded(layer, 3, shape, lengths=lengths)
        output2, final2, tape2 = layer.record(x, state, lengths=lengths, reuse=old)
        assert same_bits(output2, output)
        assert same_bits(final2, final)
        assert same_bits(layer.backward(tape2, output).parameters, layer.backward(tape, output).parameters)
        if shape != (12, 3, 3):  # 36 rows as before: x may lie where it lay
            assert not any(np.shares_memory(a, b) for a in buffers(tape2) for b in before)
            assert all(map(same_bits, before, memory))


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_may_have_changed_since(cell):
    layer = recurrent(cell, 3, 5)
    x, state, (_, _, old) = recorded(layer)
    for array in layer.parameters().values():
        array += 0.25
    expected, _, _ = layer.record(x, state)
    output, _, tape = layer.record(x, state, reuse=old)
    assert same_bits(output, expected)
    layer.backward(tape, output)


@pytest.mark.parametrize("cell", CELLS)
def test_the_callers_input_stays_the_callers(cell):
    """Even if it is the output that shares the old tape's memory."""
    layer = recurrent(cell, 5, 5)
    x, _, (output, final, tape) = recorded(layer, shape=(9, 4, 5))
    kept = x.copy(), output.copy()
    expected, _, _ = layer.record(kept[1], final)
    again, _, tape2 = layer.record(output.copy(), final, reuse=tape)
    assert same_bits(again, expected)
    assert same_bits(x, kept[0])
    assert not any(np.shares_memory(x, array) for array in buffers(tape2))
    assert all(np.isfinite(array).all() for array in buffers(tape2))


@pytest.mark.parametrize("cell", CELLS)
def test_the_old_output_fed_back_is_read_before_it_is_overwritten(cell):
    layer = recurrent(cell, 5, 5, 2)
    _, _, (output, final, tape) = recorded(layer, shape=(9, 4, 5))
    expected, _, _ = layer.record(output.copy(), final)
    again, _, _ = layer.record(output, final, reuse=tape)  # the output is a view of the tape that ends here
    assert same_bits(again, expected)


def test_a_second_round_allocates_little():
    layer = fastrnn.LSTM(16, 64, seed=0)
    x = np.zeros((100, 16, 16), np.float32)
    tape = layer.record(x)[2]
    tracemalloc.start()
    try:
        tape = layer.record(x, reuse=tape)[2]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = sum(array.nbytes for array in buffers(tape))
    assert size > 2_000_000
    assert peak < size / 10


# ---- models ----


def model(cell):
    return fastrnn.Sequential(
        recurrent(cell, 3, 5), fastrnn.Tanh(), recurrent(cell, 5, 4, 2), fastrnn.Linear(4, 2, seed=0)
    )


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_hands_its_tapes_on(cell):
    m, rng = model(cell), np.random.default_rng(0)
    x, other = rng.standard_normal((2, 6, 7, 3)).astype(np.float32)
    output, states, tape = m.record(x)
    grads = m.backward(tape, output)
    _, _, old = m.record(other)
    again, states2, tape2 = m.record(x, reuse=old)
    assert same_bits(again, output)
    assert same_bits(states2, states)
    grads2 = m.backward(tape2, output)
    assert same_bits(grads2.x, grads.x)
    assert same_bits(grads2.parameters, grads.parameters)
    with pytest.raises(RuntimeError, match=r"^tape: its buffers were given to another"):
        m.backward(old, output)
    with pytest.raises(RuntimeError, match=r"^reuse: its buffers were given to another"):
        m.record(x, reuse=old)
    with pytest.raises(ValueError, match=r"^reuse: expected one that this Sequential recorded"):
        model(cell).record(x, reuse=tape2)
    m.backward(tape, output)


def test_a_model_that_refuses_a_call_leaves_the_tape_as_it_was():
    m = model("lstm")
    x = np.ones((6, 7, 3), np.float32)
    output, _, tape = m.record(x)
    with pytest.raises(ValueError, match="features"):
        m.record(x[..., :2], reuse=tape)
    m.backward(tape, output)


def refusals(layer, x):
    """Return the arguments of `record` that are to be refused."""
    bad = [{"state": "text"}, {"state": np.zeros((7, 7, 7))}, {"lengths": [0] * 4}, {"lengths": [1]}]
    return [(x, one) for one in bad + ([{"seed": "x"}] if layer.random else [])] + [(x[..., :2], {})]


@pytest.mark.parametrize(
    "layer",
    [
        fastrnn.GRU(3, 2, zoneout=0.1, seed=0),
        fastrnn.LSTM(3, 2, 2, dropout=0.5, seed=0),
        fastrnn.TDNN(3, 2, 2, seed=0),
        fastrnn.TDNN(3, 2, 3, causal=False, seed=0),
        fastrnn.Jordan(3, 2, 2, seed=0),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_refused_record_leaves_the_earlier_tape(layer):
    x = np.random.default_rng(0).standard_normal(SHAPE)
    output, _, tape = layer.record(x, **({"seed": 0} if layer.random else {}))
    before = layer.backward(tape, np.ones_like(output)).x
    for wrong, options in refusals(layer, x):
        with pytest.raises((TypeError, ValueError)):
            layer.record(wrong, **options, reuse=tape)
    assert same_bits(layer.backward(tape, np.ones_like(output)).x, before)


@pytest.mark.parametrize("batched", [True, False])
def test_a_refused_record_of_a_model_leaves_the_earlier_tape(batched):
    model = fastrnn.Sequential(
        fastrnn.GRU(3, 2, seed=0), fastrnn.Dropout(0.5), fastrnn.LSTM(2, 2, seed=0), fastrnn.TDNN(2, 1, 3, seed=0)
    )
    x = np.random.default_rng(0).standard_normal(SHAPE if batched else SHAPE[1:])
    output, good, tape = model.record(x, seed=0)
    before = model.backward(tape, np.ones_like(output)).x
    for i in (0, 2, 3):
        wrong = [*good[:i], np.zeros((7, 7, 7)), *good[i + 1 :]]
        with pytest.raises((TypeError, ValueError)):
            model.record(x, wrong, seed=0, reuse=tape)
    for options in ({"state": "text"}, {"state": good[:2]}, {"seed": "x"}, {"lengths": [0]}):
        with pytest.raises((TypeError, ValueError)):
            model.record(x, **options, reuse=tape)
    assert same_bits(model.backward(tape, np.ones_like(output)).x, before)
    again, _, _ = model.record(x, good, seed=0, reuse=tape)
    assert again.shape == output.shape


def test_states_are_checked_in_ragged_batches_and_behind_repeat():
    ragged = fastrnn.Sequential(fastrnn.GRU(3, 2, seed=0))
    x = np.zeros((4, 9, 3))
    _, good, tape = ragged.record(x, lengths=RAGGED)
    with pytest.raises(ValueError, match="h_0: expected shape"):
        ragged.record(x, (good[0][:, :2],), lengths=RAGGED, reuse=tape)
    _, _, tape = ragged.record(x, good, lengths=RAGGED, reuse=tape)
    repeated = fastrnn.Sequential(fastrnn.Repeat(5), fastrnn.GRU(3, 2, seed=0))
    for x in (np.zeros((4, 3)), np.zeros(3)):
        _, good, tape = repeated.record(x)
        with pytest.raises(ValueError, match="h_0: expected shape"):
            repeated.record(x, (None, good[1][..., :1]), reuse=tape)
        _, _, tape = repeated.record(x, good, reuse=tape)

"""lengths=: a batch of sequences of different lengths is each of them by itself, and padding is never read."""

import numpy as np
import pytest

from layer_table import CELLS, like, parts, randomise, recurrent, same_bits

T = 9
LENGTHS = {
    "unsorted": [3, 9, 1, 7, 2],
    "rising": [1, 2, 4, 6, 9],
    "ties": [4, 9, 4, 9, 4],
    "none as long as x": [5, 3, 6, 1, 3],
    "all of one step": [1, 1, 1],
    "all equal and short": [4, 4, 4],
    "one sequence": [6],
    "nine sequences": [2, 9, 9, 3, 8, 1, 1, 5, 7],
    "many sequences": [1 + 5 * i % 9 for i in range(21)],
}
each_batch = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)


def padding_of(lengths):
    return np.arange(T)[:, None] >= np.asarray(lengths)


def batch(layer, lengths, seed=0):
    """Return x, dy (T, N, ·), an initial state and a gradient of the final one."""
    rng = np.random.default_rng(seed)
    x, dy = (rng.standard_normal((T, len(lengths), size)).astype(layer.dtype) for size in (3, layer.hidden_size))
    x[padding_of(lengths)] = dy[padding_of(lengths)] = np.nan
    state = like(layer.forward(np.zeros((1, len(lengths), 3)))[1], rng)
    return x, dy, state, like(state, rng)


def of_sequence(state, n):
    new = tuple(part[:, n : n + 1] for part in parts(state))
    return new if isinstance(state, tuple) else new[0]


@each_batch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "bias"), [(1, True), (2, False), (3, True)])
@pytest.mark.parametrize("cell", CELLS)
def test_each_sequence_by_itself(cell, layers, bias, dtype, lengths):
    layer = randomise(recurrent(cell, 3, 5, layers, bias=bias, dtype=dtype), np.random.default_rng(layers))
    x, dy, start, end = batch(layer, lengths)
    output, final, tape = layer.record(x, start, lengths=lengths)
    plain, plain_final = layer(x, start, lengths=lengths)
    grads = layer.backward(tape, dy, end)
    assert same_bits(plain, output)
    assert same_bits(plain_final, final)
    total = {name: np.zeros(array.shape) for name, array in layer.parameters().items()}
    for n, steps in enumerate(lengths):
        own = slice(0, steps), slice(n, n + 1)
        y, last, alone = layer.record(x[own], of_sequence(start, n))
        own_grads = layer.backward(alone, dy[own], of_sequence(end, n))
        assert same_bits(output[own], y)
        assert same_bits(of_sequence(final, n), last)
        assert same_bits(grads.x[own], own_grads.x)
        assert same_bits(of_sequence(grads.state, n), own_grads.state)
        for name, grad in own_grads.parameters.items():
            total[name] += grad
    for name, grad in grads.parameters.items():  # a sum in another order
        limit = 50 * np.finfo(dtype).eps * max(1, np.abs(total[name]).max())
        np.testing.assert_allclose(grad, total[name], rtol=0, atol=limit)
    padding = padding_of(lengths)
    for array in (output, plain, grads.x):
        assert same_bits(array[padding], np.zeros_like(array[padding]))  # and no -0


@each_batch
@pytest.mark.parametrize("cell", CELLS)
def test_batch_first_is_the_transposed(cell, lengths):
    layer, twin = (recurrent(cell, 3, 5, 2, batch_first=flag, seed=1) for flag in (False, True))
    x, dy, start, end = batch(layer, lengths)
    output, final, tape = layer.record(x, start, lengths=lengths)
    output2, final2, tape2 = twin.record(x.swapaxes(0, 1), start, lengths=lengths)
    assert same_bits(output2.swapaxes(0, 1), output)
    assert same_bits(twin.forward(x.swapaxes(0, 1), start, lengths=lengths)[0], output2)
    assert same_bits(final2, final)
    grads, grads2 = layer.backward(tape, dy, end), twin.backward(tape2, dy.swapaxes(0, 1), end)
    assert same_bits(grads2.x.swapaxes(0, 1), grads.x)
    assert same_bits(grads2.state, grads.state)
    assert same_bits(grads2.parameters, grads.parameters)


@pytest.mark.parametrize("cell", CELLS)
def test_full_lengths_are_none_at_all(cell):
    layer = recurrent(cell, 3, 5, 2)
    x, dy, start, end = batch(layer, [T] * 4)
    output, final, tape = layer.record(x, start)
    expected = layer.backward(tape, dy, end)
    for lengths in ([T] * 4, np.full(4, T, np.uint8)):
        output2, final2, tape2 = layer.record(x, start, lengths=lengths)
        assert same_bits(output2, output)
        assert same_bits(final2, final)
        assert same_bits(layer.backward(tape2, dy, end).parameters, expected.parameters)


@pytest.mark.parametrize("cell", CELLS)
def test_what_counts_changes_the_result_of_its_sequence_alone(cell):
    layer, lengths = recurrent(cell, 3, 5), [4, 2]
    x, _, start, _ = batch(layer, lengths)
    output, final = layer(x, start, lengths=lengths)
    x[3, 0] += 1
    output2, final2 = layer(x, start, lengths=lengths)
    assert same_bits(output2[:3], output[:3])
    assert not np.allclose(output2[3, 0], output[3, 0])
    assert not np.allclose(parts(final2)[0][:, 0], parts(final)[0][:, 0])
    assert same_bits(of_sequence(final2, 1), of_sequence(final, 1))


@pytest.mark.parametrize("cell", CELLS)
def test_nothing_passed_in_is_changed_or_shared(cell):
    layer, lengths = recurrent(cell, 3, 5, 2), np.array([3, 9, 1, 7])
    x, dy, start, end = batch(layer, lengths)
    given = [x, dy, *parts(start), *parts(end), lengths]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    output, final, tape = layer.record(x, start, lengths=lengths)
    grads = layer.backward(tape, dy, end)
    assert all(map(same_bits, given, before))
    ours = [output, *parts(final), grads.x, *parts(grads.state), *grads.parameters.values()]
    assert not any(np.shares_memory(mine, theirs) for mine in ours for theirs in given)
    for array in (x, *parts(start), lengths):  # the tape has its own
        array.flags.writeable = True
        array[...] = 1
    assert same_bits(layer.backward(tape, dy, end).parameters, grads.parameters)


WRONG = {
    "too few": ([3, 3], ValueError, r"expected one for each of 3 sequences, got shape \(2,\)"),
    "too many": ([3] * 4, ValueError, r"expected one for each of 3 sequences, got shape \(4,\)"),
    "two axes": ([[3, 3, 3]], ValueError, r"expected one for each of 3 sequences, got shape \(1, 3\)"),
    "a number": (3, ValueError, r"expected one for each of 3 sequences, got shape \(\)"),
    "zero": ([3, 0, 3], ValueError, "expected 1 to 9, the steps of x, got 0 to 3"),
    "negative": ([3, -1, 3], ValueError, "expected 1 to 9, the steps of x, got -1 to 3"),
    "too long": ([3, 10, 3], ValueError, "expected 1 to 9, the steps of x, got 3 to 10"),
    "far too long": (np.array([3, 2**63, 3], np.uint64), ValueError, "expected 1 to 9, the steps of x"),
    "floats": ([3.0, 3.0, 3.0], TypeError, "expected whole numbers, got dtype float64"),
    "bools": ([True, True, True], TypeError, "expected whole numbers, got dtype bool"),
    "text": (["3", "3", "3"], TypeError, "expected whole numbers, got dtype <U1"),
    "objects": ([None, 3, 3], TypeError, "expected whole numbers, got dtype object"),
    "complex": ([1j, 1, 1], TypeError, "expected whole numbers, got dtype complex128"),
    "none": ([], (TypeError, ValueError), "expected"),
    "unequal parts": ([[3], [3, 3], 3], (TypeError, ValueError), "expected"),
}


@pytest.mark.parametrize(("lengths", "error", "message"), WRONG.values(), ids=WRONG)
def test_wrong_lengths_are_refused_by_name(lengths, error, message):
    for layer, x in (
        (recurrent("lstm", 3, 5), np.zeros((T, 3, 3))),
        (recurrent("gru", 3, 5, batch_first=True), np.zeros((3, T, 3))),
    ):
        for call in (layer, layer.forward, layer.record):
            with pytest.raises(error, match=f"^lengths: {message}"):
                call(x, lengths=lengths)


def test_one_sequence_without_a_batch_axis_has_no_lengths():
    layer = recurrent("lstm", 3, 5)
    for call in (layer, layer.forward, layer.record):
        for lengths in ([4], 4, T):
            with pytest.raises(ValueError, match=r"^lengths: expected None with one sequence"):
                call(np.zeros((T, 3)), lengths=lengths)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64])
def test_lengths_of_any_integer_type(dtype):
    layer = recurrent("gru", 3, 5)
    x, _, start, _ = batch(layer, [3, 9, 1])
    expected = layer(x, start, lengths=[3, 9, 1])[0]
    assert same_bits(layer(x, start, lengths=np.array([3, 9, 1], dtype))[0], expected)


@pytest.mark.parametrize("cell", CELLS)
def test_no_sequences_with_no_lengths(cell):
    layer = recurrent(cell, 3, 5)
    output, _, tape = layer.record(np.empty((T, 0, 3)), lengths=np.empty(0, np.int64))
    assert output.shape == (T, 0, 5)
    grads = layer.backward(tape, np.empty((T, 0, 5)))
    assert not any(grad.any() for grad in grads.parameters.values())


def test_no_lengths_of_no_sequences():
    layer = recurrent("gru", 3, 2)
    output, state = layer(np.zeros((T, 0, 3)), lengths=[])
    assert (output.shape, state.shape) == ((T, 0, 2), (1, 0, 2))
    with pytest.raises(ValueError, match=r"^lengths: expected one for each of 2 sequences, got shape \(0,\)$"):
        layer(np.zeros((T, 2, 3)), lengths=[])

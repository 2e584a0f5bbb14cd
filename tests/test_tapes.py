"""Tapes and ownership: what is passed in comes back unmodified, nothing that is handed out shares memory with it."""

import itertools
import threading

import numpy as np
import pytest

import fastrnn
from layer_table import BUILDERS, CELLS, WITH_PARAMETERS, like, parts, randomise, recurrent, same_bits

MODELS = {
    **BUILDERS,
    "model": lambda **o: fastrnn.Sequential(recurrent("lstm", 3, 5, **o), fastrnn.Tanh(), fastrnn.Linear(5, 2, **o)),
}


def leaves(state):
    """Yield the arrays of a state, a model's nested one too."""
    for part in parts(state):
        yield from leaves(part) if isinstance(part, tuple) or part is None else [part]


def random_like(state, rng):
    if isinstance(state, tuple):
        return tuple(random_like(part, rng) for part in state)
    return like(state, rng)


def recorded(name, seed=0):
    """Return a layer of float32 and arrays that it needs no cast of: where sharing memory would be tempting."""
    rng = np.random.default_rng(seed)
    layer = randomise(MODELS[name](), rng)
    x = rng.standard_normal((6, 4, 3)).astype(np.float32)
    state = random_like(layer.forward(x)[1], rng)
    output, final, tape = layer.record(x, state)
    dy, end = rng.standard_normal(output.shape).astype(np.float32), random_like(final, rng)
    return layer, x, state, output, final, tape, dy, end


@pytest.mark.parametrize("name", MODELS)
def test_what_is_passed_in_comes_back_unmodified_and_unshared(name):
    layer, x, state, output, final, tape, dy, end = recorded(name)
    given = [x, *leaves(state), dy, *leaves(end), *layer.parameters().values()]
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    again, final2, tape = layer.record(x, state)
    called, final3 = layer.forward(x, state)
    grads = layer.backward(tape, dy, end)
    assert all(map(same_bits, given, before))
    ours = [output, again, called, *leaves(final), *leaves(final2), *leaves(final3), grads.x, *leaves(grads.state)]
    ours += grads.parameters.values()
    for mine, theirs in itertools.product(ours, given):
        assert not np.shares_memory(mine, theirs)
    new = [called, *leaves(final3), grads.x, *leaves(grads.state), *grads.parameters.values()]
    assert all(array.flags.writeable for array in new)
    for a, b in itertools.combinations(new, 2):  # bias_ih and bias_hh have equal gradients, but each its own array
        assert not np.shares_memory(a, b)


@pytest.mark.parametrize("name", MODELS)
def test_the_tape_does_not_see_later_changes(name):
    layer, x, state, output, final, tape, dy, end = recorded(name)
    expected = layer.backward(tape, dy, end)
    for array in (x, *leaves(state), *leaves(final)):
        array[...] = 7.0
    with pytest.raises(ValueError, match="read-only"):
        output[...] = 7.0  # the tape may share it
    grads = layer.backward(tape, dy, end)
    assert same_bits(grads.x, expected.x)
    assert same_bits(grads.parameters, expected.parameters)


@pytest.mark.parametrize("name", MODELS)
def test_a_tape_plays_twice_with_the_same_bits(name):
    layer, *_, tape, dy, end = recorded(name)
    first = layer.backward(tape, dy, end)
    kept = first.x.copy(), {key: grad.copy() for key, grad in first.parameters.items()}
    for array in (first.x, *leaves(first.state), *first.parameters.values()):
        array[...] = np.nan  # results are the caller's: spoiling them must not spoil the tape
    second = layer.backward(tape, dy, end)
    assert same_bits(second.x, kept[0])
    assert same_bits(second.parameters, kept[1])


@pytest.mark.parametrize("name", MODELS)
def test_two_tapes_of_one_layer_are_independent(name):
    layer, _, _, _, _, tape, dy, end = recorded(name)
    expected = layer.backward(tape, dy, end)
    layer.record(np.ones((6, 4, 3), np.float32))
    layer.forward(np.ones((9, 2, 3), np.float32))
    assert same_bits(layer.backward(tape, dy, end).x, expected.x)


@pytest.mark.parametrize("name", [*WITH_PARAMETERS, "model"])
def test_changed_parameters_end_a_tape(name):
    layer, *_, tape, dy, end = recorded(name)
    for array in layer.parameters().values():
        kept = array.flat[-1]
        array.flat[-1] = np.nextafter(kept, np.float32(9))  # one bit of one element is enough
        with pytest.raises(RuntimeError, match=r"parameters have changed.*record\(\) again"):
            layer.backward(tape, dy, end)
        array.flat[-1] = kept
        layer.backward(tape, dy, end)


@pytest.mark.parametrize("name", MODELS)
def test_a_foreign_tape_is_refused(name):
    layer, *_, dy, end = recorded(name)
    for foreign in (recorded(name)[5], None, "tape", (layer, None)):
        with pytest.raises(ValueError, match=r"^tape: expected one that this \w+ recorded"):
            layer.backward(foreign, dy, end)


@pytest.mark.parametrize("name", MODELS)
def test_wrong_gradients_are_refused_by_name(name):
    layer, *_, tape, dy, end = recorded(name)
    for wrong in (dy[:-1], dy[:, :-1], dy[..., :-1], dy[0], dy[None]):
        with pytest.raises(ValueError, match=r"^grad_output: expected shape .*, got "):
            layer.backward(tape, wrong, end)
    for wrong in (dy * 1j, dy.astype(object), dy.astype(str)):
        with pytest.raises(TypeError, match=r"^grad_output: expected real numbers"):
            layer.backward(tape, wrong, end)


@pytest.mark.parametrize("cell", CELLS)
def test_no_grad_state_means_zeros(cell):
    layer, *_, tape, dy, end = recorded(cell)
    zeros = [np.zeros_like(part) for part in parts(end)]
    without = layer.backward(tape, dy)
    assert same_bits(without.x, layer.backward(tape, dy, tuple(zeros) if len(zeros) > 1 else zeros[0]).x)
    assert not np.allclose(without.x, layer.backward(tape, dy, end).x)


@pytest.mark.parametrize("cell", CELLS)
def test_wrong_grad_states_are_refused_by_name(cell):
    layer, *_, tape, dy, end = recorded(cell)
    wrong = [part[:, :-1] for part in parts(end)]
    with pytest.raises(ValueError, match=r"^grad_h\w*: expected shape \(2, 4, 5\), got \(2, 3, 5\)"):
        layer.backward(tape, dy, tuple(wrong) if len(wrong) > 1 else wrong[0])
    if len(wrong) > 1:
        for state in (end[0], end[:1], (*end, end[0])):
            with pytest.raises(TypeError, match=r"^grad_state: expected a tuple \(grad_h\w*, grad_c\w*\)"):
                layer.backward(tape, dy, state)


def test_a_tape_may_be_played_in_another_thread():
    layer, *_, tape, dy, end = recorded("lstm")
    results = []
    thread = threading.Thread(target=lambda: results.append(layer.backward(tape, dy, end)))
    thread.start()
    thread.join()
    assert same_bits(results[0].parameters, layer.backward(tape, dy, end).parameters)

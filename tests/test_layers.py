"""The contract of the layers: shapes, PyTorch's names, batch axes, stacking, states handed over; no cell's numbers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastrnn
from fastrnn import _kernels
from layer_table import BUILDERS, CELLS, DTYPES, like, parts, randomise, recurrent, same_bits

# Same sums in another grouping: values are O(1), sums have < 100 terms, 100 · 2.2e-16 and room for the chain of steps.
ROUNDING = 1e-12


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_shapes_names_and_dtypes(cell, layers, bias, dtype):
    layer = recurrent(cell, 3, 5, layers, bias=bias, dtype=dtype)
    units = _kernels.CELLS[cell].gates * 5
    expected = {}
    for k in range(layers):
        expected |= {f"weight_ih_l{k}": (units, 5 if k else 3), f"weight_hh_l{k}": (units, 5)}
        expected |= {f"bias_ih_l{k}": (units,), f"bias_hh_l{k}": (units,)} if bias else {}
    assert {name: array.shape for name, array in layer.parameters().items()} == expected

    output, state, tape = layer.record(np.ones((7, 2, 3)))
    assert output.shape == (7, 2, 5)
    assert [part.shape for part in parts(state)] == [(layers, 2, 5)] * _kernels.CELLS[cell].states
    grads = layer.backward(tape, np.ones((7, 2, 5)), state)
    assert grads.x.shape == (7, 2, 3)
    assert [part.shape for part in parts(grads.state)] == [part.shape for part in parts(state)]
    assert {name: array.shape for name, array in grads.parameters.items()} == expected
    arrays = [output, *parts(state), grads.x, *parts(grads.state), *grads.parameters.values()]
    assert {array.dtype.name for array in [*arrays, *layer.parameters().values()]} == {dtype}


@pytest.mark.parametrize("cell", CELLS)
def test_defaults(cell):
    layer = recurrent(cell, 2, 3)
    assert (layer.num_layers, layer.bias, layer.batch_first, layer.dtype) == (1, True, False, np.float32)


def test_the_gru_has_two_conventions_that_differ_by_what_the_reset_gate_resets():
    rng = np.random.default_rng(9)
    assert (fastrnn.GRU(3, 5).reset_after, fastrnn.GRU(3, 5).cell) == (True, "gru")
    assert fastrnn.GRU(3, 5, reset_after=False).cell == "gru_before"
    with pytest.raises(TypeError, match=r"^reset_after: expected True or False, got 1"):
        fastrnn.GRU(3, 5, reset_after=1)
    after, before = (randomise(fastrnn.GRU(3, 5, reset_after=flag), rng) for flag in (True, False))
    before.load_state_dict(after.state_dict())
    x = rng.standard_normal((4, 2, 3))
    assert np.abs(after(x)[0] - before(x)[0]).max() > 1e-3
    # With the reset gate wide open, r = 1, both are the same function.
    for layer in (after, before):
        layer.parameters()["bias_ih_l0"][:5] = 40.0
    np.testing.assert_allclose(after(x)[0], before(x)[0], rtol=0, atol=1e-6)
    # And with it shut, r = 0, what differs is whether the recurrent bias of n counts.
    for layer in (after, before):
        layer.parameters()["bias_ih_l0"][:5] = -200.0
    assert np.abs(after(x)[0] - before(x)[0]).max() > 1e-3
    for layer in (after, before):
        layer.parameters()["bias_hh_l0"][10:] = 0.0
    np.testing.assert_allclose(after(x)[0], before(x)[0], rtol=0, atol=1e-6)


def test_elman_is_another_name_of_rnn():
    assert fastrnn.Elman is fastrnn.RNN


@pytest.mark.parametrize("name", BUILDERS)
def test_calling_forward_and_record_give_the_same_bits(name):
    rng = np.random.default_rng(1)
    layer, x = randomise(BUILDERS[name](), rng), rng.standard_normal((6, 4, 3)).astype(np.float32)
    state = like(layer.forward(x)[1], rng)
    output, final = layer.forward(x, state)
    recorded, recorded_final, _ = layer.record(x, state)
    assert same_bits(output, recorded)
    assert same_bits(final, recorded_final)
    called = layer(x, state) if layer.recurrent else layer(x)
    assert same_bits(called[0] if layer.recurrent else called, output)


@pytest.mark.parametrize("cell", CELLS)
def test_output_ends_in_the_final_state_of_the_top_layer(cell):
    output, state = recurrent(cell, 3, 5, 2)(np.ones((4, 2, 3)))
    assert same_bits(output[-1], parts(state)[0][-1])


@pytest.mark.parametrize("cell", CELLS)
def test_no_state_means_zeros_and_the_state_counts(cell):
    layer, x = recurrent(cell, 3, 5, 2), np.ones((4, 2, 3), np.float32)
    output, final = layer(x)
    zeros = tuple(np.zeros_like(part) for part in parts(final))
    assert same_bits(layer(x, zeros[0] if len(zeros) == 1 else zeros)[0], output)
    for i in range(len(zeros)):  # every part of it
        changed = [part + 0.5 * (i == k) for k, part in enumerate(zeros)]
        assert not np.allclose(layer(x, changed[0] if len(zeros) == 1 else tuple(changed))[0], output)


@pytest.mark.parametrize("cell", CELLS)
def test_two_halves_with_the_state_handed_over_are_the_whole(cell):
    rng = np.random.default_rng(2)
    layer = randomise(recurrent(cell, 3, 5, 2, dtype="float64"), rng)
    x, dy = rng.standard_normal((9, 4, 3)), rng.standard_normal((9, 4, 5))
    start = like(layer(x)[1], rng)
    end = like(start, rng)
    output, final, tape = layer.record(x, start)
    whole = layer.backward(tape, dy, end)

    first, middle, tape1 = layer.record(x[:4], start)
    second, last, tape2 = layer.record(x[4:], middle)
    assert same_bits(np.concatenate([first, second]), output)
    assert same_bits(last, final)
    late = layer.backward(tape2, dy[4:], end)
    early = layer.backward(tape1, dy[:4], late.state)
    assert same_bits(np.concatenate([early.x, late.x]), whole.x)
    assert same_bits(early.state, whole.state)
    for name, grad in whole.parameters.items():
        close(early.parameters[name] + late.parameters[name], grad)


@pytest.mark.parametrize("cell", CELLS)
def test_batch_first_is_the_transposed(cell):
    rng = np.random.default_rng(3)
    layer = recurrent(cell, 3, 5, 2, seed=1)
    twin = recurrent(cell, 3, 5, 2, batch_first=True, seed=1)
    x, dy = rng.standard_normal((6, 4, 3)), rng.standard_normal((6, 4, 5))
    start = like(layer(x)[1], rng)  # (L, N, H) in both, as in PyTorch
    output, final, tape = layer.record(x, start)
    output2, final2, tape2 = twin.record(x.swapaxes(0, 1), start)
    assert same_bits(output2.swapaxes(0, 1), output)
    assert same_bits(twin(x.swapaxes(0, 1), start)[0], output2)
    assert same_bits(final2, final)
    grads, grads2 = layer.backward(tape, dy, final), twin.backward(tape2, dy.swapaxes(0, 1), final)
    assert same_bits(grads2.x.swapaxes(0, 1), grads.x)
    assert same_bits(grads2.state, grads.state)
    assert same_bits(grads2.parameters, grads.parameters)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_unbatched_is_a_batch_of_one(cell, batch_first):
    rng = np.random.default_rng(4)
    layer = recurrent(cell, 3, 5, 2, batch_first=batch_first)
    x, dy = rng.standard_normal((6, 3)), rng.standard_normal((6, 5))
    start = like(layer(x)[1], rng)
    axis = 0 if batch_first else 1

    def batch(state):
        new = tuple(part[:, None] for part in parts(state))
        return new if isinstance(state, tuple) else new[0]

    output, final, tape = layer.record(x, start)
    output1, final1, tape1 = layer.record(np.expand_dims(x, axis), batch(start))
    assert (output.shape, parts(final)[0].shape) == ((6, 5), (2, 5))
    assert same_bits(np.expand_dims(output, axis), output1)
    assert same_bits(batch(final), final1)
    assert same_bits(layer(x, start)[0], output)
    grads = layer.backward(tape, dy, final)
    grads1 = layer.backward(tape1, np.expand_dims(dy, axis), final1)
    assert same_bits(np.expand_dims(grads.x, axis), grads1.x)
    assert same_bits(batch(grads.state), grads1.state)
    assert same_bits(grads.parameters, grads1.parameters)


@pytest.mark.parametrize("cell", CELLS)
def test_a_stack_is_its_layers_chained(cell):
    rng = np.random.default_rng(5)
    stack = randomise(recurrent(cell, 3, 5, 2), rng)
    singles = [recurrent(cell, size, 5) for size in (3, 5)]
    for k, single in enumerate(singles):
        names = [name.removesuffix("_l0") for name in single.parameters()]
        single.load_state_dict({f"{name}_l0": stack.parameters()[f"{name}_l{k}"] for name in names})
    x, dy = rng.standard_normal((6, 4, 3)), rng.standard_normal((6, 4, 5))
    start = like(stack(x)[1], rng)

    def of_layer(state, k):
        new = tuple(part[k : k + 1] for part in parts(state))
        return new if isinstance(state, tuple) else new[0]

    output, final, tape = stack.record(x, start)
    hidden, final0, tape0 = singles[0].record(x, of_layer(start, 0))
    top, final1, tape1 = singles[1].record(hidden, of_layer(start, 1))
    assert same_bits(top, output)
    assert same_bits(of_layer(final, 0), final0)
    assert same_bits(of_layer(final, 1), final1)
    grads = stack.backward(tape, dy, final)
    grads1 = singles[1].backward(tape1, dy, final1)
    grads0 = singles[0].backward(tape0, grads1.x, final0)
    assert same_bits(grads.x, grads0.x)
    for k, single in enumerate((grads0, grads1)):
        assert same_bits(of_layer(grads.state, k), single.state)
        for name, grad in single.parameters.items():
            assert same_bits(grads.parameters[name.replace("_l0", f"_l{k}")], grad)


@pytest.mark.parametrize("name", BUILDERS)
def test_no_sequences_give_empty_results(name):
    layer = BUILDERS[name]()
    output, state, tape = layer.record(np.empty((6, 0, 3)))
    leading = (0,) if layer.pools else (6, 0)
    assert output.shape[:-1] == layer.forward(np.empty((6, 0, 3)))[0].shape[:-1] == leading
    grads = layer.backward(tape, np.empty(output.shape), state)
    assert grads.x.shape == (6, 0, 3)
    expected = {"jordan": (1, 0, 4), "tdnn": (1, 0, 3)}.get(name, (2, 0, 5))
    assert all(part.shape == expected for part in [*parts(state), *parts(grads.state)])
    assert not any(grad.any() for grad in grads.parameters.values())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(0, 2, 3), (0, 0, 3), (0, 3)])
def test_no_step_is_an_error(cell, shape):
    for call in (recurrent(cell, 3, 5), recurrent(cell, 3, 5).record):
        with pytest.raises(ValueError, match=r"^x: .*T = 0"):
            call(np.empty(shape))


@pytest.mark.parametrize(("rows", "hidden"), [(3, 6), (9, 100)])
@pytest.mark.parametrize("cell", CELLS)
def test_many_threads_on_one_layer_give_the_bits_of_one(cell, rows, hidden):
    rng = np.random.default_rng(7)
    layer = recurrent(cell, 3, hidden)
    inputs = [rng.standard_normal((5, rows, 3)) for _ in range(32)]

    def work(x):
        output, final, tape = layer.record(x)
        grads = layer.backward(tape, output, final)
        return layer(x)[0], output, final, grads.x, grads.state, grads.parameters

    alone = [work(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for ours, theirs in zip(alone, pool.map(work, inputs), strict=True):
            assert all(map(same_bits, ours, theirs))


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bias": False}, {"batch_first": True}])
def test_names_layouts_and_values_are_pytorchs(cell, options):
    torch = pytest.importorskip("torch")
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(cell, torch.nn.RNN)
    extra = {"nonlinearity": cell.removeprefix("rnn_")} if kind is torch.nn.RNN else {}
    theirs = kind(3, 5, dtype=torch.float64, **options, **extra)
    ours = recurrent(cell, 3, 5, dtype="float64", **options)
    weights = {name: array.detach().numpy() for name, array in theirs.named_parameters()}
    assert list(weights) == list(ours.parameters())
    ours.load_state_dict(weights)
    for x in (np.random.default_rng(8).standard_normal(shape) for shape in ((6, 4, 3), (6, 3))):
        output, state = theirs(torch.from_numpy(x))
        close(ours(x)[0], output.detach().numpy())
        for mine, other in zip(parts(ours(x)[1]), parts(state), strict=True):
            close(mine, other.detach().numpy())

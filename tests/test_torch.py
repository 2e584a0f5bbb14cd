"""PyTorch's outputs, gradients, losses and optimiser steps: from golden/torch.npz, and live where it is installed."""

from itertools import product

import numpy as np
import pytest

import fastrnn
from fastrnn.losses import LOSSES
from golden import make_torch
from layer_model import Model
from layer_table import DTYPES, recurrent

FLAT = {key: array for path in make_torch.PATHS for key, array in np.load(path).items()}


ALL_CASES = make_torch.CASES | make_torch.GRU_CASES


def golden(group):
    return {key.removeprefix(f"{group}/"): FLAT[key] for key in FLAT if key.startswith(f"{group}/")}


def as_state(arrays, prefix):
    """Return h, or (h, c), from the arrays `prefix.0` and perhaps `prefix.1`."""
    parts = [arrays[f"{prefix}.{i}"] for i in range(2) if f"{prefix}.{i}" in arrays]
    return parts[0] if len(parts) == 1 else tuple(parts)


def layer_of(case, given, dtype):
    """Return the layer that make_torch.run_layer ran, with its parameters."""
    cell, layers, _, batch_first = case
    parameters = {name[2:]: array for name, array in given.items() if name.startswith("p.")}
    options = {
        "num_layers": layers,
        "bias": "bias_ih_l0" in parameters,
        "batch_first": batch_first,
        "bidirectional": "weight_ih_l0_reverse" in parameters,
        "dtype": dtype,
    }
    layer = recurrent(cell, given["x"].shape[-1], given["state.0"].shape[-1], **options)
    layer.load_state_dict(parameters)
    return layer


def run_fastrnn(case, given, dtype):
    """Return what make_torch.run_layer computed, as the public layers compute it."""
    layer, lengths = layer_of(case, given, dtype), given.get("lengths")
    output, final, tape = layer.record(given["x"], as_state(given, "state"), lengths=lengths)
    plain, plain_final = layer(given["x"], as_state(given, "state"), lengths=lengths)
    np.testing.assert_array_equal(plain, output)
    np.testing.assert_array_equal(plain_final, final)
    grads = layer.backward(tape, given["dy"], as_state(given, "dstate"))
    final, grad_state = (part if isinstance(part, tuple) else (part,) for part in (final, grads.state))
    return results(output, final, grads.x, grad_state, grads.parameters)


def run_reference(case, given, dtype="float64"):
    """Return what make_torch.run_layer computed, dense or ragged, as a stack of the reference's layers computes it."""
    turn = (lambda a: a.swapaxes(0, 1)) if case[3] else (lambda a: a)
    x, layer = turn(given["x"]), layer_of(case, given, dtype)
    states, ends = ([given[f"{s}.{i}"] for i in range(2) if f"{s}.{i}" in given] for s in ("state", "dstate"))
    model = Model(layer, x, states, given.get("lengths", np.full(x.shape[1], len(x))))
    dx, grad_state, parameters, _ = model.backward(turn(given["dy"]), ends)
    return results(turn(model.output), model.final, turn(dx), grad_state, parameters)


def results(output, final, dx, grad_state, parameters):
    """Return everything under the names of make_torch.run_layer."""
    got = {"output": output, "grad.x": dx} | {f"grad.p.{name}": grad for name, grad in parameters.items()}
    got |= {f"final.{i}": part for i, part in enumerate(final)}
    return got | {f"grad.state.{i}": part for i, part in enumerate(grad_state)}


def expect_like_torch(case, arrays, dtype, run=run_fastrnn, relative=1e-10):
    """Compare with PyTorch's float64 results.

    float64: to `relative`, in units of the largest element. float32: every element is the end of sums of I + H
    products, carried on over T steps in every layer, and over T·N rows for parameters: 4·eps·√(L·T·(I + 4H + N)).
    """
    got = run(case, arrays, dtype)
    expected = {name: a for name, a in arrays.items() if name.split(".")[0] in ("output", "final", "grad")}
    assert got.keys() == expected.keys()
    layers, _, batch_first = case[1:]
    N, T, inputs = arrays["x"].shape if batch_first else arrays["x"].swapaxes(0, 1).shape
    terms = layers * T * (inputs + 4 * arrays["state.0"].shape[-1] + N)
    relative = relative if dtype == "float64" else 4 * np.finfo(dtype).eps * np.sqrt(terms)
    for name, true in expected.items():
        assert got[name].dtype == dtype, name
        limit = relative * max(1, np.abs(true).max())
        np.testing.assert_allclose(got[name], true, rtol=0, atol=limit, err_msg=name)


def expect_loss_like_torch(name, arrays):
    loss = LOSSES[name.removesuffix("_probabilities")]()
    value, gradient = loss(arrays["prediction"], arrays["target"])
    np.testing.assert_allclose(value, arrays["value"], rtol=1e-12)
    np.testing.assert_allclose(gradient, arrays["gradient"], rtol=1e-12, atol=1e-16)
    value, gradient = loss(arrays["prediction"].astype(np.float32), arrays["target"])
    # each element of a loss is a few rounded operations
    np.testing.assert_allclose(value, arrays["value"], rtol=8 * np.finfo(np.float32).eps)
    limit = 8 * np.finfo(np.float32).eps * np.abs(arrays["gradient"]).max()
    np.testing.assert_allclose(gradient, arrays["gradient"], rtol=0, atol=limit)
    assert gradient.dtype == np.float32


def expect_steps_like_torch(name, arrays):
    kind, options = (make_torch.OPTIMIZERS | make_torch.MORE_OPTIMIZERS)[name]
    options = {"learning_rate" if key == "lr" else key: value for key, value in options.items()}
    if "weight_decay" in options or kind == "AdamW":
        options["decay_biases"] = True  # as PyTorch does
    optimizer = getattr(fastrnn, kind)(**options)
    parameters = {key: arrays[f"start.{key}"].copy() for key in ("w", "b")}
    # a step is a few rounded operations on numbers of the size of the parameters, and as many on what it remembers
    steps = len(arrays["values.w"])
    limit = 1e-12 if parameters["w"].dtype == "float64" else 4 * steps * np.finfo(np.float32).eps
    for t in range(steps):
        optimizer.update(parameters, {key: arrays[f"gradients.{key}"][t] for key in parameters})
        for key, value in parameters.items():
            expected = arrays[f"values.{key}"][t]
            np.testing.assert_allclose(value, expected, rtol=limit, atol=limit, err_msg=f"step {t}")
            assert value.dtype == expected.dtype


# ---- golden ----


def test_the_golden_files_hold_every_case_and_are_small():
    groups = {key.rpartition("/")[0] for key in FLAT}
    expected = {f"layer/{n}" for n in ALL_CASES} | {f"ragged/{n}" for n in make_torch.RAGGED_CASES}
    expected |= {f"bidirectional/{n}" for n in make_torch.RAGGED_CASES}
    expected |= {f"loss/{n}" for n in make_torch.LOSSES} | {f"optimizer/{n}" for n in make_torch.OPTIMIZERS}
    expected |= {f"optimizer-{dtype}/{n}" for n, dtype in product(make_torch.MORE_OPTIMIZERS, DTYPES)}
    assert groups == expected
    assert max(path.stat().st_size for path in make_torch.PATHS) < 300_000


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ALL_CASES)
def test_layers_equal_the_golden_results(name, dtype):
    expect_like_torch(ALL_CASES[name], golden(f"layer/{name}"), dtype)


@pytest.mark.parametrize("name", ALL_CASES)
def test_the_reference_equals_the_golden_results(name):
    expect_like_torch(ALL_CASES[name], golden(f"layer/{name}"), "float64", run_reference)


@pytest.mark.parametrize("group", ["ragged", "bidirectional"])
@pytest.mark.parametrize("name", make_torch.RAGGED_CASES)
def test_ragged_batches_equal_the_golden_results(name, group):
    case, arrays = make_torch.RAGGED_CASES[name], golden(f"{group}/{name}")
    assert ("p.weight_hh_l1_reverse" in arrays) == (group == "bidirectional")
    assert tuple(arrays["lengths"]) == make_torch.RAGGED_LENGTHS
    expect_like_torch(case, arrays, "float64", run_reference)
    expect_like_torch(case, arrays, "float64")
    expect_like_torch(case, arrays, "float32")


@pytest.mark.parametrize("name", make_torch.LOSSES)
def test_losses_equal_the_golden_results(name):
    expect_loss_like_torch(name, golden(f"loss/{name}"))


@pytest.mark.parametrize("name", make_torch.OPTIMIZERS)
def test_optimizers_equal_the_golden_steps(name):
    expect_steps_like_torch(name, golden(f"optimizer/{name}"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", make_torch.MORE_OPTIMIZERS)
def test_options_of_optimizers_equal_the_golden_steps(name, dtype):
    arrays = golden(f"optimizer-{dtype}/{name}")
    assert arrays["start.w"].dtype == dtype
    expect_steps_like_torch(name, arrays)


# ---- live ----


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


SIZES = [(1, 1, 1, 1), (5, 1, 3, 17), (4, 9, 7, 65), (70, 4, 5, 8), (3, 3, 2, 161)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.usefixtures("torch")
def test_layers_equal_torch(cell, layers, sizes, bias):
    for kind, batch_first in product(("dense", "one_hot"), (False, True)):
        case = cell, layers, kind, batch_first
        arrays = make_torch.run_layer(case, sizes, bias=bias, seed=layers)
        expect_like_torch(case, arrays, "float64")
        if cell != "rnn_relu":  # whose slope may fall on either side of 0 in float32
            expect_like_torch(case, arrays, "float32")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.usefixtures("torch")
def test_the_reference_equals_torch_and_ragged_batches_do(cell, layers, sizes, bias):
    T, N, _, _ = sizes
    lengths = np.random.default_rng([layers, *sizes]).integers(1, T, N, endpoint=True)
    for ends, batch_first in product((None, tuple(lengths), (T,) * N), (False, True)):
        case = cell, layers, "dense", batch_first
        arrays = make_torch.run_layer(case, sizes, bias=bias, seed=layers, lengths=ends)
        expect_like_torch(case, arrays, "float64", run_reference)
        if ends is not None:
            expect_like_torch(case, arrays, "float64")


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("layers", "bias"), [(1, True), (2, True), (2, False)])
@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
@pytest.mark.usefixtures("torch")
def test_both_directions_equal_torch(cell, layers, sizes, bias):
    T, N, _, _ = sizes
    lengths = tuple(np.random.default_rng([layers, *sizes]).integers(1, T, N, endpoint=True))
    for ends, batch_first in product((None, lengths), (False, True)):
        case = cell, layers, "dense", batch_first
        arrays = make_torch.run_layer(case, sizes, bias=bias, seed=layers, lengths=ends, bidirectional=True)
        expect_like_torch(case, arrays, "float64", relative=1e-12)
        if cell != "rnn_relu":
            expect_like_torch(case, arrays, "float32")


def test_our_parameters_load_into_torch_and_give_the_same_output(torch):
    x = np.random.default_rng(0).standard_normal((6, 2, 3))
    for name in ("RNN", "LSTM", "GRU"):
        ours = getattr(fastrnn, name)(3, 4, num_layers=2, dtype="float64", seed=1)
        theirs = getattr(torch.nn, name)(3, 4, num_layers=2, dtype=torch.float64)
        theirs.load_state_dict({key: torch.tensor(value) for key, value in ours.state_dict().items()})
        assert list(ours.state_dict()) == list(theirs.state_dict())
        output, _ = theirs(torch.tensor(x))  # the initial state is zero in both
        np.testing.assert_allclose(ours(x)[0], output.detach().numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("shape", [(8,), (3, 4), (2, 3, 7)], ids=str)
@pytest.mark.parametrize("name", make_torch.LOSSES)
@pytest.mark.usefixtures("torch")
def test_losses_equal_torch(name, shape):
    shape = (1, *shape) if len(shape) == 1 else shape
    for seed in range(5):
        expect_loss_like_torch(name, make_torch.run_loss(name, shape, seed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", make_torch.OPTIMIZERS | make_torch.MORE_OPTIMIZERS)
@pytest.mark.usefixtures("torch")
def test_optimizers_equal_torch(name, dtype):
    for seed in range(1, 6):
        expect_steps_like_torch(name, make_torch.run_optimizer(name, 30, seed, dtype))

"""The Jordan layer: its reference, gradients, axes, ragged batches, teacher forcing, streams, and bad input."""

from itertools import count, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn
from fastrnn import _jordan
from fastrnn.reference import Jordan as Reference
from fastrnn.reference.sequence import pre_activation
from layer_table import DTYPES, randomise, same_bits
from reference_cases import STEP, derivative

FUNCTIONS = tuple(product(_jordan.PHI, _jordan.PSI))
each_function = pytest.mark.parametrize(("phi", "psi"), FUNCTIONS)


def layer_of(phi="tanh", psi="linear", sizes=(3, 5, 4), seed=0, **options):
    layer = fastrnn.Jordan(*sizes, nonlinearity=phi, output_activation=psi, seed=seed, **options)
    return randomise(layer, np.random.default_rng(seed))


def problem(layer, T, N, seed=0, lengths=None):
    """Return x, y_0, teacher, grad_output and grad_y_n, time first; NaN beyond the lengths."""
    rng = np.random.default_rng(seed)
    x, teacher, dy = (
        rng.standard_normal((T, N, size)).astype(layer.dtype)
        for size in (layer.input_size, layer.outputs, layer.outputs)
    )
    if lengths is not None:
        for array in (x, teacher, dy):
            array[np.arange(T)[:, None] >= np.asarray(lengths)] = np.nan
    y_0, dy_n = (rng.standard_normal((1, N, layer.outputs)).astype(layer.dtype) for _ in range(2))
    return x, y_0, teacher, dy, dy_n


# ---- the reference ----


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 1, 3]])
@pytest.mark.parametrize("bias", [True, False])
@each_function
def test_every_gradient_of_the_reference_equals_finite_differences(phi, psi, bias, lengths, forced):
    """Under teacher forcing too: the loss is then that of a network that is fed constants."""
    twin = Reference(phi, psi)
    for seed in count():  # the ReLU has no derivative at 0: no pre-activation so near that a step would cross it
        rng = np.random.default_rng(seed)
        w = {"weight_ih": (5, 2), "weight_hh": (5, 4), "weight_ho": (4, 5)}
        w |= {"bias_ih": (5,), "bias_hh": (5,), "bias_ho": (4,)} if bias else {}
        w = {name: 0.6 * rng.standard_normal(shape) for name, shape in w.items()}
        x, y_0, dy, dy_n = (rng.standard_normal(s) for s in ((4, 3, 2), (3, 4), (4, 3, 4), (3, 4)))
        teacher = rng.standard_normal(dy.shape) if forced else None
        arguments = x, y_0, w, None if lengths is None else np.array(lengths), teacher
        output, _, tape = twin.forward(*arguments)
        steps = zip(tape.x, tape.fed, tape.running[..., 0], strict=True)
        if min(np.abs(pre_activation(a, b, w)[on]).min() for a, b, on in steps) > 20 * STEP and output.any():
            break

    def loss():
        y, last, _ = twin.forward(*arguments)
        return np.vdot(y, dy) + np.vdot(last, dy_n)

    grads = twin.backward(tape, dy, dy_n, w)
    assert grads.parameters.keys() == w.keys()
    pairs = {"x": (x, grads.x), "y_0": (y_0, grads.y_0)} | {key: (w[key], grads.parameters[key]) for key in w}
    for key, (array, grad) in pairs.items():
        numeric = derivative(loss, array)
        assert np.abs(numeric).max() > 1e-3, f"{key}: nothing to compare"
        np.testing.assert_allclose(grad, numeric, rtol=0, atol=1e-9 * max(1, np.abs(numeric).max()), err_msg=key)


@each_function
def test_a_ragged_batch_of_the_reference_equals_its_sequences_one_by_one(phi, psi):
    layer, lengths = layer_of(phi, psi, dtype="float64"), [3, 1, 5]
    x, y_0, teacher, dy, dy_n = problem(layer, 6, 3, lengths=lengths)
    twin, w = Reference(phi, psi), layer.parameters()
    output, last, tape = twin.forward(x, y_0[0], w, np.array(lengths), teacher)
    grads = twin.backward(tape, dy, dy_n[0], w)
    for n, T in enumerate(lengths):
        own = slice(T), slice(n, n + 1)
        y, y_n, alone = twin.forward(x[own], y_0[0, own[1]], w, None, teacher[own])
        own_grads = twin.backward(alone, dy[own], dy_n[0, own[1]], w)
        pairs = (output[own], y), (last[own[1]], y_n), (grads.x[own], own_grads.x)
        for got, true in (*pairs, (grads.y_0[own[1]], own_grads.y_0)):
            np.testing.assert_allclose(got, true, rtol=0, atol=1e-13)
        assert not output[T:, n].any()
        assert not grads.x[T:, n].any()


# ---- the layer against the reference and PyTorch ----


def grads_of(layer, x, y_0, dy, dy_n, **options):
    output, last, tape = layer.record(x, y_0, **options)
    grads = layer.backward(tape, dy, dy_n)
    return {"output": output, "y_n": last, "x": grads.x, "y_0": grads.state, **grads.parameters}


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("lengths", [None, [3, 6, 1, 2]])
@each_function
def test_the_layer_equals_the_reference(phi, psi, lengths, forced):
    layer = layer_of(phi, psi, dtype="float64")
    x, y_0, teacher, dy, dy_n = problem(layer, 6, 4, lengths=lengths)
    teacher = teacher if forced else None
    got = grads_of(layer, x, y_0, dy, dy_n, lengths=lengths, teacher=teacher)
    twin, w = Reference(phi, psi), layer.parameters()
    output, last, tape = twin.forward(x, y_0[0], w, None if lengths is None else np.array(lengths), teacher)
    grads = twin.backward(tape, dy, dy_n[0], w)
    true = {"output": output, "y_n": last[None], "x": grads.x, "y_0": grads.y_0[None], **grads.parameters}
    assert got.keys() == true.keys()
    for name, truth in true.items():
        np.testing.assert_allclose(got[name], truth, rtol=0, atol=1e-11 * max(1, np.abs(truth).max()), err_msg=name)


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"batch_first": True}], ids=str)
@each_function
def test_gradients_pass_the_check(phi, psi, options):
    report = fastrnn.check_gradients(layer_of(phi, psi, (2, 3, 2), seed=5, **options))
    assert report.ok, str(report)


@pytest.mark.parametrize("forced", [False, True])
@each_function
def test_like_pytorch(phi, psi, forced):
    torch = pytest.importorskip("torch")
    layer = layer_of(phi, psi, dtype="float64")
    x, y_0, teacher, dy, dy_n = problem(layer, 7, 3)
    got = grads_of(layer, x, y_0, dy, dy_n, teacher=teacher if forced else None)
    leaves = {"x": x, "y_0": y_0, **layer.parameters()}
    t = {name: torch.tensor(array, requires_grad=True) for name, array in leaves.items()}
    functions = {"linear": lambda o: o, "softmax": lambda o: torch.softmax(o, -1)}
    linear, y, ys = torch.nn.functional.linear, t["y_0"][0], []
    for step in range(7):
        fed = torch.tensor(teacher[step - 1]) if forced and step else y
        z = linear(t["x"][step], t["weight_ih"], t["bias_ih"]) + linear(fed, t["weight_hh"], t["bias_hh"])
        o = linear(getattr(torch, phi)(z), t["weight_ho"], t["bias_ho"])
        y = functions.get(psi, getattr(torch, psi, None))(o)
        ys.append(y)
    output = torch.stack(ys)
    ((output * torch.tensor(dy)).sum() + (y * torch.tensor(dy_n[0])).sum()).backward()
    true = {"output": output.detach(), "y_n": y.detach()[None], **{name: leaf.grad for name, leaf in t.items()}}
    for name, truth in true.items():
        np.testing.assert_allclose(got[name], truth.numpy(), rtol=0, atol=1e-10 * max(1, truth.abs().max()))


# ---- axes, states, empty batches ----


@pytest.mark.parametrize("psi", _jordan.PSI)
def test_unbatched_and_batch_first_are_the_same_numbers(psi):
    layer, turned = layer_of(psi=psi), layer_of(psi=psi, batch_first=True)
    x, y_0, teacher, dy, dy_n = problem(layer, 6, 3)
    whole = grads_of(layer, x, y_0, dy, dy_n, teacher=teacher)
    arrays = (array.swapaxes(0, 1) for array in (x, dy, teacher))
    x_turned, dy_turned, teacher_turned = arrays
    got = grads_of(turned, x_turned, y_0, dy_turned, dy_n, teacher=teacher_turned)
    assert same_bits({**got, **{key: got[key].swapaxes(0, 1) for key in ("output", "x")}}, whole)
    for n in range(3):
        one = grads_of(layer, x[:, n], y_0[:, n], dy[:, n], dy_n[:, n], teacher=teacher[:, n])
        for name, axis in (("output", 1), ("x", 1), ("y_n", 1), ("y_0", 1)):
            np.testing.assert_array_equal(one[name], np.take(whole[name], n, axis), strict=True)
    assert same_bits(layer(x)[0], layer(x, np.zeros((1, 3, 4)))[0])  # zeros unless given


def test_an_empty_batch_gives_empty_results():
    layer = layer_of()
    x, y_0, teacher, dy, dy_n = problem(layer, 5, 0)
    got = grads_of(layer, x, y_0, dy, dy_n, teacher=teacher)
    assert got["output"].shape == (5, 0, 4)
    assert got["x"].shape == (5, 0, 3)
    assert got["y_0"].shape == got["y_n"].shape == (1, 0, 4)
    assert not any(got[name].any() for name in layer.parameters())


def test_initial_weights():
    layer = fastrnn.Jordan(30, 24, 16, seed=3)
    p = layer.parameters()
    np.testing.assert_allclose(p["weight_hh"].T @ p["weight_hh"], np.eye(16), atol=1e-5)
    for name, fans in (("weight_ih", 54), ("weight_ho", 40)):
        limit = np.sqrt(6 / fans)
        assert 0.95 * limit < np.abs(p[name]).max() <= limit * (1 + 1e-6)
    assert not any(p[name].any() for name in ("bias_ih", "bias_hh", "bias_ho"))
    assert same_bits(fastrnn.Jordan(30, 24, 16, seed=3).parameters(), p)


# ---- what must not matter ----

lengths_of = st.lists(st.integers(1, 7), min_size=1, max_size=20)
settled = settings(max_examples=60, deadline=None, database=None, derandomize=True)


@settled
@given(functions=st.sampled_from(FUNCTIONS), lengths=lengths_of, forced=st.booleans(), data=st.data())
def test_padding_and_the_order_of_the_batch_do_not_matter(functions, lengths, forced, data):
    layer = layer_of(*functions)
    x, y_0, teacher, dy, dy_n = problem(layer, 7, len(lengths), lengths=lengths)  # NaN in the padding
    options = {"teacher": teacher} if forced else {}
    got = grads_of(layer, x, y_0, dy, dy_n, lengths=lengths, **options)
    assert all(np.isfinite(array).all() for array in got.values())
    clean = {name: np.nan_to_num(array, nan=7) for name, array in options.items()}
    filled = grads_of(layer, np.nan_to_num(x, nan=3), y_0, np.nan_to_num(dy, nan=-2), dy_n, lengths=lengths, **clean)
    assert same_bits(filled, got)
    order = data.draw(st.permutations(range(len(lengths))))
    options = {name: array[:, order] for name, array in options.items()}
    turned = np.asarray(lengths)[order]
    moved = grads_of(layer, x[:, order], y_0[:, order], dy[:, order], dy_n[:, order], lengths=turned, **options)
    for name in ("output", "y_n", "x", "y_0"):
        assert same_bits(moved[name], got[name][:, order])


@settled
@given(functions=st.sampled_from(FUNCTIONS), rows=st.integers(1, 20), cuts=st.lists(st.integers(1, 5), max_size=5))
def test_chunks_with_the_state_carried_equal_the_whole(functions, rows, cuts):
    layer = layer_of(*functions)
    x, state, *_ = problem(layer, sum(cuts) + 2, rows)
    whole, final = layer(x, state)
    at, parts = 0, []
    for steps in (*cuts, 2):
        y, state = layer(x[at : at + steps], state)
        parts.append(y)
        at += steps
    assert same_bits(np.concatenate(parts), whole)
    assert same_bits(state, final)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("psi", _jordan.PSI)
def test_streams_equal_the_whole_and_keep_the_weights_they_began_with(psi, dtype):
    layer = layer_of(psi=psi, dtype=dtype)
    model = fastrnn.Sequential(layer, fastrnn.Linear(4, 2, dtype=dtype, seed=1))
    x = np.random.default_rng(0).standard_normal((3, 70, 3)).astype(dtype)
    y_0 = np.random.default_rng(1).standard_normal((1, 3, 4)).astype(dtype)
    whole = model.forward(x, (y_0, None))[0]
    single, several = model.stream((y_0[:, 0], None)), model.stream((y_0, None), batch_size=3)
    layer.parameters()["weight_ho"][...] = 0
    np.testing.assert_array_equal(several.run(x[:, :67]), whole[:, :67])
    np.testing.assert_array_equal(several.step(x[:, 67]), whole[:, 67])
    np.testing.assert_array_equal(np.stack([single.step(step) for step in x[0]]), whole[0])


def test_training_with_a_teacher_fits_what_free_running_then_repeats():
    """A network that must count by itself: without input, its output alone tells it where it stands."""
    cycle = np.eye(3, dtype=np.float32)[np.arange(1, 31) % 3][:, None]
    layer = fastrnn.Jordan(1, 16, 3, output_activation="softmax", seed=0)
    x, y_0 = np.zeros((30, 1, 1), np.float32), np.eye(3, dtype=np.float32)[[0]][None]
    optimizer = fastrnn.Adam(0.02)
    for _ in range(200):
        output, _, tape = layer.record(x, y_0, teacher=cycle)
        optimizer.update(layer.parameters(), layer.backward(tape, 2 * (output - cycle) / 30).parameters)
    free, _ = layer(x, y_0)
    np.testing.assert_array_equal(free.argmax(-1), cycle.argmax(-1))


# ---- tapes ----


def test_a_tape_is_played_twice_reused_and_refused_once_it_is_old():
    layer = layer_of()
    x, y_0, teacher, dy, dy_n = problem(layer, 6, 3)
    given = x.copy()
    output, _, tape = layer.record(given, y_0, teacher=teacher)
    assert not output.flags.writeable
    first = layer.backward(tape, dy, dy_n)
    given[...] = np.nan
    again = layer.backward(tape, dy, dy_n)
    assert same_bits((first.x, first.state), (again.x, again.state))
    assert same_bits(first.parameters, again.parameters)
    expected = layer.record(x, y_0)
    y, _, second = layer.record(x, y_0, reuse=tape)
    assert np.shares_memory(y, output)
    assert same_bits(y, expected[0])
    with pytest.raises(RuntimeError, match=r"^tape: its buffers were given to another"):
        layer.backward(tape, dy)
    layer.parameters()["weight_ho"][0, 0] += 1
    with pytest.raises(RuntimeError, match=r"^tape: the parameters have changed"):
        layer.backward(second, dy)


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"output_size": 0}, ValueError, "^output_size: expected at least 1, got 0"),
        ({"output_size": 2.5}, TypeError, "^output_size: expected an int, got 2.5"),
        ({"nonlinearity": "linear"}, ValueError, "^nonlinearity: expected one of 'tanh', 'sigmoid', 'relu', got"),
        ({"output_activation": "relu"}, ValueError, "^output_activation: expected one of 'linear', 'tanh', 'sigm"),
    ],
)
def test_arguments_of_the_constructor(options, error, message):
    with pytest.raises(error, match=message):
        fastrnn.Jordan(**{"input_size": 3, "hidden_size": 5, "output_size": 4, **options})


def test_bad_arrays_are_refused_by_name():
    layer = layer_of()
    x, y_0, teacher, dy, dy_n = problem(layer, 6, 3)
    output, _, tape = layer.record(x)
    cases = {
        r"^x: expected at least one step, got T = 0": lambda: layer(x[:0]),
        r"^x: expected shape \(T, N, I\) or \(T, I\) with 3 features": lambda: layer(x[..., 1:]),
        r"^y_0: expected shape \(1, 3, 4\), got \(1, 3, 3\)": lambda: layer(x, y_0[..., 1:]),
        r"^y_0: expected shape \(1, 4\)": lambda: layer(x[:, 0], y_0[:, :2]),
        r"^lengths: expected 1 to 6": lambda: layer(x, lengths=[0, 1, 2]),
        r"^teacher: expected shape \(6, 3, 4\), got \(5, 3, 4\)": lambda: layer.record(x, teacher=teacher[1:]),
        r"^teacher: expected shape \(6, 4\), got \(6, 3, 4\)": lambda: layer.record(x[:, 0], teacher=teacher),
        r"^grad_output: expected shape \(6, 3, 4\), got \(6, 3, 3\)": lambda: layer.backward(tape, dy[..., 1:]),
        r"^grad_y_n: expected shape \(1, 3, 4\), got \(1, 2, 4\)": lambda: layer.backward(tape, dy, dy_n[:, 1:]),
        r"^reuse: expected one that this Jordan recorded": lambda: layer.record(x, reuse=output),
        r"^layers: .* has batch_first=True": lambda: fastrnn.Sequential(layer_of(batch_first=True)),
        r"^layers: at position 1 Jordan takes 3 features": lambda: fastrnn.Sequential(layer, layer_of()),
    }
    for message, call in cases.items():
        with pytest.raises(ValueError, match=message):
            call()
    turned = layer_of(batch_first=True)
    with pytest.raises(ValueError, match=r"^teacher: expected shape \(3, 6, 4\), got \(6, 3, 4\)"):
        turned.record(x.swapaxes(0, 1), teacher=teacher)
    with pytest.raises(TypeError, match=r"^teacher: expected real numbers"):
        layer.record(x, teacher=teacher * 1j)


def test_parameters_lie_in_the_order_that_the_kernels_take():
    for hidden, outputs in ((2, 3), (3, 2), (1, 1)):
        layer = fastrnn.Jordan(1, hidden, outputs, seed=0)
        assert all(array.flags.c_contiguous for array in layer.parameters().values())
        assert layer(np.ones((4, 1)))[0].shape == (4, outputs)

"""The NumPy reference is held to finite differences, and its paths to the chain rule and to BPTT."""

from math import comb

import numpy as np
import pytest

import fastrnn
from fastrnn import reference
from reference_cases import CELLS, RAGGED, ROUNDING, draw_layer, draw_state, expect_gradients_of_finite_differences


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 2, 5), (4, 3, 2, 5), (7, 2, 5, 3)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_every_gradient_equals_finite_differences(name, shape, bias):
    expect_gradients_of_finite_differences(reference.CELLS[name], shape, bias=bias)


@pytest.mark.parametrize("name", CELLS)
def test_the_output_is_h_of_each_step_and_the_tape_starts_at_the_initial_state(name):
    cell, rng = reference.CELLS[name], np.random.default_rng(1)
    state = draw_state(rng, cell, 2, 3)
    output, tape = reference.forward(cell, rng.standard_normal((4, 2, 5)), state, draw_layer(rng, cell, 5, 3))
    assert output.shape == (4, 2, 3)
    assert tape.states[0] is state
    np.testing.assert_array_equal(output, np.stack([s[0] for s in tape.states[1:]]))


def draw_ragged(name, T, lengths, bias=True, padding=0.0):
    """Return the cell and a random problem: x, state, w, grad_output, grad_state; x and grad_output padded."""
    cell, rng, N, inputs, H = reference.CELLS[name], np.random.default_rng(T), len(lengths), 3, 5
    beyond = np.arange(T)[:, None] >= lengths
    x, grad_output = rng.standard_normal((T, N, inputs)), rng.standard_normal((T, N, H))
    x[beyond] = grad_output[beyond] = padding
    state, grad_state = (draw_state(rng, cell, N, H) for _ in range(2))
    return cell, x, state, draw_layer(rng, cell, inputs, H, bias), grad_output, grad_state


def run_ragged(cell, x, state, w, grad_output, grad_state, lengths=None):
    """Return outputs, final states and all gradients by name."""
    output, tape = reference.forward(cell, x, state, w, lengths)
    grads = reference.backward(cell, tape, grad_output, grad_state, w)
    result = {"output": output, "grad_x": grads.x} | grads.parameters
    result |= {f"final.{i}": part for i, part in enumerate(reference.final_state(tape))}
    return result | {f"grad_state.{i}": part for i, part in enumerate(grads.state)}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("T", "lengths"), RAGGED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_a_ragged_batch_equals_its_sequences_one_by_one(name, T, lengths, bias):
    cell, x, state, w, grad_output, grad_state = draw_ragged(name, T, lengths, bias)
    got = run_ragged(cell, x, state, w, grad_output, grad_state, np.array(lengths))
    assert got.keys() >= w.keys()
    total = {key: np.zeros_like(value) for key, value in w.items()}
    for n, end in enumerate(lengths):
        row = slice(n, n + 1)
        start, last = (tuple(part[row] for part in parts) for parts in (state, grad_state))
        alone = run_ragged(cell, x[:end, row], start, w, grad_output[:end, row], last)
        for key, value in alone.items():
            if key in total:
                total[key] += value
            elif key in ("output", "grad_x"):
                np.testing.assert_allclose(got[key][:end, row], value, rtol=0, atol=ROUNDING, err_msg=key)
                assert not got[key][end:, n].any(), key
            else:
                np.testing.assert_allclose(got[key][row], value, rtol=0, atol=ROUNDING, err_msg=key)
    for key, value in total.items():
        np.testing.assert_allclose(got[key], value, rtol=0, atol=ROUNDING * len(lengths) * T, err_msg=key)


@pytest.mark.parametrize(("T", "lengths"), RAGGED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_nan_in_padding_reaches_nothing(name, T, lengths):
    clean, dirty = (run_ragged(*draw_ragged(name, T, lengths, padding=p), np.array(lengths)) for p in (0.0, np.nan))
    for key, value in clean.items():
        assert np.isfinite(value).all(), key
        np.testing.assert_array_equal(dirty[key], value, err_msg=key)


@pytest.mark.parametrize("name", CELLS)
def test_lengths_that_are_all_t_change_no_bit(name):
    problem = draw_ragged(name, 4, [4, 4, 4])
    dense, ragged = run_ragged(*problem), run_ragged(*problem, np.array([4, 4, 4]))
    for key, value in dense.items():
        np.testing.assert_array_equal(ragged[key], value, err_msg=key)


def test_a_ragged_batchs_states_stand_still_after_its_sequences_ends():
    cell, x, state, w, _, _ = draw_ragged("lstm", 5, [3, 1, 5, 5, 2])
    _, tape = reference.forward(cell, x, state, w, np.array([3, 1, 5, 5, 2]))
    for part in (0, 1):
        h = np.stack([s[part] for s in tape.states])
        for n, end in enumerate([3, 1, 5, 5, 2]):
            assert (h[1 : end + 1, n] != h[:end, n]).all()
            np.testing.assert_array_equal(h[end:, n], np.repeat(h[end : end + 1, n], 6 - end, axis=0))


def draw_gru_step(rng, N=2, inputs=3, H=4):
    w = draw_layer(rng, reference.CELLS["gru"], inputs, H)
    return rng.standard_normal((N, inputs)), rng.standard_normal((N, H)), w


@pytest.mark.parametrize("name", ["gru", "gru_before"])
def test_a_gru_step_by_its_formulas(name):
    """Column vectors and a matrix for each gate, as the formulas are printed."""
    xs, hs, w = draw_gru_step(np.random.default_rng(5))
    (W_ir, W_iz, W_in), (W_hr, W_hz, W_hn) = np.split(w["weight_ih"], 3), np.split(w["weight_hh"], 3)
    (b_ir, b_iz, b_in), (b_hr, b_hz, b_hn) = np.split(w["bias_ih"], 3), np.split(w["bias_hh"], 3)
    output, _ = reference.forward(reference.CELLS[name], xs[None], (hs,), w)
    for x, h, new in zip(xs, hs, output[0], strict=True):
        r = 1 / (1 + np.exp(-(W_ir @ x + b_ir + W_hr @ h + b_hr)))
        z = 1 / (1 + np.exp(-(W_iz @ x + b_iz + W_hz @ h + b_hz)))
        seen = {"gru": r * (W_hn @ h + b_hn), "gru_before": W_hn @ (r * h) + b_hn}[name]
        n = np.tanh(W_in @ x + b_in + seen)
        np.testing.assert_allclose(new, (1 - z) * n + z * h, rtol=0, atol=1e-14)


def run_both_grus(x, h, w, grad):
    """Return (output, gradients) of each convention for one step."""
    for name in ("gru", "gru_before"):
        cell = reference.CELLS[name]
        output, tape = reference.forward(cell, x[None], (h,), w)
        yield output, reference.backward(cell, tape, np.zeros_like(output), (grad,), w)


def test_where_the_product_and_the_reset_commute_both_grus_agree():
    rng = np.random.default_rng(6)
    x, h, w = draw_gru_step(rng)
    grad = rng.standard_normal(h.shape)
    w["weight_hh"][8:] = np.diag(rng.standard_normal(4))  # r ∘ (D h) = D (r ∘ h), if b_hn = 0
    w["bias_hh"][8:] = 0
    (after, grads), (before, other) = run_both_grus(x, h, w, grad)
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-14)
    np.testing.assert_allclose(other.x, grads.x, rtol=0, atol=1e-13)
    np.testing.assert_allclose(other.state[0], grads.state[0], rtol=0, atol=1e-13)
    for key in ("weight_ih", "bias_ih"):
        np.testing.assert_allclose(other.parameters[key], grads.parameters[key], rtol=0, atol=1e-13)

    w["weight_hh"][8:] = rng.standard_normal((4, 4))
    (after, _), (before, _) = run_both_grus(x, h, w, grad)
    assert np.abs(after - before).max() > 0.01


def test_the_grus_biases_differ_in_the_candidates_block_after_the_product_alone():
    rng = np.random.default_rng(7)
    x, h, w = draw_gru_step(rng)
    (_, after), (_, before) = run_both_grus(x, h, w, rng.standard_normal(h.shape))
    np.testing.assert_array_equal(before.parameters["bias_ih"], before.parameters["bias_hh"])
    np.testing.assert_array_equal(after.parameters["bias_ih"][:8], after.parameters["bias_hh"][:8])
    assert (after.parameters["bias_ih"][8:] != after.parameters["bias_hh"][8:]).all()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", CELLS)
def test_paths_add_up_to_bptt_and_there_are_binomially_many(name, depth, bias):
    cell, rng = reference.CELLS[name], np.random.default_rng(2)
    T, N, inputs, H = 4, 2, 3, 2
    x = rng.standard_normal((T, N, inputs))
    layers = [draw_layer(rng, cell, H if k else inputs, H, bias) for k in range(depth)]
    grad_last = rng.standard_normal((N, H))

    zeros = tuple(np.zeros((N, H)) for _ in range(cell.states))
    tapes, y = [], x
    for w in layers:
        y, tape = reference.forward(cell, y, zeros, w)
        tapes.append(tape)
    grad_output = np.zeros((T, N, H))
    grad_output[-1] = grad_last
    for k in reversed(range(depth)):
        grads = reference.backward(cell, tapes[k], grad_output, zeros, layers[k])
        for parameter, total in grads.parameters.items():
            paths = reference.gradient_by_path(cell, x, layers, grad_last, parameter, layer=k)
            above = depth - k  # layers from this one to the top
            assert len(paths) == comb(T - 1 + above, above)
            assert len({path.nodes for path in paths}) == len(paths)
            # a sum of at most 20 terms in another order
            np.testing.assert_allclose(sum(path.gradient for path in paths), total, rtol=0, atol=1e-13)
        grad_output = grads.x


@pytest.mark.parametrize("name", CELLS)
def test_every_path_steps_forward_in_time_or_up_one_layer(name):
    cell, rng = reference.CELLS[name], np.random.default_rng(3)
    layers = [draw_layer(rng, cell, 2, 2) for _ in range(2)]
    x, grad_last = rng.standard_normal((3, 1, 2)), np.ones((1, 2))
    for path in reference.gradient_by_path(cell, x, layers, grad_last, "weight_ih"):
        assert path.nodes[0][0] == 0
        assert path.nodes[-1] == (1, 2)
        for (l0, t0), (l1, t1) in zip(path.nodes, path.nodes[1:], strict=False):
            assert (l1 - l0, t1 - t0) in {(0, 1), (1, 0)}


def test_s_to_z_over_two_steps_is_a_sum_of_exactly_three_paths():
    """s_t = tanh(U x_t + W s_{t-1}), z_t = tanh(V s_t + R z_{t-1}); E = g·z_2: dE/dU by hand, path by path."""
    rng = np.random.default_rng(4)
    inputs, S = 3, 2
    U, W, V, R = (rng.standard_normal((S, n)) for n in (inputs, S, S, S))
    x1, x2 = rng.standard_normal((2, inputs))
    g = rng.standard_normal(S)
    s1 = np.tanh(U @ x1)
    z1 = np.tanh(V @ s1)
    s2 = np.tanh(U @ x2 + W @ s1)
    z2 = np.tanh(V @ s2 + R @ z1)

    dz2 = g * (1 - z2**2)
    ds2 = (V.T @ dz2) * (1 - s2**2)
    by_hand = {
        ((0, 1), (1, 1)): np.outer(ds2, x2),  # U → s2 → z2
        ((0, 0), (0, 1), (1, 1)): np.outer((W.T @ ds2) * (1 - s1**2), x1),  # U → s1 → s2 → z2
        ((0, 0), (1, 0), (1, 1)): np.outer((V.T @ ((R.T @ dz2) * (1 - z1**2))) * (1 - s1**2), x1),  # U → s1 → z1 → z2
    }
    layers = [{"weight_ih": U, "weight_hh": W}, {"weight_ih": V, "weight_hh": R}]
    x = np.stack([x1, x2])
    paths = reference.gradient_by_path(reference.CELLS["rnn_tanh"], x[:, None], layers, g[None], "weight_ih")
    assert {path.nodes for path in paths} == by_hand.keys()
    assert len(paths) == 3
    for path in paths:
        np.testing.assert_allclose(path.gradient, by_hand[path.nodes], rtol=1e-12, atol=1e-15)

    rnn = fastrnn.RNN(inputs, S, num_layers=2, bias=False, dtype="float64")
    rnn.load_state_dict({"weight_ih_l0": U, "weight_hh_l0": W, "weight_ih_l1": V, "weight_hh_l1": R})
    output, _, tape = rnn.record(x)
    np.testing.assert_allclose(output, [z1, z2], rtol=1e-12)
    grads = rnn.backward(tape, np.stack([np.zeros(S), g]))
    np.testing.assert_allclose(grads.parameters["weight_ih_l0"], sum(by_hand.values()), rtol=1e-12, atol=1e-15)

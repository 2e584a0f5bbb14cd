"""The reference's options: time backwards, recurrent dropout and zoneout."""

import numpy as np
import pytest

from fastrnn import reference
from reference_cases import (
    CELLS,
    RAGGED,
    ROUNDING,
    Problem,
    draw_layer,
    draw_masks,
    draw_state,
    expect_gradients_of_finite_differences,
)


@pytest.mark.parametrize("lengths", [None, [2, 4, 1]], ids=str)
@pytest.mark.parametrize("zones", [None, "binary", "fractional"])
@pytest.mark.parametrize("keep", [False, True], ids=["", "keep"])
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_equal_finite_differences_with_every_option(name, reverse, keep, zones, lengths):
    cell, (T, N, inputs, H) = reference.CELLS[name], (4, 3, 2, 3)
    expect_gradients_of_finite_differences(
        cell,
        (T, N, inputs, H),
        draw_options=lambda rng: {"reverse": reverse} | draw_masks(rng, cell, (T, N, H), keep=keep, zones=zones),
        lengths=None if lengths is None else np.array(lengths),
    )


@pytest.mark.parametrize(("T", "lengths"), RAGGED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_backwards_in_time_is_forwards_on_each_sequence_turned_around(name, T, lengths):
    problem = Problem(name, T, lengths)
    got = problem.results(reverse=True)
    problem.flip()
    turned = problem.results()
    for key, value in turned.items():
        if key in ("output", "grad_x", "norms"):
            for n, end in enumerate(lengths):
                np.testing.assert_allclose(got[key][:end, n], value[:end, n][::-1], rtol=0, atol=ROUNDING, err_msg=key)
                assert not got[key][end:, n].any(), key
        else:
            np.testing.assert_allclose(got[key], value, rtol=0, atol=ROUNDING * len(lengths) * T, err_msg=key)


@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize("name", CELLS)
def test_a_sequences_steps_begin_at_the_initial_state(name, reverse):
    cell, rng = reference.CELLS[name], np.random.default_rng(1)
    x, state, w = rng.standard_normal((3, 2, 4)), draw_state(rng, cell, 2, 5), draw_layer(rng, cell, 4, 5)
    ends = np.array([3, 2])
    output, tape = reference.forward(cell, x, state, w, ends, reverse=reverse)
    for n, end in enumerate(ends):
        first, last = (end - 1, 0) if reverse else (0, end - 1)
        row = tuple(part[n : n + 1] for part in state)
        alone, _ = reference.forward(cell, x[first : first + 1, n : n + 1], row, w)
        np.testing.assert_allclose(output[first, n], alone[0, 0], rtol=0, atol=ROUNDING)
        np.testing.assert_array_equal(reference.final_state(tape)[0][n], output[last, n])


@pytest.mark.parametrize("name", CELLS)
def test_a_mask_on_the_state_is_a_mask_on_the_columns_of_all_recurrent_weights(name):
    """With one row, (m ∘ h) W_hhᵀ = h (W_hh diag(m))ᵀ; whatever else sees h is as it was."""
    cell, rng = reference.CELLS[name], np.random.default_rng(2)
    x, state, w = rng.standard_normal((4, 1, 3)), draw_state(rng, cell, 1, 5), draw_layer(rng, cell, 3, 5)
    grad_output, grad_state = rng.standard_normal((4, 1, 5)), draw_state(rng, cell, 1, 5)
    keep = np.array([[0.0, 2.0, 2.0, 0.0, 2.0]])
    output, tape = reference.forward(cell, x, state, w, keep=keep)
    masked = w | {"weight_hh": w["weight_hh"] * keep}
    other, other_tape = reference.forward(cell, x, state, masked)
    np.testing.assert_allclose(output, other, rtol=0, atol=ROUNDING)
    grads = reference.backward(cell, tape, grad_output, grad_state, w)
    others = reference.backward(cell, other_tape, grad_output, grad_state, masked)
    np.testing.assert_allclose(grads.x, others.x, rtol=0, atol=ROUNDING)
    true = others.parameters | {"weight_hh": others.parameters["weight_hh"] * keep}
    for key, value in true.items():
        np.testing.assert_allclose(grads.parameters[key], value, rtol=0, atol=ROUNDING, err_msg=key)
    unmasked, _ = reference.forward(cell, x, state, w)
    assert np.abs(output - unmasked).max() > 0.01


@pytest.mark.parametrize("name", CELLS)
def test_zoneout_of_one_keeps_the_state_and_of_zero_changes_no_bit(name):
    cell, rng = reference.CELLS[name], np.random.default_rng(3)
    x, state, w = rng.standard_normal((4, 2, 3)), draw_state(rng, cell, 2, 5), draw_layer(rng, cell, 3, 5)
    plain, plain_tape = reference.forward(cell, x, state, w)
    zeros, ones = ((np.full((1, 1, 1), value),) * cell.states for value in (0.0, 1.0))
    output, tape = reference.forward(cell, x, state, w, zoneout=zeros)
    np.testing.assert_array_equal(output, plain)
    np.testing.assert_array_equal(reference.final_state(tape), reference.final_state(plain_tape))
    output, tape = reference.forward(cell, x, state, w, zoneout=ones)
    np.testing.assert_array_equal(output, np.broadcast_to(state[0], output.shape))
    np.testing.assert_array_equal(reference.final_state(tape), state)


def test_each_state_of_an_lstm_is_zoned_by_itself_and_h_sees_the_new_c():
    """One step by the paper's formulas: c_t = d_c ∘ c_{t-1} + (1 - d_c) ∘ c̃, h_t likewise of o ∘ tanh(c̃)."""
    cell, rng = reference.CELLS["lstm"], np.random.default_rng(4)
    x, (h, c), w = rng.standard_normal((1, 2, 3)), draw_state(rng, cell, 2, 5), draw_layer(rng, cell, 3, 5)
    (d_h, d_c) = rng.uniform(0, 1, (2, 1, 2, 5))
    z = x[0] @ w["weight_ih"].T + w["bias_ih"] + h @ w["weight_hh"].T + w["bias_hh"]
    i, f, g, o = np.split(z, 4, axis=-1)
    i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
    new_c = f * c + i * g
    new_h = o * np.tanh(new_c)
    _, tape = reference.forward(cell, x, (h, c), w, zoneout=(d_h, d_c))
    got_h, got_c = reference.final_state(tape)
    np.testing.assert_allclose(got_h, d_h[0] * h + (1 - d_h[0]) * new_h, rtol=0, atol=1e-14)
    np.testing.assert_allclose(got_c, d_c[0] * c + (1 - d_c[0]) * new_c, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
def test_a_bidirectional_stack_is_layers_side_by_side(name):
    """Two directions joined at every step feed the next two, as in PyTorch."""
    torch = pytest.importorskip("torch")
    cell, (T, N, inputs, H), ends = reference.CELLS[name], (6, 3, 4, 5), np.array([4, 6, 1])
    build = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(name, torch.nn.RNN)
    options = {"nonlinearity": name.removeprefix("rnn_")} if name.startswith("rnn_") else {}
    torch.manual_seed(0)
    peer = build(inputs, H, 2, bidirectional=True, dtype=torch.float64, **options)
    x = torch.randn(T, N, inputs, dtype=torch.float64, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(ends), enforce_sorted=False)
    peer_output, _ = torch.nn.utils.rnn.pad_packed_sequence(peer(packed)[0])
    grad_output = np.random.default_rng(0).standard_normal((T, N, 2 * H))
    grad_output[np.arange(T)[:, None] >= ends] = 0
    peer_output.backward(torch.tensor(grad_output))

    weights = {key: value.detach().numpy() for key, value in peer.named_parameters()}
    zeros, tapes, y = (np.zeros((N, H)),) * cell.states, {}, x.detach().numpy()
    suffixes = [("_l0", "_l0_reverse"), ("_l1", "_l1_reverse")]

    def layer(suffix):
        return {key: weights[key + suffix] for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}

    for pair in suffixes:
        runs = [reference.forward(cell, y, zeros, layer(s), ends, reverse=s.endswith("reverse")) for s in pair]
        tapes |= {s: tape for s, (_, tape) in zip(pair, runs, strict=True)}
        y = np.concatenate([output for output, _ in runs], axis=-1)
    np.testing.assert_allclose(y, peer_output.detach().numpy(), rtol=0, atol=1e-12)
    grad = grad_output
    for pair in suffixes[::-1]:
        halves = zip(pair, np.split(grad, 2, axis=-1), strict=True)
        found = {s: reference.backward(cell, tapes[s], half, zeros, layer(s)) for s, half in halves}
        grad = sum(grads.x for grads in found.values())
        for s, grads in found.items():
            for key, value in grads.parameters.items():
                true = dict(peer.named_parameters())[key + s].grad.numpy()
                np.testing.assert_allclose(value, true, rtol=0, atol=1e-11, err_msg=key + s)
    np.testing.assert_allclose(grad, x.grad.numpy(), rtol=0, atol=1e-12)

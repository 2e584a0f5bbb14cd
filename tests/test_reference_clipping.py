"""The reference clips the state's gradient after each step, and reports how large it was."""

import numpy as np
import pytest

from fastrnn import reference
from reference_cases import CELLS, RAGGED, ROUNDING, Problem


@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize("name", CELLS)
def test_an_infinite_bound_clips_nothing(name, reverse):
    problem = Problem(name, 5, [3, 1, 5, 5, 2])
    _, tape = problem.forward(reverse=reverse)
    plain = problem.backward(tape)
    clipped = problem.backward(tape, clip=(np.inf,) * problem.cell.states)
    np.testing.assert_array_equal(clipped.x, plain.x)
    np.testing.assert_array_equal(clipped.state, plain.state)
    np.testing.assert_array_equal(clipped.norms, plain.norms)
    for key, value in plain.parameters.items():
        np.testing.assert_array_equal(clipped.parameters[key], value, err_msg=key)


def test_clipping_by_hand():
    """h_t = tanh(u x_t + w h_{t-1}) with one unit, two steps, bound 0.1."""
    u, w, bound, (x1, x2), h0 = 0.5, 2.0, 0.1, (0.4, -0.3), 0.2
    h1 = np.tanh(u * x1 + w * h0)
    h2 = np.tanh(u * x2 + w * h1)
    d1, d2 = 0.25, -1.5  # dE/d(output)
    dz2 = d2 * (1 - h2**2)
    back1 = dz2 * w  # dE/dh_1 through step 2: about -2.2, so that it becomes -0.1
    dz1 = (d1 - bound) * (1 - h1**2)
    back0 = dz1 * w  # about 0.2: becomes 0.1
    assert back1 < -bound
    assert back0 > bound
    cell, parameters = reference.CELLS["rnn_tanh"], {"weight_ih": np.array([[u]]), "weight_hh": np.array([[w]])}
    _, tape = reference.forward(cell, np.array([[[x1]], [[x2]]]), (np.array([[h0]]),), parameters)
    outside = np.array([[[d1]], [[d2]]])
    grads = reference.backward(cell, tape, outside, (np.zeros((1, 1)),), parameters, clip=(bound,))
    np.testing.assert_allclose(grads.norms[0][:, 0], [back0, -back1], rtol=1e-14)
    np.testing.assert_allclose(grads.state[0], [[bound]], rtol=1e-14)
    np.testing.assert_allclose(grads.parameters["weight_ih"], [[dz1 * x1 + dz2 * x2]], rtol=1e-14)
    np.testing.assert_allclose(grads.parameters["weight_hh"], [[dz1 * h0 + dz2 * h1]], rtol=1e-14)
    np.testing.assert_allclose(grads.x[:, 0, 0], [dz1 * u, dz2 * u], rtol=1e-14)


def clip_by_hand(grad, bound, has_step):
    """Return grad (N, H) clipped row by row, and the norms before."""
    grad, norms = grad.copy(), np.zeros(len(grad))
    for n in np.flatnonzero(has_step):
        norms[n] = np.sqrt((grad[n] ** 2).sum())
        if bound is not None and norms[n] > bound:
            grad[n] *= bound / norms[n]
    return grad, norms


@pytest.mark.parametrize("which", ["all", "first", "last"])
@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize(("T", "lengths"), RAGGED, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_clipping_equals_steps_one_by_one_with_clipping_between(name, T, lengths, reverse, which):
    problem = Problem(name, T, lengths, "binary")
    cell, w, bounds = problem.cell, problem.w, [0.3, 0.4][: problem.cell.states]
    if which != "all":
        bounds = [bound if (i == 0) == (which == "first") else None for i, bound in enumerate(bounds)]
    _, tape = problem.forward(reverse=reverse)
    grads = problem.backward(tape, clip=tuple(bounds))

    order = range(T)[::-1] if reverse else range(T)
    state, tapes = problem.state, {}
    for t in order:
        zones, has = tuple(part[t : t + 1] for part in problem.masks["zoneout"]), (problem.lengths > t).astype(int)
        _, tapes[t] = reference.forward(
            cell, problem.x[t : t + 1], state, w, has, keep=problem.masks["keep"], zoneout=zones
        )
        state = reference.final_state(tapes[t])
    grad_state, total = problem.grad_state, {key: np.zeros_like(value) for key, value in w.items()}
    for t in order[::-1]:
        one = reference.backward(cell, tapes[t], problem.grad_output[t : t + 1], grad_state, w)
        pairs = [clip_by_hand(g, bound, problem.lengths > t) for g, bound in zip(one.state, bounds, strict=True)]
        grad_state = tuple(grad for grad, _ in pairs)
        np.testing.assert_allclose(grads.x[t], one.x[0], rtol=0, atol=ROUNDING)
        for norms, (_, true) in zip(grads.norms, pairs, strict=True):
            np.testing.assert_allclose(norms[t], true, rtol=0, atol=ROUNDING)
        for key, part in one.parameters.items():
            total[key] += part
    for got, true in zip(grads.state, grad_state, strict=True):
        np.testing.assert_allclose(got, true, rtol=0, atol=ROUNDING)
    for key, true in total.items():
        np.testing.assert_allclose(grads.parameters[key], true, rtol=0, atol=ROUNDING * len(lengths) * T, err_msg=key)


def test_clipping_takes_something_away():
    """What the tests above compare with: bounds of that size are passed at most steps."""
    problem = Problem("lstm", 5, [3, 1, 5, 5, 2])
    _, tape = problem.forward()
    for norms, bound in zip(problem.backward(tape).norms, (0.3, 0.4), strict=True):
        has_step = np.arange(5)[:, None] < problem.lengths
        assert (norms[has_step] > bound).mean() > 0.5
        assert not norms[~has_step].any()

"""The gradient that flows back through the states: its norms, and bounds on them."""

import numpy as np
import pytest

from layer_model import Model
from layer_table import CELLS, STATES, like, parts, randomise, recurrent, same_bits
from reference_cases import derivative

T, N, INPUTS, H = 6, 3, 2, 4
LENGTHS = [2, 5, 4]
SEED = 3


class Case:
    """A layer, recorded, and gradients for its way back."""

    def __init__(self, cell, layers=2, lengths=None, **options):
        rng = np.random.default_rng(5)
        self.layer = randomise(recurrent(cell, INPUTS, H, layers, dtype="float64", **options), rng)
        self.x, self.lengths = rng.standard_normal((T, N, INPUTS)), lengths
        self.start = like(self.layer(self.x)[1], rng)
        self.end = like(self.start, rng)
        output, _, self.tape = self.layer.record(self.x, self.start, lengths=lengths, seed=SEED)
        self.dy = rng.standard_normal(output.shape)
        self.names = ["h", "c"][: len(parts(self.start))]

    def backward(self, **options):
        return self.layer.backward(self.tape, self.dy, self.end, **options)


def everything(grads):
    named = {f"state {i}": part for i, part in enumerate(parts(grads.state))}
    return {"x": grads.x} | named | grads.parameters | (grads.state_norms or {})


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_names_shapes_axes_and_dtypes(cell, bidirectional):
    rows = 2 * (1 + bidirectional)
    for dtype in ("float32", "float64"):
        layer, turned = (
            recurrent(cell, INPUTS, H, 2, bidirectional=bidirectional, batch_first=flag, dtype=dtype)
            for flag in (False, True)
        )
        x = np.random.default_rng(0).standard_normal((T, N, INPUTS))
        output, state, tape = layer.record(x)
        assert layer.backward(tape, output, state).state_norms is None
        norms = layer.backward(tape, output, state, norms=True).state_norms
        assert list(norms) == ["h", "c"][: STATES[cell]]
        assert {(array.shape, array.dtype.name) for array in norms.values()} == {((rows, T, N), dtype)}
        output, state, tape = turned.record(x.swapaxes(0, 1))
        other = turned.backward(tape, output, state, norms=True).state_norms
        assert same_bits({name: array.swapaxes(1, 2) for name, array in other.items()}, norms)
        output, state, tape = layer.record(x[:, 0])
        alone = layer.backward(tape, output, state, norms=True).state_norms
        assert same_bits(alone, {name: array[..., 0] for name, array in norms.items()})
        output, state, tape = layer.record(x[:, :0])
        nobody = layer.backward(tape, output, state, norms=True, clip_state=1.0).state_norms
        assert {array.shape for array in nobody.values()} == {(rows, T, 0)}


@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_norm_is_that_of_the_derivative_by_the_state_that_a_step_began_with(cell, reverse):
    """Finite differences of what is left of the sequence, run from that state on."""
    case = Case(cell, 1, bidirectional=True)
    d, half = int(reverse), slice(reverse * H, (1 + reverse) * H)
    found = case.backward(norms=True).state_norms
    trace = case.layer.trace(case.x, case.start)
    for t in range(T):
        steps = slice(0, t + 1) if reverse else slice(t, T)
        begin = 0 if t == (T - 1 if reverse else 0) else 1
        states = [part.copy() for part in parts(case.start)]
        if begin:
            for part, name in zip(states, case.names, strict=True):
                part[d] = trace[name][d, t + 1 if reverse else t - 1]

        def loss(steps=steps, states=states):
            y, final = case.layer(case.x[steps], states[0] if len(states) == 1 else tuple(states))
            ends = sum(np.vdot(part[d], end[d]) for part, end in zip(parts(final), parts(case.end), strict=True))
            return np.vdot(y[..., half], case.dy[steps][..., half]) + ends

        for part, name in zip(states, case.names, strict=True):
            true = np.linalg.norm(derivative(loss, part[d]), axis=-1)
            assert true.max() > 1e-3
            np.testing.assert_allclose(found[name][d, t], true, rtol=0, atol=1e-9, err_msg=f"{name} at {t}")


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "recurrent_dropout": 0.3, "zoneout": 0.2}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_bounds_on_all_states_on_one_and_on_none(cell, options, lengths):
    case = Case(cell, 2, lengths, **options)
    free = case.backward(norms=True)
    ends = np.array([T] * N if lengths is None else lengths)
    model = Model(case.layer, case.x, parts(case.start), ends, SEED)
    middle = [float(np.median(free.state_norms[name][free.state_norms[name] > 0])) for name in case.names]
    bounds = [middle] + [[bound if k == i else None for k, bound in enumerate(middle)] for i in range(len(middle))]
    for clip in bounds:
        grads = case.backward(clip_state=tuple(clip), norms=True)
        dx, states, parameters, norms = model.backward(case.dy, parts(case.end), tuple(clip))
        true = {"x": dx} | {f"state {i}": part for i, part in enumerate(states)} | parameters
        true |= dict(zip(case.names, norms, strict=True))
        got = everything(grads)
        assert got.keys() == true.keys()
        for name, array in true.items():
            np.testing.assert_allclose(got[name], array, rtol=0, atol=1e-12 * max(1, np.abs(array).max()), err_msg=name)
        assert not np.allclose(grads.x, free.x)
        unwatched = everything(case.backward(clip_state=tuple(clip)))
        assert same_bits(unwatched, {name: got[name] for name in unwatched})
        for part, bound in zip(parts(grads.state), clip, strict=True):
            assert bound is None or (np.linalg.norm(part, axis=-1) <= bound * (1 + 1e-12)).all()


@pytest.mark.parametrize("cell", CELLS)
def test_no_bound_and_one_that_is_never_reached_change_no_bit(cell):
    case = Case(cell, 2, LENGTHS, bidirectional=True, zoneout=0.2)
    plain = everything(case.backward())
    watched = everything(case.backward(norms=True))
    assert same_bits({name: watched[name] for name in plain}, plain)
    states = len(case.names)
    for clip in (None, (None,) * states, 1e30, (1e30,) * states, [1e30] * states):
        assert same_bits(everything(case.backward(norms=True, clip_state=clip)), watched)
        assert same_bits(everything(case.backward(clip_state=clip)), plain)
    tight = 1e-3
    one = everything(case.backward(clip_state=tight))
    assert same_bits(one, everything(case.backward(clip_state=(tight,) * states)))  # one number is for all
    assert not same_bits(one, plain)


@pytest.mark.parametrize("cell", CELLS)
def test_bounds_hold_back_a_gradient_that_explodes(cell):
    """In float32 its squares overflow; what comes out is finite and as small as was asked for."""
    layer = recurrent(cell, 1, 3, dtype="float32")
    x = np.ones((3, 2, 1), np.float32)
    output, _, tape = layer.record(x)
    huge = np.full_like(output, 1e30)
    norms = layer.backward(tape, huge, norms=True).state_norms["h"]
    assert np.isfinite(norms).all()
    assert norms.max() > 1e20
    grads = layer.backward(tape, huge, clip_state=0.5)
    for part in parts(grads.state):
        assert (np.linalg.norm(part, axis=-1) <= 0.5 * (1 + 1e-6)).all()

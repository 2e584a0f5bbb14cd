"""trace(): gates and states at every step, under their names, as the equations have them."""

import numpy as np
import pytest

from layer_table import CELLS, like, parts, randomise, recurrent, same_bits

T, N, INPUTS, H, L = 6, 4, 3, 5, 2
NAMES = {"lstm": ["i", "f", "g", "o", "c", "h"], "gru": ["n", "r", "z", "h"], "gru_before": ["n", "z", "r", "h"]}
LENGTHS = [3, 6, 1, 5]


def built(cell, **options):
    return randomise(recurrent(cell, INPUTS, H, L, **{"dtype": "float64", **options}), np.random.default_rng(0))


def given(layer, *, lengths=None):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((T, N, INPUTS))
    if lengths is not None:
        x[np.arange(T)[:, None] >= lengths] = np.nan
    return x, like(layer(np.zeros((N, T, INPUTS) if layer.batch_first else (T, N, INPUTS)))[1], rng)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_names_shapes_and_axes(cell, bidirectional):
    rows = L * (1 + bidirectional)
    layer, turned = (built(cell, bidirectional=bidirectional, batch_first=flag) for flag in (False, True))
    x, start = given(layer)
    trace = layer.trace(x, start)
    assert list(trace) == NAMES.get(cell, ["h"])
    assert {array.shape for array in trace.values()} == {(rows, T, N, H)}
    other = turned.trace(x.swapaxes(0, 1), start)
    assert same_bits({name: array.swapaxes(1, 2) for name, array in other.items()}, trace)
    first = [part[:, 0] for part in parts(start)]
    alone = layer.trace(x[:, 0], first[0] if len(first) == 1 else tuple(first))
    assert same_bits(alone, {name: array[:, :, 0] for name, array in trace.items()})
    nobody = layer.trace(np.zeros((T, 0, INPUTS)))
    assert {array.shape for array in nobody.values()} == {(rows, T, 0, H)}


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["dense", "ragged"])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"zoneout": 0.3, "dropout": 0.5}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_states_are_those_of_a_call(cell, options, lengths):
    layer = built(cell, **options)
    D = 1 + layer.bidirectional
    x, start = given(layer, lengths=lengths)
    output, final = layer(x, start, lengths=lengths)
    trace = layer.trace(x, start, lengths=lengths)
    assert same_bits(np.concatenate(trace["h"][-D:], axis=-1), output)
    ends = np.array([T] * N if lengths is None else lengths)
    for name, state in zip(("h", "c"), parts(final), strict=False):
        for i, end in enumerate(state):
            last = ends * 0 if i % D else ends - 1  # where the direction has taken its last step
            assert same_bits(trace[name][i][last, np.arange(N)], end), name
    padding = np.arange(T)[:, None] >= ends
    assert not any(array[:, padding].any() for array in trace.values())


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def before(states, start, reverse):
    """Return the state (T, N, H) that each step began with."""
    return np.concatenate([states[1:], start[None]] if reverse else [start[None], states[:-1]])


def by_hand(cell, x, h, c, w):
    """Return the gates (T, N, H) of each step by name, and the states that the cell makes of them."""
    xs = x @ w["weight_ih"].T + w["bias_ih"]
    if cell == "lstm":
        i, f, g, o = np.split(xs + h @ w["weight_hh"].T + w["bias_hh"], 4, axis=-1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        new = f * c + i * g
        return {"i": i, "f": f, "g": g, "o": o, "c": new, "h": o * np.tanh(new)}
    if cell.startswith("gru"):
        x_r, x_z, x_n = np.split(xs, 3, axis=-1)
        h_r, h_z, h_n = np.split(h @ w["weight_hh"].T + w["bias_hh"], 3, axis=-1)
        r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
        if cell == "gru_before":
            n = np.tanh(x_n + (r * h) @ w["weight_hh"][2 * H :].T + w["bias_hh"][2 * H :])
        else:
            n = np.tanh(x_n + r * h_n)
        return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * h}
    z = xs + h @ w["weight_hh"].T + w["bias_hh"]
    phi = {"rnn_tanh": np.tanh, "rnn_sigmoid": sigmoid, "rnn_relu": lambda z: np.maximum(z, 0)}
    return {"h": phi[cell](z)}


@pytest.mark.parametrize("zoneout", [0.0, 0.3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_gates_by_hand(cell, bidirectional, zoneout):
    """From the states that the trace itself gives; with zoneout these are mixed with the old ones."""
    layer = built(cell, bidirectional=bidirectional, zoneout=zoneout)
    x, start = given(layer)
    trace, p, D = layer.trace(x, start), layer.parameters(), 1 + bidirectional
    for i in range(L * D):
        k, reverse = divmod(i, D)
        suffix = f"_l{k}_reverse" if reverse else f"_l{k}"
        w = {name.removesuffix(suffix): array for name, array in p.items() if name.endswith(suffix)}
        fed = x if k == 0 else np.concatenate(trace["h"][(k - 1) * D : k * D], axis=-1)
        old = {name: before(trace[name][i], part[i], reverse) for name, part in zip("hc", parts(start), strict=False)}
        true = by_hand(cell, fed, old["h"], old.get("c"), w)
        true |= {name: zoneout * old[name] + (1 - zoneout) * true[name] for name in old}
        assert true.keys() == trace.keys()
        for name, array in true.items():
            np.testing.assert_allclose(trace[name][i], array, rtol=0, atol=1e-14, err_msg=f"{name} of row {i}")


def test_a_trace_draws_nothing_and_changes_nothing():
    layer = built("lstm", dropout=0.5, recurrent_dropout=0.5, zoneout=0.3)
    x, start = given(layer)
    copies = x.copy(), tuple(part.copy() for part in start)
    first, second = layer.trace(x, start), layer.trace(x, start)
    assert same_bits(first, second)
    assert same_bits(x, copies[0])
    assert same_bits(start, copies[1])
    plain = built("lstm", zoneout=0.3)
    plain.load_state_dict(layer.state_dict())
    assert same_bits(plain.trace(x, start), first)

"""clip_state, norms and trace of a whole chain are those of its recurrent layers."""

import numpy as np
import pytest

import fastrnn
from layer_table import same_bits

LENGTHS = [7, 2, 5]


def chain(**options):
    return fastrnn.Sequential(
        fastrnn.Linear(3, 4, seed=0), fastrnn.LSTM(4, 5, seed=0, **options), fastrnn.Tanh(), fastrnn.GRU(5, 6, seed=0)
    )


def by_hand(model, x, dy, lengths, **options):
    """Return what the layers give one after the other, time-major."""
    lower, lstm, tanh, gru = model.layers
    a, _, t0 = lower.record(x.swapaxes(0, 1))
    b, _, t1 = lstm.record(a, lengths=lengths)
    c, _, t2 = tanh.record(b)
    _, _, t3 = gru.record(c, lengths=lengths)
    upper = gru.backward(t3, dy.swapaxes(0, 1), **options)
    inner = lstm.backward(t1, tanh.backward(t2, upper.x).x, **options)
    return (
        lower.backward(t0, inner.x),
        inner,
        upper,
        {"1": lstm.trace(a, lengths=lengths), "3": gru.trace(c, lengths=lengths)},
    )


@pytest.mark.parametrize("clip_state", [None, 0.05])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_norms_bounds_and_traces_reach_the_layers(lengths, clip_state):
    rng = np.random.default_rng(0)
    model, x, dy = chain(), rng.standard_normal((3, 7, 3)).astype("f"), rng.standard_normal((3, 7, 6)).astype("f")
    if lengths is not None:
        dy[np.arange(7) >= np.array(lengths)[:, None]] = 0
    _, _, tape = model.record(x, lengths=lengths)
    grads = model.backward(tape, dy, clip_state=clip_state, norms=True)
    lower, inner, upper, traces = by_hand(model, x, dy, lengths, clip_state=clip_state, norms=True)
    assert list(grads.state_norms) == ["3.h", "1.h", "1.c"]
    for name, layer in (("3.h", upper), ("1.h", inner), ("1.c", inner)):
        assert same_bits(grads.state_norms[name].swapaxes(1, 2).copy(), layer.state_norms[name[-1]])
    np.testing.assert_allclose(grads.x.swapaxes(0, 1), lower.x, rtol=0, atol=1e-6)
    unclipped = model.backward(tape, dy)
    assert unclipped.state_norms is None
    assert (clip_state is None) == same_bits(unclipped.parameters, grads.parameters)
    for i, trace in traces.items():
        for name, array in trace.items():
            assert same_bits(model.trace(x, lengths=lengths)[f"{i}.{name}"].swapaxes(1, 2).copy(), array)


def test_one_sequence_has_no_axis_of_samples():
    model, x = chain(), np.ones((7, 3), "f")
    _, _, tape = model.record(x)
    grads = model.backward(tape, np.ones((7, 6)), norms=True)
    assert {array.shape for array in grads.state_norms.values()} == {(1, 7)}
    assert model.trace(x)["1.i"].shape == (1, 7, 5)


@pytest.mark.parametrize("ragged", [False, True])
def test_every_layers_output(ragged):
    rng = np.random.default_rng(0)
    x, lengths = rng.standard_normal((3, 5, 2)), np.array([2, 5, 3]) if ragged else None
    layers = [
        fastrnn.Linear(2, 3, dtype="float64", seed=0),
        fastrnn.LSTM(3, 4, dtype="float64", seed=0),
        fastrnn.Tanh(),
        fastrnn.TDNN(4, 3, window=2, dtype="float64", seed=0),
        fastrnn.Last(),
        fastrnn.Linear(3, 2, dtype="float64", seed=0),
        fastrnn.Repeat(4),
        fastrnn.RNN(2, 2, dtype="float64", seed=0),
    ]
    options = {} if lengths is None else {"lengths": lengths}
    found = fastrnn.Sequential(*layers).outputs(x, **options)
    assert [output.shape[0] for output in found] == [3] * len(layers)
    for n in range(2, len(layers) + 1):  # the first layer alone knows no time
        np.testing.assert_array_equal(found[n - 1], fastrnn.Sequential(*layers[:n])(x, **options))

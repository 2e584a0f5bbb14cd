"""saturation and dead_relus: shares counted by hand from traces, and their table and picture."""

import numpy as np
import pytest

import fastrnn

N, T, INPUTS, H = 4, 6, 2, 5


def inputs(scale=3.0):
    return scale * np.random.default_rng(1).standard_normal((N, T, INPUTS))


def layer_of(cell, **options):
    classes = {"lstm": fastrnn.LSTM, "gru": fastrnn.GRU, "rnn": fastrnn.RNN}
    return classes[cell](INPUTS, H, seed=0, **options)


def shares(values, kind):
    """Return the shares (H,) below and above the limits of values (..., H)."""
    rows = values.reshape(-1, values.shape[-1])
    return (rows < (0.05 if kind == "sigmoid" else -0.95)).mean(axis=0), (rows > 0.95).mean(axis=0)


GATES = {
    ("lstm", ()): {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid", "c": "tanh"},
    ("gru", ()): {"r": "sigmoid", "z": "sigmoid", "n": "tanh"},
    ("gru", (("reset_after", False),)): {"r": "sigmoid", "z": "sigmoid", "n": "tanh"},
    ("rnn", ()): {"h": "tanh"},
    ("rnn", (("nonlinearity", "sigmoid"),)): {"h": "sigmoid"},
}


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(("cell", "options"), GATES, ids=str)
def test_shares_are_counted_from_the_trace(cell, options, ragged):
    layer = layer_of(cell, num_layers=2, bidirectional=True, **dict(options))
    model, x = fastrnn.Sequential(layer), inputs(8)
    lengths = np.array([2, 6, 1, 4]) if ragged else np.full(N, T)
    found = fastrnn.saturation(model, x, lengths=lengths if ragged else None)
    trace, valid = model.trace(x, lengths=lengths), np.arange(T) < lengths[:, None]
    names = []
    for part, kind in GATES[cell, options].items():
        for row, suffix in enumerate(("l0", "l0_reverse", "l1", "l1_reverse")):
            values = trace[f"0.{part}"][row]
            values = np.tanh(values) if part == "c" else values
            name = f"0.{part}_{suffix}"
            low, high = shares(values[valid], kind)
            np.testing.assert_allclose(found.low[name], low, err_msg=name)
            np.testing.assert_allclose(found.high[name], high, err_msg=name)
            np.testing.assert_allclose(found.gates[name], values, atol=1e-6)
            assert found.share(name) == pytest.approx((low + high).mean())
            names.append(name)
    assert sorted(found.low) == sorted(names)
    assert any(array.any() for array in found.high.values())


def test_lists_are_ragged_batches():
    model, x, lengths = fastrnn.Sequential(layer_of("gru"), fastrnn.Tanh()), inputs(), [2, 6, 1, 4]
    a = fastrnn.saturation(model, x, lengths=lengths)
    b = fastrnn.saturation(model, [one[:n] for one, n in zip(x, lengths, strict=True)])
    assert list(a.low) == ["0.r_l0", "0.z_l0", "0.n_l0", "1 Tanh()"]
    for name, low in a.low.items():
        np.testing.assert_array_equal(b.low[name], low)


def test_layers_of_activations():
    linear = fastrnn.Linear(2, 3, seed=0)
    linear.parameters()["weight"][...] = [[0, 0], [100, 0], [0, 100]]
    x = np.array([[1, -1], [1, 1], [-1, -1], [1, -1]])
    for activation, middle in ((fastrnn.Tanh(), 0), (fastrnn.Sigmoid(), 0.5)):
        model = fastrnn.Sequential(linear, activation)
        name = f"1 {type(activation).__name__}()"
        found = fastrnn.saturation(model, x)
        assert model(x)[0, 0] == middle
        np.testing.assert_array_equal(found.low[name], [0, 0.25, 0.75])
        np.testing.assert_array_equal(found.high[name], [0, 0.75, 0.25])
        assert found.share(name) == pytest.approx(2 / 3)
        line = str(found).splitlines()[1]
        assert line.split()[-5:] == ["3", "66.7%", "33.3%", "33.3%", "2"]
        with pytest.raises(ValueError, match="plot: this model has no gates"):
            found.plot()


def test_the_picture_shows_one_sample_over_its_own_steps(tmp_path):
    pytest.importorskip("matplotlib")
    model = fastrnn.Sequential(layer_of("lstm"), fastrnn.GRU(H, 3, seed=0))
    found = fastrnn.saturation(model, inputs(), lengths=[2, 6, 1, 4])
    drawing = found.plot(sample=3)
    panels = {axes.get_title().split(":")[0]: axes for axes in drawing.axes if axes.get_images() and axes.get_title()}
    assert list(panels) == list(found.gates)
    for name, axes in panels.items():
        image = np.asarray(axes.get_images()[0].get_array())
        np.testing.assert_array_equal(image, found.gates[name][3, :4].T)
        assert axes.get_images()[0].get_clim()[1] == 1
    assert panels["0.f_l0"].get_images()[0].get_clim()[0] == 0
    assert panels["0.g_l0"].get_images()[0].get_clim()[0] == -1
    assert found.plot(tmp_path / "gates.png") is None
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")
    for sample in (4, -1):
        with pytest.raises(ValueError, match=f"sample: expected 0 to 3, got {sample}"):
            found.plot(sample=sample)


# ---- dead units ----


def test_dead_relus_are_those_that_never_fire():
    linear = fastrnn.Linear(2, 4, seed=0)
    linear.parameters()["weight"][...] = [[1, 0], [-1, 0], [0, 0], [0, 1]]
    x = np.array([[1.0, -2.0], [3.0, 0.5], [2.0, -1.0]])
    found = fastrnn.dead_relus(fastrnn.Sequential(linear, fastrnn.ReLU()), x)
    np.testing.assert_array_equal(found.units["1 ReLU()"], [1, 2])
    assert found.sizes == {"1 ReLU()": 4}
    assert str(found).splitlines()[1].split()[-2:] == ["4", "2"]
    np.testing.assert_array_equal(
        fastrnn.dead_relus(fastrnn.Sequential(linear, fastrnn.ReLU()), -x).units["1 ReLU()"], [0, 2]
    )


@pytest.mark.parametrize("lengths", [None, [1, 6, 2, 3]])
def test_dead_units_of_a_recurrent_layer(lengths):
    layer = layer_of("rnn", num_layers=2, nonlinearity="relu")
    layer.parameters()["bias_ih_l1"][[1, 3]] = -1e4
    model = fastrnn.Sequential(layer, fastrnn.ReLU())
    found = fastrnn.dead_relus(model, inputs(), lengths=lengths)
    assert list(found.units) == ["0.h_l0", "0.h_l1", "1 ReLU()"]
    assert {1, 3} <= set(found.units["0.h_l1"])
    h = model.trace(inputs(), lengths=lengths)["0.h"]
    for k in range(2):
        np.testing.assert_array_equal(found.units[f"0.h_l{k}"], np.flatnonzero(~(h[k] > 0).any(axis=(0, 1))))
    np.testing.assert_array_equal(found.units["1 ReLU()"], found.units["0.h_l1"])
    assert fastrnn.dead_relus(fastrnn.Sequential(layer_of("gru")), inputs()).units == {}


@pytest.mark.parametrize("function", [fastrnn.saturation, fastrnn.dead_relus])
def test_what_does_not_fit_is_refused(function):
    with pytest.raises(TypeError, match="model: expected a Sequential, got GRU"):
        function(layer_of("gru"), inputs())
    with pytest.raises(ValueError, match="x: expected shape"):
        function(fastrnn.Sequential(layer_of("gru")), np.zeros((N, T, INPUTS + 1)))
    with pytest.raises(ValueError, match="x: expected at least one sample"):
        function(fastrnn.Sequential(layer_of("gru")), np.zeros((0, T, INPUTS)))
    with pytest.raises(ValueError, match="x: expected finite output, got NaN or infinity"):
        function(fastrnn.Sequential(layer_of("gru")), np.full((N, T, INPUTS), np.nan))
    with pytest.raises(ValueError, match="lengths: expected 1 to 6"):
        function(fastrnn.Sequential(layer_of("gru")), inputs(), lengths=[1, 2, 3, 0])

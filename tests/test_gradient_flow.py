"""gradient_flow: the norms are those of the gradient, and the verdicts those of the lesson."""

import numpy as np
import pytest

import fastrnn
from fastrnn.diagnostics import Fading

N, T, INPUTS, H, K = 3, 7, 2, 4, 3


def inputs(steps=T, samples=N, features=INPUTS):
    return np.random.default_rng(1).standard_normal((samples, steps, features))


def with_head(layer, size, **options):
    return fastrnn.Sequential(layer, fastrnn.Linear(size, K, dtype=layer.dtype.name, seed=1), **options)


def direction(seed=0):
    r = np.random.default_rng(seed).standard_normal(K)
    return r / np.linalg.norm(r)


CELLS = {
    "rnn": lambda **o: fastrnn.RNN(INPUTS, H, **o),
    "relu": lambda **o: fastrnn.RNN(INPUTS, H, nonlinearity="relu", **o),
    "lstm": lambda **o: fastrnn.LSTM(INPUTS, H, **o),
    "gru": lambda **o: fastrnn.GRU(INPUTS, H, **o),
    "gru_before": lambda **o: fastrnn.GRU(INPUTS, H, reset_after=False, **o),
}
DOUBLE = {"dtype": "float64", "seed": 0}


def by_hand(model, x, d, grad_last):
    """Return ∂E_T/∂(all states d steps before the end): the run is begun anew from there."""
    steps = x.shape[1]
    states = model.forward(x[:, : steps - d])[1] if d < steps else None
    output, _, tape = model.record(x[:, steps - d :], states)
    dy = np.zeros_like(output)
    dy[:, -1] = grad_last
    return model.backward(tape, dy).state


# ---- the numbers ----


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", CELLS)
def test_norms_are_those_of_a_run_begun_anew(cell, layers):
    model, x = with_head(CELLS[cell](num_layers=layers, **DOUBLE), H), inputs()
    flow = fastrnn.gradient_flow(model, x)
    states = "hc" if cell == "lstm" else "h"
    assert list(flow.time) == [f"0.{part}_l{k}" for k in range(layers) for part in states]
    for d in range(1, T + 1):
        state = by_hand(model, x, d, direction())[0]
        for part, grads in zip(states, state if cell == "lstm" else [state], strict=True):
            for k in range(layers):
                expected = np.linalg.norm(grads[k], axis=-1).mean()
                np.testing.assert_allclose(flow.time[f"0.{part}_l{k}"].norm[d - 1], expected, rtol=1e-9)
    np.testing.assert_array_equal(flow.time["0.h_l0"].distance, np.arange(1, T + 1))


def test_norms_of_a_jordan_network():
    model = fastrnn.Sequential(fastrnn.Jordan(INPUTS, H, K, nonlinearity="sigmoid", **DOUBLE), fastrnn.Tanh())
    flow = fastrnn.gradient_flow(model, inputs())
    assert list(flow.time) == ["0.y"]
    for d in range(1, T + 1):
        grads = by_hand(model, inputs(), d, direction())[0]
        np.testing.assert_allclose(flow.time["0.y"].norm[d - 1], np.linalg.norm(grads[0], axis=-1).mean(), rtol=1e-9)


@pytest.mark.parametrize("cell", CELLS)
def test_the_reversed_direction_counts_from_the_first_step(cell):
    both, x = with_head(CELLS[cell](bidirectional=True, **DOUBLE), 2 * H), inputs()
    single = with_head(CELLS[cell](**DOUBLE), H)
    p = both.parameters()
    turned = {f"0.{n}": p[f"0.{n}_reverse"] for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}
    single.load_state_dict(turned | {"1.weight": p["1.weight"][:, H:], "1.bias": p["1.bias"]})
    flow, twin = fastrnn.gradient_flow(both, x).time, fastrnn.gradient_flow(single, x[:, ::-1]).time
    assert len(flow) == 2 * len(twin)
    for name, one in twin.items():
        np.testing.assert_allclose(flow[f"{name}_reverse"].norm, one.norm, rtol=1e-9)


@pytest.mark.parametrize("cell", ["gru", "jordan"])
def test_ragged_batches_give_the_mean_of_those_that_are_as_long(cell):
    layer = fastrnn.Jordan(INPUTS, H, H, **DOUBLE) if cell == "jordan" else fastrnn.GRU(INPUTS, H, **DOUBLE)
    model, x, lengths = with_head(layer, H), inputs(), [3, 7, 5]
    x[np.arange(T) >= np.array(lengths)[:, None]] = np.nan
    alone = [fastrnn.gradient_flow(model, x[i : i + 1, :n]) for i, n in enumerate(lengths)]
    as_list = fastrnn.gradient_flow(model, [x[i, :n] for i, n in enumerate(lengths)])
    flow = fastrnn.gradient_flow(model, x, lengths=lengths)
    for name, one in flow.time.items():
        for d in range(1, T + 1):
            expected = np.mean([a.time[name].norm[d - 1] for a, n in zip(alone, lengths, strict=True) if n >= d])
            np.testing.assert_allclose(one.norm[d - 1], expected, rtol=1e-9)
        np.testing.assert_array_equal(one.norm, as_list.time[name].norm)
    total = {name: np.sqrt(sum(a.layers[name] ** 2 for a in alone)) for name in flow.layers}
    assert flow.layers == pytest.approx(total)


def test_a_loss_with_targets_takes_those_of_the_last_step():
    model, x = with_head(fastrnn.RNN(INPUTS, H, **DOUBLE), H), inputs()
    y = np.random.default_rng(2).standard_normal((N, T, K))
    flow = fastrnn.gradient_flow(model, x, y, "mse")
    grad = (model(x)[:, -1] - y[:, -1]) * 2 / (N * K)
    for d in range(1, T + 1):
        expected = np.linalg.norm(by_hand(model, x, d, grad)[0][0], axis=-1).mean()
        np.testing.assert_allclose(flow.time["0.h_l0"].norm[d - 1], expected, rtol=1e-9)
    y[:, :-1] += 1
    np.testing.assert_array_equal(
        fastrnn.gradient_flow(model, x, y, "mse").time["0.h_l0"].norm, flow.time["0.h_l0"].norm
    )
    parts = [x[i, :n] for i, n in enumerate((4, 7, 2))], [y[i, :n] for i, n in enumerate((4, 7, 2))]
    listed = fastrnn.gradient_flow(model, *parts, "mse").time["0.h_l0"].norm
    padded = fastrnn.gradient_flow(model, x, y, "mse", lengths=[4, 7, 2]).time["0.h_l0"].norm
    np.testing.assert_array_equal(listed, padded)
    classes = fastrnn.gradient_flow(model, x, np.zeros((N, T), int), "cross_entropy")
    assert classes.time["0.h_l0"].norm[0] != flow.time["0.h_l0"].norm[0]


def test_gradients_by_the_outputs_of_all_layers():
    """Of a chain of matrices: the product of those above."""
    layers = [fastrnn.Linear(a, b, dtype="float64", seed=a + b) for a, b in ((2, 5), (5, 4), (4, K))]
    flow = fastrnn.gradient_flow(fastrnn.Sequential(*layers), np.ones((6, 2)))
    r, above = direction(), np.eye(K)
    for name, layer in reversed(list(zip(flow.layers, layers, strict=True))):
        assert flow.layers[name] == pytest.approx(np.sqrt(6) * np.linalg.norm(r @ above))
        above = above @ layer.parameters()["weight"]
    assert list(flow.layers) == ["0 Linear(2, 5)", "1 Linear(5, 4)", "2 Linear(4, 3)"]
    np.testing.assert_allclose(flow.depth.norm, list(flow.layers.values())[::-1])
    assert flow.time == {}


def test_a_stack_is_taken_apart():
    model = with_head(fastrnn.GRU(INPUTS, H, 3, dropout=0.25, seed=0), H)
    flow = fastrnn.gradient_flow(model, inputs())
    stack = "0 GRU(2, 4, 3, 0.25, True)"
    names = [f"{stack} l0", "0 dropout l1", f"{stack} l1", "0 dropout l2", f"{stack} l2", "1 Linear(4, 3)"]
    assert list(flow.layers) == names
    assert len(flow.depth.norm) == 4
    again, other = (fastrnn.gradient_flow(model, inputs(), seed=seed) for seed in (0, 1))
    assert again.layers == flow.layers != other.layers


# ---- what the lesson says ----


def test_an_elman_network_forgets_within_about_ten_steps_and_an_lstm_keeps():
    x = inputs(60, 8)
    elman = with_head(fastrnn.RNN(INPUTS, 32, init="pytorch", seed=0), 32)
    flow = fastrnn.gradient_flow(elman, x).time["0.h_l0"]
    assert flow.verdict == "vanishing"
    assert 6 <= flow.horizon <= 14
    lstm = with_head(fastrnn.LSTM(INPUTS, 32, init="pytorch", seed=0), 32)
    assert fastrnn.gradient_flow(lstm, x).time["0.c_l0"].verdict == "vanishing"
    lstm.parameters()["0.bias_ih_l0"][32:64] = 5.0  # the forget gate stays open
    kept = fastrnn.gradient_flow(lstm, x).time["0.c_l0"]
    assert kept.verdict == "fine"
    assert kept.horizon > 200
    gru = with_head(fastrnn.GRU(INPUTS, 32, init=fastrnn.Chrono(1000), seed=0), 32)
    assert fastrnn.gradient_flow(gru, x).time["0.h_l0"].verdict == "fine"


@pytest.mark.parametrize(("scale", "verdict"), [(0.5, "vanishing"), (1.0, "fine"), (1.5, "exploding")])
def test_a_linear_recurrence_fades_or_grows_by_its_own_factor(scale, verdict):
    layer = fastrnn.RNN(1, 5, nonlinearity="relu", init="identity", seed=0)
    layer.parameters()["weight_hh_l0"][...] *= scale
    layer.parameters()["weight_ih_l0"][...] = 1
    flow = fastrnn.gradient_flow(with_head(layer, 5), np.ones((2, 20, 1))).time["0.h_l0"]
    assert flow.verdict == verdict
    assert flow.rate == pytest.approx(scale, rel=1e-6)
    assert flow.horizon == (8 if scale < 1 else np.inf)  # 2^-7 is the first below 1 %


def deep(activation, init, layers=12, width=32):
    rng = np.random.default_rng(0)
    parts = [p for _ in range(layers) for p in (fastrnn.Linear(width, width, init=init, seed=rng), activation())]
    return fastrnn.Sequential(*parts, fastrnn.Linear(width, K, seed=rng))


def test_a_stack_of_sigmoids_loses_three_quarters_a_layer_or_more_and_relu_does_not():
    x = np.random.default_rng(0).standard_normal((20, 32))
    sigmoid = fastrnn.gradient_flow(deep(fastrnn.Sigmoid, "orthogonal"), x).depth
    # W keeps the length of what it turns, so all of the loss is σ' ≤ 1/4
    assert (sigmoid.norm[2:] / sigmoid.norm[1:-1] <= 0.25).all()
    assert sigmoid.verdict == "vanishing"
    assert fastrnn.gradient_flow(deep(fastrnn.Sigmoid, "glorot"), x).depth.rate < 0.3
    relu = fastrnn.gradient_flow(deep(fastrnn.ReLU, "he"), x).depth
    assert relu.verdict == "fine"
    assert 0.8 < relu.rate < 1.25


def test_the_last_step_hears_nothing_of_a_reversed_direction():
    model = fastrnn.Sequential(fastrnn.LSTM(INPUTS, H, bidirectional=True, seed=0), fastrnn.Last())
    flow = fastrnn.gradient_flow(model, inputs()).time
    assert flow["0.h_l0_reverse"].verdict == "vanishing"
    assert flow["0.h_l0_reverse"].rate == 0
    assert flow["0.h_l0"].norm[0] > 0


# ---- Fading ----


@pytest.mark.parametrize(
    ("norm", "rate", "horizon", "verdict"),
    [
        ([1, 0.5, 0.25], 0.5, 1 + np.log(0.01) / np.log(0.5), "fine"),
        ([8, 0.08, 0.0008], 0.01, 3, "vanishing"),
        ([1, 0.001, 1, 0.001], None, 4, "vanishing"),  # what comes back counts
        ([1, 10, 101], None, np.inf, "exploding"),
        ([1, 1, np.inf], np.inf, np.inf, "exploding"),
        ([1, np.nan, 1], np.inf, np.inf, "exploding"),
        ([0, 0, 0], 0.0, 1, "vanishing"),
        ([0, 0, 3], 0.0, 1, "vanishing"),
        ([2, 0, 0], 0.0, 2, "vanishing"),
        ([2], np.nan, np.inf, "fine"),
    ],
)
def test_fading(norm, rate, horizon, verdict):
    one = Fading(np.arange(1, len(norm) + 1), np.array(norm, float))
    if rate is not None:
        np.testing.assert_allclose(one.rate, rate)
    assert one.horizon == pytest.approx(horizon)
    assert one.verdict == verdict


# ---- tables, pictures, errors ----


def test_a_table_says_what_the_numbers_say():
    model = with_head(fastrnn.RNN(INPUTS, 32, init="pytorch", seed=0), 32)
    flow = fastrnn.gradient_flow(model, inputs(60))
    text, one = str(flow), flow.time["0.h_l0"]
    line = next(line for line in text.splitlines() if line.startswith("0.h_l0"))
    assert line.split() == ["0.h_l0", "vanishing", f"{one.rate:.3g}", f"{one.horizon:.0f}"]
    assert f"over depth: {flow.depth.verdict}, {flow.depth.rate:.3g} a layer" in text
    for name, norm in flow.layers.items():
        assert any(line.startswith(name) and f"{norm:.3g}" in line.split() for line in text.splitlines())
    lstm = with_head(fastrnn.LSTM(INPUTS, 32, init=fastrnn.Chrono(500), seed=0), 32)
    assert " ~ " in str(fastrnn.gradient_flow(lstm, inputs()))


def test_the_picture_has_a_curve_for_each_state_on_a_logarithmic_axis(tmp_path):
    pytest.importorskip("matplotlib")
    flow = fastrnn.gradient_flow(with_head(fastrnn.LSTM(INPUTS, H, 2, seed=0), H), inputs())
    over_time, over_depth = flow.plot().axes
    assert over_time.get_yscale() == over_depth.get_yscale() == "log"
    for line, (name, one) in zip(over_time.get_lines(), flow.time.items(), strict=True):
        assert line.get_label().startswith(name)
        np.testing.assert_array_equal(line.get_ydata(), one.norm)
    np.testing.assert_array_equal(over_depth.get_lines()[0].get_ydata(), list(flow.layers.values()))
    assert [label.get_text() for label in over_depth.get_xticklabels()] == list(flow.layers)
    assert flow.plot(tmp_path / "flow.png") is None
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
    assert len(fastrnn.gradient_flow(deep(fastrnn.Tanh, "glorot"), np.ones((2, 32))).plot().axes) == 1


def test_the_model_is_left_as_it_is_and_takes_ids():
    model = fastrnn.Sequential(fastrnn.Embedding(9, 3, seed=0), fastrnn.GRU(3, H, seed=0))
    before, ids = model.state_dict(), np.arange(6).reshape(2, 3)
    flow = fastrnn.gradient_flow(model, ids)
    assert list(flow.time) == ["1.h_l0"]
    assert fastrnn.gradient_flow(model, list(ids)).layers == flow.layers
    assert all(np.array_equal(array, model.parameters()[name]) for name, array in before.items())
    assert model.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([1.0],), {}, ValueError, "x: expected shape"),
        ((np.zeros((0, T, INPUTS)),), {}, ValueError, r"x: expected at least one sample, got shape \(0, 7, 2\)"),
        ((np.zeros((T, INPUTS)),), {}, ValueError, "x: expected samples first"),
        ((inputs(),), {"lengths": [1, 2]}, ValueError, "lengths: expected one for each of 3 sequences"),
        ((inputs(),), {"lengths": [1, 2, 8]}, ValueError, "lengths: expected 1 to 7"),
        ((inputs(), np.zeros((N, T, K))), {}, ValueError, "y, loss: expected both or neither, got y alone"),
        ((inputs(),), {"loss": "mse"}, ValueError, "y, loss: expected both or neither, got loss alone"),
        ((inputs(), np.zeros(N), "mse"), {}, ValueError, r"y: expected \(3, 7\) as the first axes, got shape \(3,\)"),
        ((inputs(), np.zeros((N, T, K + 1)), "mse"), {}, ValueError, "target: expected shape"),
        ((inputs(), [[1.0], [1.0, 2.0]], "mse"), {}, ValueError, "y: expected one rectangular array"),
        ((inputs(), [], "mse"), {}, ValueError, r"y: expected \(3, 7\) as the first axes, got shape \(0,\)"),
        ((np.full((N, T, INPUTS), np.nan),), {}, ValueError, "x: expected finite output, got NaN or infinity"),
        ((inputs(), np.zeros((N, T, K)), "nothing"), {}, ValueError, "loss: expected one of"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        fastrnn.gradient_flow(with_head(fastrnn.RNN(INPUTS, H, seed=0), H), *arguments, **options)


def test_only_a_sequential_is_measured():
    with pytest.raises(TypeError, match="model: expected a Sequential, got RNN"):
        fastrnn.gradient_flow(fastrnn.RNN(INPUTS, H), inputs())
    with pytest.raises(ValueError, match="lengths: expected None, as the input of this model has no axis of time"):
        fastrnn.gradient_flow(deep(fastrnn.Tanh, "glorot"), np.ones((2, 32)), lengths=[1, 1])

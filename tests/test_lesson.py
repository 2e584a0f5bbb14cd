"""The lesson's own examples, in its notation: the 2-3-1 network by hand, BPTT unfolded, fading gradients."""

import numpy as np
import pytest

import fastrnn
from layer_table import CELLS, parts, randomise, recurrent

# ---- the worked 2-3-1 network: x = (1, -2), d = 0.5, learning rate α = 0.1, no biases ----
#
# W¹_ij leads from input i to hidden unit j, W²_j from there to y. fastrnn keeps W¹ transposed, as PyTorch does.
W1 = np.array([[0.1, 0.2, -0.3], [0.4, -0.1, 0.2]])
W2 = np.array([0.5, -0.6, 0.7])
X, D, ALPHA = np.array([1.0, -2.0]), 0.5, 0.1
# z_j = Σ_i x_i W¹_ij = (0.1 - 0.8, 0.2 + 0.2, -0.3 - 0.4) = (-0.7, 0.4, -0.7)
#
# By hand, with five-figure tables (tanh 0.7 = 0.60437, tanh 0.4 = 0.37995, σ(0.7) = 0.66819, σ(0.4) = 0.59869):
BY_HAND = {
    "tanh": {
        "h": [-0.60437, 0.37995, -0.60437],
        "slope": [0.63474, 0.85564, 0.63474],  # 1 - h²
        "y": -0.95321,  # -0.302185 - 0.22797 - 0.423059
        "E": 1.05591,  # ½ · 1.45321²
        "dy_dW2": [-0.60437, 0.37995, -0.60437],  # h
        "dy_dW1": [[0.31737, -0.51338, 0.44432], [-0.63474, 1.02677, -0.88863]],  # W²_j φ'_j x_i
        # ΔW = α (d - y) ∂y/∂W with d - y = 1.45321
        "new_W2": [0.41217, -0.54479, 0.61217],
        "new_W1": [[0.14612, 0.12539, -0.23543], [0.30776, 0.04921, 0.07086]],
    },
    "sigmoid": {
        "h": [0.33181, 0.59869, 0.33181],
        "slope": [0.22171, 0.24026, 0.22171],  # h(1 - h)
        "y": 0.03896,  # 0.165905 - 0.359214 + 0.232267
        "E": 0.10628,  # ½ · 0.46104²
        "dy_dW2": [0.33181, 0.59869, 0.33181],
        "dy_dW1": [[0.11086, -0.14416, 0.15520], [-0.22171, 0.28831, -0.31040]],
        "new_W2": [0.51530, -0.57240, 0.71530],  # d - y = 0.46104
        "new_W1": [[0.10511, 0.19335, -0.29284], [0.38978, -0.08671, 0.18569]],
    },
}
FIVE_FIGURES = 2e-5  # the hand's numbers are rounded to half of 1e-5, and some are products of such


def network(phi):
    layers = fastrnn.Linear(2, 3, bias=False, dtype="float64"), fastrnn.Linear(3, 1, bias=False, dtype="float64")
    model = fastrnn.Sequential(layers[0], {"tanh": fastrnn.Tanh, "sigmoid": fastrnn.Sigmoid}[phi](), layers[1])
    model.load_state_dict({"0.weight": W1.T, "2.weight": W2[None]})
    return model


@pytest.mark.parametrize("phi", BY_HAND)
def test_the_worked_network_by_hand(phi):
    hand, model = BY_HAND[phi], network(phi)
    h = model.layers[1](model.layers[0](X))
    y, _, tape = model.record(X)
    np.testing.assert_allclose(h, hand["h"], atol=FIVE_FIGURES)
    np.testing.assert_allclose(y, [hand["y"]], atol=FIVE_FIGURES)

    dy = model.backward(tape, [1.0]).parameters  # ∂y/∂W
    np.testing.assert_allclose(dy["2.weight"][0], hand["dy_dW2"], atol=FIVE_FIGURES)
    np.testing.assert_allclose(dy["0.weight"].T, hand["dy_dW1"], atol=FIVE_FIGURES)

    trainer = fastrnn.Trainer(model, "squared_error", fastrnn.SGD(ALPHA), clip_norm=None)
    assert trainer.step(X[None], [[D]]) == pytest.approx(hand["E"], abs=FIVE_FIGURES)
    np.testing.assert_allclose(model.parameters()["2.weight"][0], hand["new_W2"], atol=FIVE_FIGURES)
    np.testing.assert_allclose(model.parameters()["0.weight"].T, hand["new_W1"], atol=FIVE_FIGURES)


@pytest.mark.parametrize("phi", BY_HAND)
def test_the_worked_network_by_its_formulas(phi):
    model = network(phi)
    h = model.layers[1](model.layers[0](X))
    slope = 1 - h**2 if phi == "tanh" else h * (1 - h)
    np.testing.assert_allclose(slope, BY_HAND[phi]["slope"], atol=FIVE_FIGURES)
    y, _, tape = model.record(X)
    value, gradient = fastrnn.Trainer(model, "squared_error").loss(y, [D])
    assert gradient == pytest.approx(-(D - y))  # ∂E/∂y
    assert value == pytest.approx((D - y[0]) ** 2 / 2)
    grads = model.backward(tape, gradient)
    np.testing.assert_allclose(grads.parameters["2.weight"][0], -(D - y) * h, rtol=1e-14)
    np.testing.assert_allclose(grads.parameters["0.weight"].T, -(D - y) * np.outer(X, W2 * slope), rtol=1e-14)
    np.testing.assert_allclose(grads.x, -(D - y) * W1 @ (W2 * slope), rtol=1e-13)


def test_the_bias_is_the_weight_of_a_constant_input():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((4, 2)), rng.standard_normal((4, 3))
    with_bias = randomise(fastrnn.Linear(2, 3, dtype="float64"), rng)
    p = with_bias.parameters()
    without = fastrnn.Linear(3, 3, bias=False, dtype="float64")
    without.load_state_dict({"weight": np.column_stack([p["weight"], p["bias"]])})
    y, _, tape = with_bias.record(x)
    y1, _, tape1 = without.record(np.column_stack([x, np.ones(4)]))
    np.testing.assert_allclose(y1, y, atol=1e-15)
    grad = without.backward(tape1, dy).parameters["weight"]
    np.testing.assert_allclose(grad[:, 2], with_bias.backward(tape, dy).parameters["bias"], atol=1e-15)


def test_the_slope_of_sigmoid_is_at_most_a_quarter():
    x = np.linspace(-40, 40, 80_001)
    layer = fastrnn.Sigmoid()
    y, _, tape = layer.record(x)
    slope = layer.backward(tape, np.ones_like(x)).x
    assert slope.max() == slope[40_000] == 0.25  # at x = 0
    assert slope.min() >= 0
    np.testing.assert_array_equal(slope, y * (1 - y))
    # so that ten sigmoids in a row pass on less than 4⁻¹⁰ of a gradient, whatever comes in
    deep = fastrnn.Sequential(fastrnn.Linear(1, 1, dtype="float64"), *[fastrnn.Sigmoid()] * 10)
    deep.load_state_dict({"0.weight": [[1.0]], "0.bias": [0.0]})
    _, _, tape = deep.record(x[::1000, None])
    assert 0 < np.abs(deep.backward(tape, np.ones((81, 1))).x).max() < 4.0**-10


# ---- unfolding in time ----

T, N, H = 7, 3, 4
ROUNDING = 1e-12  # the same float64 sums of at most T·N·4H = 336 products in another order


def problem(cell, seed=0):
    """Return a layer, x, an initial state, gradients from above at every step and at the end."""
    rng = np.random.default_rng(seed)
    layer = randomise(recurrent(cell, 2, H, dtype="float64"), rng)
    x, dy = rng.standard_normal((T, N, 2)), rng.standard_normal((T, N, H))
    start, end = ([rng.standard_normal((1, N, H)) for _ in parts(layer(x)[1])] for _ in range(2))
    form = tuple if len(start) > 1 else lambda states: states[0]
    return layer, x, form(start), dy, form(end)


def untied(cell, layer, x, start, dy, end):
    """Backpropagate through T layers of one step each with weights of their own, equal to the tied ones."""
    copies = [recurrent(cell, 2, H, dtype="float64", seed=t) for t in range(T)]
    tapes, outputs, state = [], [], start
    for t, one in enumerate(copies):
        one.load_state_dict(layer.state_dict())
        output, state, tape = one.record(x[t : t + 1], state)
        tapes.append(tape)
        outputs.append(output)
    gradients, grad_state = [], end
    for t in reversed(range(T)):
        gradients.insert(0, copies[t].backward(tapes[t], dy[t : t + 1], grad_state))
        grad_state = gradients[0].state
    return np.concatenate(outputs), gradients


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_untied_copies_add_up_to_the_tied_one(cell):
    layer, x, start, dy, end = problem(cell)
    output, _, tape = layer.record(x, start)
    tied = layer.backward(tape, dy, end)
    outputs, gradients = untied(cell, layer, x, start, dy, end)
    np.testing.assert_allclose(outputs, output, atol=ROUNDING)
    np.testing.assert_allclose(np.concatenate([g.x for g in gradients]), tied.x, atol=ROUNDING)
    for one, whole in zip(parts(gradients[0].state), parts(tied.state), strict=True):
        np.testing.assert_allclose(one, whole, atol=ROUNDING)
    for name, grad in tied.parameters.items():
        terms = [g.parameters[name] for g in gradients]
        np.testing.assert_allclose(np.sum(terms, axis=0), grad, atol=ROUNDING)
        assert all(np.abs(term).max() > 1e-6 for term in terms)  # every copy has its share


def test_the_lessons_sum_over_i():
    """∂E_T/∂W_s = Σ_i ∂E_T/∂y_T · ∂y_T/∂s_i · ∂s_i/∂W_s, spelt out with Jacobians for a tanh Elman network."""
    layer, x, start, _, _ = problem("rnn_tanh")
    x, s_0 = x[:, :1], start[:, :1]  # one sequence
    d_last = np.random.default_rng(1).standard_normal(H)  # ∂E_T/∂y_T · ∂y_T/∂s_T
    output, _, tape = layer.record(x, s_0)
    dy = np.zeros((T, 1, H))
    dy[-1, 0] = d_last
    grads = layer.backward(tape, dy).parameters
    s = np.concatenate([s_0[0], output[:, 0]])  # s_0 … s_T
    W_s = layer.parameters()["weight_hh_l0"]
    sum_s, sum_x = np.zeros((H, H)), np.zeros((H, 2))
    for i in range(1, T + 1):
        path = d_last
        for t in range(T, i, -1):  # ∂s_t/∂s_{t-1} = diag(1 - s_t²) W_s
            path = (path * (1 - s[t] ** 2)) @ W_s
        local = path * (1 - s[i] ** 2)  # ∂s_i/∂W: the weight's own entry at step i
        sum_s += np.outer(local, s[i - 1])
        sum_x += np.outer(local, x[i - 1, 0])
    np.testing.assert_allclose(grads["weight_hh_l0"], sum_s, atol=ROUNDING)
    np.testing.assert_allclose(grads["weight_ih_l0"], sum_x, atol=ROUNDING)


def gradient_norms(layer, steps):
    """Return ‖∂(loss at the last step)/∂x_t‖ for t = 1 … T, through backward."""
    x = np.random.default_rng(2).standard_normal((steps, 1, layer.input_size))
    _, _, tape = layer.record(x)
    dy = np.zeros((steps, 1, layer.hidden_size))
    dy[-1] = 1.0
    return np.linalg.norm(layer.backward(tape, dy).x[:, 0], axis=-1)


def test_an_elman_networks_gradient_fades_geometrically():
    layer = fastrnn.RNN(16, 16, dtype="float64", seed=0)
    p = layer.state_dict()
    p["weight_hh_l0"] *= 0.5  # orthogonal times ½: every step back halves the gradient at least, as |tanh'| <= 1
    p["weight_ih_l0"] = 0.5 * np.eye(16)
    layer.load_state_dict(p)
    norms = gradient_norms(layer, 30)
    back = np.arange(29, -1, -1)
    # dx_t = ½ φ'_t ∂E/∂s_t, so that ‖dx_t‖ <= ½ · ½^(T - t) · ‖∂E/∂s_T‖
    assert (norms <= 0.5 * 0.5**back * np.sqrt(16) * (1 + 1e-12)).all()
    assert (norms > 0).all()
    assert norms[-11] < norms[-1] / 1000  # beyond ten steps little is left


def test_an_lstm_keeps_what_an_elman_network_loses():
    lstm = fastrnn.LSTM(16, 16, dtype="float64", seed=0)
    p = lstm.state_dict()
    p["bias_ih_l0"][16:32] = 7.0  # σ(7) = 0.999: the forget gate stands open
    lstm.load_state_dict(p)
    norms = gradient_norms(lstm, 200)
    elman = gradient_norms(fastrnn.RNN(16, 16, dtype="float64", seed=0), 200)
    assert norms[0] > norms[-1] / 1000
    assert elman[0] < elman[-1] / 1e6


def test_a_large_recurrent_weight_explodes_and_clipping_scales_it_back():
    model = fastrnn.Sequential(
        fastrnn.RNN(1, 2, nonlinearity="relu", dtype="float64", seed=0), fastrnn.Linear(2, 1, dtype="float64", seed=0)
    )
    p = model.state_dict()
    p["0.weight_hh_l0"], p["0.weight_ih_l0"] = 2 * np.eye(2), np.ones((2, 1))
    p["1.weight"] = np.ones((1, 2))
    model.load_state_dict(p)
    fastrnn.Trainer(model, "mse", fastrnn.SGD(1.0), clip_norm=0.25).step(np.ones((1, 20, 1)), np.zeros((1, 20, 1)))
    moved = np.sqrt(sum(((array - p[name]) ** 2).sum() for name, array in model.parameters().items()))
    assert moved == pytest.approx(0.25, rel=1e-9)  # one step of rate 1 moves by the clipped gradient, whatever 2²⁰ was

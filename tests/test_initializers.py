"""Initialisers by name: the distributions that they promise, and the same model for the same seed as ever."""

import copy
import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import initializers
from fastrnn.initializers import initial_parameters
from golden import make_initial

NAMES = ("orthogonal", "glorot", "he", "identity", "pytorch", "keras")
GATES = {  # G, and which gate forgets or updates
    "rnn": {"gates": 1, "forget_gate": None, "update_gate": None},
    "lstm": {"gates": 4, "forget_gate": 1, "update_gate": None},
    "gru": {"gates": 3, "forget_gate": None, "update_gate": 1},
}
H = 40
EXACT = 1e-12  # of products of rows of H or of G·H numbers, none above 1


def shapes_of(cell, inputs=60, hidden=H, layers=2, bias=True, directions=("", "_reverse")):
    rows, shapes = GATES[cell]["gates"] * hidden, {}
    for k in range(layers):
        for suffix in directions:
            end = f"_l{k}{suffix}"
            shapes["weight_ih" + end] = (rows, len(directions) * hidden if k else inputs)
            shapes["weight_hh" + end] = (rows, hidden)
            if bias:
                shapes |= {"bias_ih" + end: (rows,), "bias_hh" + end: (rows,)}
    return shapes


def draw(init, cell, seed=0, hidden=H, **options):
    shapes = shapes_of(cell, hidden=hidden, **options)
    return initial_parameters(init, np.random.default_rng(seed), shapes, hidden_size=hidden, **GATES[cell])


def of_kind(parameters, kind):
    """Return the arrays of one kind of parameter, of all layers and directions."""
    return [array for name, array in parameters.items() if name.startswith(kind)]


def gates_of(array):
    return np.split(array, len(array) // H)


def expect_uniform(array, limit):
    """Fail unless all are within the limit, some near it, and mean and variance are those of U(-limit, limit)."""
    n = array.size
    assert limit * (1 - 20 / n) < np.abs(array).max() <= limit  # no draw of n in the outermost 20/n: e^-20
    assert abs(array.mean()) < 5 * limit / np.sqrt(3 * n)
    # x² has the variance limit⁴ (1/5 - 1/9)
    assert abs((array**2).mean() - limit**2 / 3) < 5 * limit**2 * np.sqrt(4 / 45 / n)


def expect_orthogonal(matrix):
    """Fail unless the columns are orthonormal, and no plain identity."""
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), rtol=0, atol=EXACT)
    assert np.abs(matrix).max() < 0.9


def expect_default_biases(parameters, cell):
    forget = np.repeat([0, 1, 0, 0] if cell == "lstm" else [0] * GATES[cell]["gates"], H)
    for bias in of_kind(parameters, "bias_ih"):
        np.testing.assert_array_equal(bias, forget)
    for bias in of_kind(parameters, "bias_hh"):
        np.testing.assert_array_equal(bias, 0)


# ---- the same for all ----


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("init", NAMES)
def test_each_gives_what_is_asked_for_and_the_seed_decides(init, cell, bias):
    shapes = shapes_of(cell, bias=bias)
    values, same, other = (draw(init, cell, seed, bias=bias) for seed in (0, 0, 1))
    assert {name: array.shape for name, array in values.items()} == shapes
    assert list(values) == list(shapes)
    for name, array in values.items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, same[name])
        fixed = name.startswith("bias") and init != "pytorch"
        fixed = fixed or (init == "identity" and name.startswith("weight_hh"))
        assert fixed == np.array_equal(array, other[name]), name
        twin = name.removesuffix("_reverse")
        assert twin == name or fixed == np.array_equal(array, values[twin]), f"{name} as {twin}"


@pytest.mark.parametrize("cell", GATES)
def test_seeds_give_the_models_that_they_have_always_given(cell):
    stored = np.load(make_initial.PATH)
    golden = {key.removeprefix(f"{cell}/"): stored[key] for key in stored if key.startswith(f"{cell}/")}
    inputs, hidden, layers = make_initial.SIZES
    values = draw("orthogonal", cell, make_initial.SEED, hidden, inputs=inputs, layers=layers, directions=("",))
    layer = make_initial.LAYERS[cell](*make_initial.SIZES, dtype="float64", seed=make_initial.SEED).parameters()
    assert list(golden) == list(values) == list(layer)
    for name, array in golden.items():  # LAPACKs differ in rounding
        np.testing.assert_allclose(values[name], array, rtol=0, atol=EXACT, err_msg=name)
        np.testing.assert_allclose(layer[name], array, rtol=0, atol=EXACT, err_msg=name)


# ---- one by one ----


@pytest.mark.parametrize("cell", GATES)
def test_orthogonal(cell):
    parameters = draw("orthogonal", cell)
    for weight in of_kind(parameters, "weight_hh"):
        for gate in gates_of(weight):
            expect_orthogonal(gate)
    for weight in of_kind(parameters, "weight_ih"):
        for gate in gates_of(weight):
            expect_uniform(gate, np.sqrt(6 / sum(gate.shape)))
    expect_default_biases(parameters, cell)


@pytest.mark.parametrize("cell", GATES)
def test_glorot(cell):
    parameters = draw("glorot", cell)
    for weight in (*of_kind(parameters, "weight_hh"), *of_kind(parameters, "weight_ih")):
        for gate in gates_of(weight):
            expect_uniform(gate, np.sqrt(6 / sum(gate.shape)))
    expect_default_biases(parameters, cell)


@pytest.mark.parametrize("cell", GATES)
def test_he(cell):
    parameters = draw("he", cell)
    for weight in (*of_kind(parameters, "weight_hh"), *of_kind(parameters, "weight_ih")):
        for gate in gates_of(weight):
            expect_uniform(gate, np.sqrt(6 / weight.shape[1]))
    expect_default_biases(parameters, cell)


@pytest.mark.parametrize("cell", GATES)
def test_identity(cell):
    parameters = draw("identity", cell)
    for weight in of_kind(parameters, "weight_hh"):
        for gate in gates_of(weight):
            np.testing.assert_array_equal(gate, np.eye(H))
    for weight in of_kind(parameters, "weight_ih"):
        z, n = weight / 0.001, weight.size
        assert abs(z.mean()) < 5 / np.sqrt(n)
        assert abs((z**2).mean() - 1) < 5 * np.sqrt(2 / n)
        assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / n)  # a normal's, not another distribution's
    assert not np.concatenate(of_kind(parameters, "bias")).any()


def test_an_irnn_adds_up_what_it_sees():
    parameters = draw("identity", "rnn", layers=1, directions=("",))
    h, x = np.full(H, 2.0), np.ones(60)
    z = parameters["weight_ih_l0"] @ x + parameters["weight_hh_l0"] @ h
    np.testing.assert_allclose(np.maximum(z, 0), h, atol=0.05)


@pytest.mark.parametrize("cell", GATES)
def test_pytorch(cell):
    for array in draw("pytorch", cell).values():
        expect_uniform(array, 1 / np.sqrt(H))


@pytest.mark.parametrize("cell", GATES)
def test_keras(cell):
    parameters = draw("keras", cell)
    for weight in of_kind(parameters, "weight_hh"):
        expect_orthogonal(weight)  # Keras's (H, G·H) has orthonormal rows
    for weight in of_kind(parameters, "weight_ih"):
        expect_uniform(weight, np.sqrt(6 / sum(weight.shape)))
    expect_default_biases(parameters, cell)


# ---- chrono ----


@pytest.mark.parametrize("base", NAMES)
@pytest.mark.parametrize("max_steps", [2, 3, 100])
def test_chrono_of_an_lstm(max_steps, base):
    values, plain = draw(fastrnn.Chrono(max_steps, base), "lstm"), draw(base, "lstm")
    for name, array in values.items():
        if name.startswith("weight"):
            np.testing.assert_array_equal(array, plain[name])
            continue
        np.testing.assert_array_equal(array[2 * H :], plain[name][2 * H :])
        if name.startswith("bias_hh"):
            assert not array[: 2 * H].any()
        else:
            np.testing.assert_array_equal(array[:H], -array[H : 2 * H])
            expect_steps(array[H : 2 * H], max_steps)


@pytest.mark.parametrize("base", NAMES)
def test_chrono_of_a_gru(base):
    values, plain = draw(fastrnn.Chrono(50, base), "gru"), draw(base, "gru")
    for name, array in values.items():
        if name.startswith("weight"):
            np.testing.assert_array_equal(array, plain[name])
            continue
        np.testing.assert_array_equal(array[:H], plain[name][:H])
        np.testing.assert_array_equal(array[2 * H :], plain[name][2 * H :])
        if name.startswith("bias_hh"):
            assert not array[H : 2 * H].any()
        else:
            expect_steps(array[H : 2 * H], 50)


def expect_steps(bias, max_steps):
    """Fail unless e^bias is U(1, max_steps - 1)."""
    middle, half = max_steps / 2, max_steps / 2 - 1
    u = np.exp(bias)
    assert np.abs(u - middle).max() <= half + EXACT * max_steps
    assert abs(u.mean() - middle) <= 5 * half / np.sqrt(3 * len(u)) + EXACT
    assert max_steps == 2 or len(np.unique(u)) == len(u)


def test_each_layer_and_direction_draws_its_own_chrono_biases():
    biases = of_kind(draw(fastrnn.Chrono(100), "lstm"), "bias_ih")
    assert len({bias.tobytes() for bias in biases}) == 4


def test_chrono_is_a_value():
    chrono = fastrnn.Chrono(np.int64(30), base="keras")
    assert chrono == fastrnn.Chrono(30, "keras") != fastrnn.Chrono(30)
    assert hash(chrono) == hash(fastrnn.Chrono(30, "keras"))
    assert repr(chrono) == "Chrono(max_steps=30, base='keras')"
    assert pickle.loads(pickle.dumps(chrono)) == copy.deepcopy(chrono) == chrono


# ---- of one's own ----


def test_an_initializer_of_ones_own():
    def constant(rng, shapes, gates):
        assert isinstance(rng, np.random.Generator)
        assert (gates.count, gates.size, gates.forget, gates.update) == (4, H, 1, None)
        return {name: np.full(shape, 0.5) for name, shape in reversed(shapes.items())}

    values = draw(constant, "lstm")
    assert list(values) == list(shapes_of("lstm"))
    assert all((array == 0.5).all() for array in values.values())


# ---- refused ----


@pytest.mark.parametrize(
    ("init", "error", "message"),
    [
        (
            "xavier",
            ValueError,
            "init: expected one of 'orthogonal', 'glorot', 'he', 'identity', 'pytorch', 'keras', got 'xa",
        ),
        ("Orthogonal", ValueError, "init: expected one of .* got 'Orthogonal'"),
        ("", ValueError, "init: expected one of .* got ''"),
        ("chrono", ValueError, r"init: 'chrono' needs .* pass fastrnn\.Chrono\(max_steps\)"),
        (None, TypeError, r"init: expected a name or an initializer such as fastrnn.Chrono\(max_steps\), got None"),
        (["glorot"], TypeError, "init: expected a name or an initializer"),
        (fastrnn.Chrono, TypeError, "init: expected a name or an initializer"),
        (fastrnn.Chrono(9), ValueError, r"init: Chrono\(max_steps=9, .* forget or an update gate"),
        (lambda *_: {}, ValueError, r"init: expected arrays named \['weight_ih_l0', .* got \[\]"),
        (lambda _, shapes, __: dict.fromkeys(shapes, np.ones(3)), ValueError, r"init: weight_ih_l0: expected shape"),
    ],
    ids=range(10),
)
def test_what_is_no_initializer_of_the_layer_is_refused(init, error, message):
    with pytest.raises(error, match=message):
        draw(init, "rnn")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_chrono_without_biases_is_refused(cell):
    with pytest.raises(ValueError, match=r"init: Chrono\(.*\) needs bias=True"):
        draw(fastrnn.Chrono(9), cell, bias=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1,), ValueError, "max_steps: expected at least 2, got 1"),
        ((0,), ValueError, "max_steps: expected at least 1, got 0"),
        ((9.5,), TypeError, "max_steps: expected an int, got 9.5"),
        ((True,), TypeError, "max_steps: expected an int, got True"),
        ((9, "chrono"), ValueError, "base: expected one of 'orthogonal', .* got 'chrono'"),
        ((9, None), ValueError, "base: expected one of .* got None"),
    ],
)
def test_wrong_arguments_of_chrono_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        fastrnn.Chrono(*arguments)


# ---- of one matrix ----


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 5), (9, 4), (4, 9)])
def test_an_orthogonal_matrix_of_any_shape(rows, columns):
    matrix = initializers.orthogonal(np.random.default_rng(0), rows, columns)
    assert matrix.shape == (rows, columns)
    short = matrix if rows <= columns else matrix.T
    np.testing.assert_allclose(short @ short.T, np.eye(min(rows, columns)), rtol=0, atol=EXACT)


def test_orthogonal_matrices_prefer_no_direction():
    """The mean of random rotations is zero: each element has the variance 1/3, so 4,000 of them √(1/12000)."""
    rng = np.random.default_rng(0)
    mean = np.mean([initializers.orthogonal(rng, 3, 3) for _ in range(4000)], axis=0)
    assert np.abs(mean).max() < 5 / np.sqrt(12000)


def test_uniform_glorot_and_identity():
    rng = np.random.default_rng(0)
    expect_uniform(initializers.uniform(rng, (30, 40), 0.3), 0.3)
    expect_uniform(initializers.glorot_uniform(rng, 30, 50), np.sqrt(6 / 80))
    np.testing.assert_array_equal(initializers.identity(2, 3), [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(("init", "limit"), [("glorot", np.sqrt(6 / 110)), ("he", np.sqrt(6 / 70))])
def test_initial_weights_of_a_linear_layer(init, limit):
    layer = fastrnn.Linear(70, 40, init=init, dtype="float64", seed=0)
    expect_uniform(layer.parameters()["weight"], limit)
    assert not layer.parameters()["bias"].any()
    default = fastrnn.Linear(70, 40, dtype="float64", seed=0)
    assert np.array_equal(default.parameters()["weight"], layer.parameters()["weight"]) == (init == "glorot")


def test_a_linear_layer_may_start_orthogonal_and_refuses_other_names():
    expect_orthogonal(fastrnn.Linear(30, 40, init="orthogonal", dtype="float64", seed=0).parameters()["weight"])
    with pytest.raises(ValueError, match="init: expected one of 'glorot', 'he', 'orthogonal', got 'identity'"):
        fastrnn.Linear(3, 4, init="identity")


def test_he_keeps_the_signal_through_twenty_layers_of_relu_and_glorot_does_not():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 100))
    sizes = {}
    for init in ("he", "glorot"):
        layers = [part for _ in range(20) for part in (fastrnn.Linear(100, 100, init=init, seed=rng), fastrnn.ReLU())]
        sizes[init] = np.sqrt((fastrnn.Sequential(*layers)(x) ** 2).mean())
    assert 0.3 < sizes["he"] < 3
    assert sizes["glorot"] < 0.01  # 2^-10 of it


def test_transposed_arrays_of_an_initialiser_are_stored_in_rows():
    def transposed(rng, shapes, gates):  # noqa: ARG001
        return {name: rng.standard_normal(shape[::-1]).T for name, shape in shapes.items()}

    for dtype in ("float32", "float64"):
        layer = fastrnn.GRU(2, 3, init=transposed, dtype=dtype, seed=0)
        assert all(array.flags.c_contiguous for array in layer.parameters().values())
        assert layer(np.ones((4, 2)))[0].shape == (4, 3)


@pytest.mark.parametrize("result", [None, [1.0], 3])
def test_an_initialiser_gives_a_mapping(result):
    with pytest.raises(TypeError, match=r"^init: expected a mapping from names to arrays, got "):
        fastrnn.RNN(2, 3, init=lambda rng, shapes, gates: result)  # noqa: ARG005


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, TypeError, "expected real numbers, got dtype object"),
        (1j, TypeError, "expected real numbers, got dtype complex128"),
        (np.nan, ValueError, "expected finite numbers, got nan"),
        (-np.inf, ValueError, "expected finite numbers, got -inf"),
        (1e300, ValueError, "some values are too large for dtype.*float32"),
    ],
)
def test_an_initialiser_gives_finite_real_numbers(value, error, message):
    def wrong(rng, shapes, gates):  # noqa: ARG001
        values = {name: np.zeros(shape) for name, shape in shapes.items()}
        return values | {"weight_hh_l0": np.full(shapes["weight_hh_l0"], value)}

    with pytest.raises(error, match=f"^init: weight_hh_l0: {message}"):
        fastrnn.RNN(2, 3, init=wrong)


def test_the_arrays_of_an_initialiser_are_copied():
    kept = {}

    def keep(rng, shapes, gates):  # noqa: ARG001
        kept.update({name: np.ones(shape) for name, shape in shapes.items()})
        return kept

    layer = fastrnn.RNN(2, 3, init=keep, dtype="float64")
    assert not any(np.may_share_memory(kept[name], array) for name, array in layer.parameters().items())

"""What arrays and arguments the layers take, and how they refuse others: by the argument's name, before any work."""

import numpy as np
import pytest

import fastrnn
from layer_table import BUILDERS, CELLS, DTYPES, parts, recurrent, same_bits

LAYERS = {
    **BUILDERS,
    "model": lambda **o: fastrnn.Sequential(recurrent("lstm", 3, 5, **o), fastrnn.Linear(5, 2, seed=0)),
}
X = np.random.default_rng(0).integers(-3, 4, (6, 4, 3))  # small integers, which every real dtype holds exactly
# NumPy casts to the layer's dtype; nothing that is not one of these kinds counts as real.
REAL = ["b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "g", ">f4", ">f8", ">i4", "<i2"]


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", LAYERS)
def test_every_real_dtype_is_cast(name, dtype):
    layer, given = LAYERS[name](), X.astype(dtype)
    expected = layer.forward(np.ascontiguousarray(given, np.float32))[0]
    output = layer.forward(given)[0]
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6)  # an activation may compute in float64
    assert layer.dtype is None or output.dtype == layer.dtype


def views():
    """Yield equal values in every memory layout."""
    x = X.astype(np.float32)
    wide = np.zeros((6, 8, 5), np.float32)
    wide[:, ::2, 1:4] = x
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    unaligned[...] = x
    locked = x.copy()
    locked.flags.writeable = False
    yield from {
        "list": x.tolist(),
        "read-only": locked,
        "fortran": np.asfortranarray(x),
        "strided": wide[:, ::2, 1:4],
        "reversed": x[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "transposed": x.swapaxes(0, 1).copy().swapaxes(0, 1),
        "unaligned": unaligned,
        "float16 strided": wide.astype(np.float16)[:, ::2, 1:4],
    }.items()


@pytest.mark.parametrize(("layout", "given"), list(views()))
@pytest.mark.parametrize("name", LAYERS)
def test_every_memory_layout_gives_the_same_bits(name, layout, given):
    layer, x = LAYERS[name](), X.astype(np.float32)
    output, _, tape = layer.record(x)
    assert same_bits(layer.forward(given)[0], output), layout
    recorded, _, tape2 = layer.record(given)
    assert same_bits(recorded, output)
    dy = np.broadcast_to(np.float32(0.5), output.shape)
    assert same_bits(layer.backward(tape2, dy).x, layer.backward(tape, dy.copy()).x)


@pytest.mark.parametrize("name", LAYERS)
def test_broadcast_views_are_arrays_like_others(name):
    layer = LAYERS[name]()
    for shape in ((3,), (1, 3), (6, 1, 3)):
        x = np.broadcast_to(np.float32(1) + np.arange(np.prod(shape), dtype=np.float32).reshape(shape), (6, 4, 3))
        assert same_bits(layer.forward(x)[0], layer.forward(x.copy())[0])


BAD = {
    "complex": X * 1j,
    "object": X.astype(object),
    "text": X.astype(str),
    "bytes": X.astype("S2"),
    "None": None,
    "dict": {"x": 1},
    "datetime": X.astype("M8[s]"),
    "record": np.zeros((6, 4, 3), [("a", "f4")]),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_not_real_is_refused(name, kind):
    layer = LAYERS[name]()
    for call in (layer, layer.forward, layer.record):
        with pytest.raises(TypeError, match=r"^x: expected real numbers, got dtype "):
            call(BAD[kind])


@pytest.mark.parametrize("name", LAYERS)
def test_ragged_lists_are_refused(name):
    layer = LAYERS[name]()
    for call in (layer, layer.record):
        with pytest.raises(ValueError, match=r"^x: expected one rectangular array"):
            call([[[1, 2, 3]], [[1, 2]]])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [(6, 4, 2), (6, 4, 4), (3,), (), (1, 6, 4, 3), (6, 2)])
def test_wrong_shapes_of_recurrent_input(cell, shape):
    for batch_first, axes in ((False, r"\(T, N, I\)"), (True, r"\(N, T, I\)")):
        layer = recurrent(cell, 3, 5, batch_first=batch_first)
        for call in (layer, layer.record):
            with pytest.raises(ValueError, match=rf"^x: expected shape {axes} or \(T, I\) with 3 features, got \("):
                call(np.zeros(shape))


@pytest.mark.parametrize("shape", [(2,), (), (6, 4, 5)])
def test_wrong_shapes_of_linear_input(shape):
    with pytest.raises(ValueError, match=r"^x: expected shape \(\.\.\., in_features\) with 3 features, got \("):
        fastrnn.Linear(3, 5)(np.zeros(shape))


@pytest.mark.parametrize("cell", CELLS)
def test_initial_states_are_checked_part_by_part(cell):
    layer, x = recurrent(cell, 3, 5, 2), np.zeros((6, 4, 3))
    good = [np.zeros_like(part) for part in parts(layer(x)[1])]
    for i, name in enumerate(("h_0", "c_0")[: len(good)]):

        def state(part, i=i):
            new = [*good[:i], part, *good[i + 1 :]]
            return new[0] if len(new) == 1 else tuple(new)

        for shape in ((2, 4, 4), (2, 3, 5), (1, 4, 5), (4, 5), (2, 5), (4, 2, 5)):
            with pytest.raises(ValueError, match=rf"^{name}: expected shape \(2, 4, 5\), got \("):
                layer(x, state(np.zeros(shape)))
        flat = [np.zeros((2, 5)) for _ in good]
        flat[i] = np.zeros((2, 1, 5))
        with pytest.raises(ValueError, match=rf"^{name}: expected shape \(2, 5\), got \(2, 1, 5\)"):
            layer(x[:, 0], flat[0] if len(flat) == 1 else tuple(flat))
        with pytest.raises(TypeError, match=rf"^{name}: expected real numbers"):
            layer(x, state(good[i] * 1j))
        assert same_bits(layer(x, state(good[i].astype(int)))[0], layer(x)[0])


def test_an_lstm_wants_both_states():
    layer, x, h = fastrnn.LSTM(3, 5), np.zeros((6, 4, 3)), np.zeros((1, 4, 5))
    for state in (h, (h,), (h, h, h), {"h_0": h}, "hc"):
        with pytest.raises(TypeError, match=r"^state: expected a tuple \(h_0, c_0\), got "):
            layer(x, state)
    assert same_bits(layer(x, [h, h])[0], layer(x)[0])


ARGUMENTS = [
    ("input_size", 0, ValueError), ("input_size", -1, ValueError), ("input_size", 2.0, TypeError),
    ("input_size", "3", TypeError), ("input_size", True, TypeError), ("input_size", None, TypeError),
    ("hidden_size", 0, ValueError), ("hidden_size", np.float64(3), TypeError), ("hidden_size", [3], TypeError),
    ("num_layers", 0, ValueError), ("num_layers", 1.5, TypeError), ("num_layers", False, TypeError),
    ("bias", 1, TypeError), ("bias", None, TypeError), ("batch_first", "yes", TypeError),
    ("dtype", "float16", ValueError), ("dtype", "int32", ValueError), ("dtype", "complex64", ValueError),
    ("dtype", "nonsense", ValueError), ("dtype", 3, ValueError), ("dtype", None, ValueError),
    ("seed", -1, TypeError), ("seed", 1.0, TypeError), ("seed", "0", TypeError), ("seed", True, TypeError),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "error"), ARGUMENTS)
@pytest.mark.parametrize("kind", [fastrnn.RNN, fastrnn.LSTM])
def test_constructor_arguments_are_refused_by_name(kind, name, value, error):
    arguments = {"input_size": 3, "hidden_size": 5, name: value}
    with pytest.raises(error, match=rf"^{name}: expected .*, got "):
        kind(**arguments)


def test_constructor_arguments_of_rnn_and_linear():
    with pytest.raises(ValueError, match=r"^nonlinearity: expected one of 'tanh', 'sigmoid', 'relu', got 'gelu'"):
        fastrnn.RNN(3, 5, nonlinearity="gelu")
    for name, value, error in [
        ("in_features", 0, ValueError),
        ("out_features", 1.0, TypeError),
        ("bias", 1, TypeError),
    ]:
        with pytest.raises(error, match=rf"^{name}: expected .*, got "):
            fastrnn.Linear(**{"in_features": 3, "out_features": 5, name: value})
    for arguments in ({"lengths": 1}, {"proj_size": 2}):
        with pytest.raises(TypeError, match="unexpected keyword"):  # no argument without the work behind it
            fastrnn.LSTM(3, 5, **arguments)
    with pytest.raises(TypeError, match="positional"):
        fastrnn.LSTM(3, 5, 1, True)


@pytest.mark.parametrize("dtype", [*DTYPES, np.float32, np.float64, np.dtype("float64")])
def test_accepted_spellings(dtype):
    layer = fastrnn.LSTM(np.int64(3), np.uint8(5), dtype=dtype, bias=np.True_, seed=np.int32(3))
    assert (layer.dtype, layer.input_size, layer.bias) == (np.dtype(dtype), 3, True)
    assert repr(layer.config()).count("np.") == 0  # plain Python values, fit for JSON

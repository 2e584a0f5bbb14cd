"""Layers to walk over: one recurrent layer for each cell in the kernels' table, and every other layer."""

import fastrnn
from fastrnn import _kernels

CELLS = tuple(_kernels.CELLS)
STATES = {cell: info.states for cell, info in _kernels.CELLS.items()}
DTYPES = ("float32", "float64")


def recurrent(cell, *sizes, **options):
    """Return the recurrent layer of a cell in the table: ``rnn_x`` is RNN(nonlinearity="x"), ``abc`` is ABC()."""
    options.setdefault("seed", 0)
    if cell == "gru_before":
        return fastrnn.GRU(*sizes, reset_after=False, **options)
    if cell.startswith("rnn_"):
        return fastrnn.RNN(*sizes, nonlinearity=cell.removeprefix("rnn_"), **options)
    return getattr(fastrnn, cell.upper())(*sizes, **options)


# Each takes 3 features; built anew for every test. Dropout without chance: what it draws is in test_dropout.py.
BUILDERS = {
    **{cell: lambda cell=cell, **options: recurrent(cell, 3, 5, 2, **options) for cell in CELLS},
    "jordan": lambda **options: fastrnn.Jordan(3, 5, 4, **{"seed": 0, **options}),
    "linear": lambda **options: fastrnn.Linear(3, 5, **{"seed": 0, **options}),
    "tdnn": lambda **options: fastrnn.TDNN(3, 5, 2, **{"seed": 0, **options}),
    "layer_norm": lambda dtype="float32", **_: fastrnn.LayerNorm(3, dtype=dtype),
    "dropout": lambda **_: fastrnn.Dropout(0.0),
    "last": lambda **_: fastrnn.Last(),
    "mean_over_time": lambda **_: fastrnn.MeanOverTime(),
    "max_over_time": lambda **_: fastrnn.MaxOverTime(),
    "tanh": lambda **_: fastrnn.Tanh(),
    "sigmoid": lambda **_: fastrnn.Sigmoid(),
    "relu": lambda **_: fastrnn.ReLU(),
    "softmax": lambda **_: fastrnn.Softmax(),
}
WITH_PARAMETERS = [*CELLS, "jordan", "linear", "tdnn"]


def parts(state):
    """Return the arrays of a state as a list."""
    return [] if state is None else list(state) if isinstance(state, tuple) else [state]


def like(state, rng):
    """Return a random state of the same form, or None for None."""
    new = [rng.standard_normal(part.shape).astype(part.dtype) for part in parts(state)]
    return None if state is None else tuple(new) if isinstance(state, tuple) else new[0]


def randomise(layer, rng, scale=0.5):
    """Fill all parameters, biases too, with random numbers, so that none of them can be forgotten unseen."""
    for array in layer.parameters().values():
        array[...] = scale * rng.standard_normal(array.shape)
    return layer


def same_bits(a, b):
    """Whether two arrays, states or dicts of arrays hold the same bits in the same shapes."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(same_bits(a[name], b[name]) for name in a)
    if isinstance(a, tuple) or a is None:
        return len(parts(a)) == len(parts(b)) and all(map(same_bits, parts(a), parts(b)))
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()  # tobytes is in C order

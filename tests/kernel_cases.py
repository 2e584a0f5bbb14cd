"""Shapes, random problems, the float64 reference's answers and error bounds for the kernel tests; no tests here."""

from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np

from fastrnn import _kernels, reference
from fastrnn.reference.sequence import pre_activation

DTYPES = ("float32", "float64")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Shape(NamedTuple):
    T: int
    N: int
    I: int  # noqa: E741 - the field's name for the number of inputs
    H: int


# Sizes on both sides of the vector widths (1 to 16 lanes, two and eight vectors), of the choices between the small
# multiply and BLAS (N = 1, 4, 8; H = 96, 192, 512) and of the chunk of 256 rows; see csrc/sequence.h. Where a test
# must be sure of its path, it asks for it: multiply="small" or "blas".
SHAPES = tuple(
    Shape(*shape)
    for shape in [
        (1, 1, 1, 1), (2, 1, 3, 2), (3, 2, 1, 3), (5, 3, 2, 5), (7, 1, 5, 7), (8, 5, 7, 8), (3, 7, 8, 15),
        (2, 8, 15, 16), (3, 9, 16, 17), (5, 15, 17, 31), (2, 16, 31, 33), (15, 3, 33, 65), (2, 17, 2, 97),
        (3, 9, 5, 64), (3, 9, 5, 96), (2, 9, 97, 97), (2, 8, 5, 161), (2, 8, 5, 192), (2, 8, 3, 193), (4, 1, 97, 192),
        (3, 3, 161, 129), (3, 1, 2, 193), (1, 4, 3, 512), (1, 4, 2, 513),
        (256, 1, 2, 3), (257, 1, 3, 5), (129, 2, 5, 9), (65, 4, 7, 16), (37, 7, 3, 8), (31, 17, 2, 66),
        (3, 97, 2, 7), (2, 129, 3, 5), (3, 255, 1, 3), (2, 256, 2, 5), (3, 257, 3, 2),
    ]
)  # fmt: skip


def draw(cell, shape, bias, seed):
    """Return a random problem in float64, all numbers of which float32 can hold, so one truth serves both dtypes."""
    rng = np.random.default_rng([seed, *shape])
    info, (T, N, inputs, H) = _kernels.CELLS[cell], shape
    units = info.gates * H

    def normal(*size):
        return rng.standard_normal(size).astype(np.float32).astype(np.float64)

    def uniform(*size):  # PyTorch's initial weights: the state neither dies out nor explodes
        return (rng.uniform(-1, 1, size) / np.sqrt(H)).astype(np.float32).astype(np.float64)

    return {
        "x": normal(T, N, inputs),
        "h_0": normal(N, H),
        "c_0": normal(N, H) if info.states == 2 else None,
        "weight_ih": uniform(units, inputs),
        "weight_hh": uniform(units, H),
        "bias_ih": uniform(units) if bias else None,
        "bias_hh": uniform(units) if bias else None,
        "grad_output": normal(T, N, H),
        "grad_h_n": normal(N, H),
        "grad_c_n": normal(N, H) if info.states == 2 else None,
    }


def parts(a, *names):
    return tuple(a[name] for name in names if a[name] is not None)


@cache
def problem(cell, shape, bias, seed=0):
    """Return a random problem and the reference's answers to it, both read-only; see `answers` for their names."""
    twin = reference.CELLS[cell]
    for attempt in count(1000 * seed):
        a = draw(cell, shape, bias, attempt)
        w = {name: a[name] for name in WEIGHTS if a[name] is not None}
        output, tape = reference.forward(twin, a["x"], parts(a, "h_0", "c_0"), w)
        if "relu" not in cell:
            break
        # the slope of the ReLU jumps at 0: keep away from there by more than the rounding of float32
        z = [np.abs(pre_activation(x, s[0], w)).min() for x, s in zip(a["x"], tape.states, strict=False)]
        if min(z) > 1e-5:
            break
    grads = reference.backward(twin, tape, a["grad_output"], parts(a, "grad_h_n", "grad_c_n"), w)
    true = {"output": output, "h_n": tape.states[-1][0], "grad_x": grads.x, "grad_h_0": grads.state[0]}
    if twin.states == 2:
        true |= {"c": np.stack([s[1] for s in tape.states]), "c_n": tape.states[-1][1], "grad_c_0": grads.state[1]}
    true |= {f"grad_{name}": value for name, value in grads.parameters.items()}
    for array in (*a.values(), *true.values()):
        if array is not None:
            array.flags.writeable = False
    return a, true


def cast(a, dtype):
    """Return the problem in another dtype, read-only as it was."""
    result = {}
    for name, array in a.items():
        result[name] = None if array is None else np.array(array, dtype=dtype)
        if array is not None:
            result[name].flags.writeable = False
    return result


def rows_of(array):
    """Return (T, N, ·) as the kernels take it: (S, ·), the rows of one step together."""
    return None if array is None else array.reshape(-1, array.shape[-1])


def forward(cell, a, isa=None, threads=None, record=True):
    """Return what `_kernels.forward` returns, with a time axis: h and c (T+1, N, H), saved (T, N, saves, H)."""
    arguments = [a[name] for name in ("h_0", "c_0", *WEIGHTS)]
    h, c, saved = _kernels.forward(cell, rows_of(a["x"]), *arguments, record=record, isa=isa, threads=threads)
    T, N, _ = a["x"].shape
    h = h.reshape(T + 1, N, -1)
    c = c.reshape(T + 1, N, -1) if record and c is not None else c
    return h, c, None if saved is None else saved.reshape(T, N, *saved.shape[1:])


def backward(cell, a, recorded, isa=None, threads=None):
    """Return the gradients by name, without those that the cell or the problem has not."""
    h, c, saved = recorded
    grads = _kernels.backward(
        cell, rows_of(a["x"]), rows_of(h), rows_of(c), None if saved is None else saved.reshape(-1, *saved.shape[2:]),
        a["weight_ih"], a["weight_hh"], a["bias_ih"] is not None,
        rows_of(a["grad_output"]), a["grad_h_n"], a["grad_c_n"], isa=isa, threads=threads,
    )  # fmt: skip
    names = ("x", "h_0", "c_0", *WEIGHTS)
    named = {f"grad_{name}": grad for name, grad in zip(names, grads, strict=True) if grad is not None}
    return named | {"grad_x": grads[0].reshape(a["x"].shape)}


def answers(cell, a, isa=None, threads=None):
    """Return all outputs, states and gradients by name, as the kernels compute them."""
    h, c, saved = forward(cell, a, isa, threads)
    result = {"output": h[1:], "h_n": h[-1]}
    if c is not None:
        result |= {"c": c, "c_n": c[-1]}
    return result | backward(cell, a, (h, c, saved), isa, threads)


def bound(name, true, dtype, shape):
    """Return how far a kernel may be from the truth.

    A pre-activation is a sum of I + H products and a state gradient one of G·H, both carried on over T steps, whose
    rounding errors add up at random: eps·√(T·(I + 4H)), in units of the largest element. A parameter's gradient adds
    up T·N rows, some of which cancel. Activations are good to a few ulp. The factor covers all constants.
    """
    rows = shape.N if name.removeprefix("grad_") in WEIGHTS else 1
    terms = shape.T * (shape.I + 4 * shape.H + rows)
    return 4 * np.finfo(dtype).eps * np.sqrt(terms) * max(1.0, np.abs(true).max(initial=0))


def expect_equal(got, true, dtype, shape):
    """Fail unless the same things were computed, in the right dtype and within the bound."""
    assert got.keys() == true.keys()
    for name, truth in true.items():
        assert got[name].dtype == dtype, name
        limit = bound(name, truth, dtype, shape)
        np.testing.assert_allclose(got[name], truth, rtol=0, atol=limit, err_msg=f"{name} of {shape}")

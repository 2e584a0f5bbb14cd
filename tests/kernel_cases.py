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


# Sizes on both sides of every choice in csrc/plan.h and csrc/tile.h: vectors of 2 to 16 lanes, panels of up to 3 or 8
# of them, tiles of up to 8 rows, few rows (N <= 2), the input's part hoisted (N < 8, a chunk of 32 rows), a ring of 512
# rows, and threads that share out rows or units (N < 16, weights above 512 KiB).
SHAPES = tuple(
    Shape(*shape)
    for shape in [
        (1, 1, 1, 1), (2, 1, 3, 2), (3, 2, 1, 3), (5, 3, 2, 5), (7, 1, 5, 7), (8, 5, 7, 8), (3, 7, 8, 15),
        (2, 8, 15, 16), (3, 9, 16, 17), (5, 15, 17, 31), (2, 16, 31, 33), (15, 3, 33, 65), (2, 17, 2, 97),
        (2, 9, 97, 49), (3, 2, 49, 129), (2, 1, 65, 130), (2, 4, 9, 96), (3, 6, 13, 25), (2, 33, 4, 12),
        (32, 1, 3, 5), (33, 1, 2, 3), (65, 2, 1, 9), (12, 3, 5, 4), (23, 3, 2, 6), (11, 7, 3, 13),
        (128, 4, 3, 5), (129, 4, 5, 9), (513, 1, 2, 3), (3, 171, 2, 7), (2, 513, 3, 2), (1, 512, 1, 3), (40, 17, 2, 8),
        (2, 16, 5, 185), (3, 17, 2, 364), (2, 5, 3, 260), (2, 1, 2, 513),
    ]
)  # fmt: skip


def draw(cell, shape, bias, seed, *, ragged):
    """Return a random problem in float64, all numbers of which float32 can hold, so one truth serves both dtypes."""
    rng = np.random.default_rng([seed, *shape])
    info, (T, N, inputs, H) = _kernels.CELLS[cell], shape
    units = info.gates * H

    def normal(*size):
        return rng.standard_normal(size).astype(np.float32).astype(np.float64)

    def uniform(*size):  # PyTorch's initial weights: the state neither dies out nor explodes
        return (rng.uniform(-1, 1, size) / np.sqrt(H)).astype(np.float32).astype(np.float64)

    lengths = np.full(N, T)
    if ragged:
        lengths[1:] = -np.sort(-rng.integers(1, T, N - 1, endpoint=True))
    return {
        "lengths": lengths,
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
def problem(cell, shape, bias, seed=0, *, ragged=False):
    """Return a random problem and the reference's answers to it, both read-only; see `answers` for their names.

    Arrays have a time axis, and a ragged problem's are padded: with NaN where it is input, with 0 where it is output.
    """
    twin = reference.CELLS[cell]
    for attempt in count(1000 * seed):
        a = draw(cell, shape, bias, attempt, ragged=ragged)
        w = {name: a[name] for name in WEIGHTS if a[name] is not None}
        output, tape = reference.forward(twin, a["x"], parts(a, "h_0", "c_0"), w, a["lengths"])
        if "relu" not in cell:
            break
        # the slope of the ReLU jumps at 0: keep away from there by more than the rounding of float32
        z = [np.abs(pre_activation(x, s[0], w)).min() for x, s in zip(tape.x, tape.states, strict=False)]
        if min(z) > 1e-5:
            break
    grads = reference.backward(twin, tape, a["grad_output"], parts(a, "grad_h_n", "grad_c_n"), w)
    final = reference.final_state(tape)
    true = {"output": output, "h_n": final[0], "grad_x": grads.x, "grad_h_0": grads.state[0]}
    if twin.states == 2:
        c = np.where(tape.running, np.stack([s[1] for s in tape.states[1:]]), 0)
        true |= {"c": np.concatenate([a["c_0"][None], c]), "c_n": final[1], "grad_c_0": grads.state[1]}
    true |= {f"grad_{name}": value for name, value in grads.parameters.items()}
    for name in ("x", "grad_output"):
        a[name][~running(a)] = np.nan
    for array in (*a.values(), *true.values()):
        if array is not None:
            array.flags.writeable = False
    return a, true


def cast(a, dtype):
    """Return the problem in another dtype, read-only as it was."""
    result = {}
    for name, array in a.items():
        result[name] = None if array is None else np.array(array, dtype=np.int64 if name == "lengths" else dtype)
        if array is not None:
            result[name].flags.writeable = False
    return result


def running(a):
    """Return which sequences have which step, (T, N)."""
    return np.arange(len(a["x"]))[:, None] < a["lengths"]


def counts_of(a):
    """Return how many rows each step has, or None where all have N."""
    return None if a["lengths"].min() == len(a["x"]) else running(a).sum(1)


def pack(a, array, first=0):
    """Return (first + T, N, ...) as the kernels take it: (N·first + S, ...), the rows of one step together."""
    if array is None:
        return None
    tail = array.shape[2:]
    if counts_of(a) is None:
        return array.reshape(-1, *tail)
    return np.concatenate([array[:first].reshape(-1, *tail), array[first:][running(a)]])


def unpack(a, rows, first=0):
    """Undo `pack`, with 0 for padding."""
    if rows is None:
        return None
    T, N = running(a).shape
    if counts_of(a) is None:
        return rows.reshape(first + T, N, *rows.shape[1:])
    result = np.zeros((first + T, N, *rows.shape[1:]), rows.dtype)
    result[:first] = rows[: first * N].reshape(first, N, *rows.shape[1:])
    result[first:][running(a)] = rows[first * N :]
    return result


def forward(cell, a, isa=None, threads=1, *, record=True, reuse=(None,) * 4):
    """Return what `_kernels.forward` returns, with a time axis: h and c (T+1, N, H), saved (T, N, saves, H)."""
    arguments = [a[name] for name in ("h_0", "c_0", *WEIGHTS)]
    h, c, saved, _ = _kernels.forward(
        cell, pack(a, a["x"]), *arguments, record=record, counts=counts_of(a), reuse=reuse, isa=isa, threads=threads
    )
    return unpack(a, h, 1), unpack(a, c, 1) if record else c, unpack(a, saved)


def backward(cell, a, recorded, isa=None, threads=1):
    """Return the gradients by name, without those that the cell or the problem has not."""
    h, c, saved = recorded
    grads = _kernels.backward(
        cell, pack(a, a["x"]), pack(a, h, 1), pack(a, c, 1), pack(a, saved), None, a["weight_ih"], a["weight_hh"],
        a["bias_ih"] is not None, pack(a, a["grad_output"]), a["grad_h_n"], a["grad_c_n"],
        counts=counts_of(a), isa=isa, threads=threads,
    )  # fmt: skip
    names = ("x", "h_0", "c_0", *WEIGHTS)
    named = {f"grad_{name}": grad for name, grad in zip(names, grads, strict=True) if grad is not None}
    return named | {"grad_x": unpack(a, grads[0])}


def outputs(a, recorded):
    """Return all outputs and states by name."""
    h, c, _ = recorded
    last = a["lengths"], np.arange(len(a["lengths"]))
    result = {"output": h[1:], "h_n": h[last]}
    return result if c is None else result | {"c": c, "c_n": c[last]}


def answers(cell, a, isa=None, threads=1):
    """Return all outputs, states and gradients by name, as the kernels compute them."""
    recorded = forward(cell, a, isa, threads)
    return outputs(a, recorded) | backward(cell, a, recorded, isa, threads)


def rows(a, lo, hi, steps=None):
    """Return the problem of some rows of the batch alone, of its first steps."""
    steps = a["lengths"][lo] if steps is None else steps
    result = dict(a, lengths=np.minimum(a["lengths"][lo:hi], steps))
    for name in ("x", "grad_output"):
        result[name] = np.ascontiguousarray(a[name][:steps, lo:hi])
    for name in ("h_0", "c_0", "grad_h_n", "grad_c_n"):
        result[name] = None if a[name] is None else a[name][lo:hi]
    return result


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


def expect_same_bits(first, second):
    """Fail unless two dicts hold the same arrays; NaN equals NaN, and 0 equals -0."""
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name, strict=True)

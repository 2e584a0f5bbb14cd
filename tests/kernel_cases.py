"""Shapes, random problems, the float64 reference's answers and error bounds for the kernel tests; no tests here."""

from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np

from fastrnn import _kernels, reference
from fastrnn._kernels import Zoneout
from packing import counts_of, gradient_of_x, looked_up, pack, running, source_of, unpack
from reference_cases import smallest_pre_activation

DTYPES = ("float32", "float64")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
ARRAYS = ("h_0", "c_0", *WEIGHTS)  # as the kernels take them, after x


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


class Options(NamedTuple):
    """What a pass does besides the cell's equations."""

    reverse: bool = False
    keep: bool = False  # recurrent dropout
    zoneout: str = ""  # "drawn", or "expected", which only goes forward
    watch: str = ""  # on the gradient that flows back through the states: "norms", or "bounds" on them as well
    source: str = ""  # x is looked up: in a "table", or "one-hot"


PLAIN = Options()
RATES = 0.3, 0.2  # of zoneout, of h and of c


class Recorded(NamedTuple):
    """What a forward pass left, with a time axis in place of rows."""

    h: np.ndarray  # (T+1, N, H): place t, see csrc/fastrnn.h
    c: np.ndarray | None
    saved: np.ndarray | None  # (T, N, saves, H)
    fed: np.ndarray | None  # like h


def draw(cell, shape, bias, seed, *, ragged, options=PLAIN):
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
    problem = {
        "lengths": lengths,
        "ragged": ragged,
        "reverse": options.reverse,
        "watch": options.watch,
        "bounds": None,
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
    kept = (rng.random((N, H)) < 0.75) * np.float64(np.float32(1 / 0.75))  # a number that float32 can hold too
    seed = int(rng.integers(2**63)) if options.zoneout == "drawn" else None
    if options.source:
        problem |= looked_up(problem, rng, options.source)
    return problem | {
        "keep": kept if options.keep else None,
        "zoneout": Zoneout(*RATES, seed) if options.zoneout else None,
    }


def parts(a, *names):
    return tuple(a[name] for name in names if a[name] is not None)


def zones(a, states):
    """Return zoneout as the reference takes it."""
    if a["zoneout"] is None:
        return None
    *rates, seed = a["zoneout"]
    if seed is None:
        return tuple(np.full((1, 1, 1), rate) for rate in rates[:states])
    S, H = a["lengths"].sum(), a["weight_hh"].shape[1]
    return tuple(
        unpack(a, reference.dropped(seed + i, S, H, rate).astype(float)) for i, rate in enumerate(rates[:states])
    )


def solve(cell, shape, bias, seed=0, *, ragged=False, options=PLAIN):
    """Return a random problem and the reference's answers to it, both read-only; see `answers` for their names.

    Arrays have a time axis, and a ragged problem's are padded: with NaN where it is input, with 0 where it is output.
    """
    twin = reference.CELLS[cell]
    for attempt in count(1000 * seed):
        a = draw(cell, shape, bias, attempt, ragged=ragged, options=options)
        w, start = {name: a[name] for name in WEIGHTS if a[name] is not None}, parts(a, "h_0", "c_0")
        chance = {"keep": a["keep"], "zoneout": zones(a, twin.states)}
        output, tape = reference.forward(twin, a["x"], start, w, a["lengths"], reverse=options.reverse, **chance)
        # the slope of the ReLU jumps at 0: keep away from there by more than the rounding of float32
        if "relu" not in cell or smallest_pre_activation(tape, w) > 1e-5:
            break
    true = {"output": output, "h_n": reference.final_state(tape)[0]}
    if twin.states == 2:
        true |= {"c": cell_states(a, tape), "c_n": reference.final_state(tape)[1]}
    if options.zoneout != "expected":
        true |= gradients(twin, a, tape, w, options)
    for name in ("x", "grad_output"):
        a[name][~running(a)] = np.nan
    if options.source:
        a["x_row"][~running(a)] = -1
    for array in (*a.values(), *true.values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return a, true


problem = cache(solve)


def cell_states(a, tape):
    """Return c at each place (T+1, N, H), 0 where a sequence has none."""
    c = np.stack([state[1] for state in tape.states])
    there = np.arange(len(c))[:, None, None] <= a["lengths"][:, None]
    return np.where(there, c[::-1] if a["reverse"] else c, 0)


def gradients(twin, a, tape, w, options):
    """Return the reference's gradients and norms by name; bounds are set, if any, that half of the norms exceed."""
    grad_state = parts(a, "grad_h_n", "grad_c_n")
    grads = reference.backward(twin, tape, a["grad_output"], grad_state, w)
    if options.watch == "bounds":
        middle = [float(np.float32(np.median(norms[running(a)]))) for norms in grads.norms]
        a["bounds"] = (middle[0], middle[-1])
        grads = reference.backward(twin, tape, a["grad_output"], grad_state, w, clip=a["bounds"][: twin.states])
    named = gradient_of_x(a, grads.x) | {f"grad_{name}": value for name, value in grads.parameters.items()}
    named |= {f"grad_{name}_0": grad for name, grad in zip("hc", grads.state, strict=False)}
    norms = {f"norms_{name}": part for name, part in zip("hc", grads.norms, strict=False)}
    return named | norms if options.watch else named


def cast(a, dtype):
    """Return the problem in another dtype, read-only as it was."""
    result = dict(a)
    for name, array in a.items():
        if isinstance(array, np.ndarray):
            result[name] = np.array(array, dtype=np.int64 if name in ("lengths", "x_row") else dtype)
            result[name].flags.writeable = False
    return result


def forward(cell, a, isa=None, threads=1, *, record=True, reuse=(None,) * 4):
    """Return what `_kernels.forward` returns, with a time axis."""
    x, x_row = source_of(a)
    h, c, saved, fed = _kernels.FORWARD[a["x"].dtype](
        cell, x, *(a[name] for name in ARRAYS), record=record, x_row=x_row, counts=counts_of(a), reverse=a["reverse"],
        keep=a["keep"], zoneout=a["zoneout"], reuse=reuse, isa=isa, threads=threads,
    )  # fmt: skip
    return Recorded(unpack(a, h, 1), unpack(a, c, 1) if record else c, unpack(a, saved), unpack(a, fed, 1))


def backward(cell, a, recorded, isa=None, threads=1):
    """Return the gradients and norms by name, without those that the cell or the problem has not."""
    h, c, saved, fed = recorded
    dtype, S = a["x"].dtype, a["lengths"].sum()
    names = "hc"[: _kernels.CELLS[cell].states] if a["watch"] else ""
    norms = [np.full(S, np.nan, dtype) for _ in names]
    x, x_row = source_of(a)
    grads = _kernels.BACKWARD[dtype](
        cell, x, pack(a, h, 1), pack(a, c, 1), pack(a, saved), pack(a, fed, 1), a["weight_ih"],
        a["weight_hh"], a["bias_ih"] is not None, pack(a, a["grad_output"]), a["grad_h_n"], a["grad_c_n"], x_row=x_row,
        counts=counts_of(a), reverse=a["reverse"], keep=a["keep"], zoneout=a["zoneout"], bounds=a["bounds"],
        norms=(*norms, None, None)[:2] if a["watch"] else None, isa=isa, threads=threads,
    )  # fmt: skip
    named = {f"grad_{name}": grad for name, grad in zip(("x", *ARRAYS), grads, strict=True) if grad is not None}
    named |= {f"norms_{name}": unpack(a, part) for name, part in zip(names, norms, strict=True)}
    if x_row is None:
        return named | {"grad_x": unpack(a, grads[0])}
    return named if x is None else named | {"grad_table": named.pop("grad_x")}


def outputs(a, recorded):
    """Return all outputs and states by name."""
    h, c = recorded[:2]
    N = len(a["lengths"])
    last = (np.zeros(N, int) if a["reverse"] else a["lengths"], np.arange(N))
    output = np.where(running(a)[..., None], h[:-1], 0) if a["reverse"] else h[1:]
    result = {"output": output, "h_n": h[last]}
    return result if c is None else result | {"c": c, "c_n": c[last]}


def answers(cell, a, isa=None, threads=1):
    """Return all outputs, states and gradients by name, as the kernels compute them."""
    recorded = forward(cell, a, isa, threads)
    result = outputs(a, recorded)
    expected = a["zoneout"] is not None and a["zoneout"].seed is None  # there is no going back from there
    return result if expected else result | backward(cell, a, recorded, isa, threads)


def rows(a, lo, hi, steps=None):
    """Return the problem of some rows of the batch alone, of its first steps."""
    steps = a["lengths"][lo] if steps is None else steps
    result = dict(a, lengths=np.minimum(a["lengths"][lo:hi], steps))
    for name in {"x", "x_row", "grad_output"} & a.keys():
        result[name] = np.ascontiguousarray(a[name][:steps, lo:hi])
    for name in ("h_0", "c_0", "keep", "grad_h_n", "grad_c_n"):
        result[name] = None if a[name] is None else a[name][lo:hi]
    return result


def bound(name, true, dtype, shape):
    """Return how far a kernel may be from the truth.

    A pre-activation is a sum of I + H products and a state gradient one of G·H, both carried on over T steps, whose
    rounding errors add up at random: eps·√(T·(I + 4H)), in units of the largest element. A parameter's gradient adds
    up T·N rows, some of which cancel. Activations are good to a few ulp. The factor covers all constants.
    """
    rows = shape.N if name.removeprefix("grad_") in (*WEIGHTS, "table") else 1
    terms = shape.T * (shape.I + 4 * shape.H + rows)
    return 4 * np.finfo(dtype).eps * np.sqrt(terms) * max(1.0, np.abs(true).max(initial=0))


def expect_equal(got, true, dtype, shape, about=""):
    """Fail unless the same things were computed, in the right dtype and within the bound."""
    assert got.keys() == true.keys()
    for name, truth in true.items():
        assert got[name].dtype == dtype, name
        limit = bound(name, truth, dtype, shape)
        np.testing.assert_allclose(got[name], truth, rtol=0, atol=limit, err_msg=f"{name} of {shape} {about}")


def expect_same_bits(first, second):
    """Fail unless two dicts hold the same arrays; NaN equals NaN, and 0 equals -0."""
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name, strict=True)

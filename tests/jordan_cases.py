"""Shapes, random problems, the reference's answers and what the kernels compute, for Jordan networks; no tests here."""

from functools import cache
from itertools import count
from typing import NamedTuple

import numpy as np

from fastrnn import _jordan
from fastrnn.reference import Jordan
from fastrnn.reference.sequence import pre_activation
from kernel_cases import counts_of, pack, running, unpack

WEIGHTS = ("weight_ih", "weight_hh", "weight_ho")
BIASES = ("bias_ih", "bias_hh", "bias_ho")
PARAMETERS = (*WEIGHTS, *BIASES)


class Shape(NamedTuple):
    T: int
    N: int
    I: int  # noqa: E741 - the field's name for the number of inputs
    H: int
    O: int  # noqa: E741 - the field's name for the number of outputs


# Both sides of every choice: vectors of 2 to 16 lanes, panels of up to 3 or 8 of them in forward and 3 in backward,
# tiles of up to 8 rows, few rows (N <= 2), the input's part hoisted (N < 8, a chunk of 32 rows), a ring of 512 rows,
# rows shared out (N >= 16).
SHAPES = tuple(
    Shape(*shape)
    for shape in [
        (1, 1, 1, 1, 1), (2, 1, 3, 2, 5), (3, 2, 1, 3, 2), (5, 3, 2, 5, 3), (7, 1, 5, 16, 7), (8, 5, 7, 8, 16),
        (3, 7, 8, 15, 17), (2, 8, 15, 33, 31), (3, 9, 16, 17, 15), (5, 15, 17, 31, 8), (4, 16, 3, 33, 9),
        (15, 3, 33, 65, 1), (4, 17, 2, 97, 33), (2, 9, 5, 49, 130), (3, 2, 4, 129, 49), (32, 1, 3, 5, 4),
        (33, 1, 2, 3, 6), (65, 2, 1, 9, 2), (12, 3, 5, 4, 3), (129, 4, 5, 9, 2), (513, 1, 2, 3, 2), (3, 171, 2, 7, 3),
        (2, 513, 3, 2, 2), (40, 17, 2, 8, 5),
    ]
)  # fmt: skip


def draw(shape, bias, seed, *, ragged, forced):
    """Return a random problem in float64, all numbers of which float32 can hold, so one truth serves both dtypes."""
    rng = np.random.default_rng([seed, *shape])
    T, N, inputs, H, outputs = shape

    def normal(*size):
        return rng.standard_normal(size).astype(np.float32).astype(np.float64)

    def uniform(*size):
        return (rng.uniform(-1, 1, size) / np.sqrt(H)).astype(np.float32).astype(np.float64)

    lengths = np.full(N, T)
    if ragged:
        lengths[1:] = -np.sort(-rng.integers(1, T, N - 1, endpoint=True))
    sizes = (H, inputs), (H, outputs), (outputs, H), (H,), (H,), (outputs,)
    named = zip(PARAMETERS, sizes, strict=True)
    weights = {name: uniform(*size) if bias or name in WEIGHTS else None for name, size in named}
    return {
        "lengths": lengths,
        "x": normal(T, N, inputs),
        "y_0": normal(N, outputs),
        "teacher": normal(T, N, outputs) if forced else None,
        **weights,
        "grad_output": normal(T, N, outputs),
        "grad_y_n": normal(N, outputs),
    }


def parameters(a):
    return {name: a[name] for name in PARAMETERS if a[name] is not None}


@cache
def problem(phi, psi, shape, bias=True, seed=0, *, ragged=False, forced=False):
    """Return a random problem and the reference's answers to it, both read-only; see `answers` for their names.

    Arrays have a time axis, and a ragged problem's are padded: with NaN where it is input, with 0 where it is output.
    """
    twin = Jordan(phi, psi)
    for attempt in count(1000 * seed):
        a = draw(shape, bias, attempt, ragged=ragged, forced=forced)
        w = parameters(a)
        output, y_n, tape = twin.forward(a["x"], a["y_0"], w, a["lengths"], a["teacher"])
        if phi != "relu":
            break
        # the slope of the ReLU jumps at 0: keep away from there by more than the rounding of float32
        steps = zip(tape.x, tape.fed, tape.running[..., 0], strict=True)
        z = [np.abs(pre_activation(x, fed, w)[on]).min(initial=1) for x, fed, on in steps]
        if min(z) > 1e-5:
            break
    grads = twin.backward(tape, a["grad_output"], a["grad_y_n"], w)
    true = {"output": output, "y_n": y_n, "grad_x": grads.x, "grad_y_0": grads.y_0}
    true |= {f"grad_{name}": value for name, value in grads.parameters.items()}
    for name in ("x", "grad_output", "teacher"):
        if a[name] is not None:
            a[name][~running(a)] = np.nan
    if forced:
        a["teacher"][a["lengths"] - 1, np.arange(shape.N)] = np.nan  # the last step is not fed to any
    for array in (*a.values(), *true.values()):
        if array is not None:
            array.flags.writeable = False
    return a, true


def forward(phi, psi, a, isa=None, threads=1, *, record=True, reuse=(None, None)):
    """Return y (N+S, O), fed likewise or None, and h (S, H), as the kernels take and give them."""
    fed = None if a["teacher"] is None else np.concatenate([a["y_0"], pack(a, a["teacher"])])
    y, h = _jordan.forward(
        phi, psi, pack(a, a["x"]), a["y_0"], fed, *(a[name] for name in PARAMETERS),
        record=record, counts=counts_of(a), reuse=reuse, isa=isa, threads=threads,
    )  # fmt: skip
    return y, fed, h


def outputs(a, y):
    """Return the output and the last output of each sequence by name, of y (N+S, O)."""
    N = len(a["y_0"])
    output = unpack(a, y[N:])
    return {"output": output, "y_n": output[a["lengths"] - 1, np.arange(N)]}


def backward(phi, psi, a, recorded, isa=None, threads=1):
    """Return the gradients by name, without those that the problem has not."""
    y, fed, h = recorded
    grads = _jordan.backward(
        phi, psi, pack(a, a["x"]), y, fed, h, *(a[name] for name in WEIGHTS), a["bias_ih"] is not None,
        pack(a, a["grad_output"]), a["grad_y_n"], counts=counts_of(a), isa=isa, threads=threads,
    )  # fmt: skip
    names = ("x", "y_0", *PARAMETERS)
    named = {f"grad_{name}": grad for name, grad in zip(names, grads, strict=True) if grad is not None}
    return named | {"grad_x": unpack(a, grads[0])}


def answers(phi, psi, a, isa=None, threads=1):
    """Return outputs, final states and gradients by name, as the kernels compute them."""
    recorded = forward(phi, psi, a, isa, threads)
    return outputs(a, recorded[0]) | backward(phi, psi, a, recorded, isa, threads)


def bound(name, true, dtype, shape):
    """Return how far a kernel may be from the truth; as in kernel_cases, the state now being O wide and h between."""
    rows = shape.N if name.removeprefix("grad_") in PARAMETERS else 1
    terms = shape.T * (shape.I + 4 * (shape.H + shape.O) + rows)
    return 4 * np.finfo(dtype).eps * np.sqrt(terms) * max(1.0, np.abs(true).max(initial=0))


def expect_equal(got, true, dtype, shape):
    """Fail unless the same things were computed, in the right dtype and within the bound."""
    assert got.keys() == true.keys()
    for name, truth in true.items():
        assert got[name].dtype == dtype, name
        limit = bound(name, truth, dtype, shape)
        np.testing.assert_allclose(got[name], truth, rtol=0, atol=limit, err_msg=f"{name} of {shape}")

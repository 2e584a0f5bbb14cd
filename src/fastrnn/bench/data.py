"""What all contestants of a case are given, and what they must find."""

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.bench.cases import GATES, Case

Array = NDArray[Any]
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Data(NamedTuple):
    """Input, initial state, the gradient that arrives at the output, and weights in PyTorch's layout and names."""

    x: Array  # (T, N, I)
    state: tuple[Array, ...]  # h_0 and, for an LSTM, c_0: (L, N, H)
    grad: Array  # (T, N, H), zero where a row has ended
    weights: dict[str, Array]  # weight_ih_l0 (G·H, I), weight_hh_l0 (G·H, H), bias_ih_l0 (G·H,), bias_hh_l0, …
    lengths: NDArray[np.int64] | None


def data(case: Case) -> Data:
    """Return random data; weights are uniform within ±1/√H, as PyTorch draws them.

    The same for every kind of work, and rounded to float32 in double precision too.
    """
    given = _drawn(replace(case, kind="train", dtype="float32"))

    def cast(array: Array) -> Array:
        return array.astype(case.dtype)

    weights = {name: cast(array) for name, array in given.weights.items()}
    return Data(cast(given.x), tuple(map(cast, given.state)), cast(given.grad), weights, given.lengths)


@lru_cache(maxsize=1)
def _drawn(case: Case) -> Data:
    rng = np.random.default_rng(0)
    units, scale = GATES[case.cell] * case.H, case.H**-0.5
    weights = {
        f"{name}_l{k}": rng.uniform(-scale, scale, shape).astype(np.float32)
        for k, width in enumerate(case.inputs)
        for name, shape in zip(PARAMETERS, [(units, width), (units, case.H), (units,), (units,)], strict=True)
    }

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    grad = normal(case.T, case.N, case.H)
    if case.lengths is not None:
        grad[np.arange(case.T)[:, None] >= case.lengths] = 0
    state = tuple(normal(case.layers, case.N, case.H) / 2 for _ in range(2 if case.cell == "lstm" else 1))
    return Data(normal(case.T, case.N, case.I), state, grad, weights, case.lengths)

"""What all contestants of a case are given, and what they must find. D directions, L layers."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.bench.cases import GATES, VOCABULARY, WINDOW, Case

Array = NDArray[Any]
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PROMPT = 8  # characters


class Data(NamedTuple):
    """Input, initial state, the gradient that arrives at the output, and weights in PyTorch's layout and names."""

    x: Array  # (T, N, I); ids (PROMPT,) of a model that generates
    state: tuple[Array, ...]  # h_0 and, for an LSTM, c_0: (L·D, N, H); nothing where all begins at zero
    grad: Array  # (T, N, D·H), zero where a row has ended; not used by a model that generates
    weights: dict[str, Array]  # weight_ih_l0 (G·H, I), weight_hh_l0 (G·H, H), bias_ih_l0, …, weight_ih_l0_reverse, …
    lengths: NDArray[np.int64] | None


def data(case: Case) -> Data:
    """Return random data; weights are uniform within ±1/√H, as PyTorch draws them.

    The same for every kind of work on sequences, and rounded to float32 in double precision too.
    """
    given = _drawn(replace(case, kind="generate" if case.kind == "generate" else "train", dtype="float32"))

    def cast(array: Array) -> Array:
        return array if array.dtype.kind == "i" else array.astype(case.dtype)

    weights = {name: cast(array) for name, array in given.weights.items()}
    return Data(cast(given.x), tuple(map(cast, given.state)), cast(given.grad), weights, given.lengths)


def direction(weights: Mapping[str, Any], k: int, d: int) -> dict[str, Any]:
    """Return the weights of direction d of layer k under the names in PARAMETERS."""
    return {name: weights[full] for name, full in _names(k, d).items()}


def named(weights: Mapping[str, Any], k: int, d: int) -> dict[str, Any]:
    """Return what `direction` was given: PyTorch's names for the weights of direction d of layer k."""
    return {full: weights[name] for name, full in _names(k, d).items()}


def _names(k: int, d: int) -> dict[str, str]:
    return {name: f"{name}_l{k}{'_reverse' * d}" for name in PARAMETERS}


@lru_cache(maxsize=1)
def _drawn(case: Case) -> Data:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    def uniform(*shape: int) -> Array:
        return rng.uniform(-(case.H**-0.5), case.H**-0.5, shape).astype(np.float32)

    T, N, H = case.T, case.N, case.H
    if case.cell == "tdnn":
        weights = {"weight": uniform(H, case.I, WINDOW), "bias": uniform(H)}
        return Data(normal(T, N, case.I), (), normal(T, N, H), weights, None)
    weights = _recurrent(case, uniform)
    if case.kind == "generate":
        weights |= {"embedding": normal(VOCABULARY, case.I)}
        weights |= {"weight": uniform(VOCABULARY, H), "bias": uniform(VOCABULARY)}  # of the last layer
        return Data(rng.integers(0, VOCABULARY, PROMPT), (), normal(0), weights, None)
    grad = normal(T, N, case.directions * H)
    if case.lengths is not None:
        grad[np.arange(T)[:, None] >= case.lengths] = 0
    states = 2 if case.cell == "lstm" else 1
    state = tuple(normal(case.layers * case.directions, N, H) / 2 for _ in range(states))
    return Data(normal(T, N, case.I), state, grad, weights, case.lengths)


def _recurrent(case: Case, uniform: Any) -> dict[str, Array]:
    """Return the weights of all layers and directions."""
    units, weights = GATES[case.cell] * case.H, dict[str, Array]()
    for k, width in enumerate(case.inputs):
        shapes = dict(zip(PARAMETERS, [(units, width), (units, case.H), (units,), (units,)], strict=True))
        for d in range(case.directions):
            weights |= named({name: uniform(*shape) for name, shape in shapes.items()}, k, d)
    return weights

"""What the contestants of an epoch, or of a step of an optimiser, are given."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.bench.cases import Case
from fastrnn.bench.data import data
from fastrnn.bench.training import COMPARED, FEATURES, SYMBOLS, AnyCase, Epoch, Fitting, Step
from fastrnn.data import streams

Array = NDArray[Any]
SEED = 1  # of the order of the sequences, the same for everyone


class Lesson(NamedTuple):
    """What an epoch goes through, and the weights that it begins with."""

    x: Array  # ids (N, L) of a text; (size, T, FEATURES) of series
    y: Array  # ids (N, L), each the one that follows; (size, T, 1)
    weights: dict[str, dict[str, Array]]  # of "embedding", if there is one, "recurrent" and "linear", as in PyTorch


class Updates(NamedTuple):
    """What an optimiser is given."""

    parameters: dict[str, Array]
    gradients: list[
        dict[str, Array]
    ]  # of each of the steps that are compared; the first one's are used again in timing


class Exercise(NamedTuple):
    """What is fitted, in float64 as people have it."""

    x: Any  # (size, T, FEATURES), or a list of arrays (T_i, FEATURES)
    y: Any  # "up" or "down" for each sequence, (size,), or for each step, a list of arrays (T_i,)


def given(case: AnyCase) -> Any:
    """Return what all contestants of a case are given: Data, Lesson, Updates or Exercise."""
    if isinstance(case, Case):
        return data(case)
    if isinstance(case, Fitting):
        return exercise(case)
    return lesson(case) if isinstance(case, Epoch) else updates(case)


def lesson(case: Epoch) -> Lesson:
    """Return text or series, and weights that are uniform within ±1/√H, those of an embedding normal."""
    rng = np.random.default_rng(0)
    bound = case.H**-0.5

    def uniform(*shape: int) -> Array:
        return rng.uniform(-bound, bound, shape).astype(np.float32)

    x, y = series(case, rng) if case.series else streams(text(case.size), case.N)
    weights = {"linear": {"weight": uniform(case.outputs, case.H), "bias": uniform(case.outputs)}}
    weights["recurrent"] = data(Case(case.cell, "train", 1, 1, case.inputs, case.H)).weights
    if case.model == "embedding":
        weights["embedding"] = {"weight": rng.standard_normal((SYMBOLS, case.H), np.float32)}
    return Lesson(x, y, weights)


def text(size: int) -> NDArray[np.int64]:
    """Return so many ids (size,) of what Python's ``help()`` says about the language, over again where it ends."""
    from pydoc_data.topics import topics  # noqa: PLC0415 - half a megabyte

    codes = np.frombuffer("".join(topics[name] for name in sorted(topics)).encode("ascii", "ignore"), np.uint8)
    first = ord(" ")
    codes = codes[(codes == ord("\n")) | ((codes >= first) & (codes < first + SYMBOLS - 1))]
    return np.resize(np.where(codes == ord("\n"), 0, codes - first + 1), size).astype(np.int64)


def series(case: Epoch, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return noise x and, for every step, a leaky sum of what has come: y_t = 0.9 y_{t-1} + Σ x_t."""
    x = rng.standard_normal((case.size, case.T, FEATURES), np.float32)
    y = np.empty((case.size, case.T, 1), np.float32)
    level = np.zeros((case.size, 1), np.float32)
    for t in range(case.T):
        level = 0.9 * level + x[:, t].sum(-1, keepdims=True)
        y[:, t] = level
    return x, y


def updates(case: Step) -> Updates:
    """Return random parameters, and gradients that differ from step to step."""
    rng = np.random.default_rng(0)

    def normal() -> dict[str, Array]:
        return {name: rng.standard_normal(shape, np.float32) for name, shape in case.shapes.items()}

    return Updates(normal(), [normal() for _ in range(COMPARED)])


def exercise(case: Fitting) -> Exercise:
    """Return random signs, and whether their sum so far is above 0.

    As many are 1 as are -1. So mean and variance are exactly 0 and 1: an estimator finds scales that change nothing,
    and what it trains on is, bit for bit, what the trainer is given.
    """
    rng = np.random.default_rng(0)
    lengths = np.full(case.size, case.T)
    if case.ragged:
        lengths = rng.integers(max(2, case.T // 20), case.T, case.size)
        lengths[-1] += lengths.sum() % 2
    signs = np.resize([1.0, -1.0], lengths.sum())
    rows = np.stack([rng.permutation(signs) for _ in range(case.inputs)], axis=1)
    x = np.split(rows, np.cumsum(lengths)[:-1])
    y = [np.where(one[:, 0].cumsum() > 0, "up", "down") for one in x]
    return Exercise(x, y) if case.ragged else Exercise(np.stack(x), np.array([one[-1] for one in y]))

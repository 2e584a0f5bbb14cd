"""Labelled sequences: those that examples/data ships, and noise that makes more of few of them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from common import DATA

Batch = tuple[list[np.ndarray], np.ndarray]


def load(name: str, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the sequences, arrays (T_i, F), and the class numbers (N,) of NAME.npz; `part` is "train" or "test"."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        values, lengths, labels = (file[f"{part}_{key}"] for key in ("values", "lengths", "labels"))
    return np.split(values, np.cumsum(lengths)[:-1]), labels.astype(np.int64)


def class_names(name: str) -> list[str]:
    """Return what the classes of NAME.npz are called, by number."""
    with np.load(DATA / f"{name}.npz", allow_pickle=False) as file:
        return [str(one) for one in file["classes"]]


def noisy(
    x: Sequence[np.ndarray],
    y: np.ndarray,
    rng: np.random.Generator,
    *,
    batch_size: int,
    deviation: float,
    offset: float = 0.0,
) -> Callable[[], Iterator[Batch]]:
    """Return what `Trainer.fit` calls for every epoch: the sequences in a new order, with new noise.

    x_t + deviation·ε_t + offset·ε, with ε_t drawn for each step and ε for each sequence, from N(0, 1).
    """

    def blurred(one: np.ndarray) -> np.ndarray:
        T, F = one.shape
        noise = deviation * rng.standard_normal((T, F)) + offset * rng.standard_normal(F)
        return one + noise.astype(one.dtype)

    def batches() -> Iterator[Batch]:
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            yield [blurred(x[i]) for i in chosen], y[chosen]

    return batches

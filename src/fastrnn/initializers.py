"""Initial weights."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a matrix with orthonormal columns or rows, whichever are fewer.

    A random rotation keeps the length of the state (Saxe, McClelland & Ganguli 2014), so that a recurrent
    network neither fades nor explodes at the start.
    """
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # makes the distribution uniform over rotations
    return q if rows >= columns else q.T


def glorot_uniform(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return U(-a, a) with a = √(6 / (rows + columns)) (Glorot & Bengio 2010)."""
    limit = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns))

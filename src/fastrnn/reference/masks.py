"""Masks of dropout without state: whether an element is dropped follows from the seed and from where it stands.

A row's key is one output of splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators"),
whose state goes up by γ a row. An element is a hash of its column and of that key's two halves, by the rounds of
"lowbias32" (Wellons 2018, "Prospecting for hash functions").

So a mask does not depend on who computes which part of it, and none has to be stored.
"""

import numpy as np
from numpy.typing import NDArray

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ / golden ratio, odd
U64, U32 = np.uint64, np.uint32


def row_keys(seed: int, rows: int) -> NDArray[np.uint64]:
    """Return splitmix64's outputs number 1 … rows from the state `seed`, (rows,)."""
    z = U64(seed) + np.arange(1, rows + 1, dtype=U64) * GAMMA  # modulo 2⁶⁴, as all that follows
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


def element_hashes(keys: NDArray[np.uint64], columns: int) -> NDArray[np.uint32]:
    """Return a hash for each column of each row, (rows, columns), of the rows' keys (rows,)."""
    low, high = keys[:, None].astype(U32), (keys[:, None] >> U64(32)).astype(U32)
    v = np.arange(columns, dtype=U32) * U32(0x9E3779B1) + low  # modulo 2³², as all that follows
    v = (v ^ (v >> U32(16))) * U32(0x7FEB352D) + high
    v = (v ^ (v >> U32(15))) * U32(0x846CA68B)
    return v ^ (v >> U32(16))


def dropped(seed: int, rows: int, columns: int, rate: float) -> NDArray[np.bool_]:
    """Return which elements are dropped, (rows, columns): each with probability `rate`, to within 2⁻³¹.

    Parameters
    ----------
    seed : int
        0 … 2⁶⁴ - 1.
    rows, columns : int
    rate : float
        0 … 1.
    """
    return element_hashes(row_keys(seed, rows), columns) >> U32(1) < U32(int(rate * 2.0**31))

"""What a series goes through before a network sees it, and how a forecast comes back.

y → z = log y or √y, which steadies the variance → w = (1 - B)(1 - B^s) z, the differences, which take trend and season
out; B is the shift by one step. A forecast of w is one of z, as the values of z before it are known:
z_t = w_t - Σ_{j≥1} c_j z_{t-j}, where Σ c_j B^j is the product of the (1 - B^lag).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
STABILIZERS = ("none", "log", "sqrt")


class Transform(NamedTuple):
    """A function of each value, then differences.

    Attributes
    ----------
    stabilizer : {"none", "log", "sqrt"}
    lags : tuple of int
        Of the differences, one after the other.
    """

    stabilizer: str
    lags: tuple[int, ...]

    @property
    def lost(self) -> int:
        """How many values the differences have less than the series."""
        return sum(self.lags)

    @property
    def polynomial(self) -> Array:
        """The coefficients c_0 = 1, c_1, …, (lost + 1,)."""
        product = np.ones(1)
        for lag in self.lags:
            product = np.convolve(product, np.concatenate([[1.0], np.zeros(lag - 1), [-1.0]]))
        return product

    def stabilized(self, y: Array) -> Array:
        """Return z."""
        if self.stabilizer == "log":
            return np.asarray(np.log(y))
        return np.asarray(np.sqrt(y)) if self.stabilizer == "sqrt" else y

    def restored(self, z: Array) -> Array:
        """Return y; a square root below zero stands for zero."""
        if self.stabilizer == "log":
            with np.errstate(over="ignore"):
                return np.asarray(np.exp(z))
        return np.maximum(z, 0.0) ** 2 if self.stabilizer == "sqrt" else z

    def differenced(self, z: Array) -> Array:
        """Return w of z (…, T): (…, T - lost)."""
        for lag in self.lags:
            z = z[..., lag:] - z[..., :-lag]
        return z

    def carried(self, z: Array) -> Array:
        """Return -Σ c_j z_{t-j}, what a next value has of those before it, of z (…, T ≥ lost)."""
        c = self.polynomial[1:]
        return np.asarray(-(z[..., z.shape[-1] - len(c) :] @ c[::-1]))

    def __str__(self) -> str:
        """Return what it does, in words."""
        own = {"none": [], "log": ["logarithm"], "sqrt": ["square root"]}[self.stabilizer]
        return ", ".join([*own, *(f"difference of {lag} step{'s' * (lag > 1)}" for lag in self.lags)]) or "none"


def usable(stabilizer: str, smallest: float) -> bool:
    """Return whether a function is defined for values from the smallest one on."""
    return stabilizer == "none" or bool(smallest > 0 if stabilizer == "log" else smallest >= 0)

"""How a gradient's norm changes with distance, and what to think of it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 0.01  # of what there is at the smallest distance: less has vanished
MOST = 1 / LEAST


@dataclass(frozen=True, eq=False)
class Fading:
    """Norms of a gradient, near to far.

    Attributes
    ----------
    distance : ndarray (D,)
        How many steps, or layers, the gradient has come; rising.
    norm : ndarray (D,)
    """

    distance: NDArray[np.int64]
    norm: NDArray[np.float64]

    @property
    def relative(self) -> NDArray[np.float64]:
        """The norms relative to that of the smallest distance, (D,); zeros if that is zero."""
        return self.norm / self.norm[0] if self.norm[0] != 0 else np.zeros_like(self.norm)

    @property
    def rate(self) -> float:
        """The factor a step: least squares of log(norm) against distance; NaN for a single distance.

        Norms of zero, which have no logarithm, are left out; where the first or all others are zero, so is the rate.
        """
        if len(self.norm) < 2:
            return math.nan
        if not np.isfinite(self.norm).all():
            return math.inf
        seen = self.norm > 0
        if not seen[0] or seen.sum() < 2:
            return 0.0
        slope, _ = np.polyfit(self.distance[seen], np.log(self.norm[seen]), 1)
        return math.exp(slope)

    @property
    def horizon(self) -> float:
        """The distance from which on the norm is below 1 % of the first.

        Beyond the largest distance measured it follows from the rate, and is infinite where that is 1 or more.
        """
        last = np.flatnonzero(~(self.relative < LEAST))  # NaN is not below
        if len(last) == 0:
            return float(self.distance[0])
        if last[-1] + 1 < len(self.distance):
            return float(self.distance[last[-1] + 1])
        rate = self.rate
        return float(self.distance[0]) + math.log(LEAST) / math.log(rate) if 0 < rate < 1 else math.inf

    @property
    def verdict(self) -> str:
        """What is left at the largest distance: below 1 % "vanishing", above 100 times "exploding", else "fine"."""
        if not np.isfinite(self.norm).all() or self.relative[-1] > MOST:
            return "exploding"
        return "vanishing" if self.relative[-1] < LEAST else "fine"

"""Ridge regression whose data come and go: sums over rows, from which the coefficients follow.

N rows, D columns of X, K targets or none of their own axis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Regression:
    """What ridge regression has to know of its data: (Xᵀ W X + P) β = Xᵀ W y, with X and y centred.

    So b goes free of a penalty, and one data set can be solved with several.

    Parameters
    ----------
    X : ndarray (N, D)
    y : ndarray (N,) or (N, K)
    weight : ndarray (N,), optional

    Attributes
    ----------
    total : float
        Σ w, or N.
    center, level : ndarray (D,) and () or (K,)
        Means of X and y.
    gram, moment : ndarray (D, D) and (D,) or (D, K)
        Xᵀ W X and Xᵀ W y.
    """

    def __init__(self, X: Array, y: Array, weight: Array | None = None) -> None:
        D = X.shape[1]
        self.total = 0.0
        self.center, self.level = np.zeros(D), np.zeros(y.shape[1:])
        self.gram, self.moment = np.zeros((D, D)), np.zeros((D, *y.shape[1:]))
        self.add(X, y, weight)

    def add(self, X: Array, y: Array, weight: Array | None = None, sign: int = 1) -> None:
        """Take in further rows, or, with the sign -1, take out some of those that are in.

        n' = n ± m,  δ = center_m - center:  gram' = gram ± gram_m ± (n m / n') δ δᵀ,  center' = center ± (m / n') δ
        (Chan, Golub and LeVeque, 1979); and so on for y.
        """
        center, level = np.average(X, axis=0, weights=weight), np.average(y, axis=0, weights=weight)
        A = X - center
        weighted = A if weight is None else A * weight[:, None]
        before, m = self.total, sign * float(len(X) if weight is None else weight.sum())
        self.total += m
        shift, rise, share = center - self.center, level - self.level, m / self.total
        self.gram += sign * (weighted.T @ A) + before * share * np.outer(shift, shift)
        self.moment += sign * (weighted.T @ (y - level)) + before * share * np.multiply.outer(shift, rise)
        self.center += share * shift
        self.level = self.level + share * rise

    def solve(self, penalty: Array) -> Array:
        """Return β (D,) or (D, K) for P = diag(penalty); see `offset` for b."""
        A = self.gram + np.diag(penalty)
        try:
            return np.linalg.solve(A, self.moment)
        except np.linalg.LinAlgError:  # values so large that the penalty is lost in rounding
            return np.asarray(np.linalg.lstsq(A, self.moment)[0])

    def offset(self, beta: Array) -> Array:
        """Return b, () or (K,), which goes with β."""
        return np.asarray(self.level - self.center @ beta)

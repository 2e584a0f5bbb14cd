"""How wide intervals are: from the errors of a backtest, and from how much these can say of the errors to come.

h steps ahead the root mean squared error s_h of m forecasts is measured. If errors are normal, error / s_h follows
Student's t with ν_h degrees of freedom: ν_h = m if they are independent. Errors several steps ahead overlap, and ν_h is
less:

    ν_h = m / (1 + 2 Σ_k (1 - k / m) ρ_h(k)²),    ρ_h(k) = Σ_j ψ_j ψ_{j+k} / Σ_j ψ_j²,    j from 0, j + k below h

(F. E. Satterthwaite, 1946, of Σ e²; ψ_j, what a shock adds j steps later, after G. E. P. Box and G. M. Jenkins, 1970).
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from fastrnn.forecasting.series import Array

COVERAGE = 0.9  # of an interval
LEAST_FREEDOM = 2.0  # with no more a t variable has no variance


def degrees_of_freedom(psi: Array, rows: int) -> tuple[float, ...]:
    """Return ν_h for h = 1 … H.

    Parameters
    ----------
    psi : ndarray (H,)
        ψ_0 = 1, ψ_1, …
    rows : int
        Held out, at least H; rows + 1 - h of them are told h steps ahead.
    """
    found = []
    for h in range(1, len(psi) + 1):
        m = rows + 1 - h
        products = np.correlate(psi[:h], psi[:h], "full")[h - 1 :]  # Σ_j ψ_j ψ_{j+k}, k = 0 … h - 1
        k = np.arange(1, min(h, m))
        shared = float(((1 - k / m) * (products[k] / products[0]) ** 2).sum())
        found.append(m / (1 + 2 * shared))
    return tuple(found)


def half_widths(spread: Sequence[float], freedom: Sequence[float], horizon: int) -> Array:
    """Return how far intervals reach from the forecast, never less than a step before, (horizon,).

    From where the errors have too few degrees of freedom, or none were measured, they grow as a random walk's do.

    Parameters
    ----------
    spread : sequence of float (H,)
        s_h; if it is empty, intervals have no width.
    freedom : sequence of float (H,)
        ν_h; infinite for all if it is empty.
    horizon : int
    """
    if not spread:
        return np.zeros(horizon)
    nu = np.asarray(freedom) if freedom else np.full(len(spread), np.inf)
    known = max(1, int(np.argmax(np.append(nu, 0.0) <= LEAST_FREEDOM)))
    widths = np.maximum.accumulate(stdtrit(nu[:known], (1 + COVERAGE) / 2) * np.asarray(spread[:known]))
    ahead = np.arange(1, horizon + 1)
    return np.asarray(widths[np.minimum(ahead, known) - 1] * np.sqrt(np.maximum(ahead / known, 1.0)))

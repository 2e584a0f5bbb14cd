"""Draws classes from logits: what generating text does once a step, where a NumPy call for each operation would cost
more than the network's step. N rows, K classes.
"""

from libc.math cimport exp, isnan
from libc.stdint cimport int64_t

from fastrnn._kernels cimport floating

import numpy as np


cdef double kth_largest(double[::1] values, int64_t k) noexcept nogil:
    """Return the k-th largest, 1 <= k <= K, by Hoare's selection; the values change places."""
    cdef int64_t low = 0, high = values.shape[0] - 1, wanted = k - 1, i, j
    cdef double pivot
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return values[wanted]


cdef int64_t draw_row(const floating[::1] logits, double temperature, int64_t top_k, double uniform,
                      double[::1] weights) noexcept nogil:
    """Return a class, or -1 where a logit is NaN or no logit is finite or +inf."""
    cdef int64_t K = logits.shape[0], k, best = 0, left
    cdef double limit, total = 0
    for k in range(K):
        if isnan(logits[k]):
            return -1
        if logits[k] > logits[best]:
            best = k
    if logits[best] - logits[best] != 0:  # an infinite largest one
        return best if logits[best] > 0 else -1
    if temperature == 0 or top_k == 1:
        return best
    if top_k < K:
        for k in range(K):
            weights[k] = logits[k]
        limit = kth_largest(weights, top_k)
        left = top_k
        for k in range(K):
            left -= logits[k] > limit
    for k in range(K):
        weights[k] = exp((logits[k] - logits[best]) / temperature)
        if top_k < K and logits[k] <= limit:  # of those equal to the limit the first ones are in
            if logits[k] < limit or left == 0:
                weights[k] = 0
            else:
                left -= 1
        total += weights[k]
    uniform *= total
    for k in range(K):
        uniform -= weights[k]
        if uniform < 0:
            return k
    while weights[k] == 0:  # rounding has used up nothing's share
        k -= 1
    return k


def draw(const floating[:, ::1] logits not None, double temperature, top_k, const double[::1] uniform not None,
         int64_t[::1] classes not None):
    """Draw a class for each row with probability softmax(logits / temperature).

    Parameters
    ----------
    logits : (N, K)
    temperature : float
        >= 0; at 0 the largest logit is taken, the first of them if there are several.
    top_k : int or None
        How many of the largest logits take part; None: all.
    uniform : (N,)
        A random number in [0, 1) for each row, which decides.
    classes : (N,) int64, out

    Raises
    ------
    ValueError
        If a shape or a number is wrong, or a logit is NaN.
    """
    cdef int64_t N = logits.shape[0], K = logits.shape[1], n, most = K if top_k is None else min(top_k, K)
    if uniform.shape[0] != N or classes.shape[0] != N or K < 1:
        raise ValueError(f"logits: expected shape ({uniform.shape[0]}, K) with K >= 1, got ({N}, {K})")
    if most < 1:
        raise ValueError(f"top_k: expected at least 1, got {top_k}")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature: expected a finite number >= 0, got {temperature}")
    cdef double[::1] weights = np.empty(K)
    for n in range(N):
        classes[n] = draw_row(logits[n], temperature, most, uniform[n], weights)
        if classes[n] < 0:
            raise ValueError(f"logits: expected numbers of which the largest is no NaN or -inf, got such in row {n}")


# By dtype, for callers who know it
DRAW = {np.dtype(np.float32): draw["float"], np.dtype(np.float64): draw["double"]}

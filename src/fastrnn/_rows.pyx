"""Rows of ragged batches: how they are copied together for the kernels, and apart again (see csrc/fastrnn.h).

T steps, N sequences, S rows of all their steps, F features or H hidden units.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastrnn._kernels cimport _steps, expect, floating, row_of

ctypedef fused number:
    float
    double
    int64_t


def pack_rows(const number[:, ::1] padded not None, number[:, ::1] rows not None, const int64_t[::1] counts,
              const int64_t[::1] order):
    """Copy the rows of a ragged batch together, step after step, in the order that the kernels take.

    Parameters
    ----------
    padded : (T*N, F)
        Step t of sequence n is row t*N + n.
    rows : (S, F), out
    counts, order : (T',) and (N,) int64
        How many sequences have a step t, and which these are: the first so many of ``order``.
    """
    cdef int64_t t, r, row = 0, N = order.shape[0], F = rows.shape[1]
    _check_ragged(padded.shape[0], padded.shape[1], rows.shape[0], F, counts, order)
    if F > 0:
        with nogil:
            for t in range(counts.shape[0]):
                for r in range(counts[t]):
                    memcpy(&rows[row + r, 0], &padded[t * N + order[r], 0], F * sizeof(number))
                row += counts[t]


def unpack_rows(const number[:, ::1] rows not None, number[:, ::1] padded not None, const int64_t[::1] counts,
                const int64_t[::1] order):
    """Undo `pack_rows`, and fill the padding with zeros."""
    cdef int64_t t, r, n, row = 0, N = order.shape[0], F = rows.shape[1]
    _check_ragged(padded.shape[0], padded.shape[1], rows.shape[0], F, counts, order)
    if F > 0 and N > 0:
        with nogil:
            for t in range(padded.shape[0] // N):
                n = counts[t] if t < counts.shape[0] else 0
                for r in range(n):
                    memcpy(&padded[t * N + order[r], 0], &rows[row + r, 0], F * sizeof(number))
                for r in range(n, N):
                    memset(&padded[t * N + order[r], 0], 0, F * sizeof(number))
                row += n


def reversed_rows(const floating[:, :] states not None, floating[:, :] rows not None, const int64_t[::1] counts):
    """Copy the output of a reversed layer together, from where it lies among its states (csrc/fastrnn.h).

    Parameters
    ----------
    states : (N+S, H)
    rows : (S, H), out
        It may be columns of a wider array.
    counts : (T,) int64
    """
    cdef int64_t t, r, row = 0, place = 0, N = states.shape[0] - rows.shape[0], H = rows.shape[1]
    _steps(rows.shape[0], N, counts)
    expect("states", (states.shape[0], states.shape[1]), (N + rows.shape[0], H))
    row_of[floating](states, "states")
    row_of[floating](rows, "rows")
    with nogil:
        for t in range(counts.shape[0]):
            for r in range(counts[t]):
                memcpy(&rows[row + r, 0], &states[place + r, 0], H * sizeof(floating))
            place += N if t == 0 else counts[t - 1]
            row += counts[t]


cdef object _check_ragged(
    int64_t padded, int64_t padded_features, int64_t rows, int64_t features, const int64_t[::1] counts,
    const int64_t[::1] order,
):
    cdef int64_t N = order.shape[0], i
    if padded_features != features or N < 1 or padded % N or counts.shape[0] > padded // N:
        raise ValueError(f"rows, padded: sizes ({rows}, {features}) and ({padded}, {padded_features}) do not fit")
    _steps(rows, N, counts)
    for i in range(N):
        if not 0 <= order[i] < N:
            raise ValueError(f"order: expected numbers from 0 to {N - 1}, got {order[i]}")

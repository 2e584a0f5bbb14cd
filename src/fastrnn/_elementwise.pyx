"""What is done element by element or row by row: activations, softmax and dropout; the digest of parameters; the peak
rate of the CPU.
"""

from libc.stdint cimport int64_t, uint64_t

from fastrnn._csrc cimport FR_EXP, FR_RELU, FR_SIGMOID, FR_TANH, fr_fingerprint, fr_function, fr_kernels
from fastrnn._kernels cimport Buffer, table_of

import numpy as np

FUNCTIONS = {"exp": FR_EXP, "tanh": FR_TANH, "sigmoid": FR_SIGMOID, "relu": FR_RELU}


def apply(str function, x, out, *, str isa=None):
    """Write ``function(x)``, one of ``FUNCTIONS``, to ``out``: contiguous, of one size and dtype; out may be x."""
    if function not in FUNCTIONS:
        raise ValueError(f"function: expected one of {', '.join(FUNCTIONS)}, got {function!r}")
    cdef bint is_double = x.dtype == np.float64
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef Buffer x_buffer = Buffer(x, "x", is_double, False)
    cdef Buffer out_buffer = Buffer(out, "out", is_double, True)
    cdef int64_t n = x_buffer.view.len // x_buffer.view.itemsize
    cdef fr_function which = <fr_function><int>FUNCTIONS[function]
    if out_buffer.view.len != x_buffer.view.len:
        raise ValueError(f"out: expected shape {x.shape}, got {out.shape}")
    with nogil:
        kernels.apply(which, n, x_buffer.view.buf, out_buffer.view.buf)


def softmax(z, scale, out, largest, sums, *, str isa=None):
    """Write ``scale[:, None] * softmax(z)`` of each row to ``out``.

    log Σ_k e^z_k of a row is largest + log(sums), without overflow.

    Parameters
    ----------
    z, out : ndarray (rows, K)
        Contiguous, of one dtype; out may be z.
    scale : ndarray (rows,) or None
        None: 1.
    largest, sums : ndarray (rows,), out
        The largest element m of each row, and Σ_k e^(z_k - m).
    """
    cdef bint is_double = z.dtype == np.float64
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef Buffer z_buffer = Buffer(z, "z", is_double, False)
    cdef Buffer out_buffer = Buffer(out, "out", is_double, True)
    cdef Buffer largest_buffer = Buffer(largest, "largest", is_double, True)
    cdef Buffer sums_buffer = Buffer(sums, "sums", is_double, True)
    cdef Buffer scale_buffer = None if scale is None else Buffer(scale, "scale", is_double, False)
    if z.ndim != 2 or z.shape[1] < 1 or out.shape != z.shape:
        raise ValueError(f"z, out: expected one shape (rows, K) with K >= 1, got {z.shape} and {out.shape}")
    for name, array in (("scale", scale), ("largest", largest), ("sums", sums)):
        if array is not None and array.shape != z.shape[:1]:
            raise ValueError(f"{name}: expected shape ({z.shape[0]},), got {array.shape}")
    cdef int64_t rows = z.shape[0], classes = z.shape[1]
    cdef const void *factors = NULL if scale is None else scale_buffer.view.buf
    with nogil:
        kernels.softmax(rows, classes, z_buffer.view.buf, factors, out_buffer.view.buf, largest_buffer.view.buf,
                        sums_buffer.view.buf)


def drop(x, out, double rate, uint64_t seed, *, str isa=None):
    """Write x with some elements dropped to ``out``: 0 where dropped, else x / (1 - rate).

    What is dropped follows from the seed and an element's row and column (csrc/masks.h), so the gradient is the same
    call with the same seed.

    Parameters
    ----------
    x, out : ndarray (rows, columns)
        Contiguous, of one dtype; out may be x.
    rate : float
        Probability, from 0 to below 1.
    seed : int
        Below 2**64.
    """
    cdef bint is_double = x.dtype == np.float64
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef Buffer x_buffer = Buffer(x, "x", is_double, False)
    cdef Buffer out_buffer = Buffer(out, "out", is_double, True)
    if x.ndim != 2 or out.shape != x.shape:
        raise ValueError(f"x, out: expected one shape (rows, columns), got {x.shape} and {out.shape}")
    if not 0 <= rate < 1:
        raise ValueError(f"rate: expected a number from 0 to below 1, got {rate}")
    cdef int64_t rows = x.shape[0], columns = x.shape[1]
    with nogil:
        kernels.drop(rate, seed, rows, columns, x_buffer.view.buf, out_buffer.view.buf)


def fingerprint(arrays):
    """Return a 64-bit digest of the contents of some C-contiguous real arrays."""
    cdef uint64_t digest = 0
    cdef Buffer buffer
    for array in arrays:
        buffer = Buffer(array, "array", array.dtype == np.float64, False)
        digest = fr_fingerprint(buffer.view.buf, <size_t>buffer.view.len, digest)
    return digest


def multiply_adds(int64_t rounds, str dtype, *, str isa=None):
    """Keep the multipliers of this CPU as busy as can be; return the floating-point operations that were made.

    Parameters
    ----------
    rounds : int
        How often; a round takes some nanoseconds.
    dtype : {"float32", "float64"}
    """
    cdef const fr_kernels *kernels = table_of(isa, np.dtype(dtype) == np.float64)
    cdef int64_t operations
    with nogil:
        operations = kernels.multiply_adds(rounds)
    return operations

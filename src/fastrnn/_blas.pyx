"""The only place that reaches SciPy's BLAS: a row-major matrix multiply.

SciPy's ``cython_blas`` publishes each routine as a capsule whose name is its C signature. Taking the routine
from there at import, instead of by ``cimport`` at build, lets one compiled wheel work with SciPys whose BLAS
counts in 32-bit integers and with those whose BLAS counts in 64-bit integers.
"""

# Design: BLAS is column-major. A row-major matrix read column-major is its transpose, so the row-major product
# C = op(A) op(B) is the column-major product Cᵀ = op(B)ᵀ op(A)ᵀ: swap the operands, keep the flags.

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t

import numpy as np
from scipy.linalg import cython_blas

ctypedef fused floating:
    float
    double

# ?gemm, for either width of integers; float and double pointers travel alike
ctypedef void (*gemm32)(
    char *, char *, int32_t *, int32_t *, int32_t *, void *, void *, int32_t *,
    void *, int32_t *, void *, void *, int32_t *) noexcept nogil
ctypedef void (*gemm64)(
    char *, char *, int64_t *, int64_t *, int64_t *, void *, void *, int64_t *,
    void *, int64_t *, void *, void *, int64_t *) noexcept nogil


cdef void *_routine(str name) except NULL:
    capsule = cython_blas.__pyx_capi__[name]
    return PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule))


def _integer_bits(str signature):
    """Return the width of BLAS's integers, 32 or 64, from the C signature of its gemm."""
    kind = signature.split("(", 1)[1].split(",")[2].strip()
    widths = {"int *": 32, "int32_t *": 32, "int64_t *": 64, "long long *": 64, "npy_int64 *": 64}
    if kind not in widths:
        raise ImportError(f"scipy.linalg.cython_blas counts in an unknown integer type: {kind!r} in {signature!r}")
    return widths[kind]


INTEGER_BITS = _integer_bits(PyCapsule_GetName(cython_blas.__pyx_capi__["sgemm"]).decode())
cdef bint _wide = INTEGER_BITS == 64
cdef void *_sgemm = _routine("sgemm")
cdef void *_dgemm = _routine("dgemm")


cdef void _call(
    void *routine, void *one, void *beta, int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
    const void *a, int64_t lda, const void *b, int64_t ldb, void *c, int64_t ldc,
) noexcept nogil:
    """C = op(A) op(B) + beta C, row-major."""
    cdef char ta = b"T" if trans_a else b"N"
    cdef char tb = b"T" if trans_b else b"N"
    cdef int32_t m32 = <int32_t>m, n32 = <int32_t>n, k32 = <int32_t>k
    cdef int32_t lda32 = <int32_t>lda, ldb32 = <int32_t>ldb, ldc32 = <int32_t>ldc
    if _wide:
        (<gemm64>routine)(&tb, &ta, &n, &m, &k, one, <void *>b, &ldb, <void *>a, &lda, beta, c, &ldc)
    else:
        (<gemm32>routine)(&tb, &ta, &n32, &m32, &k32, one, <void *>b, &ldb32, <void *>a, &lda32, beta, c, &ldc32)


cdef void _gemm_f32(
    int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
    const void *a, int64_t lda, const void *b, int64_t ldb, int accumulate, void *c, int64_t ldc,
) noexcept nogil:
    cdef float one = 1, beta = 1 if accumulate else 0
    _call(_sgemm, &one, &beta, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc)


cdef void _gemm_f64(
    int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
    const void *a, int64_t lda, const void *b, int64_t ldb, int accumulate, void *c, int64_t ldc,
) noexcept nogil:
    cdef double one = 1, beta = 1 if accumulate else 0
    _call(_dgemm, &one, &beta, trans_a, trans_b, m, n, k, a, lda, b, ldb, c, ldc)


cdef gemm_function gemm_for(bint is_double):
    return _gemm_f64 if is_double else _gemm_f32


cdef int64_t largest_dimension():
    return <int64_t>2**62 if _wide else <int64_t>2**31 - 1


def gemm(
    const floating[:, ::1] a not None, const floating[:, ::1] b not None,
    *, bint trans_a=False, bint trans_b=False, floating[:, ::1] out=None, bint accumulate=False,
):
    """Multiply two row-major matrices.

    Parameters
    ----------
    a, b : ndarray, 2-D, C-contiguous, both float32 or both float64
    trans_a, trans_b : bool
        Use the transpose of that matrix.
    out : ndarray (m, n), optional
        Where to write; allocated if not given.
    accumulate : bool
        Add to ``out`` instead of overwriting it.

    Returns
    -------
    ndarray (m, n)
        ``op(a) @ op(b)``, in ``out`` if that was given.

    Raises
    ------
    ValueError
        If the inner dimensions differ, ``out`` has another shape, or a dimension is beyond BLAS's integers.
    """
    cdef int64_t m = a.shape[1] if trans_a else a.shape[0]
    cdef int64_t k = a.shape[0] if trans_a else a.shape[1]
    cdef int64_t n = b.shape[0] if trans_b else b.shape[1]
    cdef int64_t k_b = b.shape[1] if trans_b else b.shape[0]
    if k != k_b:
        raise ValueError(f"b: expected an inner dimension of {k}, that of a, got {k_b}")
    if max(m, n, k) > largest_dimension():
        raise ValueError(f"a, b: a dimension of ({m}, {n}, {k}) is beyond BLAS's {INTEGER_BITS}-bit integers")
    if out is None:
        if accumulate:
            raise ValueError("out: accumulate=True needs the array to add to")
        out = np.empty((m, n), dtype=np.float64 if floating is double else np.float32)
    elif out.shape[0] != m or out.shape[1] != n:
        raise ValueError(f"out: expected shape ({m}, {n}), got ({out.shape[0]}, {out.shape[1]})")
    if m == 0 or n == 0:
        return np.asarray(out)
    if k == 0:
        if not accumulate:
            out[:, :] = 0
        return np.asarray(out)
    cdef gemm_function multiply = gemm_for(floating is double)
    with nogil:
        multiply(trans_a, trans_b, m, n, k, &a[0, 0], a.shape[1], &b[0, 0], b.shape[1], accumulate, &out[0, 0], n)
    return np.asarray(out)

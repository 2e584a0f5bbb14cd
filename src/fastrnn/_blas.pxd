# BLAS for the other extension modules, as the C contract wants it (fr_gemm in csrc/fastrnn.h).

from libc.stdint cimport int64_t

ctypedef void (*gemm_function)(
    int trans_a, int trans_b, int64_t m, int64_t n, int64_t k,
    const void *a, int64_t lda, const void *b, int64_t ldb,
    int accumulate, void *c, int64_t ldc,
) noexcept nogil

cdef gemm_function gemm_for(bint is_double)

# Largest dimension that the BLAS in use can be told of.
cdef int64_t largest_dimension()

"""What _kernels shares with _streams and _jordan."""

from libc.stdint cimport int64_t

from fastrnn._csrc cimport fr_kernels, fr_options, fr_weights
from fastrnn._memory cimport Block

ctypedef fused floating:
    float
    double

cdef const fr_kernels *table_of(str isa, bint is_double) except NULL
cdef object cell_of(str name)
cdef object expect(str name, tuple got, tuple expected)
cdef int64_t row_of(const floating[:, :] array, str name) except -1
cdef object set_options(fr_options *options, zoneout)
cdef object check_sizes(int64_t T, int64_t N, int64_t I, int64_t H, object info)
cdef int64_t _steps(int64_t S, int64_t N, const int64_t[::1] counts) except -1
cdef int _workers(threads) except 0


cdef class Reals:
    cdef Block memory
    cdef void *start


cdef class Buffer:
    cdef Py_buffer view
    cdef bint held


cdef void set_weights(
    fr_weights *w, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
) noexcept
cdef object check_weights(
    object info, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
)

"""What _arrays gives to _optimizers and _clipping."""

from libc.stdint cimport int64_t

from fastrnn._csrc cimport fr_arrays
from fastrnn._memory cimport Block


cdef class Held:
    cdef Py_ssize_t count, held, singles  # all, those to be given back, those in float32
    cdef Block memory
    cdef Py_buffer *views  # [count]
    cdef void **starts     # [count], float32's first
    cdef int64_t *sizes    # [count], likewise
    cdef Py_ssize_t _list(self, Py_ssize_t itemsize, Py_ssize_t place) noexcept
    cdef Py_ssize_t first_unlike(self, Held other) noexcept
    cdef void describe(self, fr_arrays *arrays, bint is_double, int workers) noexcept
    cdef void **of(self, bint is_double) noexcept nogil


cdef Held hold(list arrays, bint writable)

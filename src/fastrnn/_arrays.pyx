"""Lists of arrays as C is told of them: where each begins, and how many elements it has (csrc/fastrnn.h)."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcmp

from fastrnn._csrc cimport fr_arrays
from fastrnn._memory cimport Block

import numpy as np


cdef class Held:
    """Some real arrays, held while C reads or writes them. C is told of those in float32 first, then float64's."""

    def __cinit__(self, list arrays, bint writable):
        cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0)
        cdef Py_ssize_t i
        self.count = len(arrays)
        self.memory = Block(self.count * (sizeof(Py_buffer) + sizeof(void *) + sizeof(int64_t)))
        self.views = <Py_buffer *>self.memory.start
        self.starts = <void **>(self.views + self.count)
        self.sizes = <int64_t *>(self.starts + self.count)
        for i in range(self.count):
            PyObject_GetBuffer(arrays[i], &self.views[i], flags)
            self.held += 1
            if not _is_real(&self.views[i]):
                raise BufferError("expected aligned float32 or float64")
        self.singles = self._list(sizeof(float), 0)
        self._list(sizeof(double), self.singles)

    cdef Py_ssize_t _list(self, Py_ssize_t itemsize, Py_ssize_t place) noexcept:
        cdef Py_ssize_t i
        for i in range(self.count):
            if self.views[i].itemsize == itemsize:
                self.starts[place] = self.views[i].buf
                self.sizes[place] = self.views[i].len // itemsize
                place += 1
        return place

    cdef Py_ssize_t first_unlike(self, Held other) noexcept:
        """Return where the arrays of another list differ in shape or dtype; -1: nowhere."""
        cdef Py_ssize_t i
        cdef Py_buffer *a
        cdef Py_buffer *b
        for i in range(self.count):
            a, b = &self.views[i], &other.views[i]
            if a.itemsize != b.itemsize or a.ndim != b.ndim:
                return i
            if a.ndim > 0 and memcmp(a.shape, b.shape, a.ndim * sizeof(Py_ssize_t)):
                return i
        return -1

    cdef void describe(self, fr_arrays *arrays, bint is_double, int workers) noexcept:
        arrays.threads, arrays.eager = abs(workers), workers < 0
        arrays.count = self.count - self.singles if is_double else self.singles
        arrays.sizes = self.sizes + (self.singles if is_double else 0)

    cdef void **of(self, bint is_double) noexcept nogil:
        return self.starts + (self.singles if is_double else 0)

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.held):
            PyBuffer_Release(&self.views[i])


cdef bint _is_real(Py_buffer *view) noexcept:
    """Return whether these are native floats or doubles, where the processor wants them."""
    cdef bint known = view.format[0] == c'f' or view.format[0] == c'd'
    return known and view.format[1] == 0 and <uintptr_t>view.buf % <uintptr_t>view.itemsize == 0


cdef Held hold(list arrays, bint writable):
    """Hold some arrays; what is not contiguous or aligned by copies, and then the arrays in the list are those."""
    try:
        return Held(arrays, writable)
    except (BufferError, ValueError):
        for i, array in enumerate(arrays):
            arrays[i] = np.require(array, requirements="CAE")
        return Held(arrays, writable)

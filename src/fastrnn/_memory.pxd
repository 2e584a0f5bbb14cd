"""What _memory shares with the other extension modules."""


cdef class Block:
    cdef readonly size_t size
    cdef void *start
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]

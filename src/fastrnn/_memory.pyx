"""Memory that is used again: blocks that nobody refers to any more are kept for the next call that wants one.

A fresh page costs a fault when it is first written, which on some machines takes longer than computing what is written
there. malloc gives large blocks back to the system, and so pays again at every call. Here at most KEPT bytes are kept.
"""

cimport cython
from cpython.buffer cimport PyBUF_ND, PyBUF_STRIDES

import numpy as np

cdef extern from *:
    """
    #include <stdlib.h>
    #ifndef _WIN32
    #include <sys/mman.h>
    #endif
    /* Aligned to cache lines, and large blocks to large pages, of which the system is asked for some. */
    static void *fr_allocate(size_t bytes) {
        void *p = NULL;
        const size_t page = (size_t)1 << 21;
    #ifdef _WIN32
        p = _aligned_malloc(bytes, 64);
    #else
        if (posix_memalign(&p, bytes < 2 * page ? 64 : page, bytes)) return NULL;
    #ifdef MADV_HUGEPAGE
        if (bytes >= 2 * page) madvise(p, bytes & ~(page - 1), MADV_HUGEPAGE);
    #endif
    #endif
        return p;
    }
    #ifdef __SANITIZE_ADDRESS__ /* must see every block come and go, at its true size */
    #define FR_KEEPS 0
    #else
    #define FR_KEEPS 1
    #endif
    #ifdef _WIN32
    #define fr_release _aligned_free
    #else
    #define fr_release free
    #endif
    """
    void *fr_allocate(size_t bytes) nogil
    void fr_release(void *p) nogil
    const int FR_KEEPS

cdef enum:
    SLOTS = 32
    SMALLEST = 1 << 15  # bytes: what is smaller malloc keeps itself

cdef size_t KEPT = 1 << 28  # bytes, of all blocks together

# The blocks that are kept. Guarded by the GIL, or where there is none by the lock of `_pool`.
cdef void *kept[SLOTS]
cdef size_t sizes[SLOTS]
cdef size_t total = 0
_pool = object()


cdef void *_take(size_t size, size_t *got) noexcept:
    """Return the smallest kept block that is large enough and not more than twice as large, or NULL."""
    global total
    cdef int i, best = -1
    cdef void *start = NULL
    with cython.critical_section(_pool):
        for i in range(SLOTS):
            if kept[i] and size <= sizes[i] <= 2 * size and (best < 0 or sizes[i] < sizes[best]):
                best = i
        if best >= 0:
            start, got[0] = kept[best], sizes[best]
            kept[best], sizes[best] = NULL, 0
            total -= got[0]
    return start


cdef bint _keep(void *start, size_t size) noexcept:
    """Keep a block if there is room; it may take the place of a smaller one."""
    global total
    cdef int i, place = 0
    cdef void *smaller = NULL
    cdef bint done = False
    with cython.critical_section(_pool):
        for i in range(SLOTS):
            if sizes[i] < sizes[place]:
                place = i
        if size > sizes[place] and total - sizes[place] + size <= KEPT:
            smaller = kept[place]
            total += size - sizes[place]
            kept[place], sizes[place] = start, size
            done = True
    if smaller != NULL:
        fr_release(smaller)
    return done


cdef class Block:
    """Some bytes, not initialised, aligned to 64; a buffer, so that an array can lie in it.

    Attributes
    ----------
    size : int
        How many bytes, at least as many as were asked for.
    """

    def __cinit__(self, size_t size):
        self.size = size if size > 64 else 64
        self.start = _take(self.size, &self.size)
        if self.start == NULL:
            self.start = fr_allocate(self.size)
        if self.start == NULL:
            raise MemoryError(f"no memory for {size} bytes")
        self.shape[0], self.strides[0] = <Py_ssize_t>self.size, 1

    def __dealloc__(self):
        if self.start == NULL:
            return
        if not FR_KEEPS or self.size < SMALLEST or not _keep(self.start, self.size):
            fr_release(self.start)

    def __getbuffer__(self, Py_buffer *view, int flags):
        view.buf, view.len, view.itemsize, view.readonly = self.start, <Py_ssize_t>self.size, 1, 0
        view.format = NULL  # bytes
        view.ndim = 1
        view.shape = self.shape if flags & PyBUF_ND == PyBUF_ND else NULL
        view.strides = self.strides if flags & PyBUF_STRIDES == PyBUF_STRIDES else NULL
        view.suboffsets, view.internal, view.obj = NULL, NULL, self


def empty(tuple shape, dtype):
    """Return a new array, not initialised, C-contiguous; large ones lie in memory that is used again.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """
    cdef size_t size = dtype.itemsize
    for n in shape:
        size *= <size_t>n
    if size < SMALLEST:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, Block(size))


def kept_bytes():
    """Return how many bytes are kept at the moment."""
    return total

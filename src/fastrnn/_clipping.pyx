"""The joint norm of many arrays, and scaling and clamping them in place, in one call into C (csrc/clipping.h)."""

from libc.math cimport hypot

from fastrnn._arrays cimport Held, hold
from fastrnn._csrc cimport fr_arrays, fr_kernels
from fastrnn._kernels cimport _workers, table_of
from fastrnn._memory cimport Block


def norm(list arrays, *, threads=None, str isa=None):
    """Return the Euclidean norm of all elements of some float32 and float64 arrays; squares are added in float64."""
    cdef Held x = hold(list(arrays), False)
    cdef int workers = _workers(threads)
    return hypot(_norm(x, False, workers, isa), _norm(x, True, workers, isa))


cdef double _norm(Held x, bint is_double, int workers, str isa) except? -1:
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_arrays which
    x.describe(&which, is_double, workers)
    if which.count == 0:
        return 0
    cdef Block workspace = Block(<size_t>kernels.norm_workspace(&which) * sizeof(double))
    cdef double result
    with nogil:
        result = kernels.norm(&which, <const void *const *>x.of(is_double), <double *>workspace.start)
    return result


def scale(list arrays, double factor, *, threads=None, str isa=None):
    """Multiply all elements of some float32 and float64 arrays, in place."""
    _in_place(arrays, factor, False, _workers(threads), isa)


def clamp(list arrays, double limit, *, threads=None, str isa=None):
    """Bring all elements of some float32 and float64 arrays within [-limit, limit], in place; NaN stays."""
    _in_place(arrays, limit, True, _workers(threads), isa)


cdef object _in_place(list arrays, double number, bint clamps, int workers, str isa):
    cdef list direct = list(arrays)
    cdef Held x = hold(direct, True)
    cdef const fr_kernels *kernels
    cdef fr_arrays which
    cdef void **starts
    cdef bint is_double
    for is_double in range(2):
        kernels = table_of(isa, is_double)
        x.describe(&which, is_double, workers)
        starts = x.of(is_double)
        with nogil:
            if clamps:
                kernels.clamp(&which, starts, number)
            else:
                kernels.scale(&which, starts, number)
    for array, copy in zip(arrays, direct, strict=True):
        if copy is not array:
            array[...] = copy

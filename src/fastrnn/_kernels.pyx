"""The only place that calls csrc: whole sequences forward and backward, streams, activations.

Arguments have been cast and made contiguous by the layers; their shapes are checked again here, because C
trusts them. The GIL is released once a sequence. Shapes: T steps, N rows, I inputs, H hidden units, G gates.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from fastrnn._blas cimport gemm_for, gemm_function, largest_dimension

import os
from typing import NamedTuple

import numpy as np

ctypedef fused floating:
    float
    double

cdef extern from "fastrnn.h" nogil:
    ctypedef enum fr_cell:
        FR_CELL_COUNT
    ctypedef struct fr_cell_info:
        const char *name
        int gates
        int states
        int saves_gates
    const fr_cell_info fr_cells[]

    ctypedef enum fr_multiply:
        FR_MULTIPLY_AUTO
        FR_MULTIPLY_SMALL
        FR_MULTIPLY_BLAS
    ctypedef struct fr_problem:
        fr_cell cell
        fr_multiply multiply
        int64_t rows
        int64_t inputs
        int64_t hidden
        gemm_function gemm
    ctypedef struct fr_weights:
        const void *w_ih
        const void *w_hh
        const void *b_ih
        const void *b_hh
    ctypedef struct fr_forward_args:
        int64_t steps
        int record
        const void *x
        void *h
        void *c
        void *gates
        void *workspace
        const void *packed
    ctypedef struct fr_backward_args:
        int64_t steps
        const void *x
        const void *h
        const void *c
        const void *gates
        const void *grad_output
        void *grad_h
        void *grad_c
        void *grad_x
        void *grad_w_ih
        void *grad_w_hh
        void *grad_b_ih
        void *grad_b_hh
        void *workspace

    ctypedef enum fr_function:
        FR_EXP
        FR_TANH
        FR_SIGMOID
        FR_RELU

    ctypedef struct fr_kernels:
        int lanes
        int64_t packed_size(const fr_problem *) noexcept nogil
        void pack(const fr_problem *, const fr_weights *, void *) noexcept nogil
        int64_t forward_workspace(const fr_problem *, int64_t, int) noexcept nogil
        void forward(const fr_problem *, const fr_weights *, const fr_forward_args *) noexcept nogil
        int64_t backward_workspace(const fr_problem *, int64_t) noexcept nogil
        void backward(const fr_problem *, const fr_weights *, const fr_backward_args *) noexcept nogil
        void apply(fr_function, int64_t, const void *, void *) noexcept nogil
    ctypedef struct fr_isa:
        const char *name
        const fr_kernels *f32
        const fr_kernels *f64
    const fr_isa fr_isas[]
    const int fr_isa_count
    int fr_isa_runs_here(int)

    uint64_t fr_fingerprint(const void *, size_t, uint64_t)


# ---- tables, fixed at import ----

class CellInfo(NamedTuple):
    """What a layer must know of a cell."""

    number: int
    gates: int
    states: int
    saves_gates: bool


CELLS = {
    fr_cells[i].name.decode(): CellInfo(i, fr_cells[i].gates, fr_cells[i].states, bool(fr_cells[i].saves_gates))
    for i in range(<int>FR_CELL_COUNT)
}
MULTIPLIES = {"auto": FR_MULTIPLY_AUTO, "small": FR_MULTIPLY_SMALL, "blas": FR_MULTIPLY_BLAS}
FUNCTIONS = {"exp": FR_EXP, "tanh": FR_TANH, "sigmoid": FR_SIGMOID, "relu": FR_RELU}
COMPILED_ISAS = tuple(fr_isas[i].name.decode() for i in range(fr_isa_count))
ISAS = tuple(fr_isas[i].name.decode() for i in range(fr_isa_count) if fr_isa_runs_here(i))


def _choose_isa(str wanted):
    """Return the ISA to use: the one asked for, or the last in the table that this CPU runs."""
    if not wanted:
        return ISAS[-1]
    if wanted not in ISAS:
        raise ImportError(
            f"FASTRNN_ISA: expected one of {', '.join(ISAS)} (what this CPU runs), got {wanted!r}; "
            "unset it to let fastrnn choose"
        )
    return wanted


ISA = _choose_isa(os.environ.get("FASTRNN_ISA", ""))


cdef const fr_kernels *_table(str isa, bint is_double) except NULL:
    isa = ISA if isa is None else isa
    if isa not in ISAS:
        raise ValueError(f"isa: expected one of {', '.join(ISAS)}, got {isa!r}")
    cdef const fr_isa *entry = &fr_isas[COMPILED_ISAS.index(isa)]
    return entry.f64 if is_double else entry.f32


cdef fr_multiply _multiply(str name) except *:
    if name not in MULTIPLIES:
        raise ValueError(f"multiply: expected one of {', '.join(MULTIPLIES)}, got {name!r}")
    return <fr_multiply><int>MULTIPLIES[name]


# ---- checks and buffers ----

cdef object _expect(str name, tuple got, tuple expected):
    if got != expected:
        raise ValueError(f"{name}: expected shape {expected}, got {got}")


cdef object _cell(str name):
    if name not in CELLS:
        raise ValueError(f"cell: expected one of {', '.join(CELLS)}, got {name!r}")
    return CELLS[name]


cdef object _check_dimensions(int64_t T, int64_t N, int64_t I, int64_t units):
    if T < 1:
        raise ValueError("x: expected at least one step, got T = 0")
    if I < 1 or units < 1:
        raise ValueError(f"weights: expected at least one input and one unit, got {I} and {units}")
    if max(N, I, units) > largest_dimension():
        raise ValueError(f"a dimension of (N, I, G*H) = ({N}, {I}, {units}) is beyond what BLAS can count")


cdef class _Reals:
    """A scratch buffer of reals, aligned to 64 bytes."""

    cdef object memory
    cdef void *start

    def __cinit__(self, int64_t size, bint is_double):
        cdef unsigned char[::1] view
        self.memory = view = np.empty(size * (8 if is_double else 4) + 64, dtype=np.uint8)
        self.start = <void *>((<uintptr_t>&view[0] + 63) & ~<uintptr_t>63)


cdef void _set_weights(
    fr_weights *w, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
) noexcept:
    w.w_ih = &w_ih[0, 0]
    w.w_hh = &w_hh[0, 0]
    w.b_ih = w.b_hh = NULL
    if b_ih is not None:
        w.b_ih = &b_ih[0]
        w.b_hh = &b_hh[0]


cdef object _check_weights(
    object info, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
):
    cdef int64_t units = w_hh.shape[0]
    _expect("weight_hh", (w_hh.shape[0], w_hh.shape[1]), (info.gates * w_hh.shape[1], w_hh.shape[1]))
    _expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (units, w_ih.shape[1]))
    if (b_ih is None) != (b_hh is None):
        raise ValueError("bias_ih, bias_hh: expected both or neither")
    if b_ih is not None:
        _expect("bias_ih", (b_ih.shape[0],), (units,))
        _expect("bias_hh", (b_hh.shape[0],), (units,))


# ---- sequences ----

def forward(
    str cell,
    const floating[:, :, ::1] x not None,
    const floating[:, ::1] h_0 not None,
    const floating[:, ::1] c_0,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    const floating[::1] b_ih,
    const floating[::1] b_hh,
    *,
    bint record,
    str isa=None,
    str multiply="auto",
):
    """Run one layer over a batch of sequences.

    Parameters
    ----------
    cell : str
        A key of ``CELLS``.
    x : (T, N, I)
    h_0, c_0 : (N, H)
        Initial state; ``c_0`` is None for a cell with one state.
    w_ih, w_hh, b_ih, b_hh : (G*H, I), (G*H, H), (G*H,), (G*H,)
        Parameters; the biases may both be None.
    record : bool
        Whether to keep what `backward` needs.
    isa : str, optional
        Another ISA than the one chosen at import; for tests and benchmarks.
    multiply : {"auto", "small", "blas"}
        The code that multiplies, "auto" by shape; for tests and benchmarks.

    Returns
    -------
    h : ndarray (T+1, N, H)
        ``h_0`` and then the output.
    c : ndarray (T+1, N, H), (N, H) without record, or None
        All cell states, or the last one.
    gates : ndarray (T, N, G*H) or None
        Activated gates, if recorded and the cell needs them.
    """
    info = _cell(cell)
    cdef int64_t T = x.shape[0], N = x.shape[1], I = x.shape[2], H = w_hh.shape[1]
    _check_weights(info, w_ih, w_hh, b_ih, b_hh)
    _expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (info.gates * H, I))
    _expect("h_0", (h_0.shape[0], h_0.shape[1]), (N, H))
    _check_dimensions(T, N, I, info.gates * H)
    if (c_0 is None) != (info.states == 1):
        raise ValueError(f"c_0: cell {cell!r} has {info.states} states")
    if c_0 is not None:
        _expect("c_0", (c_0.shape[0], c_0.shape[1]), (N, H))

    dtype = np.float64 if floating is double else np.float32
    h = np.empty((T + 1, N, H), dtype=dtype)
    c = gates = None
    h[0] = h_0
    if c_0 is not None:
        c = np.empty((T + 1 if record else 1, N, H), dtype=dtype)
        c[0] = c_0
    if record and info.saves_gates:
        gates = np.empty((T, N, info.gates * H), dtype=dtype)
    if N > 0:
        _forward[floating](info.number, x, w_ih, w_hh, b_ih, b_hh, h, c, gates, record, isa, multiply)
    return h, (c if record or c is None else c[0]), gates


cdef object _forward(
    int cell, const floating[:, :, ::1] x, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
    floating[:, :, ::1] h, floating[:, :, ::1] c, floating[:, :, ::1] gates, bint record, str isa,
    str multiply,
):
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = _table(isa, is_double)
    cdef fr_problem problem
    cdef fr_weights weights
    cdef fr_forward_args args
    problem.cell = <fr_cell>cell
    problem.multiply = _multiply(multiply)
    problem.rows, problem.inputs, problem.hidden = x.shape[1], x.shape[2], w_hh.shape[1]
    problem.gemm = gemm_for(is_double)
    _set_weights(&weights, w_ih, w_hh, b_ih, b_hh)
    cdef _Reals packed = _Reals(kernels.packed_size(&problem), is_double)
    cdef _Reals workspace = _Reals(kernels.forward_workspace(&problem, x.shape[0], record), is_double)
    args.steps, args.record = x.shape[0], record
    args.x, args.h = &x[0, 0, 0], &h[0, 0, 0]
    args.c = NULL if c is None else &c[0, 0, 0]
    args.gates = NULL if gates is None else &gates[0, 0, 0]
    args.workspace, args.packed = workspace.start, packed.start
    with nogil:
        kernels.pack(&problem, &weights, packed.start)
        kernels.forward(&problem, &weights, &args)


def backward(
    str cell,
    const floating[:, :, ::1] x not None,
    const floating[:, :, ::1] h not None,
    const floating[:, :, ::1] c,
    const floating[:, :, ::1] gates,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    bint bias,
    const floating[:, :, ::1] grad_output not None,
    const floating[:, ::1] grad_h_n not None,
    const floating[:, ::1] grad_c_n,
    *,
    str isa=None,
    str multiply="auto",
):
    """Backpropagation through time, of what `forward` recorded.

    Parameters
    ----------
    cell, x, w_ih, w_hh
        As given to `forward`.
    h, c, gates
        As `forward` returned them.
    bias : bool
        Whether the layer has biases.
    grad_output : (T, N, H)
        dE/dh_t from outside the layer.
    grad_h_n, grad_c_n : (N, H)
        dE/dh_T and dE/dc_T through the final state; ``grad_c_n`` is None for a cell with one state.
    isa, multiply
        As for `forward`.

    Returns
    -------
    tuple
        ``grad_x, grad_h_0, grad_c_0, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh``, new arrays shaped like what
        they are the gradients of; None where that was None.
    """
    info = _cell(cell)
    cdef int64_t T = x.shape[0], N = x.shape[1], I = x.shape[2], H = w_hh.shape[1]
    _check_weights[floating](info, w_ih, w_hh, None, None)
    _expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (info.gates * H, I))
    _check_dimensions(T, N, I, info.gates * H)
    _expect("h", (h.shape[0], h.shape[1], h.shape[2]), (T + 1, N, H))
    _expect("grad_output", (grad_output.shape[0], grad_output.shape[1], grad_output.shape[2]), (T, N, H))
    _expect("grad_h_n", (grad_h_n.shape[0], grad_h_n.shape[1]), (N, H))
    one_state = info.states == 1
    if (c is None) != one_state or (grad_c_n is None) != one_state or (gates is None) == info.saves_gates:
        raise ValueError(f"c, gates, grad_c_n: not what a recorded forward of cell {cell!r} gives")
    if c is not None:
        _expect("c", (c.shape[0], c.shape[1], c.shape[2]), (T + 1, N, H))
        _expect("grad_c_n", (grad_c_n.shape[0], grad_c_n.shape[1]), (N, H))
    if gates is not None:
        _expect("gates", (gates.shape[0], gates.shape[1], gates.shape[2]), (T, N, info.gates * H))

    dtype = np.float64 if floating is double else np.float32
    grad_x = np.empty((T, N, I), dtype=dtype)
    grad_h = np.array(grad_h_n, dtype=dtype)
    grad_c = None if grad_c_n is None else np.array(grad_c_n, dtype=dtype)
    grad_w_ih = np.zeros((info.gates * H, I), dtype=dtype)
    grad_w_hh = np.zeros((info.gates * H, H), dtype=dtype)
    grad_b_ih = np.zeros(info.gates * H, dtype=dtype) if bias else None
    grad_b_hh = np.zeros(info.gates * H, dtype=dtype) if bias else None
    if N > 0:
        _backward[floating](
            info.number, x, h, c, gates, w_ih, w_hh, grad_output,
            grad_x, grad_h, grad_c, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh, isa, multiply)
    return grad_x, grad_h, grad_c, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh


cdef object _backward(
    int cell, const floating[:, :, ::1] x, const floating[:, :, ::1] h, const floating[:, :, ::1] c,
    const floating[:, :, ::1] gates, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[:, :, ::1] grad_output, floating[:, :, ::1] grad_x, floating[:, ::1] grad_h,
    floating[:, ::1] grad_c, floating[:, ::1] grad_w_ih, floating[:, ::1] grad_w_hh,
    floating[::1] grad_b_ih, floating[::1] grad_b_hh, str isa, str multiply,
):
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = _table(isa, is_double)
    cdef fr_problem problem
    cdef fr_weights weights
    cdef fr_backward_args args
    problem.cell = <fr_cell>cell
    problem.multiply = _multiply(multiply)
    problem.rows, problem.inputs, problem.hidden = x.shape[1], x.shape[2], w_hh.shape[1]
    problem.gemm = gemm_for(is_double)
    _set_weights[floating](&weights, w_ih, w_hh, None, None)
    cdef _Reals workspace = _Reals(kernels.backward_workspace(&problem, x.shape[0]), is_double)
    args.steps = x.shape[0]
    args.x, args.h = &x[0, 0, 0], &h[0, 0, 0]
    args.c = args.gates = NULL
    if c is not None:
        args.c = &c[0, 0, 0]
    if gates is not None:
        args.gates = &gates[0, 0, 0]
    args.grad_output, args.grad_x = &grad_output[0, 0, 0], &grad_x[0, 0, 0]
    args.grad_h = &grad_h[0, 0]
    args.grad_c = NULL if grad_c is None else &grad_c[0, 0]
    args.grad_w_ih, args.grad_w_hh = &grad_w_ih[0, 0], &grad_w_hh[0, 0]
    args.grad_b_ih = NULL if grad_b_ih is None else &grad_b_ih[0]
    args.grad_b_hh = NULL if grad_b_hh is None else &grad_b_hh[0]
    args.workspace = workspace.start
    with nogil:
        kernels.backward(&problem, &weights, &args)


# ---- streams ----

cdef class _Buffer:
    """A C-contiguous buffer of reals of a known type, held while C reads or writes it."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, array, str name, bint is_double, bint writable):
        cdef int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0)
        PyObject_GetBuffer(array, &self.view, flags)
        self.held = True
        cdef char code = c'd' if is_double else c'f'
        if self.view.format[0] != code or self.view.format[1] != 0:
            raise TypeError(f"{name}: expected {'float64' if is_double else 'float32'}, got {array.dtype}")

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


cdef class Stream:
    """One layer that remembers its state between calls: weights packed once, nothing allocated a step.

    Takes a snapshot of the weights. Not for use from two threads at once.

    Parameters
    ----------
    cell, w_ih, w_hh, b_ih, b_hh, isa
        As for `forward`.
    h_0, c_0 : ndarray (N, H)
        Where the stream starts; ``c_0`` is None for a cell with one state.
    """

    cdef fr_problem problem
    cdef fr_weights weights
    cdef const fr_kernels *kernels
    cdef bint is_double
    cdef int64_t block
    cdef _Reals packed, workspace, h
    cdef object snapshot
    cdef _Buffer c_buffer
    cdef object c_array

    def __init__(self, str cell, h_0, c_0, w_ih, w_hh, b_ih, b_hh, *, int block=64, str isa=None):
        info = _cell(cell)
        self.is_double = h_0.dtype == np.float64
        self.kernels = _table(isa, self.is_double)
        weights = (w_ih, w_hh, b_ih, b_hh)
        w_ih, w_hh, b_ih, b_hh = self.snapshot = [
            None if array is None else np.array(array, dtype=h_0.dtype, order="C") for array in weights]
        if self.is_double:
            self._adopt[double](info, w_ih, w_hh, b_ih, b_hh)
        else:
            self._adopt[float](info, w_ih, w_hh, b_ih, b_hh)
        N, H = h_0.shape
        _expect("h_0", h_0.shape, (N, self.problem.hidden))
        _check_dimensions(block, N, self.problem.inputs, info.gates * H)
        if N < 1 or (c_0 is None) != (info.states == 1) or (c_0 is not None and c_0.shape != h_0.shape):
            raise ValueError(f"h_0, c_0: expected at least one row and {info.states} states of one shape")
        self.problem.cell = <fr_cell><int>info.number
        self.problem.multiply = FR_MULTIPLY_AUTO
        self.problem.rows = N
        self.problem.gemm = gemm_for(self.is_double)
        self.block = block
        self.h = _Reals((block + 1) * N * H, self.is_double)
        self.packed = _Reals(self.kernels.packed_size(&self.problem), self.is_double)
        self.workspace = _Reals(self.kernels.forward_workspace(&self.problem, block, False), self.is_double)
        self.kernels.pack(&self.problem, &self.weights, self.packed.start)
        self.c_array = None if c_0 is None else np.array(c_0, order="C")
        if c_0 is not None:
            self.c_buffer = _Buffer(self.c_array, "c_0", self.is_double, True)
        cdef _Buffer start = _Buffer(np.ascontiguousarray(h_0), "h_0", self.is_double, False)
        memcpy(self.h.start, start.view.buf, start.view.len)

    cdef object _adopt(
        self, object info, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
        const floating[::1] b_ih, const floating[::1] b_hh,
    ):
        _check_weights(info, w_ih, w_hh, b_ih, b_hh)
        _set_weights(&self.weights, w_ih, w_hh, b_ih, b_hh)
        self.problem.inputs, self.problem.hidden = w_ih.shape[1], w_hh.shape[1]

    def run(self, x, out):
        """Run some steps on from where the stream stands.

        Parameters
        ----------
        x : ndarray (T, N, I), C-contiguous, of the stream's dtype
        out : ndarray (T, N, H), likewise, writable
            The output is written here.
        """
        if self.kernels == NULL:
            raise ValueError("this stream was never given its weights: __init__ did not run")
        cdef _Buffer x_buffer = _Buffer(x, "x", self.is_double, False)
        cdef _Buffer out_buffer = _Buffer(out, "out", self.is_double, True)
        cdef int64_t step_in = self.problem.rows * self.problem.inputs * x_buffer.view.itemsize
        cdef int64_t step_out = self.problem.rows * self.problem.hidden * x_buffer.view.itemsize
        cdef int64_t steps = x_buffer.view.len // step_in
        features = x.shape[-1] == self.problem.inputs and out.shape[-1] == self.problem.hidden
        if not features or x_buffer.view.len != steps * step_in or out_buffer.view.len != steps * step_out:
            raise ValueError(
                f"x, out: expected shapes (T, {self.problem.rows}, {self.problem.inputs}) and "
                f"(T, {self.problem.rows}, {self.problem.hidden}), got {x.shape} and {out.shape}")
        cdef const char *source = <const char *>x_buffer.view.buf
        cdef char *target = <char *>out_buffer.view.buf
        cdef char *h = <char *>self.h.start
        cdef fr_forward_args args
        args.record = 0
        args.h, args.gates = h, NULL
        args.c = NULL if self.c_array is None else self.c_buffer.view.buf
        args.workspace, args.packed = self.workspace.start, self.packed.start
        with nogil:
            while steps > 0:
                args.steps = min(steps, self.block)
                args.x = source
                self.kernels.forward(&self.problem, &self.weights, &args)
                memcpy(target, h + step_out, args.steps * step_out)
                memcpy(h, h + args.steps * step_out, step_out)
                source += args.steps * step_in
                target += args.steps * step_out
                steps -= args.steps

    @property
    def state(self):
        """Return copies of the current ``h`` and ``c``, each (N, H); ``c`` is None for a cell with one state."""
        h = np.empty((self.problem.rows, self.problem.hidden), dtype=np.float64 if self.is_double else np.float32)
        cdef _Buffer target = _Buffer(h, "h", self.is_double, True)
        memcpy(target.view.buf, self.h.start, target.view.len)
        return h, None if self.c_array is None else self.c_array.copy()


# ---- elementwise, and the digest of parameters ----

def apply(str function, x, out, *, str isa=None):
    """Write ``function(x)``, one of ``FUNCTIONS``, to ``out``: contiguous, of one size and dtype; out may be x."""
    if function not in FUNCTIONS:
        raise ValueError(f"function: expected one of {', '.join(FUNCTIONS)}, got {function!r}")
    cdef bint is_double = x.dtype == np.float64
    cdef const fr_kernels *kernels = _table(isa, is_double)
    cdef _Buffer x_buffer = _Buffer(x, "x", is_double, False)
    cdef _Buffer out_buffer = _Buffer(out, "out", is_double, True)
    cdef int64_t n = x_buffer.view.len // x_buffer.view.itemsize
    cdef fr_function which = <fr_function><int>FUNCTIONS[function]
    if out_buffer.view.len != x_buffer.view.len:
        raise ValueError(f"out: expected shape {x.shape}, got {out.shape}")
    with nogil:
        kernels.apply(which, n, x_buffer.view.buf, out_buffer.view.buf)


def fingerprint(arrays):
    """Return a 64-bit digest of the contents of some C-contiguous real arrays."""
    cdef uint64_t digest = 0
    cdef _Buffer buffer
    for array in arrays:
        buffer = _Buffer(array, "array", array.dtype == np.float64, False)
        digest = fr_fingerprint(buffer.view.buf, <size_t>buffer.view.len, digest)
    return digest

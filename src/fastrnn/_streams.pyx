"""Recurrent layers that run step by step: weights packed once, the state kept inside, nothing allocated a step.

Shapes: T steps, N rows (sequences), I inputs, H hidden units.
"""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from fastrnn._csrc cimport fr_cell, fr_forward_args, fr_kernels, fr_problem, fr_rows, fr_weights
from fastrnn._kernels cimport (
    Buffer, Reals, cell_of, check_sizes, check_weights, expect, floating, set_options, set_weights, table_of,
)

import numpy as np

from fastrnn.threads import get_num_threads

ndarray = np.ndarray

cdef enum:
    BLOCK = 64  # steps that one call into C takes
    LARGE = 1 << 15  # multiplications of a step for which letting other threads run is worth the while


cdef class Stream:
    """One layer that remembers its state between calls.

    Takes a snapshot of the weights. Not for use from two threads at once.

    Parameters
    ----------
    cell, w_ih, w_hh, b_ih, b_hh, zoneout, isa
        As for `fastrnn._kernels.forward`.
    h_0, c_0 : ndarray (N, H)
        Where the stream starts; ``c_0`` is None for a cell with one state.
    """

    cdef fr_problem problem
    cdef fr_forward_args args
    cdef const fr_kernels *kernels
    cdef bint is_double
    cdef Reals packed, workspace, h
    cdef object c
    cdef Buffer c_buffer
    cdef readonly int64_t row_in, row_out
    cdef int64_t step_in, step_out

    def __init__(self, str cell, h_0, c_0, w_ih, w_hh, b_ih, b_hh, *, zoneout=None, str isa=None):
        info = cell_of(cell)
        N, H = h_0.shape
        self.is_double = h_0.dtype == np.float64
        self.kernels = table_of(isa, self.is_double)
        weights = [
            None if array is None else np.ascontiguousarray(array, dtype=h_0.dtype)
            for array in (w_ih, w_hh, b_ih, b_hh)]
        expect("h_0", h_0.shape, (N, weights[1].shape[1]))
        check_sizes(BLOCK, N, weights[0].shape[1], H, info)
        if N < 1 or (c_0 is None) != (info.states == 1) or (c_0 is not None and c_0.shape != h_0.shape):
            raise ValueError(f"h_0, c_0: expected at least one row and {info.states} states of one shape")
        self.problem.cell, self.problem.threads, self.problem.eager = <fr_cell><int>info.number, get_num_threads(), 0
        self.problem.rows, self.problem.inputs, self.problem.hidden = N, weights[0].shape[1], H
        self.problem.distinct = self.problem.one_hot = 0
        if self.is_double:
            self._pack[double](info, weights[0], weights[1], weights[2], weights[3])
        else:
            self._pack[float](info, weights[0], weights[1], weights[2], weights[3])
        set_options(&self.args.options, zoneout)
        self._start(N, H, h_0, c_0)

    cdef object _pack(
        self, object info, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
        const floating[::1] b_ih, const floating[::1] b_hh,
    ):
        cdef fr_weights weights
        check_weights(info, w_ih, w_hh, b_ih, b_hh)
        set_weights(&weights, w_ih, w_hh, b_ih, b_hh)
        self.packed = Reals(self.kernels.packed_size(&self.problem), self.is_double)
        self.kernels.pack(&self.problem, &weights, self.packed.start)

    cdef object _start(self, int64_t N, int64_t H, h_0, c_0):
        cdef fr_rows rows
        rows.steps, rows.counts, rows.reverse = BLOCK, NULL, 0
        cdef int64_t size = 8 if self.is_double else 4
        self.row_in, self.row_out = self.problem.inputs, H
        self.step_in, self.step_out = N * self.problem.inputs * size, N * H * size
        self.h = Reals((BLOCK + 1) * N * H, self.is_double)
        self.workspace = Reals(self.kernels.forward_workspace(&self.problem, &rows), self.is_double)
        cdef Buffer start = Buffer(np.ascontiguousarray(h_0), "h_0", self.is_double, False)
        memcpy(self.h.start, start.view.buf, start.view.len)
        self.args.record, self.args.rows, self.args.saved, self.args.x_row = 0, rows, NULL, NULL
        self.args.h, self.args.h_row, self.args.c = self.h.start, H, NULL
        self.args.options.fed, self.args.options.fed_row = self.h.start, H
        self.args.workspace, self.args.packed = self.workspace.start, self.packed.start
        self.c = None if c_0 is None else np.array(c_0, order="C")
        if c_0 is not None:
            self.c_buffer = Buffer(self.c, "c_0", self.is_double, True)
            self.args.c = self.c_buffer.view.buf

    cdef void advance(self, int64_t steps, const char *source, char *target) noexcept nogil:
        """Take some steps; x and the output are contiguous."""
        cdef char *h = <char *>self.h.start
        while steps > 0:
            self.args.rows.steps = min(steps, BLOCK)
            self.args.x = source
            self.kernels.forward(&self.problem, &self.args)
            memcpy(target, h + self.step_out, self.args.rows.steps * self.step_out)
            memcpy(h, h + self.args.rows.steps * self.step_out, self.step_out)
            source += self.args.rows.steps * self.step_in
            target += self.args.rows.steps * self.step_out
            steps -= self.args.rows.steps

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
        cdef Buffer x_buffer = Buffer(x, "x", self.is_double, False)
        cdef Buffer out_buffer = Buffer(out, "out", self.is_double, True)
        cdef int64_t steps = x_buffer.view.len // self.step_in
        features = x.shape[-1] == self.row_in and out.shape[-1] == self.row_out
        if not features or x_buffer.view.len != steps * self.step_in or out_buffer.view.len != steps * self.step_out:
            raise ValueError(
                f"x, out: expected shapes (T, {self.problem.rows}, {self.row_in}) and "
                f"(T, {self.problem.rows}, {self.row_out}), got {x.shape} and {out.shape}")
        with nogil:
            self.advance(steps, <const char *>x_buffer.view.buf, <char *>out_buffer.view.buf)

    @property
    def state(self):
        """Return copies of the current ``h`` and ``c``, each (N, H); ``c`` is None for a cell with one state."""
        h = np.empty((self.problem.rows, self.problem.hidden), dtype=np.float64 if self.is_double else np.float32)
        cdef Buffer target = Buffer(h, "h", self.is_double, True)
        memcpy(target.view.buf, self.h.start, target.view.len)
        return h, None if self.c is None else self.c.copy()


cdef class Steps:
    """What steps a model: straight through C where all its layers are `Stream`s, else as a subclass defines in `_step`.

    Attributes
    ----------
    steps : int
        How many steps have been taken.
    """

    cdef public int64_t steps
    cdef list chain, between
    cdef object new
    cdef bint is_double
    cdef int ndim
    cdef int64_t rows, row_in, row_out

    def _connect(self, list streams, out):
        """Let `step` go straight through ``streams`` from now on.

        Parameters
        ----------
        streams : list of Stream
            Each fed by the one before.
        out : ndarray (K,) or (N, K)
            An array like one step's output.
        """
        cdef Stream first = streams[0], stream
        self.is_double = out.dtype == np.float64
        self.rows, self.row_in, self.row_out, self.ndim = first.problem.rows, first.row_in, out.shape[-1], out.ndim
        self.between = []
        for stream in streams[:-1]:
            self.between.append(Reals(self.rows * stream.row_out, self.is_double))
        self.new = out.copy
        self.chain = streams

    cdef bint _fits(self, Py_buffer *view, int64_t row) noexcept:
        """Whether an array holds one step: rows of so many reals of the right kind."""
        cdef char code = c'd' if self.is_double else c'f'
        if view.ndim != self.ndim or view.shape[self.ndim - 1] != row or view.len != self.rows * row * view.itemsize:
            return False
        return view.format[0] == code and view.format[1] == 0

    cdef void _run(self, const char *source, char *target):
        cdef Py_ssize_t i, last = len(self.chain) - 1
        cdef Stream stream
        cdef char *to
        for i in range(last + 1):
            stream = <Stream>self.chain[i]
            to = target if i == last else <char *>(<Reals>self.between[i]).start
            if stream.problem.rows * stream.row_out * (stream.row_in + stream.row_out) < LARGE:
                stream.advance(1, source, to)
            else:
                with nogil:
                    stream.advance(1, source, to)
            source = to

    def step(self, x, out=None):
        """Take one step.

        Parameters
        ----------
        x : array_like (F,), or (N, F) in a stream of N sequences
        out : ndarray (K,) or (N, K), C-contiguous, of the model's dtype, optional
            Where to write the output; with it no array is allocated by recurrent layers, Linear, Tanh, Sigmoid and
            ReLU.

        Returns
        -------
        ndarray (K,) or (N, K)
            ``out`` if given, else a new array.

        Raises
        ------
        ValueError, TypeError
            If ``x`` or ``out`` is not such an array.
        """
        cdef Py_buffer x_view, out_view
        if self.chain is None or type(x) is not ndarray or not (out is None or type(out) is ndarray):
            return self._step(x, out)
        result = self.new() if out is None else out
        try:
            PyObject_GetBuffer(x, &x_view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        except (BufferError, ValueError):
            return self._step(x, out)
        try:
            PyObject_GetBuffer(result, &out_view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE)
        except (BufferError, ValueError):
            PyBuffer_Release(&x_view)
            return self._step(x, out)
        cdef bint fits = self._fits(&x_view, self.row_in) and self._fits(&out_view, self.row_out)
        if fits:
            self._run(<const char *>x_view.buf, <char *>out_view.buf)
            self.steps += 1
        PyBuffer_Release(&x_view)
        PyBuffer_Release(&out_view)
        return result if fits else self._step(x, out)

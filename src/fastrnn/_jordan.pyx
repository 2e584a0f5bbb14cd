"""Calls of the Jordan network's kernels: whole sequences, and step by step.

As in _kernels, shapes are checked again here and the GIL is released once a sequence. Shapes: T steps, N rows
(sequences), I inputs, H hidden units, O outputs, S rows of all steps together: T·N, or fewer in a ragged batch.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastrnn._csrc cimport (
    FR_ACTIVATION_LINEAR, FR_ACTIVATION_RELU, FR_ACTIVATION_SIGMOID, FR_ACTIVATION_SOFTMAX, FR_ACTIVATION_TANH,
    fr_activation, fr_jordan_backward_args, fr_jordan_forward_args, fr_jordan_problem, fr_jordan_weights, fr_kernels,
    fr_rows,
)
from fastrnn._kernels cimport Buffer, Reals, _steps, _workers, check_sizes, expect, floating, table_of

import numpy as np

from fastrnn._kernels import CELLS, _array
from fastrnn._memory import empty
from fastrnn.threads import get_num_threads

PHI = {"tanh": FR_ACTIVATION_TANH, "sigmoid": FR_ACTIVATION_SIGMOID, "relu": FR_ACTIVATION_RELU}
PSI = {
    "linear": FR_ACTIVATION_LINEAR, "tanh": FR_ACTIVATION_TANH, "sigmoid": FR_ACTIVATION_SIGMOID,
    "softmax": FR_ACTIVATION_SOFTMAX,
}
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

cdef enum:
    BLOCK = 64  # steps of a stream that one call into C takes


# ---- the problem and its weights ----

cdef object _set_problem(
    fr_jordan_problem *p, str phi, str psi, int64_t T, int64_t N, int64_t I, int64_t H, int64_t O, int threads,
):
    for name, value, table in (("phi", phi, PHI), ("psi", psi, PSI)):
        if value not in table:
            raise ValueError(f"{name}: expected one of {', '.join(table)}, got {value!r}")
    check_sizes(T, N, I, H, CELLS["rnn_tanh"])  # each of the two parts is like a layer of one gate
    check_sizes(T, N, H, O, CELLS["rnn_tanh"])
    p.phi, p.psi = <fr_activation><int>PHI[phi], <fr_activation><int>PSI[psi]
    p.threads, p.eager = abs(threads), threads < 0
    p.rows, p.inputs, p.hidden, p.outputs = N, I, H, O


cdef object _check_weights(
    const floating[:, ::1] w_ih, const floating[:, ::1] w_hh, const floating[:, ::1] w_ho,
    const floating[::1] b_ih, const floating[::1] b_hh, const floating[::1] b_ho,
):
    cdef int64_t H = w_hh.shape[0], O = w_hh.shape[1]
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (H, w_ih.shape[1]))
    expect("weight_ho", (w_ho.shape[0], w_ho.shape[1]), (O, H))
    if not (b_ih is None) == (b_hh is None) == (b_ho is None):
        raise ValueError("bias_ih, bias_hh, bias_ho: expected all or none")
    if b_ih is not None:
        expect("bias_ih", (b_ih.shape[0],), (H,))
        expect("bias_hh", (b_hh.shape[0],), (H,))
        expect("bias_ho", (b_ho.shape[0],), (O,))


cdef void _set_weights(
    fr_jordan_weights *w, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh, const floating[:, ::1] w_ho,
    const floating[::1] b_ih, const floating[::1] b_hh, const floating[::1] b_ho,
) noexcept:
    w.w_ih, w.w_hh, w.w_ho = &w_ih[0, 0], &w_hh[0, 0], &w_ho[0, 0]
    w.b_ih = w.b_hh = w.b_ho = NULL
    if b_ih is not None:
        w.b_ih, w.b_hh, w.b_ho = &b_ih[0], &b_hh[0], &b_ho[0]


cdef fr_rows _rows_of(int64_t T, const int64_t[::1] counts) noexcept:
    cdef fr_rows rows
    memset(&rows, 0, sizeof(fr_rows))
    rows.steps = T
    if counts is not None:
        rows.counts = &counts[0]
    return rows


# ---- sequences ----

def forward(
    str phi,
    str psi,
    const floating[:, ::1] x not None,
    const floating[:, ::1] y_0 not None,
    const floating[:, ::1] fed,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    const floating[:, ::1] w_ho not None,
    const floating[::1] b_ih,
    const floating[::1] b_hh,
    const floating[::1] b_ho,
    *,
    bint record,
    object counts=None,
    tuple reuse=(None, None),
    str isa=None,
    threads=None,
):
    """Run a Jordan network over a batch of sequences.

    Parameters
    ----------
    phi, psi : str
        Keys of ``PHI`` and ``PSI``: what the hidden units and the outputs do.
    x : (S, I)
        Step after step, the rows of one step together.
    y_0 : (N, O)
        The initial state.
    fed : (N+S, O) or None
        What is fed back instead of the output: ``y_0``, then the teacher's outputs.
    w_ih, w_hh, w_ho : (H, I), (H, O), (O, H)
    b_ih, b_hh, b_ho : (H,), (H,), (O,)
        All may be None.
    record : bool
        Whether to keep what `backward` needs.
    counts : (T,) int64, optional
        Rows of each step of a ragged batch, whose sequences are sorted, longest first; otherwise all steps have N.
    reuse : tuple
        Arrays ``y, h`` of an earlier call that may be overwritten.
    isa, threads
        As for `fastrnn._kernels.forward`.

    Returns
    -------
    y : ndarray (N+S, O)
        ``y_0`` and then the output.
    h : ndarray (S, H) or None
        The hidden units, if recorded.
    """
    cdef int64_t S = x.shape[0], N = y_0.shape[0], I = x.shape[1], H = w_hh.shape[0], O = w_hh.shape[1]
    cdef int64_t T = _steps(S, N, counts)
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_jordan_problem problem
    cdef fr_jordan_weights weights
    cdef fr_jordan_forward_args args
    _check_weights(w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (H, I))
    expect("y_0", (y_0.shape[0], y_0.shape[1]), (N, O))
    _set_problem(&problem, phi, psi, T, N, I, H, O, _workers(threads))
    if fed is not None:
        expect("fed", (fed.shape[0], fed.shape[1]), (N + S, O))
    dtype = FLOAT64 if is_double else FLOAT32
    y = _array(reuse[0], (N + S, O), dtype)
    h = _array(reuse[1], (S, H), dtype) if record else None
    y[:N] = y_0
    _set_weights(&weights, w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
    cdef floating[:, ::1] y_view = y, h_view = h
    args.rows = _rows_of(T, counts)
    args.x, args.y, args.fed, args.h = &x[0, 0], &y_view[0, 0], &y_view[0, 0], NULL
    if fed is not None:
        args.fed = &fed[0, 0]
    if record:
        args.h = &h_view[0, 0]
    cdef int64_t packed_size = (kernels.jordan_packed_size(&problem) + 63) // 64 * 64
    cdef Reals space = Reals(packed_size + kernels.jordan_forward_workspace(&problem, &args.rows), is_double)
    args.packed, args.workspace = space.start, <floating *>space.start + packed_size
    with nogil:
        kernels.jordan_pack(&problem, &weights, space.start)
        kernels.jordan_forward(&problem, &args)
    return y, h


def backward(
    str phi,
    str psi,
    const floating[:, ::1] x not None,
    const floating[:, ::1] y not None,
    const floating[:, ::1] fed,
    const floating[:, ::1] h not None,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    const floating[:, ::1] w_ho not None,
    bint bias,
    const floating[:, ::1] grad_output not None,
    const floating[:, ::1] grad_y_n not None,
    *,
    object counts=None,
    str isa=None,
    threads=None,
):
    """Backpropagation through time, of what `forward` recorded.

    Parameters
    ----------
    phi, psi, x, fed, w_ih, w_hh, w_ho, counts
        As given to `forward`. Nothing flows back through ``fed`` but to ``y_0``.
    y, h
        As `forward` returned them.
    bias : bool
        Whether the layer has biases.
    grad_output : (S, O)
        dE/dy_t from outside the layer.
    grad_y_n : (N, O)
        dE/dy through each sequence's final state.
    isa, threads
        As for `forward`.

    Returns
    -------
    tuple
        ``grad_x, grad_y_0, grad_w_ih, grad_w_hh, grad_w_ho, grad_b_ih, grad_b_hh, grad_b_ho``, new arrays shaped like
        what they are the gradients of. Without biases the last three are None.
    """
    cdef int64_t S = x.shape[0], N = grad_y_n.shape[0], I = x.shape[1], H = w_hh.shape[0], O = w_hh.shape[1]
    cdef int64_t T = _steps(S, N, counts)
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_jordan_problem problem
    cdef fr_jordan_weights weights
    cdef fr_jordan_backward_args args
    _check_weights[floating](w_ih, w_hh, w_ho, None, None, None)
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (H, I))
    _set_problem(&problem, phi, psi, T, N, I, H, O, _workers(threads))
    expect("y", (y.shape[0], y.shape[1]), (N + S, O))
    expect("h", (h.shape[0], h.shape[1]), (S, H))
    expect("grad_output", (grad_output.shape[0], grad_output.shape[1]), (S, O))
    expect("grad_y_n", (grad_y_n.shape[0], grad_y_n.shape[1]), (N, O))
    if fed is not None:
        expect("fed", (fed.shape[0], fed.shape[1]), (N + S, O))
    dtype = FLOAT64 if is_double else FLOAT32
    shapes = [(S, I), (N, O), (H, I), (H, O), (O, H)]
    cdef list grads = [empty(shape, dtype) for shape in shapes]
    grads += [np.empty(H, dtype), np.empty(O, dtype)] if bias else [None] * 3
    grads[1][...] = grad_y_n
    cdef floating[:, ::1] grad_x = grads[0], grad_y = grads[1], grad_w_ih = grads[2], grad_w_hh = grads[3]
    cdef floating[:, ::1] grad_w_ho = grads[4]
    cdef floating[::1] grad_b = grads[5], grad_b_ho = grads[6]
    _set_weights[floating](&weights, w_ih, w_hh, w_ho, None, None, None)
    args.rows = _rows_of(T, counts)
    args.x, args.y, args.fed, args.h = &x[0, 0], &y[0, 0], &y[0, 0], &h[0, 0]
    if fed is not None:
        args.fed = &fed[0, 0]
    args.grad_output, args.grad_y, args.grad_x = &grad_output[0, 0], &grad_y[0, 0], &grad_x[0, 0]
    args.grad_w_ih, args.grad_w_hh, args.grad_w_ho = &grad_w_ih[0, 0], &grad_w_hh[0, 0], &grad_w_ho[0, 0]
    args.grad_b = args.grad_b_ho = NULL
    if bias:
        args.grad_b, args.grad_b_ho = &grad_b[0], &grad_b_ho[0]
    cdef Reals space = Reals(kernels.jordan_backward_workspace(&problem, &args.rows), is_double)
    args.workspace = space.start
    with nogil:
        kernels.jordan_backward(&problem, &weights, &args)
    if bias:
        grads.insert(6, grads[5].copy())  # b_ih and b_hh are added to the same sum
    return tuple(grads)


# By dtype, for callers who know it: finding out which is meant takes longer than a small problem itself.
FORWARD = {FLOAT32: forward["float"], FLOAT64: forward["double"]}
BACKWARD = {FLOAT32: backward["float"], FLOAT64: backward["double"]}


# ---- step by step ----

cdef class JordanStream:
    """A Jordan network that remembers its last output between calls.

    Takes a snapshot of the weights. Not for use from two threads at once.

    Parameters
    ----------
    phi, psi, w_ih, w_hh, w_ho, b_ih, b_hh, b_ho, isa
        As for `forward`.
    y_0 : ndarray (N, O)
        Where the stream starts.
    """

    cdef fr_jordan_problem problem
    cdef fr_jordan_forward_args args
    cdef const fr_kernels *kernels
    cdef bint is_double
    cdef Reals packed, workspace, y
    cdef int64_t step_in, step_out

    def __init__(self, str phi, str psi, y_0, w_ih, w_hh, w_ho, b_ih, b_hh, b_ho, *, str isa=None):
        self.is_double = y_0.dtype == np.float64
        weights = [
            None if array is None else np.ascontiguousarray(array, dtype=y_0.dtype)
            for array in (w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)]
        N, (H, O) = len(y_0), weights[1].shape
        expect("y_0", y_0.shape, (N, O))
        if N < 1:
            raise ValueError("y_0: expected at least one row, got none")
        kernels = table_of(isa, self.is_double)
        _set_problem(&self.problem, phi, psi, BLOCK, N, weights[0].shape[1], H, O, get_num_threads())
        self.packed = Reals(kernels.jordan_packed_size(&self.problem), self.is_double)
        self.kernels = kernels
        w_ih, w_hh, w_ho, b_ih, b_hh, b_ho = weights
        if self.is_double:
            self._pack[double](w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
        else:
            self._pack[float](w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
        self._start(N, np.ascontiguousarray(y_0))

    cdef object _pack(
        self, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh, const floating[:, ::1] w_ho,
        const floating[::1] b_ih, const floating[::1] b_hh, const floating[::1] b_ho,
    ):
        cdef fr_jordan_weights weights
        _check_weights(w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
        _set_weights(&weights, w_ih, w_hh, w_ho, b_ih, b_hh, b_ho)
        self.kernels.jordan_pack(&self.problem, &weights, self.packed.start)

    cdef object _start(self, int64_t N, y_0):
        cdef int64_t size = 8 if self.is_double else 4
        cdef Buffer start = Buffer(y_0, "y_0", self.is_double, False)
        self.step_in, self.step_out = N * self.problem.inputs * size, N * self.problem.outputs * size
        self.args.rows = _rows_of(BLOCK, None)
        self.y = Reals((BLOCK + 1) * N * self.problem.outputs, self.is_double)
        self.workspace = Reals(self.kernels.jordan_forward_workspace(&self.problem, &self.args.rows), self.is_double)
        memcpy(self.y.start, start.view.buf, start.view.len)
        self.args.y, self.args.fed, self.args.h = self.y.start, self.y.start, NULL
        self.args.workspace, self.args.packed = self.workspace.start, self.packed.start

    cdef void advance(self, int64_t steps, const char *source, char *target) noexcept nogil:
        """Take some steps; x and the output are contiguous."""
        cdef char *y = <char *>self.y.start
        cdef int64_t block
        while steps > 0:
            block = self.args.rows.steps = min(steps, BLOCK)
            self.args.x = source
            self.kernels.jordan_forward(&self.problem, &self.args)
            memcpy(target, y + self.step_out, block * self.step_out)
            memcpy(y, y + block * self.step_out, self.step_out)
            source += block * self.step_in
            target += block * self.step_out
            steps -= block

    def run(self, x, out):
        """Run some steps on from where the stream stands.

        Parameters
        ----------
        x : ndarray (T, N, I), C-contiguous, of the stream's dtype
        out : ndarray (T, N, O), likewise, writable
            The output is written here.
        """
        if self.y is None:
            raise ValueError("this stream was never given its weights: __init__ did not run")
        cdef Buffer x_buffer = Buffer(x, "x", self.is_double, False)
        cdef Buffer out_buffer = Buffer(out, "out", self.is_double, True)
        cdef int64_t steps = x_buffer.view.len // self.step_in
        features = x.shape[-1] == self.problem.inputs and out.shape[-1] == self.problem.outputs
        if not features or x_buffer.view.len != steps * self.step_in or out_buffer.view.len != steps * self.step_out:
            raise ValueError(
                f"x, out: expected shapes (T, {self.problem.rows}, {self.problem.inputs}) and "
                f"(T, {self.problem.rows}, {self.problem.outputs}), got {x.shape} and {out.shape}")
        with nogil:
            self.advance(steps, <const char *>x_buffer.view.buf, <char *>out_buffer.view.buf)

    @property
    def state(self):
        """Return a copy of the last output, (N, O)."""
        y = np.empty((self.problem.rows, self.problem.outputs), dtype=FLOAT64 if self.is_double else FLOAT32)
        cdef Buffer target = Buffer(y, "y", self.is_double, True)
        memcpy(target.view.buf, self.y.start, target.view.len)
        return y

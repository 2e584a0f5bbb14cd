"""Calls of Linear's kernels: y = x Wᵀ + b and its gradients, of any number of rows.

As in _kernels, shapes are checked again here and the GIL is released once a call. Shapes: S rows, I inputs, O outputs.
"""

from fastrnn._csrc cimport (
    fr_kernels, fr_linear_backward_args, fr_linear_forward_args, fr_linear_problem, fr_linear_weights,
)
from fastrnn._kernels cimport Buffer, Reals, _workers, expect, floating, table_of

import numpy as np

from fastrnn._memory import empty
from fastrnn.threads import get_num_threads

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


cdef object _set_problem(
    fr_linear_problem *p, fr_linear_weights *w, Py_ssize_t rows, const floating[:, ::1] weight,
    const floating[::1] bias, int threads,
):
    if weight.shape[0] < 1 or weight.shape[1] < 1:
        raise ValueError(f"weight: expected at least one output and one input, got {weight.shape[0], weight.shape[1]}")
    p.threads, p.eager = abs(threads), threads < 0
    p.rows, p.inputs, p.outputs = rows, weight.shape[1], weight.shape[0]
    w.weight, w.bias = &weight[0, 0], NULL
    if bias is not None:
        if bias.shape[0] != weight.shape[0]:
            expect("bias", (bias.shape[0],), (weight.shape[0],))
        w.bias = &bias[0]


def forward(
    const floating[:, ::1] x not None,
    const floating[:, ::1] weight not None,
    const floating[::1] bias,
    *,
    str isa=None,
    threads=None,
):
    """Return y = x Wᵀ + b.

    Parameters
    ----------
    x : (S, I)
    weight, bias : (O, I), (O,)
        The bias may be None.
    isa, threads
        As for `fastrnn._kernels.forward`.

    Returns
    -------
    ndarray (S, O)
    """
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_linear_problem problem
    cdef fr_linear_weights weights
    cdef fr_linear_forward_args args
    cdef Reals space
    _set_problem[floating](&problem, &weights, x.shape[0], weight, bias, _workers(threads))
    if x.shape[1] != weight.shape[1]:
        expect("x", (x.shape[0], x.shape[1]), (x.shape[0], weight.shape[1]))
    y = empty((x.shape[0], weight.shape[0]), FLOAT64 if is_double else FLOAT32)
    if x.shape[0] == 0:
        return y
    cdef floating[:, ::1] y_view = y
    cdef Py_ssize_t size = kernels.linear_forward_workspace(&problem)
    args.x, args.y, args.packed, args.workspace = &x[0, 0], &y_view[0, 0], NULL, NULL
    if size:
        space = Reals(size, is_double)
        args.workspace = space.start
    with nogil:
        kernels.linear_forward(&problem, &weights, &args)
    return y


def backward(
    const floating[:, ::1] x not None,
    const floating[:, ::1] weight not None,
    bint bias,
    const floating[:, ::1] grad_y not None,
    *,
    str isa=None,
    threads=None,
):
    """Return dx = dy W, dW = dyᵀ x and db = Σ dy.

    Parameters
    ----------
    x, weight
        As given to `forward`.
    bias : bool
        Whether db is wanted.
    grad_y : (S, O)
    isa, threads
        As for `forward`.

    Returns
    -------
    grad_x, grad_weight, grad_bias : ndarray (S, I), (O, I), (O,)
        New arrays; the last is None without a bias.
    """
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_linear_problem problem
    cdef fr_linear_weights weights
    cdef fr_linear_backward_args args
    cdef Py_ssize_t S = x.shape[0], O = weight.shape[0], I = weight.shape[1]
    _set_problem[floating](&problem, &weights, S, weight, None, _workers(threads))
    expect("x", (S, x.shape[1]), (S, I))
    expect("grad_y", (grad_y.shape[0], grad_y.shape[1]), (S, O))
    dtype = FLOAT64 if is_double else FLOAT32
    grad_x, grad_weight = empty((S, I), dtype), empty((O, I), dtype)
    grad_bias = np.empty(O, dtype) if bias else None
    cdef floating[:, ::1] grad_x_view = grad_x, grad_weight_view = grad_weight
    cdef floating[::1] grad_bias_view = grad_bias
    if S == 0:
        grad_weight_view[:, :] = 0
        if bias:
            grad_bias_view[:] = 0
        return grad_x, grad_weight, grad_bias
    args.x, args.grad_y, args.grad_x = &x[0, 0], &grad_y[0, 0], &grad_x_view[0, 0]
    args.grad_weight, args.grad_bias = &grad_weight_view[0, 0], NULL
    if bias:
        args.grad_bias = &grad_bias_view[0]
    cdef Reals space = Reals(kernels.linear_backward_workspace(&problem), is_double)
    args.workspace = space.start
    with nogil:
        kernels.linear_backward(&problem, &weights, &args)
    return grad_x, grad_weight, grad_bias


# By dtype, for callers who know it: finding out which is meant takes longer than a small problem itself.
FORWARD = {FLOAT32: forward["float"], FLOAT64: forward["double"]}
BACKWARD = {FLOAT32: backward["float"], FLOAT64: backward["double"]}


cdef class Packed:
    """A snapshot of weights, packed once for many calls.

    Parameters
    ----------
    weight, bias, isa
        As for `forward`.
    """

    cdef fr_linear_problem problem
    cdef const fr_kernels *kernels
    cdef bint is_double
    cdef Reals packed

    def __init__(self, weight, bias, *, str isa=None):
        self.is_double = weight.dtype == np.float64
        self.kernels = table_of(isa, self.is_double)
        if self.is_double:
            self._pack[double](weight, bias)
        else:
            self._pack[float](weight, bias)

    cdef object _pack(self, const floating[:, ::1] weight, const floating[::1] bias):
        cdef fr_linear_weights weights
        _set_problem[floating](&self.problem, &weights, 1, weight, bias, get_num_threads())
        packed = Reals(self.kernels.linear_packed_size(&self.problem), self.is_double)
        self.kernels.linear_pack(&self.problem, &weights, packed.start)
        self.packed = packed

    def run(self, x, out):
        """Write y = x Wᵀ + b.

        Parameters
        ----------
        x : ndarray (..., I), C-contiguous, of the weights' dtype
        out : ndarray (..., O), likewise, writable
            y is written here.
        """
        if self.packed is None:
            raise ValueError("these weights were never packed: __init__ did not run")
        cdef fr_linear_problem problem = self.problem
        cdef fr_linear_forward_args args
        cdef Buffer x_buffer = Buffer(x, "x", self.is_double, False)
        cdef Buffer out_buffer = Buffer(out, "out", self.is_double, True)
        cdef Py_ssize_t size = 8 if self.is_double else 4
        problem.rows = x_buffer.view.len // (problem.inputs * size)
        if (x.shape[-1:] != (problem.inputs,) or out.shape[-1:] != (problem.outputs,)
                or out_buffer.view.len != problem.rows * problem.outputs * size):
            raise ValueError(
                f"x, out: expected shapes (..., {problem.inputs}) and (..., {problem.outputs}), as many rows in both, "
                f"got {x.shape} and {out.shape}")
        if problem.rows == 0:
            return
        args.x, args.y, args.packed, args.workspace = x_buffer.view.buf, out_buffer.view.buf, self.packed.start, NULL
        with nogil:
            self.kernels.linear_forward(&problem, NULL, &args)

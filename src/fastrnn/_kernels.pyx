"""The only place that calls the cells' kernels on whole sequences, and their tables; what they have in common with
_streams and _jordan.

Arguments have been cast and made contiguous by the layers; their shapes are checked again here, because C
trusts them. The GIL is released once a sequence. Shapes: T steps, N rows (sequences), I inputs, H hidden units,
G gates, S rows of all steps together: T·N, or fewer in a ragged batch, which comes packed (see csrc/fastrnn.h); R
distinct rows of x where it is looked up.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdint cimport int64_t

from fastrnn._csrc cimport (
    fr_team, fr_use_team,
    FR_CELL_COUNT, fr_backward_args, fr_cell, fr_cells, fr_forward_args, fr_isa, fr_isa_count, fr_isa_runs_here,
    fr_isas, fr_kernels, fr_options, fr_problem, fr_weights,
)
from fastrnn._memory cimport Block

import os
from typing import NamedTuple

import numpy as np

from fastrnn._memory import empty
from fastrnn.threads import get_num_threads


# ---- tables, fixed at import ----

class CellInfo(NamedTuple):
    """What a layer must know of a cell."""

    number: int
    gates: int
    states: int
    saves: int


CELLS = {
    fr_cells[i].name.decode(): CellInfo(i, fr_cells[i].gates, fr_cells[i].states, fr_cells[i].saves)
    for i in range(<int>FR_CELL_COUNT)
}
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


cdef const fr_kernels *table_of(str isa, bint is_double) except NULL:
    isa = ISA if isa is None else isa
    if isa not in ISAS:
        raise ValueError(f"isa: expected one of {', '.join(ISAS)}, got {isa!r}")
    cdef const fr_isa *entry = &fr_isas[COMPILED_ISAS.index(isa)]
    return entry.f64 if is_double else entry.f32


# ---- threads ----

def use_team(size_t parallel, size_t number, size_t count):
    """Let the kernels work on another library's threads, or on their own again; see csrc/pool.h.

    Parameters
    ----------
    parallel, number, count : int
        Addresses of functions as OpenMP's GOMP_parallel, omp_get_thread_num and omp_get_num_threads; 0: their own.
    """
    cdef fr_team team
    (<size_t *>&team.parallel)[0], (<size_t *>&team.number)[0], (<size_t *>&team.count)[0] = parallel, number, count
    with nogil:
        fr_use_team(team)


# ---- checks ----

LARGEST = 2**31 - 1  # of any one size; and no product of sizes may leave 64 bits when counted in bytes


cdef object expect(str name, tuple got, tuple expected):
    if got != expected:
        raise ValueError(f"{name}: expected shape {expected}, got {got}")


cdef object cell_of(str name):
    if name not in CELLS:
        raise ValueError(f"cell: expected one of {', '.join(CELLS)}, got {name!r}")
    return CELLS[name]


cdef object check_sizes(int64_t T, int64_t N, int64_t I, int64_t H, object info):
    """Refuse sizes that C could not count with; what passes needs less than 2**62 bytes of workspace."""
    if T < 1:
        raise ValueError("x: expected at least one step, got T = 0")
    if I < 1 or H < 1:
        raise ValueError(f"weights: expected at least one input and one unit, got {I} and {H}")
    if max(T, N, I, info.gates * H) > LARGEST:
        raise ValueError(f"sizes (T, N, I, G*H) = ({T}, {N}, {I}, {info.gates * H}): expected at most {LARGEST} each")
    # Every buffer is smaller than this; the sizes are Python's, which don't overflow.
    slots, width = info.gates + 1, <object>I + <object>H + 64
    if 8 * slots * (H + 64) * (width + max(600, N) + 64) > 2**62 or 8 * <object>T * N * (width + slots * H) > 2**62:
        raise ValueError(f"sizes (T, N, I, H) = ({T}, {N}, {I}, {H}): the work would take more memory than there is")


cdef object check_weights(
    object info, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
):
    cdef int64_t units = w_hh.shape[0]
    expect("weight_hh", (w_hh.shape[0], w_hh.shape[1]), (info.gates * w_hh.shape[1], w_hh.shape[1]))
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (units, w_ih.shape[1]))
    if (b_ih is None) != (b_hh is None):
        raise ValueError("bias_ih, bias_hh: expected both or neither")
    if b_ih is not None:
        expect("bias_ih", (b_ih.shape[0],), (units,))
        expect("bias_hh", (b_hh.shape[0],), (units,))


cdef int64_t _steps(int64_t S, int64_t N, const int64_t[::1] counts) except -1:
    """Return T, after checking that S rows are T steps of N rows, or of the given counts."""
    cdef int64_t t, total = 0, last = N
    if counts is None:
        if N < 1 or S % N:
            raise ValueError(f"x: expected whole steps of N = {N} rows, got {S} rows")
        return S // N
    for t in range(counts.shape[0]):
        if counts[t] > last or counts[t] < 1 or (t == 0 and counts[t] != N):
            raise ValueError(f"counts: expected N = {N} rows in the first step, then as many or fewer, at least 1")
        last = counts[t]
        total += last
    if total != S:
        raise ValueError(f"counts: expected to add up to the {S} rows of x, got {total}")
    return counts.shape[0]


cdef int64_t _distinct(
    const floating[:, ::1] x, const int64_t[::1] x_row, const floating[:, ::1] w_ih
) except -1:
    """Return R, after checking that each of x_row is a row of x, or of the identity if that is None; 0: no lookup."""
    cdef int64_t s, R = w_ih.shape[1] if x is None else x.shape[0]
    if x_row is None:
        if x is None:
            raise ValueError("x: expected an array where there is no x_row, got None")
        return 0
    for s in range(x_row.shape[0]):
        if not 0 <= x_row[s] < R:
            raise ValueError(f"x_row: expected rows from 0 to {R - 1}, got {x_row[s]}")
    return R


cdef int _workers(threads) except 0:
    """Return how many may work; negative: how many must."""
    if threads is None:
        return get_num_threads()
    if threads < 1:
        raise ValueError(f"threads: expected at least 1, got {threads}")
    return -threads


cdef void set_problem(fr_problem *problem, int cell, int threads, int64_t N, int64_t I, int64_t H) noexcept:
    problem.cell, problem.threads, problem.eager = <fr_cell>cell, abs(threads), threads < 0
    problem.rows, problem.inputs, problem.hidden = N, I, H


cdef void set_input(
    fr_problem *problem, const void **to_x, const int64_t **to_row, const floating[:, ::1] x,
    const int64_t[::1] x_row,
) noexcept:
    """Write down x, and how it is looked up, if it is."""
    problem.distinct, problem.one_hot = 0, x is None
    to_x[0], to_row[0] = NULL, NULL
    if x is not None:
        to_x[0] = &x[0, 0]
    if x_row is not None:
        problem.distinct = problem.inputs if x is None else x.shape[0]
        to_row[0] = &x_row[0]


cdef void set_weights(
    fr_weights *w, const floating[:, ::1] w_ih, const floating[:, ::1] w_hh,
    const floating[::1] b_ih, const floating[::1] b_hh,
) noexcept:
    w.w_ih = &w_ih[0, 0]
    w.w_hh = &w_hh[0, 0]
    w.b_ih = w.b_hh = NULL
    if b_ih is not None:
        w.b_ih = &b_ih[0]
        w.b_hh = &b_hh[0]


# ---- buffers ----

cdef class Reals:
    """A scratch buffer of reals, aligned to 64 bytes."""

    def __cinit__(self, int64_t size, bint is_double):
        self.memory = Block(<size_t>size * (8 if is_double else 4))
        self.start = self.memory.start


cdef class Buffer:
    """A C-contiguous buffer of reals of a known type, held while C reads or writes it."""

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


def _array(spare, tuple shape, dtype):
    """Return ``spare`` if it is such an array, else a new one."""
    if spare is not None and spare.shape == shape and spare.dtype == dtype:
        return spare
    return empty(shape, dtype)


FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


# ---- options ----

NO_BOUNDS = (float("inf"), float("inf"))


class Zoneout(NamedTuple):
    """How likely an element of h and of c keeps its old value; drawn from the seed, or expected if that is None."""

    h: float
    c: float
    seed: int | None


cdef object set_options(fr_options *options, zoneout):
    """Write down zoneout; the caller adds what the recurrent multiply takes."""
    options.keep = options.fed = NULL
    options.fed_row = 0
    options.zoneout.rate[0] = options.zoneout.rate[1] = 0
    options.zoneout.draw, options.zoneout.seed = 0, 0
    if zoneout is not None:
        for rate in zoneout[:2]:
            if not 0 <= rate < 1:
                raise ValueError(f"zoneout: expected rates from 0 to below 1, got {zoneout[:2]}")
        options.zoneout.rate[0], options.zoneout.rate[1] = zoneout[0], zoneout[1]
        options.zoneout.draw = zoneout[2] is not None
        options.zoneout.seed = 0 if zoneout[2] is None else zoneout[2]


cdef int64_t row_of(const floating[:, :] array, str name) except -1:
    """Return how many reals lie between the rows of an array; those within a row are contiguous."""
    cdef Py_ssize_t size = sizeof(floating), between = array.strides[0]
    if array.shape[1] != 1 and array.strides[1] != size:
        raise ValueError(f"{name}: expected contiguous rows")
    if between % size or between < array.shape[1] * size:
        raise ValueError(f"{name}: expected rows of whole numbers that do not overlap, got strides {between}")
    return between // size


cdef object begin(floating[:, :] states, const floating[:, ::1] start, const int64_t[::1] counts, bint reverse):
    """Copy initial states to the rows of h, c or fed where sequences begin: see csrc/fastrnn.h."""
    cdef int64_t N = start.shape[0], S = states.shape[0] - N, t, r, row = N, following
    if not reverse:
        states[:N] = start
    elif counts is None:
        states[S:] = start
    else:
        for t in range(counts.shape[0]):
            following = counts[t + 1] if t + 1 < counts.shape[0] else 0
            for r in range(following, counts[t]):
                states[row + r] = start[r]
            row += counts[t]


# ---- sequences ----

def forward(
    str cell,
    const floating[:, ::1] x,
    const floating[:, ::1] h_0 not None,
    const floating[:, ::1] c_0,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    const floating[::1] b_ih,
    const floating[::1] b_hh,
    *,
    bint record,
    object x_row=None,
    object counts=None,
    bint reverse=False,
    object keep=None,
    zoneout=None,
    tuple reuse=(None, None, None, None),
    str isa=None,
    threads=None,
):
    """Run one layer in one direction over a batch of sequences.

    Parameters
    ----------
    cell : str
        A key of ``CELLS``.
    x : (S, I); with x_row (R, I), or None
        Step after step, the rows of one step together.
    h_0, c_0 : (N, H)
        Initial state; ``c_0`` is None for a cell with one state.
    w_ih, w_hh, b_ih, b_hh : (G*H, I), (G*H, H), (G*H,), (G*H,)
        Parameters; the biases may both be None.
    record : bool
        Whether to keep what `backward` needs.
    x_row : (S,) int64, optional
        Which row of x each row takes; x None is the identity matrix, whose rows are one-hot, R = I. The results have
        the bits that they have with ``x[x_row]`` instead, but for the sign of a zero where x is None.
    counts : (T,) int64, optional
        Rows of each step of a ragged batch, whose sequences are sorted, longest first; otherwise all steps have N.
    reverse : bool
        Whether the last step comes first.
    keep : (N, H), optional
        Recurrent dropout: what h is multiplied by on its way into the recurrent multiply.
    zoneout : Zoneout, optional
    reuse : tuple
        Arrays ``h, c, saved, fed`` to write to, if they have the right shapes and dtype. h and fed may be columns of
        wider arrays.
    isa : str, optional
        Another ISA than the one chosen at import; for tests and benchmarks.
    threads : int, optional
        How many work, whatever the size, instead of at most `fastrnn.get_num_threads`; for tests.

    Returns
    -------
    h : ndarray (N+S, H)
        ``h_0`` and then the output; the other way round if reversed (csrc/fastrnn.h says where each row is).
    c : ndarray (N+S, H), (N, H) without record, or None
        All cell states likewise, or each sequence's last one.
    saved : ndarray (S, saves, H) or None
        What the cell keeps for `backward`, if recorded: the activated gates for instance.
    fed : ndarray (N+S, H) or None
        ``keep * h``, if there is a ``keep``.
    """
    info = cell_of(cell)
    cdef int64_t R = _distinct[floating](x, x_row, w_ih), S = len(x_row) if R else x.shape[0]
    cdef int64_t N = h_0.shape[0], I = w_ih.shape[1] if x is None else x.shape[1], H = w_hh.shape[1]
    cdef int64_t T = _steps(S, N, counts)
    check_weights(info, w_ih, w_hh, b_ih, b_hh)
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (info.gates * H, I))
    expect("h_0", (h_0.shape[0], h_0.shape[1]), (N, H))
    check_sizes(T, N, I, H, info)
    if R:
        check_sizes(1, R, I, H, info)  # the table is like one step of R rows
    if (c_0 is None) != (info.states == 1):
        raise ValueError(f"c_0: cell {cell!r} has {info.states} states")
    if c_0 is not None:
        expect("c_0", (c_0.shape[0], c_0.shape[1]), (N, H))
    if keep is not None:
        expect("keep", keep.shape, (N, H))

    dtype = FLOAT64 if floating is double else FLOAT32
    h = _array(reuse[0], (N + S, H), dtype)
    c = saved = fed = None
    begin[floating](h, h_0, counts, reverse)
    if c_0 is not None:
        c = _array(reuse[1], (N + S if record else N, H), dtype)
        begin[floating](c, c_0, counts, reverse and record)
    if record and info.saves:
        saved = _array(reuse[2], (S, info.saves, H), dtype)
    if keep is not None:
        fed = _array(reuse[3], (N + S, H), dtype)
        begin[floating](fed, np.multiply(h_0, keep), counts, reverse)
    _forward[floating](
        info.number, T, N, x, x_row, w_ih, w_hh, b_ih, b_hh, h, c, saved, record, counts, reverse, keep, fed, zoneout,
        isa, _workers(threads))
    return h, c, saved, fed


cdef object _forward(
    int cell, int64_t T, int64_t N, const floating[:, ::1] x, const int64_t[::1] x_row, const floating[:, ::1] w_ih,
    const floating[:, ::1] w_hh, const floating[::1] b_ih, const floating[::1] b_hh,
    floating[:, :] h, floating[:, ::1] c, floating[:, :, ::1] saved, bint record, const int64_t[::1] counts,
    bint reverse, const floating[:, ::1] keep, floating[:, :] fed, zoneout, str isa, int threads,
):
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_problem problem
    cdef fr_weights weights
    cdef fr_forward_args args
    set_problem(&problem, cell, threads, N, w_ih.shape[1], w_hh.shape[1])
    set_input[floating](&problem, &args.x, &args.x_row, x, x_row)
    set_weights(&weights, w_ih, w_hh, b_ih, b_hh)
    args.rows.steps, args.rows.counts, args.rows.reverse = T, NULL, reverse
    if counts is not None:
        args.rows.counts = &counts[0]
    cdef int64_t packed_size = (kernels.packed_size(&problem) + 63) // 64 * 64
    cdef Reals space = Reals(packed_size + kernels.forward_workspace(&problem, &args.rows), is_double)
    args.record = record
    args.h, args.h_row = &h[0, 0], row_of[floating](h, "h")
    args.c = NULL if c is None else &c[0, 0]
    args.saved = NULL if saved is None else &saved[0, 0, 0]
    args.packed, args.workspace = space.start, <floating *>space.start + packed_size
    set_options(&args.options, zoneout)
    args.options.fed, args.options.fed_row = args.h, args.h_row
    if keep is not None:
        args.options.keep = &keep[0, 0]
        args.options.fed, args.options.fed_row = &fed[0, 0], row_of[floating](fed, "fed")
    with nogil:
        kernels.pack(&problem, &weights, space.start)
        kernels.forward(&problem, &args)


def backward(
    str cell,
    const floating[:, ::1] x,
    const floating[:, :] h not None,
    const floating[:, ::1] c,
    const floating[:, :, ::1] saved,
    const floating[:, :] fed,
    const floating[:, ::1] w_ih not None,
    const floating[:, ::1] w_hh not None,
    bint bias,
    const floating[:, :] grad_output not None,
    const floating[:, ::1] grad_h_n not None,
    const floating[:, ::1] grad_c_n,
    *,
    object x_row=None,
    object counts=None,
    bint reverse=False,
    object keep=None,
    zoneout=None,
    object add_to=None,
    bint want_x=True,
    tuple bounds=None,
    tuple norms=None,
    str isa=None,
    threads=None,
):
    """Backpropagation through time, of what `forward` recorded.

    Parameters
    ----------
    cell, x, w_ih, w_hh, x_row, counts, reverse, keep, zoneout
        As given to `forward`.
    h, c, saved, fed
        As `forward` returned them.
    bias : bool
        Whether the layer has biases.
    grad_output : (S, H)
        dE/dh_t from outside the layer; like h it may be columns of a wider array.
    grad_h_n, grad_c_n : (N, H)
        dE/dh and dE/dc through each sequence's final state; ``grad_c_n`` is None for a cell with one state.
    add_to : (S, I) or (R, I), like x, optional
        Where dE/dx is added, instead of being returned as a new array.
    want_x : bool
        Whether to compute dE/dx, a sixth of the work of forward and backward if I = H; otherwise it is None.
    bounds : tuple of float, optional
        The largest norm, for each sequence, that the gradient by h and by c may have that flows from a step back to
        the one before; what is larger is scaled down.
    norms : tuple of (S,), optional
        Where to write those norms, as they were before that.
    isa, threads
        As for `forward`.

    Returns
    -------
    tuple
        ``grad_x, grad_h_0, grad_c_0, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh``, new arrays shaped like what
        they are the gradients of; None where that was None. A row of x that nobody takes has zeros in ``grad_x``.
    """
    info = cell_of(cell)
    cdef int64_t R = _distinct[floating](x, x_row, w_ih), S = len(x_row) if R else x.shape[0]
    cdef int64_t N = grad_h_n.shape[0], I = w_ih.shape[1] if x is None else x.shape[1], H = w_hh.shape[1]
    cdef int64_t T = _steps(S, N, counts)
    check_weights[floating](info, w_ih, w_hh, None, None)
    expect("weight_ih", (w_ih.shape[0], w_ih.shape[1]), (info.gates * H, I))
    check_sizes(T, N, I, H, info)
    if R:
        check_sizes(1, R, I, H, info)  # the table is like one step of R rows
    expect("h", (h.shape[0], h.shape[1]), (N + S, H))
    expect("grad_output", (grad_output.shape[0], grad_output.shape[1]), (S, H))
    expect("grad_h_n", (grad_h_n.shape[0], grad_h_n.shape[1]), (N, H))
    one_state = info.states == 1
    if (c is None) != one_state or (grad_c_n is None) != one_state or (saved is None) != (info.saves == 0):
        raise ValueError(f"c, saved, grad_c_n: not what a recorded forward of cell {cell!r} gives")
    if c is not None:
        expect("c", (c.shape[0], c.shape[1]), (N + S, H))
        expect("grad_c_n", (grad_c_n.shape[0], grad_c_n.shape[1]), (N, H))
    if saved is not None:
        expect("saved", (saved.shape[0], saved.shape[1], saved.shape[2]), (S, info.saves, H))
    if (keep is None) != (fed is None):
        raise ValueError("keep, fed: expected both or neither")
    if keep is not None:
        expect("keep", keep.shape, (N, H))
        expect("fed", (fed.shape[0], fed.shape[1]), (N + S, H))
    if add_to is not None:
        expect("add_to", add_to.shape, (R or S, I))
    if zoneout is not None and zoneout[2] is None:
        raise ValueError("zoneout: expected a seed; there is no going back through expected values")

    dtype = FLOAT64 if floating is double else FLOAT32
    grad_x = None if x is None or not want_x else empty((R or S, I), dtype) if add_to is None else add_to
    grad_h = np.array(grad_h_n, dtype=dtype)
    grad_c = None if grad_c_n is None else np.array(grad_c_n, dtype=dtype)
    grad_w_ih = empty((info.gates * H, I), dtype)
    grad_w_hh = empty((info.gates * H, H), dtype)
    grad_b_ih = np.empty(info.gates * H, dtype=dtype) if bias else None
    grad_b_hh = np.empty(info.gates * H, dtype=dtype) if bias else None
    norms_h, norms_c = norms or (None, None)
    _backward[floating](
        info.number, T, N, x, x_row, h, c, saved, fed, w_ih, w_hh, grad_output,
        grad_x, grad_h, grad_c, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh, counts, reverse, keep, zoneout,
        want_x and add_to is not None, bounds or NO_BOUNDS, norms_h, norms_c, isa, _workers(threads))
    return grad_x, grad_h, grad_c, grad_w_ih, grad_w_hh, grad_b_ih, grad_b_hh


cdef object _backward(
    int cell, int64_t T, int64_t N, const floating[:, ::1] x, const int64_t[::1] x_row, const floating[:, :] h,
    const floating[:, ::1] c, const floating[:, :, ::1] saved, const floating[:, :] fed, const floating[:, ::1] w_ih,
    const floating[:, ::1] w_hh, const floating[:, :] grad_output, floating[:, ::1] grad_x, floating[:, ::1] grad_h,
    floating[:, ::1] grad_c, floating[:, ::1] grad_w_ih, floating[:, ::1] grad_w_hh,
    floating[::1] grad_b_ih, floating[::1] grad_b_hh, const int64_t[::1] counts, bint reverse,
    const floating[:, ::1] keep, zoneout, bint add_to_x, tuple bounds, floating[::1] norms_h, floating[::1] norms_c,
    str isa, int threads,
):
    cdef bint is_double = floating is double
    cdef const fr_kernels *kernels = table_of(isa, is_double)
    cdef fr_problem problem
    cdef fr_weights weights
    cdef fr_backward_args args
    set_problem(&problem, cell, threads, N, w_ih.shape[1], w_hh.shape[1])
    set_input[floating](&problem, &args.x, &args.x_row, x, x_row)
    set_weights[floating](&weights, w_ih, w_hh, None, None)
    args.rows.steps, args.rows.counts, args.rows.reverse = T, NULL, reverse
    if counts is not None:
        args.rows.counts = &counts[0]
    cdef Reals space = Reals(kernels.backward_workspace(&problem, &args.rows), is_double)
    args.h, args.h_row = &h[0, 0], row_of[floating](h, "h")
    args.c = args.saved = NULL  # not by a conditional expression, in which Cython drops the const
    if c is not None:
        args.c = &c[0, 0]
    if saved is not None:
        args.saved = &saved[0, 0, 0]
    args.grad_output, args.grad_output_row = &grad_output[0, 0], row_of[floating](grad_output, "grad_output")
    args.grad_x, args.add_to_x = NULL if grad_x is None else &grad_x[0, 0], add_to_x
    args.grad_h = &grad_h[0, 0]
    args.grad_c = NULL if grad_c is None else &grad_c[0, 0]
    args.grad_w_ih, args.grad_w_hh = &grad_w_ih[0, 0], &grad_w_hh[0, 0]
    args.grad_b_ih = NULL if grad_b_ih is None else &grad_b_ih[0]
    args.grad_b_hh = NULL if grad_b_hh is None else &grad_b_hh[0]
    args.workspace = space.start
    set_options(&args.options, zoneout)
    args.options.fed, args.options.fed_row = <void *>args.h, args.h_row
    if keep is not None:
        args.options.keep = &keep[0, 0]
        args.options.fed, args.options.fed_row = <void *>&fed[0, 0], row_of[floating](fed, "fed")
    args.flow.bound[0], args.flow.bound[1] = bounds
    args.flow.norms[0] = args.flow.norms[1] = NULL
    if norms_h is not None:
        expect("norms", (norms_h.shape[0],), (grad_output.shape[0],))
        args.flow.norms[0] = &norms_h[0]
    if norms_c is not None:
        expect("norms", (norms_c.shape[0],), (grad_output.shape[0],))
        args.flow.norms[1] = &norms_c[0]
    with nogil:
        kernels.backward(&problem, &weights, &args)


# By dtype, for callers who know it: finding out which is meant takes longer than a small problem itself.
FORWARD = {np.dtype(np.float32): forward["float"], np.dtype(np.float64): forward["double"]}
BACKWARD = {np.dtype(np.float32): backward["float"], np.dtype(np.float64): backward["double"]}

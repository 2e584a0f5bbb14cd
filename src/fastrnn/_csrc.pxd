"""What csrc/fastrnn.h declares; see there for every shape."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from "fastrnn.h" nogil:
    ctypedef enum fr_cell:
        FR_CELL_COUNT
    ctypedef struct fr_cell_info:
        const char *name
        int gates
        int states
        int saves
    const fr_cell_info fr_cells[]

    ctypedef struct fr_problem:
        fr_cell cell
        int threads
        int eager
        int64_t rows
        int64_t inputs
        int64_t hidden
        int64_t distinct
        int one_hot
    ctypedef struct fr_weights:
        const void *w_ih
        const void *w_hh
        const void *b_ih
        const void *b_hh
    ctypedef struct fr_rows:
        int64_t steps
        const int64_t *counts
        int reverse
    ctypedef struct fr_zoneout:
        double rate[2]
        int draw
        uint64_t seed
    ctypedef struct fr_options:
        const void *keep
        void *fed
        int64_t fed_row
        fr_zoneout zoneout
    ctypedef struct fr_flow:
        void *norms[2]
        double bound[2]
    ctypedef struct fr_forward_args:
        fr_rows rows
        int record
        const void *x
        const int64_t *x_row
        void *h
        int64_t h_row
        void *c
        void *saved
        void *workspace
        const void *packed
        fr_options options
    ctypedef struct fr_backward_args:
        fr_rows rows
        const void *x
        const int64_t *x_row
        const void *h
        int64_t h_row
        const void *c
        const void *saved
        const void *grad_output
        int64_t grad_output_row
        void *grad_h
        void *grad_c
        void *grad_x
        int add_to_x
        void *grad_w_ih
        void *grad_w_hh
        void *grad_b_ih
        void *grad_b_hh
        void *workspace
        fr_options options
        fr_flow flow

    ctypedef enum fr_function:
        FR_EXP
        FR_TANH
        FR_SIGMOID
        FR_RELU

    ctypedef enum fr_activation:
        FR_ACTIVATION_LINEAR
        FR_ACTIVATION_TANH
        FR_ACTIVATION_SIGMOID
        FR_ACTIVATION_RELU
        FR_ACTIVATION_SOFTMAX
    ctypedef struct fr_jordan_problem:
        fr_activation phi
        fr_activation psi
        int threads
        int eager
        int64_t rows
        int64_t inputs
        int64_t hidden
        int64_t outputs
    ctypedef struct fr_jordan_weights:
        const void *w_ih
        const void *w_hh
        const void *w_ho
        const void *b_ih
        const void *b_hh
        const void *b_ho
    ctypedef struct fr_jordan_forward_args:
        fr_rows rows
        const void *x
        void *y
        const void *fed
        void *h
        void *workspace
        const void *packed
    ctypedef struct fr_jordan_backward_args:
        fr_rows rows
        const void *x
        const void *y
        const void *fed
        const void *h
        const void *grad_output
        void *grad_y
        void *grad_x
        void *grad_w_ih
        void *grad_w_hh
        void *grad_w_ho
        void *grad_b
        void *grad_b_ho
        void *workspace

    ctypedef struct fr_linear_problem:
        int threads
        int eager
        int64_t rows
        int64_t inputs
        int64_t outputs
    ctypedef struct fr_linear_weights:
        const void *weight
        const void *bias
    ctypedef struct fr_linear_forward_args:
        const void *x
        void *y
        const void *packed
        void *workspace
    ctypedef struct fr_linear_backward_args:
        const void *x
        const void *grad_y
        void *grad_x
        void *grad_weight
        void *grad_bias
        void *workspace

    ctypedef struct fr_arrays:
        int threads
        int eager
        int64_t count
        const int64_t *sizes
    ctypedef enum fr_rule:
        FR_SGD
        FR_RMSPROP
        FR_ADAM
    ctypedef struct fr_update_args:
        fr_arrays arrays
        fr_rule rule
        void *const *w
        const void *const *g
        const char *decayed
        const int64_t *offsets
        void *memory[3]
        double rate
        double l2
        double shrink
        double momentum
        double beta1
        double beta2
        double root
        double eps
        int nesterov

    ctypedef struct fr_kernels:
        int lanes
        int64_t packed_size(const fr_problem *) noexcept nogil
        void pack(const fr_problem *, const fr_weights *, void *) noexcept nogil
        int64_t forward_workspace(const fr_problem *, const fr_rows *) noexcept nogil
        void forward(const fr_problem *, const fr_forward_args *) noexcept nogil
        int64_t backward_workspace(const fr_problem *, const fr_rows *) noexcept nogil
        void backward(const fr_problem *, const fr_weights *, const fr_backward_args *) noexcept nogil
        void apply(fr_function, int64_t, const void *, void *) noexcept nogil
        void drop(double, uint64_t, int64_t, int64_t, const void *, void *) noexcept nogil
        void softmax(int64_t, int64_t, const void *, const void *, void *, void *, void *) noexcept nogil
        int64_t multiply_adds(int64_t) noexcept nogil
        int64_t jordan_packed_size(const fr_jordan_problem *) noexcept nogil
        void jordan_pack(const fr_jordan_problem *, const fr_jordan_weights *, void *) noexcept nogil
        int64_t jordan_forward_workspace(const fr_jordan_problem *, const fr_rows *) noexcept nogil
        void jordan_forward(const fr_jordan_problem *, const fr_jordan_forward_args *) noexcept nogil
        int64_t jordan_backward_workspace(const fr_jordan_problem *, const fr_rows *) noexcept nogil
        void jordan_backward(
            const fr_jordan_problem *, const fr_jordan_weights *, const fr_jordan_backward_args *) noexcept nogil
        int64_t linear_packed_size(const fr_linear_problem *) noexcept nogil
        void linear_pack(const fr_linear_problem *, const fr_linear_weights *, void *) noexcept nogil
        int64_t linear_forward_workspace(const fr_linear_problem *) noexcept nogil
        void linear_forward(
            const fr_linear_problem *, const fr_linear_weights *, const fr_linear_forward_args *) noexcept nogil
        int64_t linear_backward_workspace(const fr_linear_problem *) noexcept nogil
        void linear_backward(
            const fr_linear_problem *, const fr_linear_weights *, const fr_linear_backward_args *) noexcept nogil
        void update(const fr_update_args *) noexcept nogil
        int64_t norm_workspace(const fr_arrays *) noexcept nogil
        double norm(const fr_arrays *, const void *const *, double *) noexcept nogil
        void scale(const fr_arrays *, void *const *, double) noexcept nogil
        void clamp(const fr_arrays *, void *const *, double) noexcept nogil
    ctypedef struct fr_isa:
        const char *name
        const fr_kernels *f32
        const fr_kernels *f64
    const fr_isa fr_isas[]
    const int fr_isa_count
    int fr_isa_runs_here(int)

    uint64_t fr_fingerprint(const void *, size_t, uint64_t)

cdef extern from "pool.h" nogil:
    ctypedef struct fr_team:
        void (*parallel)(void (*member)(void *) noexcept nogil, void *, unsigned int, unsigned int) noexcept nogil
        int (*number)() noexcept nogil
        int (*count)() noexcept nogil
    void fr_use_team(fr_team team)

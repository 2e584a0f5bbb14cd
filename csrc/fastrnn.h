/* The C contract between the kernels and whoever calls them (_kernels.pyx).
 *
 * No allocation, no I/O, no failure, and no state but the threads of pool.c. The caller has checked every shape, owns
 * every buffer and passes a workspace of the size that the kernel asked for.
 *
 * T steps, N rows (sequences of the batch), I inputs, H hidden units, G gates of the cell; S rows of all steps
 * together (T·N, or fewer in a ragged batch). All arrays are C-contiguous, of the table's element type (`real`: float
 * or double), and none overlap unless the comment says so. "in" is read only; "out" need not be initialised; "in/out"
 * must be.
 *
 * A ragged batch comes sorted, longest sequence first, and packed: step t has counts[t] rows, the first so many
 * sequences, and its rows follow those of step t-1 immediately.
 *
 * States (h, c) have N+S rows: place 0, of N rows, stands before step 0, and place t+1, of as many rows as step t,
 * behind step t. Forwards in time, step t leads from place t to place t+1; each sequence begins in place 0, and the
 * output of step t is in place t+1. Reversed, step t leads from place t+1 to place t; a sequence of L steps begins in
 * place L, and the output of step t is in place t, the first counts[t] rows of it.
 *
 * Where the S inputs are only R distinct ones, such as vectors of ids, these may be given once, as a table [R, I] and
 * the row of it that each of the S rows takes. The input's part of z is then computed for R rows and looked up, and
 * its gradients are those of R rows. One-hot inputs are the rows of the identity matrix, which nobody writes down:
 * R = I, x is NULL, and nothing is multiplied at all.
 */
#ifndef FASTRNN_H
#define FASTRNN_H

#include <stddef.h>
#include <stdint.h>

#include "cells/table.h"

/* The cells, in the order of cells/table.h: FR_CELL_rnn_tanh, ... */
typedef enum {
#define FR_CELL_ID(name, ...) FR_CELL_##name,
    FR_CELLS(FR_CELL_ID)
#undef FR_CELL_ID
        FR_CELL_COUNT
} fr_cell;

enum { FR_SLOTS = 4, FR_PHASES = 2 }; /* at most */

/* Slot first + i of a unit is fed by rows gate[i]·H and following of a weight matrix, i < width. */
typedef struct {
    int first, width, gate[FR_SLOTS];
} fr_window;

typedef struct {
    const char *name;
    int gates;  /* G: blocks of H rows in weight_ih and weight_hh */
    int states; /* 1: h; 2: h and c */
    int slots;  /* pre-activations of a unit */
    int saves;  /* of them kept for backward: all or none */
    int phases; /* recurrent multiplies of a step, each followed by an epilogue */
    fr_window x, h[FR_PHASES];
} fr_cell_info;

extern const fr_cell_info fr_cells[FR_CELL_COUNT];

/* The shape of one layer in one direction, and what decides how it is computed. */
typedef struct {
    fr_cell cell;
    int threads;      /* at most so many, >= 1; changes no bit of any result */
    int eager;        /* so many even where the work is not worth it: for tests */
    int64_t rows;     /* N >= 1 */
    int64_t inputs;   /* I >= 1 */
    int64_t hidden;   /* H >= 1 */
    int64_t distinct; /* R >= 1: x is looked up in so many rows; 0: it is not */
    int one_hot;      /* these are the rows of the identity matrix: R = I */
} fr_problem;

/* Parameters as PyTorch lays them out; gates one after another along the first axis. */
typedef struct {
    const void *w_ih; /* [G*H, I] in */
    const void *w_hh; /* [G*H, H] in */
    const void *b_ih; /* [G*H] in, or NULL: no bias */
    const void *b_hh; /* [G*H] in, or NULL: no bias */
} fr_weights;

/* Which rows there are. */
typedef struct {
    int64_t steps;         /* T >= 1 */
    const int64_t *counts; /* [T] in: rows of each step, N = counts[0] >= counts[1] >= ... >= 1; NULL: all N */
    int reverse;           /* the last step comes first */
} fr_rows;

/* Zoneout (Krueger et al. 2017): with some probability an element of a state keeps its old value. */
typedef struct {
    double rate[2]; /* of h and of c: 0 <= rate < 1 */
    int draw; /* 1: drawn for each element by masks.h, from its row among S and its unit; 0: the expected value */
    uint64_t seed; /* of h; that of c is one more */
} fr_zoneout;

/* What a recurrent multiply takes, and what else is done to the states. `fed` is h itself where keep is NULL. */
typedef struct {
    const void *keep; /* [N, H] in: recurrent dropout (Gal & Ghahramani 2016): fed = keep ∘ h; NULL: none */
    void *fed;        /* [N+S, H]: forward: rows where sequences begin in, others out; backward: in */
    int64_t fed_row;  /* from one row of fed to the next, >= H */
    fr_zoneout zoneout;
} fr_options;

typedef struct {
    fr_rows rows;
    int record;           /* keep what backward needs */
    const void *x;        /* [S, I] in; looked up: [R, I]; one-hot: NULL */
    const int64_t *x_row; /* [S] in: 0 <= x_row[s] < R is the row of x that row s takes; NULL: not looked up */
    void *h;              /* [N+S, H] rows where sequences begin in: h_0; the others out */
    int64_t h_row;        /* from one row of h to the next, >= H */
    void *c;              /* record: [N+S, H], likewise;
                             otherwise [N, H] in/out: c_0, then each sequence's last. NULL where the cell has one state */
    void *saved;          /* record, and the cell saves: [S, saves, H] out; otherwise NULL */
    void *workspace;      /* forward_workspace(problem, rows) reals, aligned to 64 bytes, out */
    const void *packed;   /* packed_size(problem) reals that pack() wrote from the same weights, in */
    fr_options options;
} fr_forward_args;

/* The gradient by the state that a step began with, before that of any earlier step's output is added; [0]: h, [1]:
 * c.
 */
typedef struct {
    void *norms[2];  /* [S] out: its 2-norm, for each row, before clipping; NULL: not wanted */
    double bound[2]; /* a larger norm is scaled down to this; infinite: never */
} fr_flow;

typedef struct {
    fr_rows rows;
    const void *x;           /* [S, I] in; looked up: [R, I]; one-hot: NULL */
    const int64_t *x_row;    /* [S] in, as in forward */
    const void *h;           /* [N+S, H] in, as forward left it */
    int64_t h_row;           /* from one row of h to the next, >= H */
    const void *c;           /* [N+S, H] in, or NULL where the cell has one state */
    const void *saved;       /* [S, saves, H] in, or NULL where the cell saves none */
    const void *grad_output; /* [S, H] in: dE/dh_t from outside the layer */
    int64_t grad_output_row; /* from one row of it to the next, >= H */
    void *grad_h;            /* [N, H] in/out: dE/d(each sequence's last h), then dE/dh_0 */
    void *grad_c;            /* [N, H] in/out likewise for c; NULL where the cell has one state */
    void *grad_x;            /* like x, out, or in/out if add_to_x; NULL: not wanted, or x is one-hot */
    int add_to_x;            /* dE/dx is added to what is there */
    void *grad_w_ih;         /* [G*H, I] out */
    void *grad_w_hh;         /* [G*H, H] out */
    void *grad_b_ih;         /* [G*H] out; NULL: no bias */
    void *grad_b_hh;         /* [G*H] out; NULL: no bias */
    void *workspace;         /* backward_workspace(problem, rows) reals, aligned to 64 bytes, out */
    fr_options options;      /* as in forward; zoneout drawn, if any */
    fr_flow flow;
} fr_backward_args;

typedef enum { FR_EXP, FR_TANH, FR_SIGMOID, FR_RELU, FR_FUNCTION_COUNT } fr_function;

/* ---- Jordan's network (jordan.h): the memory is the output; O outputs ---- */

typedef enum {
    FR_ACTIVATION_LINEAR,
    FR_ACTIVATION_TANH,
    FR_ACTIVATION_SIGMOID,
    FR_ACTIVATION_RELU,
    FR_ACTIVATION_SOFTMAX
} fr_activation;

typedef struct {
    fr_activation phi; /* of the hidden units: tanh, sigmoid or relu */
    fr_activation psi; /* of the outputs: linear, tanh, sigmoid or softmax */
    int threads, eager;
    int64_t rows, inputs, hidden, outputs; /* N, I, H, O, each >= 1 */
} fr_jordan_problem;

typedef struct {
    const void *w_ih; /* [H, I] in */
    const void *w_hh; /* [H, O] in: from the output fed back */
    const void *w_ho; /* [O, H] in */
    const void *b_ih; /* [H] in, or NULL: no bias */
    const void *b_hh; /* [H] in, or NULL likewise */
    const void *b_ho; /* [O] in, or NULL likewise */
} fr_jordan_weights;

typedef struct {
    fr_rows rows;
    const void *x;      /* [S, I] in */
    void *y;            /* [N+S, O] first N rows in: y_0; then S rows out: the output */
    const void *fed;    /* [N+S, O] in: y_0, then what is fed back instead of the output; y itself: the output is */
    void *h;            /* record: [S, H] out; otherwise NULL */
    void *workspace;    /* jordan_forward_workspace(problem, rows) reals, aligned to 64 bytes, out */
    const void *packed; /* jordan_packed_size(problem) reals that jordan_pack() wrote from the same weights, in */
} fr_jordan_forward_args;

typedef struct {
    fr_rows rows;
    const void *x;           /* [S, I] in */
    const void *y, *fed;     /* [N+S, O] in, as forward left them; fed != y: a constant */
    const void *h;           /* [S, H] in */
    const void *grad_output; /* [S, O] in: dE/dy_t from outside the layer */
    void *grad_y;            /* [N, O] in/out: dE/d(each sequence's last y), then dE/dy_0 */
    void *grad_x;            /* [S, I] out */
    void *grad_w_ih;         /* [H, I] out */
    void *grad_w_hh;         /* [H, O] out */
    void *grad_w_ho;         /* [O, H] out */
    void *grad_b;            /* [H] out: of b_ih and of b_hh alike; NULL: no bias */
    void *grad_b_ho;         /* [O] out; NULL: no bias */
    void *workspace;         /* jordan_backward_workspace(problem, rows) reals, aligned to 64 bytes, out */
} fr_jordan_backward_args;

/* ---- Linear (linear.h): a dense layer of S rows, I inputs, O outputs ---- */

typedef struct {
    int threads, eager;
    int64_t rows, inputs, outputs; /* S, I, O, each >= 1 */
} fr_linear_problem;

typedef struct {
    const void *weight; /* [O, I] in */
    const void *bias;   /* [O] in, or NULL: no bias */
} fr_linear_weights;

typedef struct {
    const void *x; /* [S, I] in */
    void *y;       /* [S, O] out */
    /* linear_packed_size(problem) reals that linear_pack() wrote for any S, in; the weights are not read then. NULL:
     * not packed yet */
    const void *packed;
    void *workspace; /* linear_forward_workspace(problem) reals, aligned to 64 bytes, out; unused if packed */
} fr_linear_forward_args;

typedef struct {
    const void *x;      /* [S, I] in */
    const void *grad_y; /* [S, O] in */
    void *grad_x;       /* [S, I] out */
    void *grad_weight;  /* [O, I] out */
    void *grad_bias;    /* [O] out; NULL: no bias */
    void *workspace;    /* linear_backward_workspace(problem) reals, aligned to 64 bytes, out */
} fr_linear_backward_args;

/* ---- optimisers (optimizers.h) and clipping (clipping.h): some arrays, gone through as if they were one ---- */

typedef struct {
    int threads, eager; /* as in fr_problem */
    int64_t count;
    const int64_t *sizes; /* [count] in: elements of each, >= 0 */
} fr_arrays;

typedef enum { FR_SGD, FR_RMSPROP, FR_ADAM } fr_rule;

enum { FR_MEMORIES = 3 }; /* at most, of a parameter */

typedef struct {
    fr_arrays arrays; /* the parameters */
    fr_rule rule;
    void *const *w;         /* [count] arrays in/out */
    const void *const *g;   /* [count] arrays in: dE/dw */
    const char *decayed;    /* [count] in: 0: l2 and shrink are not for this one */
    const int64_t *offsets; /* [count] in: where each array's part of a memory begins */
    /* all arrays' parts one after another, in/out, zero before the first step; NULL: the rule needs none
     * SGD: velocity (with momentum); RMSprop: mean square, mean (centred), velocity (with momentum); Adam: m, v */
    void *memory[FR_MEMORIES];
    double rate, l2, shrink, momentum, beta1, beta2, root, eps; /* what the rule's equations name, otherwise unread */
    int nesterov;
} fr_update_args;

/* What one ISA offers for one element type. Sizes are in reals. */
typedef struct {
    int lanes; /* elements in one vector */
    int64_t (*packed_size)(const fr_problem *);
    void (*pack)(const fr_problem *, const fr_weights *, void *packed);
    int64_t (*forward_workspace)(const fr_problem *, const fr_rows *);
    void (*forward)(const fr_problem *, const fr_forward_args *);
    int64_t (*backward_workspace)(const fr_problem *, const fr_rows *);
    void (*backward)(const fr_problem *, const fr_weights *, const fr_backward_args *);
    /* y[n] = function(x[n]); y may be x. */
    void (*apply)(fr_function, int64_t n, const void *x, void *y);
    /* Dropout: y = 0 where dropped, else x / (1 - rate), [rows, columns] both; 0 <= rate < 1. See masks.h. y may be
     * x. */
    void (*drop)(double rate, uint64_t seed, int64_t rows, int64_t columns, const void *x, void *y);
    /* y = scale ∘ softmax(z), [rows, classes] both, row by row; y may be z. scale [rows] in, NULL: 1. largest [rows]
     * and sums [rows] out: of each row the largest element m and Σ e^(z - m). classes >= 1. */
    void (*softmax)(int64_t rows, int64_t classes, const void *z, const void *scale, void *y, void *largest,
                    void *sums);
    /* Multiply-add in registers alone, `rounds` times: the most that this CPU can do. Returns how many floating-point
     * operations that were. */
    int64_t (*multiply_adds)(int64_t rounds);
    int64_t (*jordan_packed_size)(const fr_jordan_problem *);
    void (*jordan_pack)(const fr_jordan_problem *, const fr_jordan_weights *, void *packed);
    int64_t (*jordan_forward_workspace)(const fr_jordan_problem *, const fr_rows *);
    void (*jordan_forward)(const fr_jordan_problem *, const fr_jordan_forward_args *);
    int64_t (*jordan_backward_workspace)(const fr_jordan_problem *, const fr_rows *);
    void (*jordan_backward)(const fr_jordan_problem *, const fr_jordan_weights *, const fr_jordan_backward_args *);
    int64_t (*linear_packed_size)(const fr_linear_problem *);
    void (*linear_pack)(const fr_linear_problem *, const fr_linear_weights *, void *packed);
    int64_t (*linear_forward_workspace)(const fr_linear_problem *);
    void (*linear_forward)(const fr_linear_problem *, const fr_linear_weights *, const fr_linear_forward_args *);
    int64_t (*linear_backward_workspace)(const fr_linear_problem *);
    void (*linear_backward)(const fr_linear_problem *, const fr_linear_weights *, const fr_linear_backward_args *);
    /* One step of an optimiser. No two of the arrays may overlap. */
    void (*update)(const fr_update_args *);
    /* The Euclidean norm of all elements; the workspace has norm_workspace doubles, out. */
    int64_t (*norm_workspace)(const fr_arrays *);
    double (*norm)(const fr_arrays *, const void *const *x, double *workspace);
    /* x = factor · x, and x = min(max(x, -limit), limit), in place; NaN stays NaN. */
    void (*scale)(const fr_arrays *, void *const *x, double factor);
    void (*clamp)(const fr_arrays *, void *const *x, double limit);
} fr_kernels;

typedef struct {
    const char *name;
    const fr_kernels *f32;
    const fr_kernels *f64;
} fr_isa;

/* dispatch.c: the ISAs compiled in, slowest first, and whether this CPU and its system run one. */
extern const fr_isa fr_isas[];
extern const int fr_isa_count;
int fr_isa_runs_here(int index);

/* A 64-bit digest of n bytes, to notice that parameters changed; not against an adversary. */
uint64_t fr_fingerprint(const void *data, size_t bytes, uint64_t seed);

#endif

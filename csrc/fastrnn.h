/* The C contract between the kernels and whoever calls them (_kernels.pyx).
 *
 * Everything here is pure: no allocation, no I/O, no state that changes, no failure. The caller has
 * checked every shape, owns every buffer and passes a workspace of the size that the kernel asked for.
 *
 * T steps, N rows (sequences of the batch), I inputs, H hidden units, G gates of the cell.
 * All arrays are C-contiguous, of the table's element type (`real`: float or double), and none overlap
 * unless the comment says so. "in" is read only; "out" need not be initialised; "in/out" must be.
 */
#ifndef FASTRNN_H
#define FASTRNN_H

#include <stddef.h>
#include <stdint.h>

#include "cells/table.h"

/* The cells, in the order of cells/table.h: FR_CELL_rnn_tanh, ... */
typedef enum {
#define FR_CELL_ID(name, gates, states, saves_gates) FR_CELL_##name,
    FR_CELLS(FR_CELL_ID)
#undef FR_CELL_ID
        FR_CELL_COUNT
} fr_cell;

typedef struct {
    const char *name;
    int gates;       /* G: blocks of H rows in weight_ih and weight_hh */
    int states;      /* 1: h; 2: h and c */
    int saves_gates; /* whether backward reads the activated gates */
} fr_cell_info;

extern const fr_cell_info fr_cells[FR_CELL_COUNT];

/* Row-major C[m,n] = op(A)[m,k] · op(B)[k,n] + (accumulate ? C : 0); op transposes where the flag is set.
 * lda, ldb, ldc are the row lengths of the matrices as stored. */
typedef void (*fr_gemm)(int trans_a, int trans_b, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                        const void *b, int64_t ldb, int accumulate, void *c, int64_t ldc);

/* Which code multiplies: the choice by shape, or one of the two whatever the shape, to compare them. */
typedef enum { FR_MULTIPLY_AUTO, FR_MULTIPLY_SMALL, FR_MULTIPLY_BLAS } fr_multiply;

/* The shape of one layer in one direction. The choice of who multiplies depends on this and
 * never on T, so that a stream and a whole sequence go the same way. */
typedef struct {
    fr_cell cell;
    fr_multiply multiply;
    int64_t rows;   /* N >= 1 */
    int64_t inputs; /* I >= 1 */
    int64_t hidden; /* H >= 1 */
    fr_gemm gemm;   /* BLAS of the table's element type, for the large multiplies */
} fr_problem;

/* Parameters as PyTorch lays them out; gates one after another along the first axis. */
typedef struct {
    const void *w_ih; /* [G*H, I] in */
    const void *w_hh; /* [G*H, H] in */
    const void *b_ih; /* [G*H] in, or NULL: no bias */
    const void *b_hh; /* [G*H] in, or NULL: no bias */
} fr_weights;

typedef struct {
    int64_t steps;      /* T >= 1 */
    int record;         /* keep what backward needs */
    const void *x;      /* [T, N, I] in */
    void *h;            /* [T+1, N, H] slot 0 in: h_0; slots 1..T out: the output */
    void *c;            /* record: [T+1, N, H], slot 0 in: c_0, slots 1..T out;
                           otherwise [N, H] in/out: c_0, then c_T. NULL where the cell has one state */
    void *gates;        /* record and saves_gates: [T, N, G*H] out: activated gates; otherwise NULL */
    void *workspace;    /* forward_workspace(problem, T, record) reals, aligned to 64 bytes, out */
    const void *packed; /* packed_size(problem) reals that pack() wrote from the same weights, in */
} fr_forward_args;

typedef struct {
    int64_t steps;           /* T >= 1 */
    const void *x;           /* [T, N, I] in */
    const void *h;           /* [T+1, N, H] in, as forward left it */
    const void *c;           /* [T+1, N, H] in, or NULL where the cell has one state */
    const void *gates;       /* [T, N, G*H] in, or NULL where the cell saves none */
    const void *grad_output; /* [T, N, H] in: dE/dh_t from outside the layer */
    void *grad_h;            /* [N, H] in/out: dE/dh_T from the final state, then dE/dh_0 */
    void *grad_c;            /* [N, H] in/out likewise for c; NULL where the cell has one state */
    void *grad_x;            /* [T, N, I] out */
    void *grad_w_ih;         /* [G*H, I] in/out: added to */
    void *grad_w_hh;         /* [G*H, H] in/out: added to */
    void *grad_b_ih;         /* [G*H] in/out: added to; NULL: no bias */
    void *grad_b_hh;         /* [G*H] in/out: added to; NULL: no bias */
    void *workspace;         /* backward_workspace(problem, T) reals, aligned to 64 bytes, out */
} fr_backward_args;

typedef enum { FR_EXP, FR_TANH, FR_SIGMOID, FR_RELU, FR_FUNCTION_COUNT } fr_function;

/* What one ISA offers for one element type. Sizes are in reals. */
typedef struct {
    int lanes; /* elements in one vector */
    int64_t (*packed_size)(const fr_problem *);
    void (*pack)(const fr_problem *, const fr_weights *, void *packed);
    int64_t (*forward_workspace)(const fr_problem *, int64_t steps, int record);
    void (*forward)(const fr_problem *, const fr_weights *, const fr_forward_args *);
    int64_t (*backward_workspace)(const fr_problem *, int64_t steps);
    void (*backward)(const fr_problem *, const fr_weights *, const fr_backward_args *);
    /* y[n] = function(x[n]); y may be x. */
    void (*apply)(fr_function, int64_t n, const void *x, void *y);
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

/* The time loops, forward and BPTT, written once for every cell.
 *
 * A step is a multiply and then the cell's epilogue:
 *     z_t = b + W_ih x_t + W_hh h_{t-1};   h_t (c_t) = cell(z_t)
 * and backwards the epilogue and then a multiply:
 *     dz_t = cell'(dE/dh_t, dE/dc_t);      dE/dh_{t-1} = dz_t W_hh
 * The input's part of z and all sums over time (dW, db, dx) are done for a chunk of steps at once.
 */
#ifndef FASTRNN_SEQUENCE_H
#define FASTRNN_SEQUENCE_H

#include <string.h>

#include "cells/epilogue.h"
#include "fastrnn.h"
#include "multiply.h"

/* ---- choices by shape ---- */

/* Whether the multiplies run on the small multiply rather than on BLAS: where BLAS's calls and repacking (and, in
 * OpenBLAS, the waking of threads) cost more than its better blocking gains. Without vectors that is only where
 * BLAS has nothing to reuse. Decided by benchmarks/choose_multiply.py with as many inputs as units; where they differ
 * the larger counts, which was not measured further. */
static int multiplies_are_small(const fr_problem *p) {
    if (p->multiply != FR_MULTIPLY_AUTO) return p->multiply == FR_MULTIPLY_SMALL;
    const int64_t size = p->hidden > p->inputs ? p->hidden : p->inputs;
    if (LANES == 1) return p->rows == 1 && size <= 192;
    return size <= (p->rows <= 4 ? 512 : p->rows <= 8 ? 192 : 96);
}

/* Rows of a chunk: enough for a multiply to be worth blocking, few enough that z of the chunk stays in L2. */
enum { CHUNK_ROWS = 256 };

INLINE int64_t chunk_steps(const fr_problem *p, int64_t steps) {
    const int64_t chunk = p->rows >= CHUNK_ROWS ? 1 : CHUNK_ROWS / p->rows;
    return chunk < steps ? chunk : steps;
}

/* C[m, n] += op(A)[m, k] B[k, n], row-major, op transposing if asked to; on the small multiply or on BLAS */
static void add_product(const fr_problem *p, int trans_a, int64_t m, int64_t n, int64_t k, const real *a,
                        const real *b, real *c) {
    const int64_t lda = trans_a ? m : k;
    if (multiplies_are_small(p))
        multiply_small(m, n, (operands){a, b, c, k, trans_a ? 1 : lda, trans_a ? lda : 1, n, n});
    else
        p->gemm(trans_a, 0, m, n, k, a, lda, b, n, 1, c, n);
}

/* C[m, n] += A[m, k] W[n, k]ᵀ; the small multiply takes Wᵀ, which pack() made */
static void add_product_with_weights(const fr_problem *p, int64_t m, int64_t n, int64_t k, const real *a,
                                     const real *w, const real *w_transposed, real *c) {
    if (multiplies_are_small(p))
        add_product(p, 0, m, n, k, a, w_transposed, c);
    else
        p->gemm(0, 1, m, n, k, a, k, w, k, 1, c, n);
}

/* ---- shapes ---- */

INLINE int64_t gate_units(const fr_problem *p) { return fr_cells[p->cell].gates * p->hidden; } /* G·H */

/* ---- packed weights: [bias G·H], then for the small multiply [W_ihᵀ I, G·H] [W_hhᵀ H, G·H] ---- */

static int64_t packed_size(const fr_problem *p) {
    const int64_t rows = 1 + (multiplies_are_small(p) ? p->inputs + p->hidden : 0);
    return rows * gate_units(p);
}

static void transpose(int64_t rows, int64_t columns, const real *a, real *at) {
    enum { BLOCK = 16 }; /* in blocks, or every write would touch another page */
    for (int64_t r0 = 0; r0 < rows; r0 += BLOCK)
        for (int64_t c0 = 0; c0 < columns; c0 += BLOCK)
            for (int64_t c = c0; c < columns && c < c0 + BLOCK; c++)
                for (int64_t r = r0; r < rows && r < r0 + BLOCK; r++) at[c * rows + r] = a[r * columns + c];
}

static void pack(const fr_problem *p, const fr_weights *w, void *packed) {
    const int64_t units = gate_units(p);
    const real *b_ih = w->b_ih, *b_hh = w->b_hh;
    real *bias = packed;
    for (int64_t j = 0; j < units; j++) bias[j] = b_ih ? b_ih[j] + b_hh[j] : 0;
    if (!multiplies_are_small(p)) return;
    transpose(units, p->inputs, w->w_ih, bias + units);
    transpose(units, p->hidden, w->w_hh, bias + units * (1 + p->inputs));
}

/* ---- forward ---- */

static int64_t forward_workspace(const fr_problem *p, int64_t steps, int record) {
    if (record && fr_cells[p->cell].saves_gates) return 0; /* z lives in the tape */
    return chunk_steps(p, steps) * p->rows * gate_units(p);
}

/* z[rows, G·H] = bias, in every row */
static void start_with_bias(int64_t rows, int64_t units, const real *bias, real *z) {
    for (int64_t r = 0; r < rows; r++) memcpy(z + r * units, bias, (size_t)units * sizeof(real));
}

static void forward(const fr_problem *p, const fr_weights *w, const fr_forward_args *args) {
    const int64_t N = p->rows, I = p->inputs, H = p->hidden, units = gate_units(p), state = N * H;
    const real *bias = args->packed, *w_ih_transposed = bias + units, *w_hh_transposed = w_ih_transposed + I * units;
    const int64_t chunk = chunk_steps(p, args->steps);
    const int64_t c_step = args->record ? state : 0; /* without a tape c is updated in place */
    const forward_epilogue epilogue = forward_epilogues[p->cell];
    const real *x = args->x;
    real *h = args->h, *c = args->c;
    for (int64_t t0 = 0; t0 < args->steps; t0 += chunk) {
        const int64_t steps = chunk < args->steps - t0 ? chunk : args->steps - t0;
        real *z = args->gates ? (real *)args->gates + t0 * N * units : args->workspace;
        start_with_bias(steps * N, units, bias, z);
        add_product_with_weights(p, steps * N, units, I, x + t0 * N * I, w->w_ih, w_ih_transposed, z);
        for (int64_t t = t0; t < t0 + steps; t++, z += N * units) {
            add_product_with_weights(p, N, units, H, h + t * state, w->w_hh, w_hh_transposed, z);
            for (int64_t r = 0; r < N; r++) {
                forward_row row = {.h = h + (t + 1) * state + r * H};
                if (c) {
                    row.c_prev = c + t * c_step + r * H;
                    row.c = c + t * c_step + c_step + r * H;
                }
                epilogue(H, z + r * units, H, row);
            }
        }
    }
}

/* ---- backward ---- */

static int64_t backward_workspace(const fr_problem *p, int64_t steps) {
    return chunk_steps(p, steps) * p->rows * gate_units(p); /* dz of one chunk */
}

static void add_column_sums(int64_t rows, int64_t columns, const real *a, real *sums) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j++) sums[j] += a[r * columns + j];
}

/* The sums over the rows (steps × batch) of one chunk:
 *     dW_ih += dzᵀ x     dW_hh += dzᵀ h_prev     db += Σ dz     and     dx = dz W_ih */
static void accumulate(const fr_problem *p, const fr_weights *w, const fr_backward_args *args, int64_t first_row,
                       int64_t rows, const real *dz) {
    const int64_t units = gate_units(p), I = p->inputs, H = p->hidden;
    const real *x = (const real *)args->x + first_row * I;
    const real *h_prev = (const real *)args->h + first_row * H; /* slot t holds h_{t-1} */
    real *dx = (real *)args->grad_x + first_row * I;
    add_product(p, 1, units, I, rows, dz, x, args->grad_w_ih);
    add_product(p, 1, units, H, rows, dz, h_prev, args->grad_w_hh);
    memset(dx, 0, (size_t)(rows * I) * sizeof(real));
    add_product(p, 0, rows, I, units, dz, w->w_ih, dx);
    if (!args->grad_b_ih) return;
    add_column_sums(rows, units, dz, args->grad_b_ih);
    add_column_sums(rows, units, dz, args->grad_b_hh);
}

static void backward(const fr_problem *p, const fr_weights *w, const fr_backward_args *args) {
    const int64_t N = p->rows, H = p->hidden, units = gate_units(p), state = N * H;
    const int64_t chunk = chunk_steps(p, args->steps);
    const backward_epilogue epilogue = backward_epilogues[p->cell];
    const real *h = args->h, *c = args->c, *gates = args->gates, *dy = args->grad_output;
    real *dh = args->grad_h, *dc = args->grad_c, *dz_chunk = args->workspace;
    for (int64_t end = args->steps; end > 0; end -= chunk) {
        const int64_t start = end > chunk ? end - chunk : 0;
        for (int64_t t = end - 1; t >= start; t--) {
            real *dz = dz_chunk + (t - start) * N * units;
            for (int64_t r = 0; r < N; r++) {
                const int64_t now = (t + 1) * state + r * H, before = now - state;
                backward_row row = {.h = h + now, .dy = dy + before, .dh = dh + r * H};
                if (c) row.c = c + now, row.c_prev = c + before, row.dc = dc + r * H;
                if (gates) row.gates = gates + (t * N + r) * units;
                epilogue(H, dz + r * units, H, row);
            }
            memset(dh, 0, (size_t)state * sizeof(real));
            add_product(p, 0, N, H, units, dz, w->w_hh, dh);
        }
        accumulate(p, w, args, start * N, (end - start) * N, dz_chunk);
    }
}

#endif

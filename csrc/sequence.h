/* The time loops, forward and BPTT, written once for every cell.
 *
 * A step is a multiply and then the cell's epilogue:
 *     z_t = b + W_ih x_t + W_hh h_{t-1};   h_t (c_t) = cell(z_t)
 * and backwards the epilogue and then a multiply:
 *     dz_t = cell'(dE/dh_t, dE/dc_t);      dE/dh_{t-1} = dz_tᵀ W_hh
 * The input's part of z and all sums over time (dW, db, dx) are done for a chunk of steps at once.
 */
#ifndef FASTRNN_SEQUENCE_H
#define FASTRNN_SEQUENCE_H

#include <string.h>

#include "cells/epilogue.h"
#include "fastrnn.h"
#include "multiply.h"

/* ---- choices by shape ---- */

/* Whether the multiplies of one step run on the small multiply rather than on BLAS: where the call and
 * repacking of a general BLAS cost more than its better blocking gains.
 * Decided by benchmarks/choose_multiply.py. */
static int multiplies_are_small(const fr_problem *p) {
    return p->rows <= 8 ? p->hidden <= 160 : p->hidden <= 64;
}

/* Rows of a chunk: many enough for BLAS, few enough to stay in L2. Decided by the same benchmark. */
enum { CHUNK_ROWS = 256 };

INLINE int64_t chunk_steps(const fr_problem *p, int64_t steps) {
    const int64_t chunk = p->rows >= CHUNK_ROWS ? 1 : CHUNK_ROWS / p->rows;
    return chunk < steps ? chunk : steps;
}

/* ---- shapes ---- */

INLINE int64_t gate_units(const fr_problem *p) { return fr_cells[p->cell].gates * p->hidden; } /* G·H */
INLINE int has_c(const fr_problem *p) { return fr_cells[p->cell].states == 2; }

/* ---- packed weights: [bias G·H], then for the small multiply [W_ihᵀ I, G·H] [W_hhᵀ H, G·H] ---- */

static int64_t packed_size(const fr_problem *p) {
    const int64_t rows = 1 + (multiplies_are_small(p) ? p->inputs + p->hidden : 0);
    return rows * gate_units(p);
}

static void transpose(int64_t rows, int64_t columns, const real *a, real *at) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) at[c * rows + r] = a[r * columns + c];
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

/* z[rows, G·H] = bias + x[rows, I] W_ihᵀ, for the rows of a chunk of steps */
static void input_part(const fr_problem *p, const fr_weights *w, const real *packed, int64_t rows, const real *x,
                       real *z) {
    const int64_t units = gate_units(p), inputs = p->inputs;
    for (int64_t r = 0; r < rows; r++) memcpy(z + r * units, packed, (size_t)units * sizeof(real));
    if (multiplies_are_small(p))
        multiply_small(rows, units,
                       (operands){.a = x, .p = packed + units, .c = z, .k = inputs, .lda = inputs, .ldp = units, .ldc = units});
    else
        p->gemm(0, 1, rows, units, inputs, x, inputs, w->w_ih, inputs, 1, z, units);
}

/* z[N, G·H] += h_{t-1}[N, H] W_hhᵀ */
static void recurrent_part(const fr_problem *p, const fr_weights *w, const real *packed, const real *h, real *z) {
    const int64_t units = gate_units(p), hidden = p->hidden;
    if (multiplies_are_small(p))
        multiply_small(p->rows, units,
                       (operands){.a = h, .p = packed + units * (1 + p->inputs), .c = z,
                                  .k = hidden, .lda = hidden, .ldp = units, .ldc = units});
    else
        p->gemm(0, 1, p->rows, units, hidden, h, hidden, w->w_hh, hidden, 1, z, units);
}

static void forward(const fr_problem *p, const fr_weights *w, const fr_forward_args *args) {
    const int64_t N = p->rows, H = p->hidden, units = gate_units(p), state = N * H;
    const int64_t chunk = chunk_steps(p, args->steps);
    const int64_t c_step = args->record ? state : 0; /* without a tape c is updated in place */
    const forward_epilogue epilogue = forward_epilogues[p->cell];
    const real *x = args->x;
    real *h = args->h, *c = args->c;
    for (int64_t t0 = 0; t0 < args->steps; t0 += chunk) {
        const int64_t steps = chunk < args->steps - t0 ? chunk : args->steps - t0;
        real *z = args->gates ? (real *)args->gates + t0 * N * units : args->workspace;
        input_part(p, w, args->packed, steps * N, x + t0 * N * p->inputs, z);
        for (int64_t t = t0; t < t0 + steps; t++, z += N * units) {
            recurrent_part(p, w, args->packed, h + t * state, z);
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

/* dE/dh_{t-1}[N, H] = dz[N, G·H] W_hh */
static void recurrent_part_backward(const fr_problem *p, const fr_weights *w, const real *dz, real *dh) {
    const int64_t units = gate_units(p), hidden = p->hidden;
    if (!multiplies_are_small(p)) {
        p->gemm(0, 0, p->rows, hidden, units, dz, units, w->w_hh, hidden, 0, dh, hidden);
        return;
    }
    memset(dh, 0, (size_t)(p->rows * hidden) * sizeof(real));
    multiply_small(p->rows, hidden,
                   (operands){.a = dz, .p = w->w_hh, .c = dh, .k = units, .lda = units, .ldp = hidden, .ldc = hidden});
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
    p->gemm(1, 0, units, I, rows, dz, units, x, I, 1, args->grad_w_ih, I);
    p->gemm(1, 0, units, H, rows, dz, units, h_prev, H, 1, args->grad_w_hh, H);
    p->gemm(0, 0, rows, I, units, dz, units, w->w_ih, I, 0, (real *)args->grad_x + first_row * I, I);
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
            recurrent_part_backward(p, w, dz, dh);
        }
        accumulate(p, w, args, start * N, (end - start) * N, dz_chunk);
    }
}

#endif

/* Jordan (1986), "Attractor dynamics and parallelism in a connectionist sequential machine": the memory is the
 * output.
 *
 *     z_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh     h_t = φ(z_t)     φ: tanh, sigmoid or ReLU
 *     o_t = W_ho h_t + b_ho                           y_t = ψ(o_t)     ψ: linear, tanh, sigmoid or softmax
 *
 * Two dense parts, one after the other: the hidden one of H units takes x and what is fed back, the output one of O
 * units takes h. Each is cut, packed and multiplied like a cell of one gate. This header has what forward and
 * backward share: the functions φ and ψ, and the parts.
 */
#ifndef FASTRNN_JORDAN_H
#define FASTRNN_JORDAN_H

#include "cells/elman.h"
#include "pack.h"
#include "softmax.h"

/* ---- φ and ψ over rows; the slopes are written in the function's value ---- */

INLINE vec linear_(vec x) { return x; }
INLINE vec linear_slope(vec y) { return (void)y, splat(1); }

#define ACTIVATE(function)                         \
    for (int64_t r = 0; r < rows; r++)             \
        for (int64_t j = 0; j < units; j += LANES) \
            store_n(to + r * to_row + j, function(load(z + r * z_row + j)), units - j);

/* to[rows, units] = function(z), but for the softmax, which needs whole rows: z itself */
INLINE void activate_inline(fr_activation function, int64_t rows, int64_t units, const real *z, int64_t z_row,
                            real *to, int64_t to_row) {
    switch (function) {
    case FR_ACTIVATION_TANH:
        ACTIVATE(tanh_)
        break;
    case FR_ACTIVATION_SIGMOID:
        ACTIVATE(sigmoid_)
        break;
    case FR_ACTIVATION_RELU:
        ACTIVATE(relu_)
        break;
    case FR_ACTIVATION_LINEAR:
    case FR_ACTIVATION_SOFTMAX:
        ACTIVATE(linear_)
        break;
    }
}

static void activate(fr_activation function, int64_t rows, int64_t units, const real *z, int64_t z_row, real *to,
                     int64_t to_row) {
    activate_inline(function, rows, units, z, z_row, to, to_row);
}

INLINE vec slope_of(fr_activation function, vec y) {
    switch (function) {
    case FR_ACTIVATION_TANH:
        return tanh_slope(y);
    case FR_ACTIVATION_SIGMOID:
        return sigmoid_slope(y);
    case FR_ACTIVATION_RELU:
        return relu_slope(y);
    default:
        return linear_slope(y);
    }
}

/* ---- the two parts ---- */

/* Any cell of one gate: what cuts and packs asks for nothing but its windows. */
INLINE fr_problem one_gate(const fr_jordan_problem *p, int64_t inputs, int64_t units) {
    return (fr_problem){.cell = FR_CELL_rnn_tanh,
                        .threads = p->threads,
                        .eager = p->eager,
                        .rows = p->rows,
                        .inputs = inputs,
                        .hidden = units};
}
INLINE fr_problem hidden_part(const fr_jordan_problem *p) { return one_gate(p, p->inputs, p->hidden); }
INLINE fr_problem output_part(const fr_jordan_problem *p) { return one_gate(p, p->hidden, p->outputs); }
INLINE fr_window one_window(void) { return fr_cells[FR_CELL_rnn_tanh].x; }

/* Threads share out rows, around the whole time loop, where each has full tiles; otherwise one does all. */
static int jordan_workers(const fr_jordan_problem *p, const fr_rows *rows) {
    if (p->rows < ROW_SPLIT_ROWS) return 1;
    if (p->eager) return p->threads;
    const int64_t flops_per_row = 2 * p->hidden * (p->inputs + 2 * p->outputs);
    const int64_t worth = flops_per_row * total_rows(rows, p->rows) / FLOPS_PER_THREAD + 1;
    return worth < p->threads ? (int)worth : p->threads;
}

#endif

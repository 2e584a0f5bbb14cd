/* Jordan (1986), "Attractor dynamics and parallelism in a connectionist sequential machine": the memory is the
 * output.
 *
 *     z_t = W_ih x_t + b_ih + W_hh y_{t-1} + b_hh     h_t = φ(z_t)     φ: tanh, sigmoid or ReLU
 *     o_t = W_ho h_t + b_ho                           y_t = ψ(o_t)     ψ: linear, tanh, sigmoid or softmax
 *
 * Two dense parts, one after the other: the hidden one of H units takes x and what is fed back, the output one of O
 * units takes h.
 */
#ifndef FASTRNN_JORDAN_H
#define FASTRNN_JORDAN_H

#include "dense.h"

/* ---- the two parts ---- */

INLINE fr_problem hidden_part(const fr_jordan_problem *p) { return dense_part(p->rows, p->inputs, p->hidden); }
INLINE fr_problem output_part(const fr_jordan_problem *p) { return dense_part(p->rows, p->hidden, p->outputs); }

/* Threads share out rows, around the whole time loop, where each has full tiles; otherwise one does all. */
static int jordan_workers(const fr_jordan_problem *p, const fr_rows *rows) {
    if (p->rows < ROW_SPLIT_ROWS) return 1;
    if (p->eager) return p->threads;
    const int64_t flops_per_row = 2 * p->hidden * (p->inputs + 2 * p->outputs);
    const int64_t worth = flops_per_row * total_rows(rows, p->rows) / FLOPS_PER_THREAD + 1;
    return worth < p->threads ? (int)worth : p->threads;
}

#endif

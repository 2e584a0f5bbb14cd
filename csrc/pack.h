/* Packed weights: the rows of B that a tile reads one after another lie one after another, padded with zeros to whole
 * vectors.
 *
 * Forward:  [bias | W_ih | W_hh first phase | second phase], each [panel][k][slot of the window][block][lane].
 *           For one-hot inputs the bias is added to each k of W_ih: b + W_ih x is one of these rows.
 * Backward: see pack_columns: the weights as they stand, cut into panels of columns.
 */
#ifndef FASTRNN_PACK_H
#define FASTRNN_PACK_H

#include "plan.h"
#include "transpose.h"

/* ---- forward ---- */

/* Where each part begins, in reals; the last entry is the size of all. */
typedef struct {
    int64_t x, h[FR_PHASES], size;
} packed_parts;

INLINE packed_parts parts(const fr_problem *p) {
    const fr_cell_info *cell = cell_of(p);
    const int64_t padded = blocks_of(p->hidden) * LANES;
    packed_parts at = {.x = cell->slots * padded};
    at.h[0] = at.x + cell->x.width * padded * p->inputs;
    at.h[1] = at.h[0] + cell->h[0].width * padded * p->hidden;
    at.size = at.h[1] + cell->h[1].width * padded * p->hidden;
    return at;
}

static int64_t packed_size(const fr_problem *p) { return parts(p).size; }

/* to[k·to_k + lane] = w[lane·w_row + k], k < K, for n <= LANES rows of w, zero in the other lanes */
static void pack_block(const real *w, int64_t n, int64_t w_row, int64_t K, real *to, int64_t to_k) {
    const int64_t whole_k = K & ~(int64_t)3, whole_n = n == LANES ? n : n & ~(int64_t)3;
    for (int64_t k = 0; k < whole_k; k += 4) {
        /* Rows are too short for the CPU to see them coming: fetch, line by line, those of the block after this one.
         */
        if (k % 16 == 0)
            for (int64_t lane = LANES; lane < 2 * LANES; lane++) __builtin_prefetch(w + lane * w_row + k);
        if (n == LANES)
            transpose_lanes(w + k, w_row, to + k * to_k, to_k);
        else
            for (int64_t lane = 0; lane < whole_n; lane += 4)
                transpose_4(w + lane * w_row + k, w_row, to + k * to_k + lane, to_k);
    }
    for (int64_t k = 0; k < K; k++) {
        for (int64_t lane = k < whole_k ? whole_n : 0; lane < n; lane++) to[k * to_k + lane] = w[lane * w_row + k];
        for (int64_t lane = n; lane < LANES; lane++) to[k * to_k + lane] = 0;
    }
}

/* The rows of weight matrix w [G·H, K] that one window reads, for the blocks of one panel */
static void pack_window(const fr_problem *p, fr_window window, panel q, const real *w, int64_t K, real *to) {
    const int64_t H = p->hidden, row = window.width * q.blocks * LANES;
    for (int s = 0; s < window.width; s++)
        for (int64_t b = 0; b < q.blocks; b++) {
            const int64_t unit = (q.block + b) * LANES, n = H - unit < LANES ? H - unit : LANES;
            pack_block(w + (window.gate[s] * H + unit) * K, n, K, K, to + (s * q.blocks + b) * LANES, row);
        }
}

/* What a slot's bias is made of: b_ih of the gate that x feeds it with, b_hh of the gate that h does */
static void add_bias(const fr_problem *p, fr_window window, panel q, const real *b, real *to) {
    for (int s = 0; s < window.width; s++)
        for (int64_t j = 0; j < q.units; j++)
            to[(window.first + s) * q.blocks * LANES + j] += b[window.gate[s] * p->hidden + q.block * LANES + j];
}

/* to[k] += bias of the window's slots, for each k of K, one panel */
static void add_bias_to_rows(fr_window window, panel q, const real *bias, int64_t K, real *to) {
    const int64_t slot = q.blocks * LANES, row = window.width * slot;
    for (int64_t k = 0; k < K; k++, to += row)
        for (int64_t j = 0; j < row; j += LANES) store(to + j, load(bias + window.first * slot + j) + load(to + j));
}

typedef struct {
    const fr_problem *p;
    const fr_weights *w;
    real *packed;
} pack_job;

static void pack_worker(void *context, int worker, int workers) {
    const pack_job *job = context;
    const fr_problem *p = job->p;
    const fr_cell_info *cell = cell_of(p);
    const packed_parts at = parts(p);
    const cut panels = forward_panels(p);
    for (int64_t i = share(panels.n, worker, workers); i < share(panels.n, worker + 1, workers); i++) {
        const panel q = panel_at(panels, i);
        const int64_t before = q.block * LANES, bias = cell->slots * q.blocks * LANES;
        real *b = job->packed + cell->slots * before;
        memset(b, 0, (size_t)bias * sizeof(real));
        if (job->w->b_ih) {
            add_bias(p, cell->x, q, job->w->b_ih, b);
            for (int phase = 0; phase < cell->phases; phase++) add_bias(p, cell->h[phase], q, job->w->b_hh, b);
        }
        real *x = job->packed + at.x + cell->x.width * before * p->inputs;
        pack_window(p, cell->x, q, job->w->w_ih, p->inputs, x);
        if (p->one_hot) add_bias_to_rows(cell->x, q, b, p->inputs, x);
        for (int phase = 0; phase < cell->phases; phase++)
            pack_window(p, cell->h[phase], q, job->w->w_hh, p->hidden,
                        job->packed + at.h[phase] + cell->h[phase].width * before * p->hidden);
    }
}

static void pack(const fr_problem *p, const fr_weights *w, void *packed) {
    pack_job job = {p, w, packed};
    const int worth = (int)(packed_size(p) / (1 << 18)) + 1; /* a thread for each MiB or so */
    fr_parallel(p->eager || worth > p->threads ? p->threads : worth, pack_worker, &job);
}

/* ---- backward: panels of columns ---- */

/* Row `row` of a panel of columns: n real ones, zeros up to `padded` */
INLINE void pack_row(const real *from, int64_t n, int64_t padded, real *to) {
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES) store(to + j, load(from + j));
    if (j < n) store(to + j, load_part(from + j, n - j)), j += LANES;
    for (; j < padded; j += LANES) store(to + j, splat(0));
}

/* Rows of one panel of columns, from_row apart */
static void pack_rows(const real *from, int64_t from_row, int64_t rows, panel q, real *to) {
    for (int64_t r = 0; r < rows; r++)
        pack_row(from + r * from_row + q.block * LANES, q.units, q.blocks * LANES, to + r * q.blocks * LANES);
}

#endif

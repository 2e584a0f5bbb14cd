/* The ring: dz of some hundred rows, [slot][block][row][lane], and what is added up over its rows:
 *     dW_ih += dzᵀ x     dW_hh += dzᵀ h_prev     db += Σ dz     dx = dz W_ih
 * The epilogues write dz in whole vectors; a product with W reads its rows, a product with x or h its columns.
 */
#ifndef FASTRNN_RING_H
#define FASTRNN_RING_H

#include "pack.h"
#include "steps.h"

/* ---- workspace ---- */

/* Rows of the ring: whole steps, and no more than there are. */
INLINE int64_t ring_rows(const fr_problem *p, const fr_rows *rows) {
    const int64_t most = p->rows > RING_ROWS ? p->rows : RING_ROWS, all = total_rows(rows, p->rows);
    return most < all ? most : all;
}

/* Where each part begins, in reals; the last entry is the size of all. */
typedef struct {
    int64_t w_ih, w_hh[FR_PHASES]; /* packed weights: [panel of columns][slot, block, lane][column] */
    int64_t dz;                    /* [slot][block][ring row][lane] */
    int64_t x, h;                  /* of the ring's rows: [panel of columns][ring row][column]; looked up: x of R */
    int64_t table;                 /* looked up: Σ dz for each row of x, [slot][block][R][lane] */
    int64_t input, inputs;         /* what the second multiply took: [ring row, H], and in panels like h */
    int64_t dh, d_fed, d_input;    /* [N, B·LANES] */
    int64_t size;
} backward_parts;

static backward_parts backward_layout(const fr_problem *p, const fr_rows *rows) {
    const fr_cell_info *cell = cell_of(p);
    const int64_t wide_x = blocks_of(p->inputs) * LANES, wide_h = blocks_of(p->hidden) * LANES;
    const int64_t ring = ring_rows(p, rows), two = cell->phases > 1;
    const int64_t in_x = p->one_hot ? 0 : p->distinct ? p->distinct : ring;
    backward_parts at = {.w_ih = 0};
    at.w_hh[0] = at.w_ih + (p->one_hot ? 0 : cell->x.width * wide_h * wide_x);
    at.w_hh[1] = at.w_hh[0] + cell->h[0].width * wide_h * wide_h;
    at.dz = at.w_hh[1] + cell->h[1].width * wide_h * wide_h;
    at.x = at.dz + cell->slots * wide_h * ring;
    at.table = at.x + wide_x * in_x;
    at.h = at.table + (cell->x.first + cell->x.width) * wide_h * p->distinct;
    at.inputs = at.h + wide_h * ring;
    at.dh = at.inputs + two * wide_h * ring;
    at.d_fed = at.dh + wide_h * p->rows;
    at.d_input = at.d_fed + wide_h * p->rows;
    at.input = at.d_input + two * wide_h * p->rows;
    at.size = at.input + two * p->hidden * ring;
    return at;
}

static int64_t backward_workspace(const fr_problem *p, const fr_rows *rows) { return backward_layout(p, rows).size; }

/* ---- one worker ---- */

typedef struct {
    const fr_problem *p;
    const fr_cell_info *cell;
    const fr_weights *w;
    const fr_backward_args *args;
    backward_parts at;
    real *space;                 /* the workspace */
    int64_t blocks;              /* B */
    int64_t ring;                /* rows of the ring */
    int64_t ring_first, in_ring; /* of all rows, the one that the ring begins with, and how many are in it */
    cut columns_h, columns_x;    /* panels of columns */
    int worker, workers;
    int64_t first_panel, end_panel, first_row, end_row; /* this worker's, within a step */
    int first_sums;       /* the ring is the first to be added to the weights' gradients */
    int options, watched; /* whether there are any; whether anyone wants to see the states' gradients */
} backward_run;

static const real zeros[TILE_VECTORS * LANES] __attribute__((aligned(64))) = {0};

/* C[rows, window's columns] = C_in + dz W for one panel of columns; dz from ring row `row` on */
INLINE product dz_product(const backward_run *f, fr_window window, panel q, const real *packed, int64_t row) {
    const int64_t K = window.width * f->blocks * LANES, b_k = q.blocks * LANES;
    return (product){.pairs = 1,
                     .of = {{
                         .a = f->space + f->at.dz + (window.first * f->blocks * f->ring + row) * LANES,
                         .a_row = LANES,
                         .a_segment = f->ring * LANES,
                         .a_k = 1,
                         .b = packed + K * q.block * LANES,
                         .b_segment = LANES * b_k,
                         .b_k = b_k,
                         .segments = window.width * f->blocks,
                         .length = f->blocks == 1 ? f->p->hidden : LANES, /* one block's padding need not count */
                     }}};
}

/* multiply() into columns of which only the first `units` exist */
static void multiply_cut(int64_t rows, panel q, const product *m) {
    if (q.units == q.blocks * LANES) {
        multiply(rows, q.blocks, m);
        return;
    }
    real scratch[TILE_ROWS * TILE_VECTORS * LANES] __attribute__((aligned(64)));
    const int64_t width = q.blocks * LANES;
    product t = *m;
    t.c = scratch, t.c_in = scratch, t.c_row = t.c_in_row = width;
    for (int64_t row = 0; row < rows; row += TILE_ROWS, t.of[0].a += TILE_ROWS * m->of[0].a_row) {
        const int64_t n = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
        for (int64_t r = 0; r < n; r++)
            pack_row(m->c_in + (row + r) * m->c_in_row, q.units, width, scratch + r * width);
        multiply(n, q.blocks, &t);
        for (int64_t r = 0; r < n; r++)
            for (int64_t j = 0; j < q.units; j += LANES)
                store_n(m->c + (row + r) * m->c_row + j, load(scratch + r * width + j), q.units - j);
    }
}

/* ---- the sums over the ring's rows ---- */

/* The blocks whose sums are this worker's */
INLINE int64_t first_block(const backward_run *f) { return share(f->blocks, f->worker, f->workers); }
INLINE int64_t end_block(const backward_run *f) { return share(f->blocks, f->worker + 1, f->workers); }

/* Rows of `from`, `from_row` apart, the first of which are at ring row `at`, one panel of columns after another; this
 * worker's panels
 */
static void pack_source(const backward_run *f, const real *from, int64_t from_row, int64_t rows, int64_t at,
                        cut columns, real *to) {
    for (int64_t i = f->worker; i < columns.n; i += f->workers) {
        const panel q = panel_at(columns, i);
        pack_rows(from, from_row, rows, q, to + (q.block * f->ring + at * q.blocks) * LANES);
    }
}

/* Rows of what the steps in the ring were fed, h_{t-1} for instance; `first` is the earliest of these steps in time
 */
static void pack_fed(const backward_run *f, const fr_rows *rows, int64_t first, int64_t steps, const real *fed,
                     int64_t fed_row, cut columns, real *to) {
    step_rows step = step_at(rows, f->p->rows, first, f->ring_first);
    if (!rows->counts) { /* those of all steps lie together too */
        pack_source(f, fed + step.before * fed_row, fed_row, f->in_ring, 0, columns, to);
        return;
    }
    for (int64_t i = 0; i < steps; i++, step = next_step(step, rows, f->p->rows, 1))
        pack_source(f, fed + step.before * fed_row, fed_row, step.rows, step.row - f->ring_first, columns, to);
}

/* What dW multiplies dz with, of all rows in the ring: x, what was fed back, and what the second phase took */
static void pack_sources(const backward_run *f, int64_t first, int64_t steps) {
    const fr_options *options = &f->args->options;
    const int64_t I = f->p->inputs, H = f->p->hidden;
    if (!f->p->distinct) {
        const real *x = (const real *)f->args->x + f->ring_first * I;
        pack_source(f, x, I, f->in_ring, 0, f->columns_x, f->space + f->at.x);
    }
    if (f->cell->phases > 1)
        pack_source(f, f->space + f->at.input, H, f->in_ring, 0, f->columns_h, f->space + f->at.inputs);
    pack_fed(f, &f->args->rows, first, steps, options->fed, options->fed_row, f->columns_h, f->space + f->at.h);
}

/* dW += dzᵀ source, for the units of some blocks. A few panels of the source at a time, which stay in L2 while dz
 * goes by once for all of them. */
static void add_to_weights(const backward_run *f, fr_window window, const real *source, cut columns, int64_t first,
                           int64_t end, real *dw) {
    const int64_t H = f->p->hidden, K = columns.columns;
    product m = {.pairs = 1, .c_row = K};
    factors *of = m.of;
    *of = (factors){.a_row = 1, .a_k = LANES, .segments = 1, .length = f->in_ring};
    m.c_in_row = f->first_sums ? 0 : K;
    for (int64_t i0 = 0; i0 < columns.n; i0 += SOURCE_PANELS)
        for (int64_t block = first; block < end; block++)
            for (int s = 0; s < window.width; s++)
                for (int64_t i = i0; i < columns.n && i < i0 + SOURCE_PANELS; i++) {
                    const panel q = panel_at(columns, i);
                    const int64_t slot = window.first + s, left = H - block * LANES;
                    of->a = f->space + f->at.dz + (slot * f->blocks + block) * f->ring * LANES;
                    of->b = source + q.block * f->ring * LANES, of->b_k = q.blocks * LANES;
                    m.c = dw + (window.gate[s] * H + block * LANES) * K + q.block * LANES;
                    m.c_in = f->first_sums ? zeros : m.c;
                    multiply_cut(left < LANES ? left : LANES, q, &m);
                }
}

/* db += Σ dz, for the units of some blocks */
static void add_to_bias(const backward_run *f, fr_window window, int64_t first, int64_t end, real *db) {
    for (int64_t block = first; block < end; block++)
        for (int s = 0; s < window.width; s++) {
            const real *dz = f->space + f->at.dz + ((window.first + s) * f->blocks + block) * f->ring * LANES;
            vec sums[4] = {splat(0), splat(0), splat(0), splat(0)}; /* four chains: an addition takes four cycles */
            for (int64_t r = 0; r < f->in_ring; r++) sums[r & 3] += load(dz + r * LANES);
            real *b = db + window.gate[s] * f->p->hidden + block * LANES;
            const int64_t n = f->p->hidden - block * LANES;
            const vec before = f->first_sums ? splat(0) : load_n(b, n);
            store_n(b, before + ((sums[0] + sums[1]) + (sums[2] + sums[3])), n);
        }
}

/* dx = dz W_ih, or that added to what is there, of this worker's share of the ring's rows; w_ih is packed */
static void input_gradient(const backward_run *f, const real *w_ih, cut columns, real *grad_x, int add) {
    const int64_t I = columns.columns, row = share(f->in_ring, f->worker, f->workers),
                  rows = share(f->in_ring, f->worker + 1, f->workers) - row;
    for (int64_t i = 0; rows > 0 && i < columns.n; i++) {
        const panel q = panel_at(columns, i);
        product m = dz_product(f, f->cell->x, q, w_ih, row);
        m.c = grad_x + (f->ring_first + row) * I + q.block * LANES, m.c_row = I;
        m.c_in = add ? m.c : zeros, m.c_in_row = add ? I : 0;
        multiply_cut(rows, q, &m);
    }
}

/* dW_ih += dzᵀ x and, if wanted, dx = dz W_ih, for all rows in the ring: this worker's blocks, and its share of rows
 */
static void add_input_sums(const backward_run *f) {
    const fr_backward_args *args = f->args;
    add_to_weights(f, f->cell->x, f->space + f->at.x, f->columns_x, first_block(f), end_block(f), args->grad_w_ih);
    if (args->grad_x) input_gradient(f, f->space + f->at.w_ih, f->columns_x, args->grad_x, args->add_to_x);
}

#endif

/* Linear's gradients, see linear.h. dy goes through a ring of some hundred rows, as the cells' dz does: from there dW
 * reads its columns, see ring.h. dW is summed over rising rows whatever the ring's size.
 */
#ifndef FASTRNN_LINEAR_BACKWARD_H
#define FASTRNN_LINEAR_BACKWARD_H

#include "backward.h"
#include "linear.h"

/* ---- workspace ---- */

/* The rows are so many steps of one row: the ring needs no more than they are. */
INLINE fr_rows linear_rows(const fr_linear_problem *p) { return (fr_rows){.steps = p->rows}; }
INLINE fr_problem gradient_part(const fr_linear_problem *p) { return dense_part(1, p->inputs, p->outputs); }

/* Panels of the columns of W, x and dx */
INLINE cut linear_columns(const fr_linear_problem *p) {
    return cut_into(p->inputs, p->rows <= FEW_ROWS ? TILE_VECTORS : COLUMN_BLOCKS);
}

/* Where each part begins, in reals; the last entry is the size of all. */
typedef struct {
    int64_t w;  /* packed weights: [panel of columns][output][column] */
    int64_t dy; /* the ring: [block of outputs][ring row][lane] */
    int64_t x;  /* of the ring's rows: [panel of columns][ring row][column] */
    int64_t size;
} linear_layout;

static linear_layout linear_backward_layout(const fr_linear_problem *p) {
    const fr_problem part = gradient_part(p);
    const fr_rows rows = linear_rows(p);
    const int64_t ring = ring_rows(&part, &rows), wide_x = blocks_of(p->inputs) * LANES;
    linear_layout at = {.w = 0};
    at.dy = at.w + p->outputs * wide_x;
    at.x = at.dy + blocks_of(p->outputs) * LANES * ring;
    at.size = at.x + wide_x * ring;
    return at;
}

static int64_t linear_backward_workspace(const fr_linear_problem *p) { return linear_backward_layout(p).size; }

/* ---- one worker ---- */

typedef struct {
    const fr_linear_problem *p;
    const fr_linear_weights *w;
    const fr_linear_backward_args *args;
    linear_layout at;
    fr_problem part;
    backward_run ring;
    cut columns;
    real *space;
} linear_back;

static void linear_back_begin(linear_back *f, int worker, int workers) {
    const fr_rows rows = linear_rows(f->p);
    f->at = linear_backward_layout(f->p), f->space = f->args->workspace;
    f->part = gradient_part(f->p), f->columns = linear_columns(f->p);
    f->ring = part_run(&f->part, f->at.dy, f->space, ring_rows(&f->part, &rows), worker, workers);
}

/* Whether a panel of W is read as it stands; the last one may end within a vector, beyond which nothing may be read
 */
INLINE int as_it_stands(const linear_back *f, panel q) { return few_dense_rows(f->p) && q.units == q.blocks * LANES; }

static void pack_weights(const linear_back *f) {
    const int64_t I = f->p->inputs, O = f->p->outputs;
    for (int64_t i = f->ring.worker; i < f->columns.n; i += f->ring.workers) {
        const panel q = panel_at(f->columns, i);
        if (!as_it_stands(f, q)) pack_rows(f->w->weight, I, O, q, f->space + f->at.w + q.block * LANES * O);
    }
}

/* The ring's rows of dy and x; this worker's share */
static void fill_ring(const linear_back *f) {
    const int64_t I = f->p->inputs, O = f->p->outputs, row = f->ring.ring_first, rows = f->ring.in_ring;
    pack_source(&f->ring, (const real *)f->args->grad_y + row * O, O, rows, 0, cut_into(O, 1), f->space + f->at.dy);
    pack_source(&f->ring, (const real *)f->args->x + row * I, I, rows, 0, f->columns, f->space + f->at.x);
}

/* dW += dyᵀ x, db += Σ dy; this worker's outputs */
static void add_linear_sums(const linear_back *f) {
    const int64_t first = share(f->ring.blocks, f->ring.worker, f->ring.workers),
                  end = share(f->ring.blocks, f->ring.worker + 1, f->ring.workers);
    add_to_weights(&f->ring, one_window(), f->space + f->at.x, f->columns, first, end, f->args->grad_weight);
    if (f->args->grad_bias) add_to_bias(&f->ring, one_window(), first, end, f->args->grad_bias);
}

/* dx = dy W of the ring's rows, which are in the caches now; this worker's share of rows or panels */
static void linear_input_gradient(const linear_back *f) {
    const int64_t I = f->p->inputs, O = f->p->outputs;
    const linear_share mine = share_of(f->ring.in_ring, f->columns.n, f->ring.worker, f->ring.workers);
    const int64_t row = f->ring.ring_first + mine.row;
    for (int64_t i = mine.first; i < mine.end; i++) {
        const panel q = panel_at(f->columns, i);
        const int64_t at = q.block * LANES;
        product m = {.of = {{.a = (const real *)f->args->grad_y + row * O,
                             .a_row = O,
                             .a_k = 1,
                             .b = f->space + f->at.w + at * O,
                             .b_k = q.blocks * LANES,
                             .segments = 1,
                             .length = O}},
                     .pairs = 1,
                     .c_in = zeros,
                     .c = (real *)f->args->grad_x + row * I + at,
                     .c_row = I};
        if (as_it_stands(f, q)) m.of[0].b = (const real *)f->w->weight + at, m.of[0].b_k = I;
        multiply_cut(mine.rows, q, &m);
    }
}

/* ---- all of it ---- */

typedef struct {
    const fr_linear_problem *p;
    const fr_linear_weights *w;
    const fr_linear_backward_args *args;
    fr_barrier barrier;
} linear_back_job;

static void linear_backward_worker(void *context, int worker, int workers) {
    linear_back_job *job = context;
    const int64_t S = job->p->rows;
    const fp_mode before = flush_denormals();
    linear_back f = {.p = job->p, .w = job->w, .args = job->args};
    linear_back_begin(&f, worker, workers);
    pack_weights(&f);
    for (int64_t row = 0; row < S; row += f.ring.ring) {
        f.ring.ring_first = row, f.ring.in_ring = S - row < f.ring.ring ? S - row : f.ring.ring;
        fill_ring(&f);
        fr_barrier_wait(&job->barrier, workers);
        add_linear_sums(&f);
        linear_input_gradient(&f);
        fr_barrier_wait(&job->barrier, workers);
        f.ring.first_sums = 0;
    }
    restore_mode(before);
}

static void linear_backward(const fr_linear_problem *p, const fr_linear_weights *w,
                            const fr_linear_backward_args *args) {
    linear_back_job job = {.p = p, .w = w, .args = args};
    fr_parallel(linear_workers(p), linear_backward_worker, &job);
}

#endif

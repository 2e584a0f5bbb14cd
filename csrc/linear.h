/* Linear, of S rows, I inputs and O outputs:
 *
 *     y = x Wᵀ + b     dx = dy W     dW = dyᵀ x     db = Σ dy
 *
 * y is a dense part. Where W would be packed for a few rows alone, it is transposed in registers instead; and where
 * there are a few outputs, x is. Each element is the same chain of multiply-adds in each of these ways.
 */
#ifndef FASTRNN_LINEAR_H
#define FASTRNN_LINEAR_H

#include "denormals.h"
#include "dense.h"
#include "unpacked.h"

static int linear_workers(const fr_linear_problem *p) {
    if (p->eager) return p->threads;
    const double worth = 2.0 * (double)p->rows * (double)p->inputs * (double)p->outputs / FLOPS_PER_THREAD + 1;
    return worth < p->threads ? (int)worth : p->threads;
}

/* A worker's share of a product: of the rows, if each worker has full tiles, otherwise of the panels */
typedef struct {
    int64_t row, rows, first, end;
} linear_share;

INLINE linear_share share_of(int64_t rows, int64_t panels, int worker, int workers) {
    if (rows < (int64_t)ROW_SPLIT_ROWS * workers)
        return (linear_share){0, rows, share(panels, worker, workers), share(panels, worker + 1, workers)};
    const int64_t row = share(rows, worker, workers);
    return (linear_share){row, share(rows, worker + 1, workers) - row, 0, panels};
}

/* ---- packed weights: [b | W], see dense.h ---- */

INLINE fr_problem linear_part(const fr_linear_problem *p, int packed) {
    return dense_part(packed ? 1 : p->rows, p->inputs, p->outputs);
}

static int64_t linear_packed_size(const fr_linear_problem *p) {
    return blocks_of(p->outputs) * LANES * (1 + p->inputs);
}

INLINE void pack_linear_bias(const fr_linear_problem *p, const real *bias, real *to) {
    pack_row(bias, bias ? p->outputs : 0, blocks_of(p->outputs) * LANES, to);
}

static void pack_share(const fr_problem *part, const fr_linear_weights *w, int64_t first, int64_t end, real *to) {
    pack_matrix(part, first, end, w->weight, part->inputs, to + blocks_of(part->hidden) * LANES);
}

static void linear_pack(const fr_linear_problem *p, const fr_linear_weights *w, void *packed) {
    const fr_problem part = linear_part(p, 1);
    pack_linear_bias(p, w->bias, packed);
    pack_share(&part, w, 0, forward_panels(&part).n, packed);
}

/* ---- y ---- */

typedef struct {
    const fr_linear_problem *p;
    const fr_linear_weights *w;
    const fr_linear_forward_args *args;
    fr_barrier barrier;
} linear_job;

static int64_t linear_forward_workspace(const fr_linear_problem *p) {
    return unpacked(p) ? 0 : linear_packed_size(p);
}

/* Packed weights, this worker's share of rows or panels; packed before, or by all workers now */
static void forward_packed(linear_job *job, int worker, int workers) {
    const fr_linear_problem *p = job->p;
    const fr_linear_forward_args *args = job->args;
    const fr_problem part = linear_part(p, args->packed != NULL);
    const cut panels = forward_panels(&part);
    const linear_share mine = share_of(p->rows, panels.n, worker, workers);
    if (!args->packed) {
        if (worker == 0) pack_linear_bias(p, job->w->bias, args->workspace);
        pack_share(&part, job->w, share(panels.n, worker, workers), share(panels.n, worker + 1, workers),
                   args->workspace);
        fr_barrier_wait(&job->barrier, workers);
    }
    const real *packed = args->packed ? args->packed : args->workspace;
    const dense d = {.function = FR_ACTIVATION_LINEAR,
                     .panels = panels,
                     .bias = packed,
                     .sources = 1,
                     .w = {packed + blocks_of(p->outputs) * LANES},
                     .length = {p->inputs}};
    dense_panels(&d, mine.first, mine.end, (const real *const[1]){(const real *)args->x + mine.row * p->inputs},
                 mine.rows, NULL, (real *)args->y + mine.row * p->outputs);
}

/* y[rows, a block of outputs], a few rows at a time */
static void few_rows_block(const linear_job *job, int64_t output, int64_t n) {
    const fr_linear_problem *p = job->p;
    const int64_t I = p->inputs, groups = parts_of(p->rows, TILE_ROWS);
    const real *bias = job->w->bias;
    real d[TILE_ROWS * LANES] __attribute__((aligned(64)));
    const vec begin = bias ? load_n(bias + output, n) : splat(0);
    for (int64_t g = 0; g < groups; g++) {
        const int64_t row = share(p->rows, g, groups), rows = share(p->rows, g + 1, groups) - row;
        real *y = (real *)job->args->y + row * p->outputs + output;
        for (int64_t r = 0; r < rows; r++) store(d + r * LANES, begin);
        multiply_unpacked(rows, (const real *)job->args->x + row * I, (const real *)job->w->weight + output * I, n, I,
                          d);
        for (int64_t r = 0; r < rows; r++) store_n(y + r * p->outputs, load(d + r * LANES), n);
    }
}

/* y[a block of rows, outputs] */
static void few_outputs_block(const linear_job *job, int64_t row, int64_t n) {
    const fr_linear_problem *p = job->p;
    const int64_t I = p->inputs, O = p->outputs;
    const real *bias = job->w->bias;
    real *y = (real *)job->args->y + row * O;
    real d[TILE_ROWS * LANES] __attribute__((aligned(64)));
    for (int64_t o = 0; o < O; o++) store(d + o * LANES, splat(bias ? bias[o] : 0));
    multiply_unpacked(O, job->w->weight, (const real *)job->args->x + row * I, n, I, d);
    for (int64_t j = 0; j < n; j++)
        for (int64_t o = 0; o < O; o++) y[j * O + o] = d[o * LANES + j];
}

static void forward_unpacked(const linear_job *job, int worker, int workers) {
    const int few = few_dense_rows(job->p);
    const int64_t all = few ? job->p->outputs : job->p->rows, blocks = blocks_of(all);
    const int64_t end = share(blocks, worker + 1, workers);
    for (int64_t i = share(blocks, worker, workers); i < end; i++) {
        const int64_t at = i * LANES, n = all - at < LANES ? all - at : LANES;
        if (few)
            few_rows_block(job, at, n);
        else
            few_outputs_block(job, at, n);
    }
}

static void linear_forward_worker(void *context, int worker, int workers) {
    linear_job *job = context;
    const fp_mode before = flush_denormals();
    if (job->args->packed || !unpacked(job->p))
        forward_packed(job, worker, workers);
    else
        forward_unpacked(job, worker, workers);
    restore_mode(before);
}

static void linear_forward(const fr_linear_problem *p, const fr_linear_weights *w,
                           const fr_linear_forward_args *args) {
    linear_job job = {.p = p, .w = w, .args = args};
    fr_parallel(linear_workers(p), linear_forward_worker, &job);
}

#endif

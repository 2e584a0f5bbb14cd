/* The joint norm of some arrays, and scaling or clamping them in place.
 *
 * Squares are added in double, in 32 chains whatever the ISA, piece by piece: the bits are the same on every ISA and
 * for any number of threads.
 */
#ifndef FASTRNN_CLIPPING_H
#define FASTRNN_CLIPPING_H

#include "arrays.h"

#include <math.h>

typedef struct {
    const fr_arrays *arrays;
    const void *const *in;
    void *const *out; /* NULL for the norm */
    double factor, limit;
    double *sums; /* [pieces] out */
} clip_job;

enum { CHAIN = 8 };
typedef double chain __attribute__((vector_size(CHAIN * sizeof(double))));
typedef real chain_input __attribute__((vector_size(CHAIN * sizeof(real))));

#define ADD_SQUARES(sum, from)                                             \
    do {                                                                   \
        chain_input narrow_;                                               \
        memcpy(&narrow_, from, sizeof narrow_);                            \
        const chain x_ = __builtin_convertvector(narrow_, chain) * factor; \
        sum += x_ * x_;                                                    \
    } while (0)

/* Σ (factor · x)² */
static void sum_of_squares(const void *context, piece p) {
    const clip_job *job = context;
    const double factor = job->factor;
    const real *x = (const real *)job->in[p.array] + p.start;
    chain a = {0}, b = {0}, c = {0}, d = {0};
    int64_t i = 0;
    for (; i + 4 * CHAIN <= p.size; i += 4 * CHAIN) {
        ADD_SQUARES(a, x + i);
        ADD_SQUARES(b, x + i + CHAIN);
        ADD_SQUARES(c, x + i + 2 * CHAIN);
        ADD_SQUARES(d, x + i + 3 * CHAIN);
    }
    a = (a + b) + (c + d);
    double sum = 0;
    for (int k = 0; k < CHAIN; k++) sum += a[k];
    for (; i < p.size; i++) sum += factor * (double)x[i] * (factor * (double)x[i]);
    job->sums[p.number] = sum;
}

static void sums_share(void *job, int worker, int workers) {
    each_piece(((const clip_job *)job)->arrays, worker, workers, sum_of_squares, job);
}

static double scaled_norm(clip_job *job, double factor) {
    job->factor = factor;
    fr_parallel(workers_for_arrays(job->arrays), sums_share, job);
    const int64_t pieces = pieces_of(job->arrays);
    double sum = 0;
    for (int64_t i = 0; i < pieces; i++) sum += job->sums[i];
    return sqrt(sum) / factor;
}

/* √Σx². Squares of doubles can overflow or vanish where the norm does not: then once more, scaled. */
static double norm(const fr_arrays *arrays, const void *const *x, double *workspace) {
    clip_job job = {.arrays = arrays, .in = x, .sums = workspace};
    const double found = scaled_norm(&job, 1);
    if (found > 0x1p500) return scaled_norm(&job, 0x1p-600);
    if (found < 0x1p-450) return scaled_norm(&job, 0x1p600);
    return found;
}

static void scale_piece(const void *context, piece p) {
    const clip_job *job = context;
    real *x = (real *)job->out[p.array] + p.start;
    const vec factor = splat((real)job->factor);
    for (int64_t j = 0; j < p.size; j += LANES) store_n(x + j, load_n(x + j, p.size - j) * factor, p.size - j);
}

static void scale_share(void *job, int worker, int workers) {
    each_piece(((const clip_job *)job)->arrays, worker, workers, scale_piece, job);
}

/* x ← factor · x */
static void scale(const fr_arrays *arrays, void *const *x, double factor) {
    clip_job job = {.arrays = arrays, .out = x, .factor = factor};
    fr_parallel(workers_for_arrays(arrays), scale_share, &job);
}

static void clamp_piece(const void *context, piece p) {
    const clip_job *job = context;
    real *x = (real *)job->out[p.array] + p.start;
    const vec high = splat((real)job->limit), low = splat(-(real)job->limit);
    for (int64_t j = 0; j < p.size; j += LANES)
        store_n(x + j, max_(low, min_(high, load_n(x + j, p.size - j))), p.size - j);
}

static void clamp_share(void *job, int worker, int workers) {
    each_piece(((const clip_job *)job)->arrays, worker, workers, clamp_piece, job);
}

/* x ← min(max(x, -limit), limit); NaN stays */
static void clamp(const fr_arrays *arrays, void *const *x, double limit) {
    clip_job job = {.arrays = arrays, .out = x, .limit = limit};
    fr_parallel(workers_for_arrays(arrays), clamp_share, &job);
}

#endif

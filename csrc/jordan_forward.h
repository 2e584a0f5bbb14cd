/* Jordan's network forward in time: the hidden part, then the output part, of a few rows at a time; see jordan.h. */
#ifndef FASTRNN_JORDAN_FORWARD_H
#define FASTRNN_JORDAN_FORWARD_H

#include "denormals.h"
#include "forward.h"
#include "jordan.h"

/* ---- packed weights: [b_ih + b_hh | W_ih | W_hh | b_ho | W_ho], a bias [panel][lane], a matrix [panel][k][lane]
 * ---- */

typedef struct {
    int64_t x, fed, bias_o, h, size; /* where each part begins, in reals; the first at 0 */
} jordan_parts;

INLINE jordan_parts jordan_packed(const fr_jordan_problem *p) {
    const int64_t hidden = blocks_of(p->hidden) * LANES, outputs = blocks_of(p->outputs) * LANES;
    jordan_parts at = {.x = hidden};
    at.fed = at.x + hidden * p->inputs;
    at.bias_o = at.fed + hidden * p->outputs;
    at.h = at.bias_o + outputs;
    at.size = at.h + outputs * p->hidden;
    return at;
}

static int64_t jordan_packed_size(const fr_jordan_problem *p) { return jordan_packed(p).size; }

/* The sum of one or two biases, or zeros where there is none */
static void pack_biases(const fr_problem *part, const real *first, const real *second, real *to) {
    memset(to, 0, (size_t)(blocks_of(part->hidden) * LANES) * sizeof(real));
    for (int64_t j = 0; j < part->hidden; j++) to[j] = (first ? first[j] : 0) + (second ? second[j] : 0);
}

static void jordan_pack(const fr_jordan_problem *p, const fr_jordan_weights *w, void *packed) {
    const fr_problem hidden = hidden_part(p), output = output_part(p);
    const jordan_parts at = jordan_packed(p);
    real *to = packed;
    pack_biases(&hidden, w->b_ih, w->b_hh, to);
    pack_matrix(&hidden, 0, forward_panels(&hidden).n, w->w_ih, p->inputs, to + at.x);
    pack_matrix(&hidden, 0, forward_panels(&hidden).n, w->w_hh, p->outputs, to + at.fed);
    pack_biases(&output, w->b_ho, NULL, to + at.bias_o);
    pack_matrix(&output, 0, forward_panels(&output).n, w->w_ho, p->hidden, to + at.h);
}

/* ---- workspace: [z of a hoisted chunk][h of a step] ---- */

static int64_t jordan_z_size(const fr_jordan_problem *p, int64_t steps) {
    const fr_problem hidden = hidden_part(p);
    return hoisted(&hidden) ? p->rows * hoisted_steps(&hidden, steps) * blocks_of(p->hidden) * LANES : 0;
}

static int64_t jordan_forward_workspace(const fr_jordan_problem *p, const fr_rows *rows) {
    return jordan_z_size(p, rows->steps) + p->rows * p->hidden;
}

/* ---- one worker ---- */

typedef struct {
    const fr_jordan_problem *p;
    const fr_jordan_forward_args *args;
    dense hidden, output;
    int64_t first_row, end_row; /* this worker's */
    real *z, *h;                /* workspace */
} jordan_run;

static jordan_run jordan_begin(const fr_jordan_problem *p, const fr_jordan_forward_args *args, int worker,
                               int workers) {
    const fr_problem hidden = hidden_part(p), output = output_part(p);
    const jordan_parts at = jordan_packed(p);
    const real *packed = args->packed;
    real *space = args->workspace;
    return (jordan_run){.p = p,
                        .args = args,
                        .hidden = {.function = p->phi,
                                   .panels = forward_panels(&hidden),
                                   .bias = packed,
                                   .sources = 2,
                                   .w = {packed + at.x, packed + at.fed},
                                   .length = {p->inputs, p->outputs}},
                        .output = {.function = p->psi,
                                   .panels = forward_panels(&output),
                                   .bias = packed + at.bias_o,
                                   .sources = 1,
                                   .w = {packed + at.h},
                                   .length = {p->hidden}},
                        .first_row = row_share(&args->rows, p->rows, worker, workers),
                        .end_row = row_share(&args->rows, p->rows, worker + 1, workers),
                        .z = space,
                        .h = space + jordan_z_size(p, args->rows.steps)};
}

/* z = b + W_ih x for the rows of the steps t to end */
static void jordan_hoist(const jordan_run *f, step_rows step, int64_t t, int64_t end) {
    const real *const x[1] = {(const real *)f->args->x + step.row * f->p->inputs};
    const int64_t padded = blocks_of(f->p->hidden) * LANES;
    int64_t rows = 0;
    for (; t < end; t++) rows += rows_at(&f->args->rows, f->p->rows, t);
    for (int64_t i = 0; i < f->hidden.panels.n; i++) {
        const panel q = panel_at(f->hidden.panels, i);
        dense_panel(&f->hidden, q, 0, 1, x, 0, rows, f->z + q.block * LANES, padded);
    }
}

/* This worker's rows of a step; z of all the step's rows, or NULL: not hoisted. Where it is, one worker has them all.
 */
static void jordan_step(const jordan_run *f, step_rows step, real *z) {
    const fr_jordan_forward_args *args = f->args;
    const int64_t I = f->p->inputs, H = f->p->hidden, O = f->p->outputs, lo = f->first_row;
    const int64_t rows = (f->end_row < step.rows ? f->end_row : step.rows) - lo;
    if (rows <= 0) return;
    real *h = args->h ? (real *)args->h + (step.row + lo) * H : f->h + lo * H;
    const real *const sources[2] = {(const real *)args->x + (step.row + lo) * I,
                                    (const real *)args->fed + (step.before + lo) * O};
    dense_rows(&f->hidden, sources, rows, z, h);
    dense_rows(&f->output, (const real *const[1]){h}, rows, NULL, (real *)args->y + (step.after + lo) * O);
}

/* The same for some steps of a single row, where each part has one panel: nothing stands between one step and the
 * next but what changes from one to the other.
 */
static void jordan_one_row(const jordan_run *f, step_rows step, int64_t steps, real *z) {
    const fr_jordan_forward_args *args = f->args;
    const int64_t H = f->p->hidden, O = f->p->outputs;
    const int64_t hidden_blocks = blocks_of(H), output_blocks = blocks_of(O);
    real scratch[TILE_VECTORS * LANES] __attribute__((aligned(64)));
    product hidden = {.of = {window_factors(one_window(), panel_at(f->hidden.panels, 0), NULL, O, O, f->hidden.w[1])},
                      .pairs = 1};
    product output = {.of = {window_factors(one_window(), panel_at(f->output.panels, 0), NULL, H, H, f->output.w[0])},
                      .pairs = 1,
                      .c_in = f->output.bias,
                      .c = scratch};
    for (; steps > 0; steps--, z += hidden_blocks * LANES, step.row++, step.before++, step.after++) {
        real *h = args->h ? (real *)args->h + step.row * H : f->h, *y = (real *)args->y + step.after * O;
        hidden.of[0].a = (const real *)args->fed + step.before * O, hidden.c_in = hidden.c = z;
        tile_of_one_row(hidden_blocks, &hidden);
        activate_inline(f->hidden.function, 1, H, z, 0, h, 0);
        output.of[0].a = h;
        tile_of_one_row(output_blocks, &output);
        activate_inline(f->output.function, 1, O, scratch, 0, y, 0);
        if (f->output.function == FR_ACTIVATION_SOFTMAX) softmax_row(y, O, 1, y);
    }
}

/* ---- all of it ---- */

typedef struct {
    const fr_jordan_problem *p;
    const fr_jordan_forward_args *args;
} jordan_job;

static void jordan_forward_worker(void *context, int worker, int workers) {
    const jordan_job *job = context;
    const fr_jordan_problem *p = job->p;
    const fr_rows *rows = &job->args->rows;
    const fr_problem hidden = hidden_part(p);
    const jordan_run f = jordan_begin(p, job->args, worker, workers);
    const int64_t N = p->rows, T = rows->steps, padded = blocks_of(p->hidden) * LANES;
    const int64_t chunk = hoisted(&hidden) ? hoisted_steps(&hidden, T) : T;
    const fp_mode before = flush_denormals();
    step_rows step = first_step(rows, N, 1);
    for (int64_t t = 0, end = 0; t < T;) {
        end = t + chunk < T ? t + chunk : T;
        const int64_t first = step.row;
        if (hoisted(&hidden)) jordan_hoist(&f, step, t, end);
        if (N == 1 && f.hidden.panels.n == 1 && f.output.panels.n == 1) {
            jordan_one_row(&f, step, end - t, f.z);
            step.row += end - t, step.before += end - t, step.after += end - t, t = end;
        }
        for (; t < end; t++) {
            jordan_step(&f, step, hoisted(&hidden) ? f.z + (step.row - first) * padded : NULL);
            step = next_step(step, rows, N, 1);
        }
    }
    restore_mode(before);
}

static void jordan_forward(const fr_jordan_problem *p, const fr_jordan_forward_args *args) {
    jordan_job job = {.p = p, .args = args};
    fr_parallel(jordan_workers(p, &args->rows), jordan_forward_worker, &job);
}

#endif

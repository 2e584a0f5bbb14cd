/* Backpropagation through time, written once for every cell.
 *
 * A step is the cell's epilogue and then a multiply, phase by phase, the last first:
 *     dz_t = cell'(dE/dh_t, dE/dc_t);      dE/dh_{t-1} = (what flows around) + dz_t W_hh
 * dz goes into the ring; when that is full, or time is over, ring.h adds up what it holds.
 */
#ifndef FASTRNN_BACKWARD_H
#define FASTRNN_BACKWARD_H

#include <math.h>

#include "denormals.h"
#include "epilogues.h"
#include "ring_table.h"

/* ---- a step ---- */

INLINE void backward_units(const backward_run *f, step_rows step, int phase, panel q) {
    const fr_backward_args *args = f->args;
    const int64_t H = f->p->hidden, unit = q.block * LANES, r = f->first_row, padded = f->blocks * LANES;
    const int64_t rows = (f->end_row < step.rows ? f->end_row : step.rows) - r;
    const int64_t h_row = args->h_row;
    const int64_t in_ring = step.row - f->ring_first + r;
    if (rows <= 0) return;
    backward_span span = {
        .rows = rows,
        .units = q.units,
        .H = H,
        .padded = padded,
        .dz_block = f->ring * LANES,
        .dz_slot = f->blocks * f->ring * LANES,
        .h_row = h_row,
        .dy_row = args->grad_output_row,
        .h = (const real *)args->h + (step.after + r) * h_row + unit,
        .h_prev = (const real *)args->h + (step.before + r) * h_row + unit,
        .dy = (const real *)args->grad_output + (step.row + r) * args->grad_output_row + unit,
        .dh = f->space + f->at.dh + r * padded + unit,
        .d_input = f->space + f->at.d_input + r * padded + unit,
        .input = f->space + f->at.input + in_ring * H + unit,
        .dz = f->space + f->at.dz + (q.block * f->ring + in_ring) * LANES,
    };
    if (f->options) {
        span.row = step.row + r, span.unit = unit;
        if (zones(&args->options)) span.zoneout = &args->options.zoneout;
        if (args->options.keep) {
            span.keep = (const real *)args->options.keep + r * H + unit;
            span.d_fed = f->space + f->at.d_fed + r * padded + unit;
        }
    }
    if (f->cell->states == 2) {
        span.c_prev = (const real *)args->c + (step.before + r) * H + unit;
        span.dc = (real *)args->grad_c + r * H + unit;
    }
    if (f->cell->saves) span.saved = (const real *)args->saved + (step.row + r) * f->cell->saves * H + unit;
    backward_epilogues[f->p->cell][phase][f->options](&span);
}

/* to[rows, panel] (+)= dz W_hh of one phase's window */
INLINE void through_weights(const backward_run *f, step_rows step, int phase, panel q, real *to, int add) {
    const int64_t padded = f->blocks * LANES, r = f->first_row;
    const int64_t rows = (f->end_row < step.rows ? f->end_row : step.rows) - r;
    if (rows <= 0) return;
    product m = dz_product(f, f->cell->h[phase], q, f->space + f->at.w_hh[phase], step.row - f->ring_first + r);
    m.c = to + r * padded + q.block * LANES, m.c_row = padded;
    m.c_in = add ? m.c : zeros, m.c_in_row = add ? padded : 0;
    multiply(rows, q.blocks, &m);
}

/* ---- the gradient that flows back through the states: its norm, and a bound on it ---- */

INLINE int watched(const fr_flow *flow) {
    return flow->norms[0] || flow->norms[1] || flow->bound[0] < INFINITY || flow->bound[1] < INFINITY;
}

/* Scale a gradient (dh, and keep ∘ d_fed with it) so that its norm is within the bound; write down what it was. */
static void bound_row(const fr_flow *flow, int state, int64_t row, int64_t H, real *grad, const real *keep,
                      real *d_fed) {
    double sum = 0; /* in double: float's squares overflow where gradients explode */
    for (int64_t j = 0; j < H; j++) {
        const double g = keep ? grad[j] + (double)keep[j] * d_fed[j] : grad[j];
        sum += g * g;
    }
    const double norm = __builtin_sqrt(sum);
    if (flow->norms[state]) ((real *)flow->norms[state])[row] = (real)norm;
    if (!(norm > flow->bound[state])) return;
    const real scale = (real)(flow->bound[state] / norm);
    for (int64_t j = 0; j < H; j++) {
        grad[j] *= scale;
        if (keep) d_fed[j] *= scale;
    }
}

/* All rows of a step, shared out by rows */
static void watch(const backward_run *f, step_rows step, int worker, int workers) {
    const fr_backward_args *args = f->args;
    const int64_t H = f->p->hidden, padded = f->blocks * LANES,
                  rows = f->end_row < step.rows ? f->end_row : step.rows;
    const real *keep = args->options.keep;
    for (int64_t r = f->first_row + worker; r < rows; r += workers) {
        bound_row(&args->flow, 0, step.row + r, H, f->space + f->at.dh + r * padded, keep ? keep + r * H : NULL,
                  f->space + f->at.d_fed + r * padded);
        if (f->cell->states == 2)
            bound_row(&args->flow, 1, step.row + r, H, (real *)args->grad_c + r * H, NULL, NULL);
    }
}

INLINE void backward_step(const backward_run *f, step_rows step, fr_barrier *barrier) {
    const int units = split_by_units(f->p), workers = units ? f->workers : 1; /* those who wait for each other */
    const int backwards = step.row & 1; /* as in forward: the last weights are still in L2 */
    const int dropping = f->args->options.keep != NULL;
    real *const through[] = {f->space + (dropping ? f->at.d_fed : f->at.dh), f->space + f->at.d_input};
    for (int phase = f->cell->phases - 1; phase >= 0; phase--) {
        for (int64_t i = f->first_panel; i < f->end_panel; i++)
            backward_units(f, step, phase, panel_at(f->columns_h, i));
        fr_barrier_wait(barrier, workers);
        for (int64_t i = f->first_panel; i < f->end_panel; i++) {
            const int64_t at = backwards ? f->first_panel + f->end_panel - 1 - i : i;
            through_weights(f, step, phase, panel_at(f->columns_h, at), through[phase], !phase && !dropping);
        }
    }
    if (f->watched) {
        fr_barrier_wait(barrier, workers);
        watch(f, step, units ? f->worker : 0, workers);
        fr_barrier_wait(barrier, workers);
    }
}

/* ---- all of it ---- */

typedef struct {
    const fr_problem *p;
    const fr_weights *w;
    const fr_backward_args *args;
    fr_barrier barrier;
} backward_job;

/* Cut the weights that one window reads into panels of columns; this worker's share of the panels */
static void pack_columns(const backward_run *f, fr_window window, const real *w, cut columns, real *to) {
    const int64_t H = f->p->hidden, K = columns.columns;
    for (int64_t i = f->worker; i < columns.n; i += f->workers) {
        const panel q = panel_at(columns, i);
        real *row = to + window.width * f->blocks * LANES * q.block * LANES;
        for (int s = 0; s < window.width; s++)
            for (int64_t unit = 0; unit < f->blocks * LANES; unit++, row += q.blocks * LANES)
                pack_row(w + (window.gate[s] * H + unit) * K + q.block * LANES, unit < H ? q.units : 0,
                         q.blocks * LANES, row);
    }
}

static void start(const backward_run *f) {
    const int64_t H = f->p->hidden, padded = f->blocks * LANES;
    if (f->p->distinct) start_table(f);
    if (f->args->grad_x) pack_columns(f, f->cell->x, f->w->w_ih, f->columns_x, f->space + f->at.w_ih);
    for (int phase = 0; phase < f->cell->phases; phase++)
        pack_columns(f, f->cell->h[phase], f->w->w_hh, f->columns_h, f->space + f->at.w_hh[phase]);
    for (int64_t r = f->worker; r < f->p->rows; r += f->workers) {
        pack_row((const real *)f->args->grad_h + r * H, H, padded, f->space + f->at.dh + r * padded);
        pack_row(NULL, 0, padded, f->space + f->at.d_fed + r * padded);
    }
}

static void finish(const backward_run *f) {
    const int64_t H = f->p->hidden, padded = f->blocks * LANES;
    const real *keep = f->args->options.keep;
    for (int64_t r = f->worker; r < f->p->rows; r += f->workers) {
        const real *dh = f->space + f->at.dh + r * padded, *d_fed = f->space + f->at.d_fed + r * padded;
        real *to = (real *)f->args->grad_h + r * H;
        for (int64_t j = 0; j < H; j += LANES) {
            const vec around = load(dh + j);
            store_n(to + j, keep ? fma_(load_n(keep + r * H + j, H - j), load(d_fed + j), around) : around, H - j);
        }
    }
}

/* What the ring holds, added up */
static void add_sums(const backward_run *f) {
    const fr_cell_info *cell = f->cell;
    const fr_backward_args *args = f->args;
    const int64_t first = first_block(f), end = end_block(f);
    if (f->p->distinct)
        add_to_table(f);
    else
        add_input_sums(f);
    for (int phase = 0; phase < cell->phases; phase++)
        add_to_weights(f, cell->h[phase], f->space + (phase ? f->at.inputs : f->at.h), f->columns_h, first, end,
                       args->grad_w_hh);
    if (args->grad_b_ih) {
        add_to_bias(f, cell->x, first, end, args->grad_b_ih);
        for (int phase = 0; phase < cell->phases; phase++)
            add_to_bias(f, cell->h[phase], first, end, args->grad_b_hh);
    }
}

/* How many of the steps that are left the ring has room for */
static int64_t steps_in_ring(const backward_run *f, step_rows step, int64_t left, int up) {
    int64_t steps = 0;
    if (!f->args->rows.counts) return f->ring / f->p->rows < left ? f->ring / f->p->rows : left;
    for (int64_t rows = step.rows; steps < left && rows <= f->ring; rows += step.rows, steps++)
        step = next_step(step, &f->args->rows, f->p->rows, up);
    return steps;
}

static void backward_worker(void *context, int worker, int workers) {
    backward_job *job = context;
    const fr_problem *p = job->p;
    const fr_rows *rows = &job->args->rows;
    const int64_t N = p->rows;
    backward_run f = {.p = p,
                      .cell = cell_of(p),
                      .w = job->w,
                      .args = job->args,
                      .at = backward_layout(p, rows),
                      .space = job->args->workspace,
                      .blocks = blocks_of(p->hidden),
                      .ring = ring_rows(p, rows),
                      .columns_h = cut_into(p->hidden, COLUMN_BLOCKS),
                      .columns_x = cut_into(p->inputs, COLUMN_BLOCKS),
                      .worker = worker,
                      .workers = workers,
                      .end_row = N,
                      .first_sums = 1,
                      .options = has_options(&job->args->options),
                      .watched = watched(&job->args->flow)};
    f.end_panel = f.columns_h.n;
    if (split_by_units(p)) {
        f.first_panel = share(f.columns_h.n, worker, workers),
        f.end_panel = share(f.columns_h.n, worker + 1, workers);
    } else {
        f.first_row = row_share(rows, N, worker, workers), f.end_row = row_share(rows, N, worker + 1, workers);
    }
    const fp_mode before = flush_denormals();
    start(&f);
    fr_barrier_wait(&job->barrier, workers);
    const int up = rows->reverse; /* the gradients walk against the cells */
    step_rows step = first_step(rows, N, up);
    for (int64_t left = rows->steps; left > 0;) {
        const int64_t steps = steps_in_ring(&f, step, left, up);
        const stretch s = stretch_of(step, rows, N, up, steps);
        f.ring_first = s.row, f.in_ring = s.rows;
        for (int64_t i = 0; i < steps; i++, step = next_step(step, rows, N, up))
            backward_step(&f, step, &job->barrier);
        fr_barrier_wait(&job->barrier, workers);
        pack_sources(&f, s.t, steps);
        fr_barrier_wait(&job->barrier, workers);
        add_sums(&f);
        fr_barrier_wait(&job->barrier, workers);
        f.first_sums = 0, left -= steps;
    }
    if (p->distinct) finish_table(&f);
    finish(&f);
    restore_mode(before);
}

static void backward(const fr_problem *p, const fr_weights *w, const fr_backward_args *args) {
    backward_job job = {.p = p, .w = w, .args = args};
    fr_parallel(workers_for(p, &args->rows), backward_worker, &job);
}

#endif

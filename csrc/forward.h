/* The forward time loop, written once for every cell.
 *
 * A step is a list of phases, each a multiply and then the cell's epilogue:
 *     z_t = b + W_ih x_t + W_hh h_{t-1};   h_t (c_t) = cell(z_t)
 * done panel by panel (a few blocks of units), within a panel a few rows at a time, so that z goes from registers
 * through L1 into the epilogue and no further.
 */
#ifndef FASTRNN_FORWARD_H
#define FASTRNN_FORWARD_H

#include "denormals.h"
#include "epilogues.h"
#include "forward_input.h"

/* A phase's input, from row `r` of a step on, and W_hh */
INLINE factors h_factors(const forward_run *f, step_rows step, int phase, panel q, int64_t r) {
    const fr_options *options = &f->args->options;
    const int64_t H = f->p->hidden, row = phase ? H : options->fed_row;
    const real *input = phase ? f->next : (const real *)options->fed + step.before * row;
    return window_factors(f->cell->h[phase], q, input + r * row, row, H,
                          (const real *)f->args->packed + f->at.h[phase]);
}

/* Some rows of a step, from row `r` of it on, and one panel: the epilogue's arguments, but for z */
INLINE forward_span span_of(const forward_run *f, step_rows step, int phase, panel q, int64_t r, int64_t rows) {
    const fr_forward_args *args = f->args;
    const fr_options *options = &args->options;
    const int64_t H = f->p->hidden, unit = q.block * LANES;
    const int last = phase == f->cell->phases - 1;
    forward_span span = {
        .rows = rows,
        .units = q.units,
        .H = H,
        .z_slot = q.blocks * LANES,
        .before_row = args->h_row,
        .h_row = last ? args->h_row : H,
        .h_prev = (const real *)args->h + (step.before + r) * args->h_row + unit,
        .h = last ? (real *)args->h + (step.after + r) * args->h_row + unit : f->next + r * H + unit,
        .saved = args->saved ? (real *)args->saved + (step.row + r) * f->cell->saves * H + unit : NULL,
    };
    if (f->options) {
        span.row = step.row + r, span.unit = unit;
        if (zones(options)) span.zoneout = &options->zoneout;
        if (options->keep) {
            span.keep = (const real *)options->keep + r * H + unit;
            span.fed = (real *)options->fed + (step.after + r) * options->fed_row + unit;
            span.fed_row = options->fed_row;
        }
    }
    if (f->cell->states == 2) {
        span.c_prev = (const real *)args->c + (args->record ? step.before + r : r) * H + unit;
        span.c = (real *)args->c + (args->record ? step.after + r : r) * H + unit;
    }
    return span;
}

INLINE int same_slots(fr_window a, fr_window b) { return a.first == b.first && a.width == b.width; }

/* One phase of a step, one panel: a few rows at a time */
INLINE void forward_panel(const forward_run *f, step_rows step, int phase, panel q, real *z) {
    const fr_cell_info *cell = f->cell;
    const fr_window window = cell->h[phase];
    const int64_t vectors = window.width * q.blocks;
    const int64_t lo = f->first_row, rows = (f->end_row < step.rows ? f->end_row : step.rows) - lo;
    const int fused = phase == 0 && !hoisted(f->p), together = fused && !f->table && same_slots(cell->x, window);
    real scratch[FR_SLOTS * TILE_VECTORS * TILE_ROWS * LANES] __attribute__((aligned(64)));
    if (rows <= 0) return;
    const int64_t most = group_rows(rows, vectors), n = rows <= most ? 1 : parts_of(rows, most);
    for (int64_t i = 0; i < n; i++) {
        const int64_t r = lo + share(rows, i, n);
        forward_span span = span_of(f, step, phase, q, r, lo + share(rows, i + 1, n) - r);
        span.z = z ? z + r * f->z_row + cell->slots * q.block * LANES : scratch;
        span.z_row = z ? f->z_row : cell->slots * q.blocks * LANES;
        product m = into_window(window, q, h_factors(f, step, phase, q, r), span.z, span.z_row);
        if (together) { /* one pass, with nothing in between: x first, as everywhere */
            m.of[1] = m.of[0], m.of[0] = x_factors(f, q, step.row + r), m.pairs = 2;
            begin_with_bias(f, q, span.rows, span.z, &m);
        } else if (fused) {
            start_rows(f, q, span.rows, step.row + r, span.z, span.z_row);
        }
        multiply(span.rows, vectors, &m);
        forward_epilogues[f->p->cell][phase][f->options](&span);
    }
}

/* Some steps of a problem of one row and one phase: the same, but nothing stands between one step and the next. `way`
 * is the one to the next step's row: 1 up, -1 down.
 */
#define ONE_ROW_LOOP(name, options)                                                                                 \
    static void name##_one_row_##options(const forward_run *f, step_rows step, int64_t steps, int64_t way, real *z, \
                                         fr_barrier *barrier, int waiting) {                                        \
        const fr_window window = f->cell->h[0];                                                                     \
        for (; steps > 0; steps--, z += way * f->z_row) {                                                           \
            for (int64_t i = f->first_panel; i < f->end_panel; i++) {                                               \
                const panel q = panel_at(f->panels, step.t & 1 ? f->first_panel + f->end_panel - 1 - i : i);        \
                forward_span span = span_of(f, step, 0, q, 0, 1);                                                   \
                span.z = z + f->cell->slots * q.block * LANES;                                                      \
                const product m = into_window(window, q, h_factors(f, step, 0, q, 0), span.z, f->z_row);            \
                tile_of_one_row(window.width * q.blocks, &m);                                                       \
                name##_rows_forward_inline(&span, options);                                                         \
            }                                                                                                       \
            if (waiting > 1) fr_barrier_wait(barrier, waiting);                                                     \
            step.t += way, step.row += way, step.before += way, step.after += way;                                  \
        }                                                                                                           \
    }
#define ONE_ROW_1(name) ONE_ROW_LOOP(name, 0) ONE_ROW_LOOP(name, 1)
#define ONE_ROW_2(name)
#define ONE_ROW(name, gates, states, slots, saves, phases, ...) ONE_ROW_##phases(name)
FR_CELLS(ONE_ROW)

#define ONE_ROW_NAME_1(name) {name##_one_row_0, name##_one_row_1}
#define ONE_ROW_NAME_2(name) {NULL, NULL}
#define ONE_ROW_NAME(name, gates, states, slots, saves, phases, ...) ONE_ROW_NAME_##phases(name),
static void (*const one_row[FR_CELL_COUNT][2])(const forward_run *, step_rows, int64_t, int64_t, real *, fr_barrier *,
                                               int) = {FR_CELLS(ONE_ROW_NAME)};

INLINE void forward_step(const forward_run *f, step_rows step, int backwards, real *z, fr_barrier *barrier,
                         int waiting) {
    for (int phase = 0; phase < f->cell->phases; phase++) {
        for (int64_t i = f->first_panel; i < f->end_panel; i++)
            forward_panel(f, step, phase, panel_at(f->panels, backwards ? f->first_panel + f->end_panel - 1 - i : i),
                          z);
        fr_barrier_wait(barrier, waiting);
    }
}

typedef struct {
    const fr_problem *p;
    const fr_forward_args *args;
    fr_barrier barrier;
} forward_job;

static void forward_worker(void *context, int worker, int workers) {
    forward_job *job = context;
    const fr_problem *p = job->p;
    const fr_rows *rows = &job->args->rows;
    const int64_t N = p->rows, T = rows->steps, chunk = hoisted(p) ? hoisted_steps(p, T) : T;
    forward_run f = {
        .p = p, .cell = cell_of(p), .args = job->args, .at = parts(p), .panels = forward_panels(p), .end_row = N};
    f.end_panel = f.panels.n;
    if (split_by_units(p)) {
        f.first_panel = share(f.panels.n, worker, workers), f.end_panel = share(f.panels.n, worker + 1, workers);
    } else {
        f.first_row = row_share(rows, N, worker, workers), f.end_row = row_share(rows, N, worker + 1, workers);
    }
    f.z = forward_keeps_z(p) ? job->args->workspace : NULL;
    f.z_row = f.cell->slots * blocks_of(p->hidden) * LANES;
    f.next = (real *)job->args->workspace + z_size(p, T);
    f.options = has_options(&job->args->options);
    const int waiting = split_by_units(p) ? workers : 1; /* those who wait for each other within a step */
    const int up = !rows->reverse;
    const fp_mode before = flush_denormals();
    compute_table(&f, worker, workers, &job->barrier);
    step_rows step = first_step(rows, N, up);
    for (int64_t done = 0; done < T;) {
        const int64_t steps = done + chunk < T ? chunk : T - done;
        const stretch s = hoisted(p) ? stretch_of(step, rows, N, up, steps) : (stretch){0};
        if (hoisted(p)) hoist(&f, s);
        done += steps;
        if (N == 1 && one_row[p->cell][f.options]) {
            one_row[p->cell][f.options](&f, step, steps, up ? 1 : -1, f.z + (step.row - s.row) * f.z_row,
                                        &job->barrier, waiting);
            if (done < T)
                step =
                    step_at(rows, N, up ? step.t + steps : step.t - steps, up ? step.row + steps : step.row - steps);
            continue;
        }
        for (int64_t i = 0; i < steps; i++) { /* odd steps backwards: the weights used last are still in L2 */
            real *z = f.z && hoisted(p) ? f.z + (step.row - s.row) * f.z_row : f.z;
            forward_step(&f, step, step.t & 1, z, &job->barrier, waiting);
            step = next_step(step, rows, N, up);
        }
    }
    restore_mode(before);
}

static void forward(const fr_problem *p, const fr_forward_args *args) {
    forward_job job = {.p = p, .args = args};
    fr_parallel(workers_for(p, &args->rows), forward_worker, &job);
}

#endif

/* Backpropagation through time of Jordan's network, see jordan.h:
 *
 *     do_t = ψ'(dE/dy_t + dy_t)     dz_t = φ'(do_t W_ho)     dy_{t-1} = dz_t W_hh
 *
 * ψ' of the softmax: do = y (dy - Σ dy y). A constant that was fed back takes no gradient: then dy is 0 but at the
 * ends. dz and do each have a ring, see ring.h, in which a part is a cell of one gate.
 */
#ifndef FASTRNN_JORDAN_BACKWARD_H
#define FASTRNN_JORDAN_BACKWARD_H

#include "backward.h"
#include "jordan.h"

/* ---- workspace ---- */

/* Where each part begins, in reals; the last entry is the size of all. */
typedef struct {
    int64_t w_ih, w_hh, w_ho; /* packed weights, see pack_columns */
    int64_t dz, d_o;          /* the rings: [block][ring row][lane] */
    int64_t x, fed, h;        /* of the ring's rows: [panel of columns][ring row][column] */
    int64_t dh, dy;           /* [N, padded H], [N, padded O] */
    int64_t size;
} jordan_layout;

static jordan_layout jordan_backward_layout(const fr_jordan_problem *p, const fr_rows *rows) {
    const fr_problem hidden = hidden_part(p);
    const int64_t wide_x = blocks_of(p->inputs) * LANES, wide_h = blocks_of(p->hidden) * LANES;
    const int64_t wide_o = blocks_of(p->outputs) * LANES, ring = ring_rows(&hidden, rows);
    jordan_layout at = {.w_ih = 0};
    at.w_hh = at.w_ih + wide_h * wide_x;
    at.w_ho = at.w_hh + wide_h * wide_o;
    at.dz = at.w_ho + wide_o * wide_h;
    at.d_o = at.dz + wide_h * ring;
    at.x = at.d_o + wide_o * ring;
    at.fed = at.x + wide_x * ring;
    at.h = at.fed + wide_o * ring;
    at.dh = at.h + wide_h * ring;
    at.dy = at.dh + wide_h * p->rows;
    at.size = at.dy + wide_o * p->rows;
    return at;
}

static int64_t jordan_backward_workspace(const fr_jordan_problem *p, const fr_rows *rows) {
    return jordan_backward_layout(p, rows).size;
}

/* ---- one worker ---- */

typedef struct {
    const fr_jordan_problem *p;
    const fr_jordan_weights *w;
    const fr_jordan_backward_args *args;
    jordan_layout at;
    fr_problem parts[2];
    backward_run hidden, output; /* the rings of dz and of do, with what ring.h asks for */
    cut columns_x, columns_h, columns_o;
    real *space;
    int64_t wide_h, wide_o;     /* H and O, padded */
    int64_t first_row, end_row; /* this worker's, within a step */
} jordan_back;

static void jordan_back_begin(jordan_back *f, int worker, int workers) {
    const fr_jordan_problem *p = f->p;
    const fr_rows *rows = &f->args->rows;
    f->at = jordan_backward_layout(p, rows), f->space = f->args->workspace;
    f->parts[0] = hidden_part(p), f->parts[1] = output_part(p);
    const int64_t ring = ring_rows(&f->parts[0], rows);
    f->hidden = part_run(&f->parts[0], f->at.dz, f->space, ring, worker, workers);
    f->output = part_run(&f->parts[1], f->at.d_o, f->space, ring, worker, workers);
    f->columns_x = cut_into(p->inputs, COLUMN_BLOCKS), f->columns_h = cut_into(p->hidden, COLUMN_BLOCKS);
    f->columns_o = cut_into(p->outputs, COLUMN_BLOCKS);
    f->wide_h = f->hidden.blocks * LANES, f->wide_o = f->output.blocks * LANES;
    f->first_row = row_share(rows, p->rows, worker, workers);
    f->end_row = row_share(rows, p->rows, worker + 1, workers);
    pack_columns(&f->hidden, one_window(), f->w->w_ih, f->columns_x, f->space + f->at.w_ih);
    pack_columns(&f->hidden, one_window(), f->w->w_hh, f->columns_o, f->space + f->at.w_hh);
    pack_columns(&f->output, one_window(), f->w->w_ho, f->columns_h, f->space + f->at.w_ho);
    const real *dy = f->args->grad_y;
    for (int64_t r = f->first_row; r < f->end_row; r++)
        pack_row(dy + r * p->outputs, p->outputs, f->wide_o, f->space + f->at.dy + r * f->wide_o);
}

/* ---- a step ---- */

/* do = ψ'(dE/dy from outside + dy from the step after), into the ring, of one row */
INLINE void output_row(const jordan_back *f, const real *y, const real *outside, const real *dy, real *d_o) {
    const int64_t O = f->p->outputs, block = f->output.ring * LANES;
    vec sum = splat(0);
    for (int64_t j = 0; j < O; j += LANES, d_o += block) {
        const vec total = load_n(outside + j, O - j) + load(dy + j), value = load_n(y + j, O - j);
        store(d_o, total * slope_of(f->p->psi, value));
        sum = fma_(total, value, sum);
    }
    if (f->p->psi != FR_ACTIVATION_SOFTMAX) return;
    const vec mean = splat(sum_of_lanes(sum)); /* the slope of the softmax has been taken for 1 so far */
    d_o -= f->output.blocks * block;
    for (int64_t j = 0; j < O; j += LANES, d_o += block) store(d_o, load_n(y + j, O - j) * (load(d_o) - mean));
}

/* to[rows, panel] = d W of one part, d from ring row `row` on */
INLINE void through_part(const backward_run *part, panel q, const real *w, int64_t row, int64_t rows, real *to,
                         int64_t padded) {
    product m = dz_product(part, one_window(), q, w, row);
    m.c = to + q.block * LANES, m.c_row = padded;
    m.c_in = zeros, m.c_in_row = 0;
    multiply(rows, q.blocks, &m);
}

/* dz = φ'(dh), into the ring, of some rows of one panel */
INLINE void hidden_rows(const jordan_back *f, panel q, int64_t rows, const real *h, const real *dh, real *dz) {
    for (int64_t j = 0; j < q.units; j += LANES, dz += f->hidden.ring * LANES)
        for (int64_t r = 0; r < rows; r++) {
            const vec value = load_n(h + r * f->p->hidden + j, q.units - j);
            store(dz + r * LANES, load(dh + r * f->wide_h + j) * slope_of(f->p->phi, value));
        }
}

static void jordan_back_step(const jordan_back *f, step_rows step) {
    const fr_jordan_backward_args *args = f->args;
    const int64_t H = f->p->hidden, O = f->p->outputs, lo = f->first_row;
    const int64_t rows = (f->end_row < step.rows ? f->end_row : step.rows) - lo;
    const int64_t row = step.row + lo, in_ring = row - f->hidden.ring_first;
    if (rows <= 0) return;
    real *dy = f->space + f->at.dy + lo * f->wide_o, *dh = f->space + f->at.dh + lo * f->wide_h;
    const real *y = (const real *)args->y + (step.after + lo) * O,
               *outside = (const real *)args->grad_output + row * O;
    for (int64_t r = 0; r < rows; r++)
        output_row(f, y + r * O, outside + r * O, dy + r * f->wide_o, f->space + f->at.d_o + (in_ring + r) * LANES);
    for (int64_t i = 0; i < f->columns_h.n; i++) {
        const panel q = panel_at(f->columns_h, i);
        through_part(&f->output, q, f->space + f->at.w_ho, in_ring, rows, dh, f->wide_h);
        hidden_rows(f, q, rows, (const real *)args->h + row * H + q.block * LANES, dh + q.block * LANES,
                    f->space + f->at.dz + (q.block * f->hidden.ring + in_ring) * LANES);
    }
    if (args->fed != args->y && step.row > 0) { /* y_{t-1} was not what was fed back */
        memset(dy, 0, (size_t)(rows * f->wide_o) * sizeof(real));
        return;
    }
    for (int64_t i = 0; i < f->columns_o.n; i++)
        through_part(&f->hidden, panel_at(f->columns_o, i), f->space + f->at.w_hh, in_ring, rows, dy, f->wide_o);
}

/* ---- the sums over the rings' rows; this worker's share ---- */

static void jordan_pack_sources(const jordan_back *f, int64_t first, int64_t steps) {
    const fr_jordan_backward_args *args = f->args;
    const int64_t I = f->p->inputs, H = f->p->hidden, row = f->hidden.ring_first, rows = f->hidden.in_ring;
    pack_source(&f->hidden, (const real *)args->x + row * I, I, rows, 0, f->columns_x, f->space + f->at.x);
    pack_source(&f->output, (const real *)args->h + row * H, H, rows, 0, f->columns_h, f->space + f->at.h);
    pack_fed(&f->hidden, &args->rows, first, steps, args->fed, f->p->outputs, f->columns_o, f->space + f->at.fed);
}

static void jordan_add_sums(const jordan_back *f) {
    const fr_jordan_backward_args *args = f->args;
    const int worker = f->hidden.worker, workers = f->hidden.workers;
    const int64_t first = share(f->hidden.blocks, worker, workers),
                  end = share(f->hidden.blocks, worker + 1, workers);
    const int64_t first_o = share(f->output.blocks, worker, workers),
                  end_o = share(f->output.blocks, worker + 1, workers);
    const fr_window window = one_window();
    add_to_weights(&f->hidden, window, f->space + f->at.x, f->columns_x, first, end, args->grad_w_ih);
    add_to_weights(&f->hidden, window, f->space + f->at.fed, f->columns_o, first, end, args->grad_w_hh);
    add_to_weights(&f->output, window, f->space + f->at.h, f->columns_h, first_o, end_o, args->grad_w_ho);
    if (args->grad_b) {
        add_to_bias(&f->hidden, window, first, end, args->grad_b);
        add_to_bias(&f->output, window, first_o, end_o, args->grad_b_ho);
    }
    input_gradient(&f->hidden, f->space + f->at.w_ih, f->columns_x, args->grad_x, 0);
}

/* ---- all of it ---- */

typedef struct {
    const fr_jordan_problem *p;
    const fr_jordan_weights *w;
    const fr_jordan_backward_args *args;
    fr_barrier barrier;
} jordan_back_job;

static void jordan_backward_worker(void *context, int worker, int workers) {
    jordan_back_job *job = context;
    const fr_rows *rows = &job->args->rows;
    const int64_t N = job->p->rows, O = job->p->outputs;
    const fp_mode before = flush_denormals();
    jordan_back f = {.p = job->p, .w = job->w, .args = job->args};
    jordan_back_begin(&f, worker, workers);
    fr_barrier_wait(&job->barrier, workers);
    step_rows step = first_step(rows, N, 0);
    for (int64_t end = rows->steps; end > 0;) {
        int64_t t0 = end, in_ring = 0;
        for (; t0 > 0 && in_ring + rows_at(rows, N, t0 - 1) <= f.hidden.ring; t0--)
            in_ring += rows_at(rows, N, t0 - 1);
        f.hidden.in_ring = f.output.in_ring = in_ring;
        f.hidden.ring_first = f.output.ring_first = step.row + step.rows - in_ring;
        for (int64_t t = end; t > t0; t--, step = next_step(step, rows, N, 0)) jordan_back_step(&f, step);
        fr_barrier_wait(&job->barrier, workers);
        jordan_pack_sources(&f, t0, end - t0);
        fr_barrier_wait(&job->barrier, workers);
        jordan_add_sums(&f);
        fr_barrier_wait(&job->barrier, workers);
        f.hidden.first_sums = f.output.first_sums = 0, end = t0;
    }
    for (int64_t r = f.first_row; r < f.end_row; r++)
        memcpy((real *)job->args->grad_y + r * O, f.space + f.at.dy + r * f.wide_o, (size_t)O * sizeof(real));
    restore_mode(before);
}

static void jordan_backward(const fr_jordan_problem *p, const fr_jordan_weights *w,
                            const fr_jordan_backward_args *args) {
    jordan_back_job job = {.p = p, .w = w, .args = args};
    fr_parallel(jordan_workers(p, &args->rows), jordan_backward_worker, &job);
}

#endif

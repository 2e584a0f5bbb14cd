/* The input's part of forward: the workspace, and b + W_ih x.
 *
 * It is computed in the same pass as the recurrent part (forward.h), or for the rows of several steps at once
 * (hoisted), or for R distinct rows, once, and looked up. Each element is one chain that begins with the bias and
 * goes up through x, wherever it is broken off: all three give the same bits. One-hot rows are looked up in W_ih + b
 * itself; what they leave out is adding 0 · w, which can change nothing but the sign of a zero, or turn infinite
 * weights of other rows into NaN.
 */
#ifndef FASTRNN_FORWARD_INPUT_H
#define FASTRNN_FORWARD_INPUT_H

#include "pack.h"
#include "steps.h"

/* ---- workspace: [z] [what the second phase multiplies] [b + W_ih x of R distinct rows] ---- */

INLINE int forward_keeps_z(const fr_problem *p) { return hoisted(p) || cell_of(p)->phases > 1; }

static int64_t z_size(const fr_problem *p, int64_t steps) {
    const int64_t rows = p->rows * (hoisted(p) ? hoisted_steps(p, steps) : 1);
    return forward_keeps_z(p) ? rows * cell_of(p)->slots * blocks_of(p->hidden) * LANES : 0;
}

static int64_t table_at(const fr_problem *p, int64_t steps) {
    return z_size(p, steps) + (cell_of(p)->phases > 1 ? p->rows * p->hidden : 0);
}

static int64_t forward_workspace(const fr_problem *p, const fr_rows *rows) {
    const int64_t in_table = p->one_hot ? 0 : p->distinct; /* one-hot: the packed weights are the table */
    return table_at(p, rows->steps) + in_table * cell_of(p)->x.width * blocks_of(p->hidden) * LANES;
}

/* ---- one worker ---- */

typedef struct {
    const fr_problem *p;
    const fr_cell_info *cell;
    const fr_forward_args *args;
    packed_parts at;
    cut panels;
    int64_t first_panel, end_panel, first_row, end_row; /* this worker's */
    real *next;                                         /* [N, H]: what the second phase multiplies */
    real *z; /* [rows, slots·B·LANES]: z of the step, or of the chunk if hoisted; NULL: not kept */
    int64_t z_row;
    real *table; /* [panel][R][slot of x's window, block, lane]: b + W_ih x of distinct rows; NULL: not looked up */
    int options; /* whether there are any */
} forward_run;

/* A[rows, K] and the rows of packed weights that feed a window's slots, of one panel */
INLINE factors window_factors(fr_window window, panel q, const real *a, int64_t a_row, int64_t K,
                              const real *packed) {
    const int64_t b_k = window.width * q.blocks * LANES;
    return (factors){.a = a,
                     .a_row = a_row,
                     .a_k = 1,
                     .segments = 1,
                     .length = K,
                     .b = packed + window.width * q.block * LANES * K,
                     .b_k = b_k};
}

/* x, from a row on, and W_ih */
INLINE factors x_factors(const forward_run *f, panel q, int64_t row) {
    const int64_t I = f->p->inputs;
    return window_factors(f->cell->x, q, (const real *)f->args->x + row * I, I, I,
                          (const real *)f->args->packed + f->at.x);
}

/* A product into a window's slots, on top of what is there; c points to slot 0 */
INLINE product into_window(fr_window window, panel q, factors of, real *c, int64_t c_row) {
    real *to = c + window.first * q.blocks * LANES;
    return (product){.of = {of}, .pairs = 1, .c_in = to, .c_in_row = c_row, .c = to, .c_row = c_row};
}

/* The bias of one panel's slots */
INLINE const real *bias_of(const forward_run *f, panel q) {
    return (const real *)f->args->packed + f->cell->slots * q.block * LANES;
}

/* Slots outside of the input's window get their bias at once. */
INLINE void bias_outside(const forward_run *f, panel q, int64_t rows, real *c, int64_t c_row) {
    const int64_t slot = q.blocks * LANES, first = f->cell->x.first, end = first + f->cell->x.width;
    const real *bias = bias_of(f, q);
    for (int64_t s = 0; s < f->cell->slots; s++)
        for (int64_t r = 0; (s < first || s >= end) && r < rows; r++)
            for (int64_t j = s * slot; j < (s + 1) * slot; j += LANES) store(c + r * c_row + j, load(bias + j));
}

/* Let a product into the input's window begin with the bias. */
INLINE void begin_with_bias(const forward_run *f, panel q, int64_t rows, real *c, product *m) {
    m->c_in = bias_of(f, q) + f->cell->x.first * q.blocks * LANES, m->c_in_row = 0;
    bias_outside(f, q, rows, c, m->c_row);
}

/* The table of one panel, and how far its rows lie apart */
INLINE real *table_of(const forward_run *f, panel q, int64_t *table_row) {
    *table_row = f->cell->x.width * q.blocks * LANES;
    return f->table + f->cell->x.width * q.block * LANES * f->p->distinct;
}

/* Some rows of the table, for one panel */
static void fill_table(const forward_run *f, panel q, int64_t row, int64_t rows) {
    int64_t table_row;
    real *table = table_of(f, q, &table_row);
    const product m = {.of = {x_factors(f, q, row)},
                       .pairs = 1,
                       .c_in = bias_of(f, q) + f->cell->x.first * q.blocks * LANES,
                       .c = table + row * table_row,
                       .c_row = table_row};
    multiply(rows, f->cell->x.width * q.blocks, &m);
}

/* C[rows, slots] = rows of the table, for one panel; x_row says which */
static void look_up(const forward_run *f, panel q, int64_t rows, const int64_t *x_row, real *c, int64_t c_row) {
    const int64_t first = f->cell->x.first * q.blocks * LANES;
    int64_t table_row;
    const real *table = table_of(f, q, &table_row);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < table_row; j += LANES)
            store(c + r * c_row + first + j, load(table + x_row[r] * table_row + j));
    bias_outside(f, q, rows, c, c_row);
}

/* C[rows, slots] = b + W_ih x, for one panel */
static void start_rows(const forward_run *f, panel q, int64_t rows, int64_t row, real *c, int64_t c_row) {
    if (f->table) {
        look_up(f, q, rows, f->args->x_row + row, c, c_row);
        return;
    }
    product m = into_window(f->cell->x, q, x_factors(f, q, row), c, c_row);
    begin_with_bias(f, q, rows, c, &m);
    multiply(rows, f->cell->x.width * q.blocks, &m);
}

/* z = b + W_ih x for the rows of some steps */
static void hoist(const forward_run *f, stretch steps) {
    for (int64_t i = f->first_panel; i < f->end_panel; i++) {
        const panel q = panel_at(f->panels, i);
        start_rows(f, q, steps.rows, steps.row, f->z + f->cell->slots * q.block * LANES, f->z_row);
    }
}

/* Compute the table, if there is one to compute: this worker's panels, or its share of the rows of all panels */
static void compute_table(forward_run *f, int worker, int workers, fr_barrier *barrier) {
    const fr_problem *p = f->p;
    if (!p->distinct) return;
    f->table = p->one_hot ? (real *)f->args->packed + f->at.x
                          : (real *)f->args->workspace + table_at(p, f->args->rows.steps);
    if (p->one_hot) return;
    const int by_rows = !split_by_units(p);
    const int64_t row = by_rows ? share(p->distinct, worker, workers) : 0,
                  end = by_rows ? share(p->distinct, worker + 1, workers) : p->distinct;
    for (int64_t i = f->first_panel; row < end && i < f->end_panel; i++)
        fill_table(f, panel_at(f->panels, i), row, end - row);
    fr_barrier_wait(barrier, by_rows ? workers : 1);
}

#endif

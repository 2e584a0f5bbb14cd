/* A dense part: y = function(b + Σ W a) of U units, over up to two sources a, for any number of rows. Linear is one,
 * the Jordan network two, one after the other. A part is cut, packed and multiplied as a cell of one gate is.
 */
#ifndef FASTRNN_DENSE_H
#define FASTRNN_DENSE_H

#include "forward.h"
#include "functions.h"
#include "ring.h"

/* Any cell of one gate: what cuts and packs asks for nothing but its windows. */
INLINE fr_problem dense_part(int64_t rows, int64_t inputs, int64_t units) {
    return (fr_problem){.cell = FR_CELL_rnn_tanh, .threads = 1, .rows = rows, .inputs = inputs, .hidden = units};
}
INLINE fr_window one_window(void) { return fr_cells[FR_CELL_rnn_tanh].x; }

/* ---- packed weights: a bias [panel][lane], a matrix [panel][k][lane] ---- */

/* W [U, K], the panels from `first` on and before `end` */
static void pack_matrix(const fr_problem *part, int64_t first, int64_t end, const real *w, int64_t K, real *to) {
    const cut panels = forward_panels(part);
    for (int64_t i = first; i < end; i++) {
        const panel q = panel_at(panels, i);
        pack_window(part, one_window(), q, w, K, to + q.block * LANES * K);
    }
}

/* ---- forward ---- */

/* One chain of multiply-adds an element: the bias, then the sources in this order */
typedef struct {
    fr_activation function;
    cut panels;
    const real *bias; /* packed */
    int sources;
    const real *w[2];  /* packed */
    int64_t length[2]; /* K of each source */
} dense;

/* z[rows, panel] = b + Σ W a over the sources from `first` on and before `end`; on top of z itself where first > 0 */
static void dense_panel(const dense *d, panel q, int first, int end, const real *const *a, int64_t row, int64_t rows,
                        real *z, int64_t z_row) {
    product m = {.pairs = end - first, .c_in = z, .c_in_row = z_row, .c = z, .c_row = z_row};
    if (first == 0) m.c_in = d->bias + q.block * LANES, m.c_in_row = 0;
    for (int s = first; s < end; s++)
        m.of[s - first] =
            window_factors(one_window(), q, a[s] + row * d->length[s], d->length[s], d->length[s], d->w[s]);
    if (rows == 1)
        tile_of_one_row(q.blocks, &m);
    else
        multiply(rows, q.blocks, &m);
}

/* to[rows, units] for the panels from `first` on and before `end`, a panel and a few rows at a time; but a softmax
 * is not taken. With z, that holds the first source's part.
 */
static void dense_panels(const dense *d, int64_t first, int64_t end, const real *const *a, int64_t rows, real *z,
                         real *to) {
    const int64_t units = d->panels.columns, padded = blocks_of(units) * LANES;
    real scratch[TILE_VECTORS * TILE_ROWS * LANES] __attribute__((aligned(64)));
    for (int64_t i = first; i < end; i++) {
        const panel q = panel_at(d->panels, i);
        const int64_t most = group_rows(rows, q.blocks), groups = rows <= most ? 1 : parts_of(rows, most);
        const int64_t c_row = z ? padded : q.blocks * LANES;
        for (int64_t g = 0; g < groups; g++) {
            const int64_t r = share(rows, g, groups), n = share(rows, g + 1, groups) - r;
            real *c = z ? z + r * padded + q.block * LANES : scratch;
            dense_panel(d, q, z ? 1 : 0, d->sources, a, r, n, c, c_row);
            activate(d->function, n, q.units, c, c_row, to + r * units + q.block * LANES, units);
        }
    }
}

/* to[rows, units]: the whole part */
static void dense_rows(const dense *d, const real *const *a, int64_t rows, real *z, real *to) {
    const int64_t units = d->panels.columns;
    dense_panels(d, 0, d->panels.n, a, rows, z, to);
    for (int64_t r = 0; d->function == FR_ACTIVATION_SOFTMAX && r < rows; r++)
        softmax_row(to + r * units, units, 1, to + r * units);
}

/* ---- backward: a ring of the part's dz, with what ring.h asks for ---- */

INLINE backward_run part_run(const fr_problem *part, int64_t dz, real *space, int64_t ring, int worker, int workers) {
    return (backward_run){.p = part,
                          .cell = cell_of(part),
                          .at = {.dz = dz},
                          .space = space,
                          .blocks = blocks_of(part->hidden),
                          .ring = ring,
                          .worker = worker,
                          .workers = workers,
                          .first_sums = 1};
}

#endif

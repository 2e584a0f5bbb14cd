/* How a problem is cut: the layouts, and every choice between two ways of computing. Each choice is one function of
 * the problem's shape; none changes a bit of a result.
 *
 * A block is LANES units. B blocks hold all H units, the last padded with zeros. A panel is a few blocks whose
 * weights lie together, so that one tile multiplies all their gates: the forward panels.
 */
#ifndef FASTRNN_PLAN_H
#define FASTRNN_PLAN_H

#include "fastrnn.h"
#include "pool.h"
#include "tile.h"

INLINE const fr_cell_info *cell_of(const fr_problem *p) { return &fr_cells[p->cell]; }
INLINE int64_t blocks_of(int64_t columns) { return parts_of(columns, LANES); }
INLINE int64_t rows_at(const fr_rows *rows, int64_t N, int64_t t) { return rows->counts ? rows->counts[t] : N; }

/* S: rows of all steps */
static int64_t total_rows(const fr_rows *rows, int64_t N) {
    if (!rows->counts) return rows->steps * N;
    int64_t total = 0;
    for (int64_t t = 0; t < rows->steps; t++) total += rows->counts[t];
    return total;
}

/* ---- choices. `python benchmarks/choices.py NAME VALUE...` builds the kernels with other values of one of these
 *      numbers and times them against each other. FEW_ROWS, FUSED_ROWS and PANEL_VECTORS have been compared that way,
 *      or by hand; the others are what cache sizes and tiles suggest, and wait for it. ---- */

#ifndef FEW_ROWS
#define FEW_ROWS 2 /* rows up to which a step is bound by latency or by reading weights: tiles of many vectors */
#endif
#ifndef FUSED_ROWS
#define FUSED_ROWS 8 /* rows from which a step has enough to reuse weights in registers */
#endif
#ifndef HOISTED_ROWS
#define HOISTED_ROWS 32 /* rows whose input part is computed at once: full tiles, and z stays in L1 or L2 */
#endif
#ifndef PANEL_VECTORS
#define PANEL_VECTORS 3 /* of a forward panel with many rows, unless one block has more gates */
#endif
#ifndef COLUMN_BLOCKS
#define COLUMN_BLOCKS 3 /* of a panel of columns in backward: 8 rows × 3 vectors load least for a multiply-add */
#endif
#ifndef RING_ROWS
#define RING_ROWS 512 /* rows of dz added to the weights' gradients at once: pays for reading and writing those */
#endif
#ifndef SOURCE_PANELS
#define SOURCE_PANELS 4 /* panels of x or h that dz is multiplied with at a time, for the weights' gradients */
#endif
#ifndef UNPACKED_ROWS
#define UNPACKED_ROWS 16 /* rows up to which Linear does not pack: weights are used too little */
#endif
#ifndef UNPACKED_OUTPUTS
#define UNPACKED_OUTPUTS (LANES / 4) /* outputs up to which it does not: most lanes would be padding */
#endif
#ifndef ROW_SPLIT_ROWS
#define ROW_SPLIT_ROWS 16 /* rows from which threads may share out rows: each has full tiles */
#endif
#ifndef ROW_SPLIT_BYTES
#define ROW_SPLIT_BYTES (1 << 19) /* of weights up to which they may: each core's L2 holds them all */
#endif
#ifndef FLOPS_PER_THREAD
#define FLOPS_PER_THREAD 20000000 /* about 200 µs: a thread with less to do costs more than it brings */
#endif

INLINE int few_rows(const fr_problem *p) { return p->rows <= FEW_ROWS; }

/* The input's part of several steps at once (hoisted), or in the same pass as the recurrent part (fused), where z
 * never reaches memory. */
INLINE int hoisted(const fr_problem *p) { return p->rows < FUSED_ROWS; }

/* Steps whose input part is computed at once when hoisted */
INLINE int64_t hoisted_steps(const fr_problem *p, int64_t steps) {
    const int64_t chunk = parts_of(HOISTED_ROWS, p->rows);
    return chunk < steps ? chunk : steps;
}

/* Linear of few rows, or of few outputs, multiplies with what is not packed: see unpacked.h. */
INLINE int few_dense_rows(const fr_linear_problem *p) { return p->rows <= UNPACKED_ROWS; }
INLINE int unpacked(const fr_linear_problem *p) { return few_dense_rows(p) || p->outputs <= UNPACKED_OUTPUTS; }

/* Blocks of a forward panel, at most */
INLINE int64_t widest_panel(const fr_problem *p) {
    const int64_t most = few_rows(p) ? TILE_VECTORS : PANEL_VECTORS, width = cell_of(p)->x.width;
    return most > width ? most / width : 1;
}

/* Threads share out rows, around the whole time loop, or units, with a barrier a step. */
INLINE int split_by_units(const fr_problem *p) {
    const int64_t inputs = p->distinct ? 0 : p->inputs; /* that each step multiplies */
    const int64_t weights = cell_of(p)->gates * p->hidden * (p->hidden + inputs) * (int64_t)sizeof(real);
    return p->rows < ROW_SPLIT_ROWS || weights > ROW_SPLIT_BYTES;
}

/* How many threads are worth waking */
static int workers_for(const fr_problem *p, const fr_rows *rows) {
    if (p->eager) return p->threads;
    const int64_t S = total_rows(rows, p->rows), of_x = p->one_hot ? 0 : p->distinct ? p->distinct : S;
    const int64_t flops = 2 * cell_of(p)->gates * p->hidden * (p->hidden * S + p->inputs * of_x);
    const int64_t worth = flops / FLOPS_PER_THREAD + 1;
    return worth < p->threads ? (int)worth : p->threads;
}

/* ---- panels ---- */

/* Columns (or units) cut into n panels of whole blocks, as even as they come */
typedef struct {
    int64_t columns, n, blocks, extra; /* a panel has `blocks` blocks, each of the first `extra` one more */
} cut;

typedef struct {
    int64_t block, blocks; /* the first, and how many */
    int64_t units;         /* of them real: the rest is padding */
} panel;

INLINE cut cut_into(int64_t columns, int64_t widest) {
    const int64_t blocks = blocks_of(columns), n = parts_of(blocks, widest);
    return (cut){columns, n, blocks / n, blocks % n};
}

INLINE panel panel_at(cut c, int64_t i) {
    const int64_t block = i * c.blocks + (i < c.extra ? i : c.extra), blocks = c.blocks + (i < c.extra);
    const int64_t left = c.columns - block * LANES, padded = blocks * LANES;
    return (panel){block, blocks, left < padded ? left : padded};
}

INLINE cut forward_panels(const fr_problem *p) { return cut_into(p->hidden, widest_panel(p)); }

#endif

/* Backwards where x is looked up in R rows. dz is added up for each of these, and the products with x and W_ih are
 * done once, at the end:
 *     D[x_row] += dz     dW_ih = Dᵀ x     dx = D W_ih
 * What has been added up, D, is a ring of R rows. Of one-hot rows dW_ih is D transposed.
 */
#ifndef FASTRNN_RING_TABLE_H
#define FASTRNN_RING_TABLE_H

#include "ring.h"

/* What has been added up for each row of x, as a ring */
static backward_run ring_of_table(const backward_run *f) {
    backward_run g = *f;
    g.at.dz = f->at.table, g.ring = g.in_ring = f->p->distinct;
    g.ring_first = 0, g.first_sums = 1;
    return g;
}

/* dz of one slot of one block, [ring row][lane] */
INLINE real *dz_of(const backward_run *f, int64_t slot, int64_t block) {
    return f->space + f->at.dz + (slot * f->blocks + block) * f->ring * LANES;
}

/* Nothing is added up yet, for this worker's blocks; x in panels */
static void start_table(const backward_run *f) {
    const backward_run g = ring_of_table(f);
    const int64_t R = f->p->distinct, I = f->p->inputs;
    const fr_window window = f->cell->x;
    for (int64_t block = first_block(f); block < end_block(f); block++)
        for (int s = 0; s < window.width; s++)
            memset(dz_of(&g, window.first + s, block), 0, (size_t)(R * LANES) * sizeof(real));
    if (!f->p->one_hot) pack_source(&g, f->args->x, I, R, 0, f->columns_x, f->space + f->at.x);
}

/* Σ dz for each row of x += dz of the ring's rows that take it, for this worker's blocks */
static void add_to_table(const backward_run *f) {
    const backward_run g = ring_of_table(f);
    const int64_t *x_row = f->args->x_row + f->ring_first;
    const fr_window window = f->cell->x;
    for (int64_t block = first_block(f); block < end_block(f); block++)
        for (int s = 0; s < window.width; s++) {
            const real *dz = dz_of(f, window.first + s, block);
            real *sums = dz_of(&g, window.first + s, block);
            for (int64_t r = 0; r < f->in_ring; r++) {
                real *to = sums + x_row[r] * LANES;
                store(to, load(to) + load(dz + r * LANES));
            }
        }
}

enum { TURNED = 64 }; /* rows of the table that are turned at a time: they stay in L1 */

/* One-hot: dW_ih = the sums, transposed, for this worker's blocks */
static void turn_table(const backward_run *g) {
    const fr_window window = g->cell->x;
    const int64_t R = g->p->distinct, H = g->p->hidden;
    for (int64_t block = first_block(g); block < end_block(g); block++)
        for (int s = 0; s < window.width; s++) {
            const real *sums = dz_of(g, window.first + s, block);
            real *dw = (real *)g->args->grad_w_ih + (window.gate[s] * H + block * LANES) * R;
            const int64_t units = H - block * LANES < LANES ? H - block * LANES : LANES;
            for (int64_t i = 0; i < R; i += TURNED)
                for (int64_t unit = 0; unit < units; unit++)
                    for (int64_t r = i; r < R && r < i + TURNED; r++) dw[unit * R + r] = sums[r * LANES + unit];
        }
}

/* When all rows are added up */
static void finish_table(const backward_run *f) {
    const backward_run g = ring_of_table(f);
    if (f->p->one_hot)
        turn_table(&g);
    else
        add_input_sums(&g);
}

#endif

/* What a cell's epilogue is given: the pointers of one row (one sequence of the batch) at one step.
 *
 * forward(n, z, gate_stride, row): z holds the pre-activations of n units, gate g at z + g·gate_stride;
 *     it leaves the activated gates there if the cell saves them, and writes h and c.
 * backward(n, dz, gate_stride, row): writes dE/dz the same way, and turns dc from dE/dc_t into dE/dc_{t-1}.
 *     (dE/dh_{t-1} is the multiply's work.)
 */
#ifndef FASTRNN_CELLS_EPILOGUE_H
#define FASTRNN_CELLS_EPILOGUE_H

#include "activations.h"

typedef struct {
    const real *c_prev; /* [n] c_{t-1}, in; may be c */
    real *c;            /* [n] c_t, out */
    real *h;            /* [n] h_t, out */
} forward_row;

typedef struct {
    const real *gates;  /* activated gates, spaced like dz, in */
    const real *h;      /* [n] h_t, in */
    const real *c_prev; /* [n] c_{t-1}, in */
    const real *c;      /* [n] c_t, in */
    const real *dy;     /* [n] dE/dh_t from outside the layer, in */
    const real *dh;     /* [n] dE/dh_t from step t+1, in */
    real *dc;           /* [n] dE/dc_t from step t+1, then dE/dc_{t-1}, in/out */
} backward_row;

typedef void (*forward_epilogue)(int64_t n, real *z, int64_t gate_stride, forward_row row);
typedef void (*backward_epilogue)(int64_t n, real *dz, int64_t gate_stride, backward_row row);

#endif

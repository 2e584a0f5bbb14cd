/* What a cell's equations are given: one vector of units of one row (a sequence of the batch) at one step.
 *
 * forward:  z holds the pre-activations, slot by slot; it leaves in z what backward will want as `saved`, and the
 *           new h (and c).
 * backward: turns dE/dh_t and dE/dc_t into dE/dz, the part of dE/dh_{t-1} that flows around the multiply, and
 *           dE/dc_{t-1}. What flows through the multiply is added by backward.h.
 *
 * A cell of two phases: forward_1 leaves in h what the second multiply takes in place of h, and forward_2 gives the
 * new h; backward_2 comes first and backward_1 gets in `d_input` the gradient of what its forward left.
 *
 * Zoneout is done around the equations (epilogues.h): where it keeps an old h, dh is zero here and h is not the
 * cell's.
 *
 * The lanes behind the last unit hold zeros or harmless numbers going in, and dz must be zero there if dh and dc are.
 */
#ifndef FASTRNN_CELLS_EPILOGUE_H
#define FASTRNN_CELLS_EPILOGUE_H

#include "activations.h"

typedef struct {
    vec z[4];           /* in: pre-activations; out: what to save */
    vec h_prev, c_prev; /* in */
    vec h, c;           /* out */
} forward_unit;

typedef struct {
    vec saved[4];  /* in: z as forward left it */
    vec h, h_prev; /* in; phase 1 of 2 leaves in h what the second multiply took */
    vec c_prev;    /* in */
    vec d_input;   /* in, phase 1 of 2: dE/d(what the second multiply took) */
    vec dh, dc;    /* in: dE/dh_t, dE/dc_t; out: dE/dh_{t-1} around the multiply, dE/dc_{t-1} */
    vec dz[4];     /* out */
} backward_unit;

#endif

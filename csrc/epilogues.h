/* Epilogues: a cell's equations (cells/), run over the rows and units of a span. Loads, stores and the last vector,
 * which is often shorter, are done here, once for every cell.
 */
#ifndef FASTRNN_EPILOGUES_H
#define FASTRNN_EPILOGUES_H

#include "cells/elman.h"
#include "cells/gru.h"
#include "cells/lstm.h"
#include "fastrnn.h"

/* ---- forward: some rows of one panel ---- */

typedef struct {
    int64_t rows, units, H;      /* units of the panel, not counting the padding */
    int64_t z_row, z_slot;       /* from one row, one slot to the next */
    real *z;                     /* in/out */
    const real *h_prev, *c_prev; /* [rows, H], from the panel's first unit on */
    real *h, *c;                 /* likewise */
    real *saved;                 /* [rows, saves, H] likewise, or NULL */
} forward_span;

typedef void (*forward_epilogue)(const forward_span *);

/* `final`: the phase that gives h; an earlier one puts z back for the next and leaves that one's input in h. */
#define FORWARD_EPILOGUE(name, step, states, slots, saves, final)                                              \
    INLINE void name##_inline(const forward_span *f) {                                                         \
        for (int64_t r = 0; r < f->rows; r++)                                                                  \
            for (int64_t j = 0; j < f->units; j += LANES) {                                                    \
                const int64_t n = f->units - j, at = r * f->H + j;                                             \
                real *z = f->z + r * f->z_row + j;                                                             \
                forward_unit u;                                                                                \
                for (int s = 0; s < slots; s++) u.z[s] = load(z + s * f->z_slot);                              \
                u.h_prev = load_n(f->h_prev + at, n);                                                          \
                if (states == 2) u.c_prev = load_n(f->c_prev + at, n);                                         \
                step(&u);                                                                                      \
                if (!(final))                                                                                  \
                    for (int s = 0; s < slots; s++) store(z + s * f->z_slot, u.z[s]);                          \
                else if (saves && f->saved)                                                                    \
                    for (int s = 0; s < saves; s++) store_n(f->saved + (r * saves + s) * f->H + j, u.z[s], n); \
                if (states == 2) store_n(f->c + at, u.c, n);                                                   \
                store_n(f->h + at, u.h, n);                                                                    \
            }                                                                                                  \
    }                                                                                                          \
    static void name(const forward_span *f) { name##_inline(f); }

#define FORWARD_1(name, states, slots, saves) \
    FORWARD_EPILOGUE(name##_rows_forward, name##_forward, states, slots, saves, 1)
#define FORWARD_2(name, states, slots, saves)                                          \
    FORWARD_EPILOGUE(name##_rows_forward_1, name##_forward_1, states, slots, saves, 0) \
    FORWARD_EPILOGUE(name##_rows_forward_2, name##_forward_2, states, slots, saves, 1)
#define FORWARD_FUNCTIONS(name, gates, states, slots, saves, phases, ...) FORWARD_##phases(name, states, slots, saves)
FR_CELLS(FORWARD_FUNCTIONS)

#define FORWARD_NAMES_1(name) {name##_rows_forward}
#define FORWARD_NAMES_2(name) {name##_rows_forward_1, name##_rows_forward_2}
#define FORWARD_ENTRY(name, gates, states, slots, saves, phases, ...) FORWARD_NAMES_##phases(name),
static const forward_epilogue forward_epilogues[FR_CELL_COUNT][FR_PHASES] = {FR_CELLS(FORWARD_ENTRY)};

/* ---- backward: some rows and blocks ---- */

typedef struct {
    int64_t rows, units, H;
    int64_t dz_block, dz_slot; /* from one block, one slot to the next in dz; rows are LANES apart */
    int64_t padded;            /* from one row to the next in dh and d_input */
    const real *saved;         /* [rows, saves, H] */
    const real *h, *h_prev;    /* [rows, H] */
    const real *c, *c_prev;    /* [rows, H] */
    const real *dy;            /* [rows, H]: dE/dh_t from outside */
    const real *d_input;       /* [rows, padded] */
    real *dh;                  /* [rows, padded] in/out */
    real *dc;                  /* [rows, H] in/out */
    real *input;               /* [rows, H] out: what the second multiply took; phase 1 of 2 */
    real *dz;                  /* out */
} backward_span;

typedef void (*backward_epilogue)(const backward_span *);

/* `final`: the phase that gave h; the one before it only adds to dh and writes the last slot of dz. */
#define BACKWARD_EPILOGUE(name, step, states, slots, saves, final)                                             \
    static void name(const backward_span *f) {                                                                 \
        for (int64_t j = 0; j < f->units; j += LANES)                                                          \
            for (int64_t r = 0; r < f->rows; r++) {                                                            \
                const int64_t n = f->units - j, at = r * f->H + j;                                             \
                real *dz = f->dz + j / LANES * f->dz_block + r * LANES, *dh = f->dh + r * f->padded + j;       \
                backward_unit u;                                                                               \
                for (int s = 0; s < saves; s++) u.saved[s] = load_n(f->saved + (r * saves + s) * f->H + j, n); \
                u.h = load_n(f->h + at, n), u.h_prev = load_n(f->h_prev + at, n);                              \
                if (states == 2) u.c = load_n(f->c + at, n), u.c_prev = load_n(f->c_prev + at, n);             \
                if (states == 2) u.dc = load_n(f->dc + at, n);                                                 \
                u.dh = load(dh);                                                                               \
                if (final)                                                                                     \
                    u.dh += load_n(f->dy + at, n);                                                             \
                else                                                                                           \
                    u.d_input = load(f->d_input + r * f->padded + j);                                          \
                step(&u);                                                                                      \
                for (int s = (final) ? 0 : slots - 1; s < slots; s++) store(dz + s * f->dz_slot, u.dz[s]);     \
                store(dh, u.dh);                                                                               \
                if (states == 2) store_n(f->dc + at, u.dc, n);                                                 \
                if (!(final)) store_n(f->input + at, u.h, n);                                                  \
            }                                                                                                  \
    }

#define BACKWARD_1(name, states, slots, saves) \
    BACKWARD_EPILOGUE(name##_rows_backward, name##_backward, states, slots, saves, 1)
#define BACKWARD_2(name, states, slots, saves)                                            \
    BACKWARD_EPILOGUE(name##_rows_backward_1, name##_backward_1, states, slots, saves, 0) \
    BACKWARD_EPILOGUE(name##_rows_backward_2, name##_backward_2, states, slots, saves, 1)
#define BACKWARD_FUNCTIONS(name, gates, states, slots, saves, phases, ...) \
    BACKWARD_##phases(name, states, slots, saves)
FR_CELLS(BACKWARD_FUNCTIONS)

#define BACKWARD_NAMES_1(name) {name##_rows_backward}
#define BACKWARD_NAMES_2(name) {name##_rows_backward_1, name##_rows_backward_2}
#define BACKWARD_ENTRY(name, gates, states, slots, saves, phases, ...) BACKWARD_NAMES_##phases(name),
static const backward_epilogue backward_epilogues[FR_CELL_COUNT][FR_PHASES] = {FR_CELLS(BACKWARD_ENTRY)};

#endif

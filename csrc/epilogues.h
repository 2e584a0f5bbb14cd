/* Epilogues: a cell's equations (cells/), run over the rows and units of a span. Loads, stores and the last vector,
 * which is often shorter, are done here, once for every cell.
 */
#ifndef FASTRNN_EPILOGUES_H
#define FASTRNN_EPILOGUES_H

#include "cells/elman.h"
#include "cells/gru.h"
#include "cells/lstm.h"
#include "fastrnn.h"
#include "masks.h"

/* ---- zoneout ---- */

/* Where zoneout keeps a state's old elements: [0] h, [1] c */
INLINE ivec zoned_out(const fr_zoneout *zone, int state, int64_t row, int64_t unit) {
    return dropped(key_of(zone->seed + (uint64_t)state, row), unit, threshold_of(zone->rate[state]));
}

/* s_t = d ∘ s_{t-1} + (1 - d) ∘ s̃_t, d being drawn, 0 or 1, or its expected value */
INLINE vec zone_out(const fr_zoneout *zone, int state, int64_t row, int64_t unit, vec before, vec now) {
    if (zone->rate[state] == 0) return now;
    if (!zone->draw) return fma_(splat((real)zone->rate[state]), before - now, now);
    return masked(zoned_out(zone, state, row, unit), before, now);
}

INLINE int zones(const fr_options *options) { return options->zoneout.rate[0] > 0 || options->zoneout.rate[1] > 0; }

INLINE int has_options(const fr_options *options) { return options->keep || zones(options); }

/* Every epilogue is compiled twice, without options and with them. It works on a copy of the span, which its stores
 * can't change: from `span` itself everything would be read again after each.
 */

/* ---- forward: some rows of one panel ---- */

typedef struct {
    int64_t rows, units, H;      /* units of the panel, not counting the padding */
    int64_t z_row, z_slot;       /* from one row, one slot to the next */
    int64_t before_row, h_row;   /* from one row to the next in h_prev, in h */
    real *z;                     /* in/out */
    const real *h_prev, *c_prev; /* [rows, H], from the panel's first unit on */
    real *h, *c;                 /* likewise */
    real *saved;                 /* [rows, saves, H] likewise, or NULL */
    const real *keep;            /* [rows, H] likewise: recurrent dropout; or NULL */
    real *fed;                   /* [rows, H] likewise: keep ∘ h */
    int64_t fed_row;
    const fr_zoneout *zoneout; /* or NULL */
    int64_t row, unit;         /* of all rows and units, the first here */
} forward_span;

typedef void (*forward_epilogue)(const forward_span *);

/* `final`: the phase that gives h; an earlier one puts z back for the next and leaves that one's input in h. */
#define FORWARD_EPILOGUE(name, step, states, slots, saves, final)                                              \
    INLINE void name##_inline(const forward_span *span, const int options) {                                   \
        const forward_span own = *span, *const f = &own;                                                       \
        for (int64_t r = 0; r < f->rows; r++)                                                                  \
            for (int64_t j = 0; j < f->units; j += LANES) {                                                    \
                const int64_t n = f->units - j, at = r * f->H + j;                                             \
                real *z = f->z + r * f->z_row + j;                                                             \
                forward_unit u;                                                                                \
                for (int s = 0; s < slots; s++) u.z[s] = load(z + s * f->z_slot);                              \
                u.h_prev = load_n(f->h_prev + r * f->before_row + j, n);                                       \
                if (states == 2) u.c_prev = load_n(f->c_prev + at, n);                                         \
                step(&u);                                                                                      \
                if (!(final))                                                                                  \
                    for (int s = 0; s < slots; s++) store(z + s * f->z_slot, u.z[s]);                          \
                else if (saves && f->saved)                                                                    \
                    for (int s = 0; s < saves; s++) store_n(f->saved + (r * saves + s) * f->H + j, u.z[s], n); \
                if (options && (final) && f->zoneout) {                                                        \
                    u.h = zone_out(f->zoneout, 0, f->row + r, f->unit + j, u.h_prev, u.h);                     \
                    if (states == 2) u.c = zone_out(f->zoneout, 1, f->row + r, f->unit + j, u.c_prev, u.c);    \
                }                                                                                              \
                if (states == 2) store_n(f->c + at, u.c, n);                                                   \
                const vec fed = options && f->keep ? u.h * load_n(f->keep + at, n) : u.h;                      \
                if (options && (final) && f->keep) store_n(f->fed + r * f->fed_row + j, fed, n);               \
                store_n(f->h + r * f->h_row + j, (final) ? u.h : fed, n);                                      \
            }                                                                                                  \
    }                                                                                                          \
    static void name##_plain(const forward_span *f) { name##_inline(f, 0); }                                   \
    static void name##_optioned(const forward_span *f) { name##_inline(f, 1); }

#define FORWARD_1(name, states, slots, saves) \
    FORWARD_EPILOGUE(name##_rows_forward, name##_forward, states, slots, saves, 1)
#define FORWARD_2(name, states, slots, saves)                                          \
    FORWARD_EPILOGUE(name##_rows_forward_1, name##_forward_1, states, slots, saves, 0) \
    FORWARD_EPILOGUE(name##_rows_forward_2, name##_forward_2, states, slots, saves, 1)
#define FORWARD_FUNCTIONS(name, gates, states, slots, saves, phases, ...) FORWARD_##phases(name, states, slots, saves)
FR_CELLS(FORWARD_FUNCTIONS)

#define BOTH(name) {name##_plain, name##_optioned}
#define FORWARD_NAMES_1(name) {BOTH(name##_rows_forward)}
#define FORWARD_NAMES_2(name) {BOTH(name##_rows_forward_1), BOTH(name##_rows_forward_2)}
#define FORWARD_ENTRY(name, gates, states, slots, saves, phases, ...) FORWARD_NAMES_##phases(name),
static const forward_epilogue forward_epilogues[FR_CELL_COUNT][FR_PHASES][2] = {FR_CELLS(FORWARD_ENTRY)};

/* ---- backward: some rows and blocks ---- */

typedef struct {
    int64_t rows, units, H;
    int64_t dz_block, dz_slot; /* from one block, one slot to the next in dz; rows are LANES apart */
    int64_t padded;            /* from one row to the next in dh, d_fed and d_input */
    int64_t h_row, dy_row;     /* from one row to the next in h and h_prev, in dy */
    const real *saved;         /* [rows, saves, H] */
    const real *h, *h_prev;    /* [rows, H] */
    const real *c_prev;        /* [rows, H] */
    const real *dy;            /* [rows, H]: dE/dh_t from outside */
    const real *keep, *d_fed;  /* [rows, H], [rows, padded]: dE/dh_t through the multiply is keep ∘ d_fed; or NULL */
    const real *d_input;       /* [rows, padded] */
    real *dh;                  /* [rows, padded] in/out */
    real *dc;                  /* [rows, H] in/out */
    real *input;               /* [rows, H] out: what the second multiply took; phase 1 of 2 */
    real *dz;                  /* out */
    const fr_zoneout *zoneout; /* drawn; or NULL */
    int64_t row, unit;         /* of all rows and units, the first here */
} backward_span;

typedef void (*backward_epilogue)(const backward_span *);

/* Take out of a gradient, and return, what goes past the cell to the old state. */
INLINE vec past_the_cell(const fr_zoneout *zone, int state, int64_t row, int64_t unit, vec *grad) {
    const ivec old = zoned_out(zone, state, row, unit);
    const vec past = masked(old, *grad, splat(0));
    *grad = masked(old, splat(0), *grad);
    return past;
}

/* `final`: the phase that gave h; the one before it only adds to dh and writes the last slot of dz. */
#define BACKWARD_EPILOGUE(name, step, states, slots, saves, final)                                              \
    INLINE void name##_inline(const backward_span *span, const int options) {                                   \
        const backward_span own = *span, *const f = &own;                                                       \
        for (int64_t j = 0; j < f->units; j += LANES)                                                           \
            for (int64_t r = 0; r < f->rows; r++) {                                                             \
                const int64_t n = f->units - j, at = r * f->H + j, h_at = r * f->h_row + j;                     \
                real *dz = f->dz + j / LANES * f->dz_block + r * LANES, *dh = f->dh + r * f->padded + j;        \
                const vec keep = options && f->keep ? load_n(f->keep + at, n) : splat(1);                       \
                vec past_h = splat(0), past_c = splat(0);                                                       \
                backward_unit u;                                                                                \
                for (int s = 0; s < saves; s++) u.saved[s] = load_n(f->saved + (r * saves + s) * f->H + j, n);  \
                u.h = load_n(f->h + h_at, n), u.h_prev = load_n(f->h_prev + h_at, n);                           \
                if (states == 2) u.c_prev = load_n(f->c_prev + at, n), u.dc = load_n(f->dc + at, n);            \
                u.dh = load(dh);                                                                                \
                if (final) {                                                                                    \
                    if (options && f->keep) u.dh = fma_(keep, load(f->d_fed + r * f->padded + j), u.dh);        \
                    u.dh += load_n(f->dy + r * f->dy_row + j, n);                                               \
                    if (options && f->zoneout) {                                                                \
                        past_h = past_the_cell(f->zoneout, 0, f->row + r, f->unit + j, &u.dh);                  \
                        if (states == 2) past_c = past_the_cell(f->zoneout, 1, f->row + r, f->unit + j, &u.dc); \
                    }                                                                                           \
                } else {                                                                                        \
                    u.d_input = load(f->d_input + r * f->padded + j);                                           \
                    if (options) u.d_input = u.d_input * keep;                                                  \
                }                                                                                               \
                step(&u);                                                                                       \
                for (int s = (final) ? 0 : slots - 1; s < slots; s++) store(dz + s * f->dz_slot, u.dz[s]);      \
                store(dh, options ? u.dh + past_h : u.dh);                                                      \
                if (states == 2) store_n(f->dc + at, options ? u.dc + past_c : u.dc, n);                        \
                if (!(final)) store_n(f->input + at, options ? u.h * keep : u.h, n);                            \
            }                                                                                                   \
    }                                                                                                           \
    static void name##_plain(const backward_span *f) { name##_inline(f, 0); }                                   \
    static void name##_optioned(const backward_span *f) { name##_inline(f, 1); }

#define BACKWARD_1(name, states, slots, saves) \
    BACKWARD_EPILOGUE(name##_rows_backward, name##_backward, states, slots, saves, 1)
#define BACKWARD_2(name, states, slots, saves)                                            \
    BACKWARD_EPILOGUE(name##_rows_backward_1, name##_backward_1, states, slots, saves, 0) \
    BACKWARD_EPILOGUE(name##_rows_backward_2, name##_backward_2, states, slots, saves, 1)
#define BACKWARD_FUNCTIONS(name, gates, states, slots, saves, phases, ...) \
    BACKWARD_##phases(name, states, slots, saves)
FR_CELLS(BACKWARD_FUNCTIONS)

#define BACKWARD_NAMES_1(name) {BOTH(name##_rows_backward)}
#define BACKWARD_NAMES_2(name) {BOTH(name##_rows_backward_1), BOTH(name##_rows_backward_2)}
#define BACKWARD_ENTRY(name, gates, states, slots, saves, phases, ...) BACKWARD_NAMES_##phases(name),
static const backward_epilogue backward_epilogues[FR_CELL_COUNT][FR_PHASES][2] = {FR_CELLS(BACKWARD_ENTRY)};

#endif

/* Functions of the elements of rows, for dense parts: none, tanh, sigmoid, ReLU; and the softmax of a whole row. */
#ifndef FASTRNN_FUNCTIONS_H
#define FASTRNN_FUNCTIONS_H

#include "cells/elman.h"

#include <math.h>

/* ---- over rows; the slopes are written in the function's value ---- */

INLINE vec linear_(vec x) { return x; }
INLINE vec linear_slope(vec y) { return (void)y, splat(1); }

#define ACTIVATE(function)                         \
    for (int64_t r = 0; r < rows; r++)             \
        for (int64_t j = 0; j < units; j += LANES) \
            store_n(to + r * to_row + j, function(load(z + r * z_row + j)), units - j);

/* to[rows, units] = function(z), but for the softmax, which needs whole rows: z itself */
INLINE void activate_inline(fr_activation function, int64_t rows, int64_t units, const real *z, int64_t z_row,
                            real *to, int64_t to_row) {
    switch (function) {
    case FR_ACTIVATION_TANH:
        ACTIVATE(tanh_)
        break;
    case FR_ACTIVATION_SIGMOID:
        ACTIVATE(sigmoid_)
        break;
    case FR_ACTIVATION_RELU:
        ACTIVATE(relu_)
        break;
    case FR_ACTIVATION_LINEAR:
    case FR_ACTIVATION_SOFTMAX:
        ACTIVATE(linear_)
        break;
    }
}

static void activate(fr_activation function, int64_t rows, int64_t units, const real *z, int64_t z_row, real *to,
                     int64_t to_row) {
    activate_inline(function, rows, units, z, z_row, to, to_row);
}

INLINE vec slope_of(fr_activation function, vec y) {
    switch (function) {
    case FR_ACTIVATION_TANH:
        return tanh_slope(y);
    case FR_ACTIVATION_SIGMOID:
        return sigmoid_slope(y);
    case FR_ACTIVATION_RELU:
        return relu_slope(y);
    default:
        return linear_slope(y);
    }
}

/* Up to a whole vector, `rest` in the lanes behind */
INLINE vec load_or(const real *p, int64_t n, real rest) {
    if (n >= LANES) return load(p);
    real part[LANES];
    store(part, splat(rest));
    for (int64_t i = 0; i < n; i++) part[i] = p[i];
    return load(part);
}

INLINE real largest_lane(vec v) {
    real lane[LANES];
    store(lane, v);
    for (int i = 1; i < LANES; i++) lane[0] = lane[i] > lane[0] ? lane[i] : lane[0];
    return lane[0];
}

INLINE real sum_of_lanes(vec v) {
    real lane[LANES];
    store(lane, v);
    for (int i = 1; i < LANES; i++) lane[0] += lane[i];
    return lane[0];
}

/* y = e^(y - m) / Σ e^(y - m) of one row, m its largest element: no power overflows, and one of them is 1 */
static void softmax_row(real *y, int64_t n) {
    vec largest = splat(y[0]), sum = splat(0);
    for (int64_t j = 0; j < n; j += LANES) largest = max_(largest, load_or(y + j, n - j, y[0]));
    const vec m = splat(largest_lane(largest));
    for (int64_t j = 0; j < n; j += LANES) {
        const vec e = exp_(load_or(y + j, n - j, -(real)INFINITY) - m);
        store_n(y + j, e, n - j);
        sum += e;
    }
    const vec total = splat(sum_of_lanes(sum));
    for (int64_t j = 0; j < n; j += LANES) store_n(y + j, load_n(y + j, n - j) / total, n - j);
}

#endif

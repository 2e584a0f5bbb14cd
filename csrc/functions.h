/* Functions of the elements of rows, for dense parts: none, tanh, sigmoid, ReLU. */
#ifndef FASTRNN_FUNCTIONS_H
#define FASTRNN_FUNCTIONS_H

#include "cells/elman.h"
#include "softmax.h"

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

#endif

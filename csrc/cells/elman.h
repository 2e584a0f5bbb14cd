/* Elman (1990), "Finding structure in time": one gate, the state itself.
 *
 *     z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
 *     h_t = φ(z_t)                                    φ: tanh, sigmoid or ReLU
 *
 *     dE/dz_t = dE/dh_t · φ'(z_t)                     φ' written in h_t: 1 - h², h(1 - h), [h > 0]
 *
 * Both epilogues work on one row of n units; the arguments that only gated cells use are ignored.
 */
#ifndef FASTRNN_CELLS_ELMAN_H
#define FASTRNN_CELLS_ELMAN_H

#include "epilogue.h"

INLINE vec tanh_slope(vec h) { return fma_(splat(0) - h, h, splat(1)); }
INLINE vec sigmoid_slope(vec h) { return h * (splat(1) - h); }
INLINE vec relu_slope(vec h) { return if_negative(splat(0) - h, splat(1), splat(0)); } /* 0 at 0 */

#define ELMAN(phi)                                                                                      \
    static void rnn_##phi##_forward(int64_t n, real *z, int64_t gate_stride, forward_row row) {         \
        (void)gate_stride;                                                                              \
        for (int64_t j = 0; j < n; j += LANES) store_n(row.h + j, phi##_(load_n(z + j, n - j)), n - j); \
    }                                                                                                   \
    static void rnn_##phi##_backward(int64_t n, real *dz, int64_t gate_stride, backward_row row) {      \
        (void)gate_stride;                                                                              \
        for (int64_t j = 0; j < n; j += LANES) {                                                        \
            const int64_t left = n - j;                                                                 \
            const vec dh = load_n(row.dh + j, left) + load_n(row.dy + j, left);                         \
            store_n(dz + j, dh * phi##_slope(load_n(row.h + j, left)), left);                           \
        }                                                                                               \
    }

ELMAN(tanh)
ELMAN(sigmoid)
ELMAN(relu)

#undef ELMAN

#endif

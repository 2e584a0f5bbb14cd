/* Elman (1990), "Finding structure in time": one gate, the state itself.
 *
 *     z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
 *     h_t = φ(z_t)                                    φ: tanh, sigmoid or ReLU
 *
 *     dE/dz_t = dE/dh_t · φ'(z_t)                     φ' written in h_t: 1 - h², h(1 - h), [h > 0]
 */
#ifndef FASTRNN_CELLS_ELMAN_H
#define FASTRNN_CELLS_ELMAN_H

#include "epilogue.h"

INLINE vec tanh_slope(vec h) { return fma_(splat(0) - h, h, splat(1)); }
INLINE vec sigmoid_slope(vec h) { return h * (splat(1) - h); }
INLINE vec relu_slope(vec h) { return if_negative(splat(0) - h, splat(1), splat(0)); } /* 0 at 0 */

#define ELMAN(phi)                                                               \
    INLINE void rnn_##phi##_forward(forward_unit *u) { u->h = phi##_(u->z[0]); } \
    INLINE void rnn_##phi##_backward(backward_unit *u) {                         \
        u->dz[0] = u->dh * phi##_slope(u->h);                                    \
        u->dh = splat(0);                                                        \
    }

ELMAN(tanh)
ELMAN(sigmoid)
ELMAN(relu)

#undef ELMAN

#endif

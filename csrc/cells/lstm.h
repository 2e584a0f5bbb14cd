/* LSTM: Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000).
 *
 *     z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh     four slots: i, f, g, o
 *     i, f, o = σ(z_i), σ(z_f), σ(z_o)                g = tanh(z_g)
 *     c_t = f ∘ c_{t-1} + i ∘ g
 *     h_t = o ∘ tanh(c_t)
 *
 *     dc  = dE/dc_t + dE/dh_t ∘ o ∘ (1 - tanh²(c_t))
 *     dz_i = dc ∘ g ∘ i(1 - i)        dz_f = dc ∘ c_{t-1} ∘ f(1 - f)
 *     dz_g = dc ∘ i ∘ (1 - g²)        dz_o = dE/dh_t ∘ tanh(c_t) ∘ o(1 - o)
 *     dE/dc_{t-1} = dc ∘ f
 */
#ifndef FASTRNN_CELLS_LSTM_H
#define FASTRNN_CELLS_LSTM_H

#include "elman.h" /* the slopes */

INLINE void lstm_forward(forward_unit *u) {
    const vec i = sigmoid_(u->z[0]), f = sigmoid_(u->z[1]), g = tanh_(u->z[2]), o = sigmoid_(u->z[3]);
    u->c = fma_(f, u->c_prev, i * g);
    u->h = o * tanh_(u->c);
    u->z[0] = i, u->z[1] = f, u->z[2] = g, u->z[3] = o;
}

INLINE void lstm_backward(backward_unit *u) {
    const vec i = u->saved[0], f = u->saved[1], g = u->saved[2], o = u->saved[3];
    const vec c = fma_(f, u->c_prev, i * g), tanh_c = tanh_(c); /* again: zoneout may have kept another c */
    const vec dc = fma_(u->dh * o, tanh_slope(tanh_c), u->dc);
    u->dz[0] = dc * g * sigmoid_slope(i);
    u->dz[1] = dc * u->c_prev * sigmoid_slope(f);
    u->dz[2] = dc * i * tanh_slope(g);
    u->dz[3] = u->dh * tanh_c * sigmoid_slope(o);
    u->dc = dc * f;
    u->dh = splat(0);
}

#endif

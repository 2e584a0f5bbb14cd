/* GRU: Cho et al. (2014), "Learning phrase representations using RNN encoder-decoder". Gates r, z, n.
 *
 *     r, z = σ(W x_t + b_ih + W h_{t-1} + b_hh)       h_t = (1 - z) ∘ n + z ∘ h_{t-1}
 *
 * gru: the reset gate comes after the product (cuDNN, PyTorch). Slots: n's input part, r, z, n's recurrent part.
 *     n = tanh(n_x + r ∘ n_h)        n_x = W_in x_t + b_in        n_h = W_hn h_{t-1} + b_hn
 *     dn_x = dE/dh ∘ (1 - z) ∘ (1 - n²)               dn_h = dn_x ∘ r
 *     dz_r = dn_x ∘ n_h ∘ r(1 - r)                    dz_z = dE/dh ∘ (h_{t-1} - n) ∘ z(1 - z)
 *     dE/dh_{t-1} = dE/dh ∘ z + (through the multiply)
 *
 * gru_before: the reset gate comes before the product (as published). Slots: n, z, r.
 *     n = tanh(W_in x_t + b_in + W_hn (r ∘ h_{t-1}) + b_hn)
 *     dz_n = dE/dh ∘ (1 - z) ∘ (1 - n²)               dz_z as above
 *     dz_r = d(r ∘ h) ∘ h_{t-1} ∘ r(1 - r)            d(r ∘ h) = W_hnᵀ dz_n
 *     dE/dh_{t-1} = dE/dh ∘ z + d(r ∘ h) ∘ r + (through the multiply)
 */
#ifndef FASTRNN_CELLS_GRU_H
#define FASTRNN_CELLS_GRU_H

#include "elman.h" /* the slopes */

INLINE void gru_forward(forward_unit *u) {
    const vec r = sigmoid_(u->z[1]), z = sigmoid_(u->z[2]);
    const vec n = tanh_(fma_(r, u->z[3], u->z[0]));
    u->h = fma_(z, u->h_prev - n, n);
    u->z[0] = n, u->z[1] = r, u->z[2] = z;
}

INLINE void gru_backward(backward_unit *u) {
    const vec n = u->saved[0], r = u->saved[1], z = u->saved[2], n_h = u->saved[3];
    const vec dn = u->dh * (splat(1) - z) * tanh_slope(n);
    u->dz[0] = dn;
    u->dz[1] = dn * n_h * sigmoid_slope(r);
    u->dz[2] = u->dh * (u->h_prev - n) * sigmoid_slope(z);
    u->dz[3] = dn * r;
    u->dh = u->dh * z;
}

INLINE void gru_before_forward_1(forward_unit *u) {
    u->z[1] = sigmoid_(u->z[1]);
    u->z[2] = sigmoid_(u->z[2]);
    u->h = u->z[2] * u->h_prev;
}

INLINE void gru_before_forward_2(forward_unit *u) {
    const vec n = tanh_(u->z[0]), z = u->z[1];
    u->h = fma_(z, u->h_prev - n, n);
    u->z[0] = n;
}

INLINE void gru_before_backward_2(backward_unit *u) {
    const vec n = u->saved[0], z = u->saved[1];
    u->dz[0] = u->dh * (splat(1) - z) * tanh_slope(n);
    u->dz[1] = u->dh * (u->h_prev - n) * sigmoid_slope(z);
    u->dz[2] = splat(0); /* not yet known */
    u->dh = u->dh * z;
}

INLINE void gru_before_backward_1(backward_unit *u) {
    const vec r = u->saved[2];
    u->dz[2] = u->d_input * u->h_prev * sigmoid_slope(r);
    u->dh = fma_(u->d_input, r, u->dh);
    u->h = r * u->h_prev;
}

#endif

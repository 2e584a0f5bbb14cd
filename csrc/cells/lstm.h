/* LSTM: Hochreiter & Schmidhuber (1997), with the forget gate of Gers, Schmidhuber & Cummins (2000).
 *
 *     z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh     four blocks: i, f, g, o
 *     i, f, o = σ(z_i), σ(z_f), σ(z_o)                g = tanh(z_g)
 *     c_t = f ∘ c_{t-1} + i ∘ g
 *     h_t = o ∘ tanh(c_t)
 *
 *     dc  = dE/dc_t + dE/dh_t ∘ o ∘ (1 - tanh²(c_t))
 *     dz_i = dc ∘ g ∘ i(1 - i)        dz_f = dc ∘ c_{t-1} ∘ f(1 - f)
 *     dz_g = dc ∘ i ∘ (1 - g²)        dz_o = dE/dh_t ∘ tanh(c_t) ∘ o(1 - o)
 *     dE/dc_{t-1} = dc ∘ f
 *
 * Both epilogues work on one row of n units.
 */
#ifndef FASTRNN_CELLS_LSTM_H
#define FASTRNN_CELLS_LSTM_H

#include "elman.h" /* the slopes */
#include "epilogue.h"

static void lstm_forward(int64_t n, real *z, int64_t gate_stride, forward_row row) {
    real *zi = z, *zf = zi + gate_stride, *zg = zf + gate_stride, *zo = zg + gate_stride;
    for (int64_t j = 0; j < n; j += LANES) {
        const int64_t left = n - j;
        const vec i = sigmoid_(load_n(zi + j, left));
        const vec f = sigmoid_(load_n(zf + j, left));
        const vec g = tanh_(load_n(zg + j, left));
        const vec o = sigmoid_(load_n(zo + j, left));
        const vec c = fma_(f, load_n(row.c_prev + j, left), i * g);
        store_n(zi + j, i, left);
        store_n(zf + j, f, left);
        store_n(zg + j, g, left);
        store_n(zo + j, o, left);
        store_n(row.c + j, c, left);
        store_n(row.h + j, o * tanh_(c), left);
    }
}

static void lstm_backward(int64_t n, real *dz, int64_t gate_stride, backward_row row) {
    for (int64_t j = 0; j < n; j += LANES) {
        const int64_t left = n - j;
        const real *gate = row.gates + j;
        const vec i = load_n(gate, left);
        const vec f = load_n(gate + gate_stride, left);
        const vec g = load_n(gate + 2 * gate_stride, left);
        const vec o = load_n(gate + 3 * gate_stride, left);
        const vec tanh_c = tanh_(load_n(row.c + j, left));
        const vec dh = load_n(row.dh + j, left) + load_n(row.dy + j, left);
        const vec dc = fma_(dh * o, tanh_slope(tanh_c), load_n(row.dc + j, left));
        store_n(dz + j, dc * g * sigmoid_slope(i), left);
        store_n(dz + gate_stride + j, dc * load_n(row.c_prev + j, left) * sigmoid_slope(f), left);
        store_n(dz + 2 * gate_stride + j, dc * i * tanh_slope(g), left);
        store_n(dz + 3 * gate_stride + j, dh * tanh_c * sigmoid_slope(o), left);
        store_n(row.dc + j, dc * f, left);
    }
}

#endif

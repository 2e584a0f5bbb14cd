/* Steps of optimisers. Each element is updated by itself, in one pass over w, g and what is remembered of them, by
 * operations that are rounded one by one: the bits are the same on every ISA and for any number of threads.
 * Subnormals count as zero: memories of gradients that have ended are full of them.
 *
 * α rate; λ l2 (of an array that is decayed; otherwise 0); κ shrink (likewise; otherwise 1); ε eps.
 */
#ifndef FASTRNN_OPTIMIZERS_H
#define FASTRNN_OPTIMIZERS_H

#include "arrays.h"
#include "denormals.h"

/* Part of one parameter, and of what is remembered of it */
typedef struct {
    int64_t size;
    real *w;
    const real *g;
    real *memory[FR_MEMORIES];
    double l2, shrink;
} part;

static part part_at(const fr_update_args *u, piece p) {
    part q = {p.size, (real *)u->w[p.array] + p.start, (const real *)u->g[p.array] + p.start, {0}, 0, 1};
    for (int i = 0; i < FR_MEMORIES; i++)
        if (u->memory[i]) q.memory[i] = (real *)u->memory[i] + u->offsets[p.array] + p.start;
    if (u->decayed[p.array]) q.l2 = u->l2, q.shrink = u->shrink;
    return q;
}

/* g + λ w */
INLINE vec with_decay(vec g, vec w, double l2) { return l2 > 0 ? g + splat((real)l2) * w : g; }

/* Momentum, and Nesterov's (Sutskever et al. 2013), in PyTorch's form:
 *
 *     g ← g + λ w        v ← μ v + g        w ← w - α v,  or  w - α (g + μ v)
 */
static void sgd(const fr_update_args *u, part p) {
    const vec rate = splat((real)u->rate), momentum = splat((real)u->momentum);
    const int remembers = p.memory[0] != 0, nesterov = u->nesterov;
    for (int64_t j = 0; j < p.size; j += LANES) {
        const int64_t n = p.size - j;
        const vec w = load_n(p.w + j, n), g = with_decay(load_n(p.g + j, n), w, p.l2);
        vec step = g;
        if (remembers) {
            const vec v = momentum * load_n(p.memory[0] + j, n) + g;
            store_n(p.memory[0] + j, v, n);
            step = nesterov ? g + momentum * v : v;
        }
        store_n(p.w + j, w - rate * step, n);
    }
}

/* RMSprop (Hinton 2012); centred (Graves 2013) with the variance s - m² in place of s:
 *
 *     g ← g + λ w        s ← β₂ s + (1-β₂) g²        m ← m + (1-β₂) (g - m)
 *     q = g / (√s + ε)        w ← w - α q,  or with momentum  v ← μ v + q,  w ← w - α v
 *
 * Rounding can make a variance negative; it counts as 0 then.
 */
static void rmsprop(const fr_update_args *u, part p) {
    const vec rate = splat((real)u->rate), momentum = splat((real)u->momentum), eps = splat((real)u->eps);
    const vec keep = splat((real)u->beta2), add = splat((real)(1 - u->beta2));
    real *const square = p.memory[0], *const mean = p.memory[1], *const velocity = p.memory[2];
    for (int64_t j = 0; j < p.size; j += LANES) {
        const int64_t n = p.size - j;
        const vec w = load_n(p.w + j, n), g = with_decay(load_n(p.g + j, n), w, p.l2);
        vec s = keep * load_n(square + j, n) + add * (g * g);
        store_n(square + j, s, n);
        if (mean) {
            vec m = load_n(mean + j, n);
            m = m + add * (g - m);
            store_n(mean + j, m, n);
            s = max_(splat(0), s - m * m);
        }
        vec step = g / (sqrt_(s) + eps);
        if (velocity) {
            step = momentum * load_n(velocity + j, n) + step;
            store_n(velocity + j, step, n);
        }
        store_n(p.w + j, w - rate * step, n);
    }
}

/* Adam (Kingma & Ba 2015), and AdamW (Loshchilov & Hutter 2019) by κ. α and ρ hold the corrections of the bias of m
 * and v: α = learning rate / (1-β₁ᵗ), ρ = 1 / √(1-β₂ᵗ).
 *
 *     g ← g + λ w        m ← m + (1-β₁) (g - m)        v ← β₂ v + (1-β₂) g²        w ← κ w - α m / (ρ √v + ε)
 */
static void adam(const fr_update_args *u, part p) {
    const vec rate = splat((real)u->rate), eps = splat((real)u->eps), root = splat((real)u->root);
    const vec shrink = splat((real)p.shrink), add_m = splat((real)(1 - u->beta1));
    const vec keep = splat((real)u->beta2), add_v = splat((real)(1 - u->beta2));
    for (int64_t j = 0; j < p.size; j += LANES) {
        const int64_t n = p.size - j;
        const vec w = load_n(p.w + j, n), g = with_decay(load_n(p.g + j, n), w, p.l2);
        vec m = load_n(p.memory[0] + j, n), v = load_n(p.memory[1] + j, n);
        m = m + add_m * (g - m);
        v = keep * v + add_v * (g * g);
        store_n(p.memory[0] + j, m, n);
        store_n(p.memory[1] + j, v, n);
        store_n(p.w + j, shrink * w - rate * m / (root * sqrt_(v) + eps), n);
    }
}

static void update_piece(const void *context, piece where) {
    const fr_update_args *u = context;
    const part p = part_at(u, where);
    switch (u->rule) {
    case FR_SGD:
        sgd(u, p);
        break;
    case FR_RMSPROP:
        rmsprop(u, p);
        break;
    case FR_ADAM:
        adam(u, p);
        break;
    }
}

static void update_share(void *context, int worker, int workers) {
    const fr_update_args *u = context;
    const fp_mode before = flush_denormals();
    each_piece(&u->arrays, worker, workers, update_piece, u);
    restore_mode(before);
}

static void update(const fr_update_args *u) { fr_parallel(workers_for_arrays(&u->arrays), update_share, (void *)u); }

#endif

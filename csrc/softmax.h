/* The softmax of rows:  y_k = e^(z_k - m) / s  with  m = max_k z_k,  s = Σ_k e^(z_k - m).
 * No power overflows, and one of them is 1; log Σ_k e^z_k = m + log s.
 */
#ifndef FASTRNN_SOFTMAX_H
#define FASTRNN_SOFTMAX_H

#include "activations.h"

#include <math.h>

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

typedef struct {
    real largest, sum; /* m and s */
} normaliser;

/* y[n] = scale · softmax(z); y may be z. NaN in z makes s NaN. */
INLINE normaliser softmax_row(const real *z, int64_t n, real scale, real *y) {
    vec largest = splat(z[0]), sum = splat(0);
    for (int64_t j = 0; j < n; j += LANES) largest = max_(largest, load_or(z + j, n - j, z[0]));
    const real m = largest_lane(largest);
    for (int64_t j = 0; j < n; j += LANES) {
        const vec e = exp_(load_or(z + j, n - j, -(real)INFINITY) - splat(m));
        store_n(y + j, e, n - j);
        sum += e;
    }
    const real s = sum_of_lanes(sum);
    const vec factor = splat(scale / s);
    for (int64_t j = 0; j < n; j += LANES) store_n(y + j, load_n(y + j, n - j) * factor, n - j);
    return (normaliser){m, s};
}

static void softmax(int64_t rows, int64_t classes, const void *z, const void *scale, void *y, void *largest,
                    void *sums) {
    for (int64_t r = 0; r < rows; r++) {
        const real factor = scale ? ((const real *)scale)[r] : 1;
        const normaliser of = softmax_row((const real *)z + r * classes, classes, factor, (real *)y + r * classes);
        ((real *)largest)[r] = of.largest;
        ((real *)sums)[r] = of.sum;
    }
}

#endif

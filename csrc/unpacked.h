/* Products with a matrix that lies the other way round, and with too few rows to pay for packing it:
 *
 *     D[n, m] = D + A[n, K] Bᵀ, B [m, K]
 *
 * A block of B's rows comes through registers into the lanes, 4 k at a time, and is multiplied there. Each element is
 * the same chain of multiply-adds over rising k as in tile.h.
 */
#ifndef FASTRNN_UNPACKED_H
#define FASTRNN_UNPACKED_H

#include "pack.h"

/* d[r·LANES + lane] += Σ a[r·K + k] b[lane·K + k] for `length` k */
#define LANES_BEGIN(r)   \
    vec c##r = splat(0); \
    if (r < R) c##r = load(d + r * LANES);
#define LANES_STEP(r)                              \
    if (r < R) {                                   \
        const real *ar = a + r * K + k;            \
        c##r = fma_(splat(ar[0]), column.a, c##r); \
        c##r = fma_(splat(ar[1]), column.b, c##r); \
        c##r = fma_(splat(ar[2]), column.c, c##r); \
        c##r = fma_(splat(ar[3]), column.d, c##r); \
    }
#define LANES_END(r) \
    if (r < R) store(d + r * LANES, c##r);

INLINE void multiply_lanes(const int R, const real *a, const real *b, int64_t K, int64_t length, real *d) {
    EACH_VECTOR(LANES_BEGIN)
    for (int64_t k = 0; k < length; k += 4) {
        const four_columns column = columns_of_lanes(b + k, K);
        EACH_VECTOR(LANES_STEP)
    }
    EACH_VECTOR(LANES_END)
}

#define LANES_FUNCTION(R)                                                                     \
    static void lanes_##R(const real *a, const real *b, int64_t K, int64_t length, real *d) { \
        multiply_lanes(R, a, b, K, length, d);                                                \
    }
LANES_FUNCTION(1)
LANES_FUNCTION(2)
LANES_FUNCTION(3)
LANES_FUNCTION(4)
LANES_FUNCTION(5)
LANES_FUNCTION(6)
LANES_FUNCTION(7)
LANES_FUNCTION(8)
static void (*const lanes_of[TILE_ROWS + 1])(const real *, const real *, int64_t, int64_t, real *) = {
    NULL, lanes_1, lanes_2, lanes_3, lanes_4, lanes_5, lanes_6, lanes_7, lanes_8};

enum { PART = 64 }; /* k's of a block that go through memory together */

/* The same for what does not fill a vector or four k: by way of L1 */
static void multiply_part(int64_t rows, const real *a, const real *b, int64_t n, int64_t K, int64_t length, real *d) {
    real part[PART * LANES] __attribute__((aligned(64)));
    for (int64_t k = 0; k < length; k += PART) {
        const int64_t some = length - k < PART ? length - k : PART;
        pack_block(b + k, n, K, some, part, LANES);
        const product m = {
            .of = {{.a = a + k, .a_row = K, .a_k = 1, .b = part, .b_k = LANES, .segments = 1, .length = some}},
            .pairs = 1,
            .c_in = d,
            .c = d,
            .c_in_row = LANES,
            .c_row = LANES};
        multiply(rows, 1, &m);
    }
}

/* d[rows, LANES] += A Bᵀ of rows <= TILE_ROWS of A and n <= LANES of B */
static void multiply_unpacked(int64_t rows, const real *a, const real *b, int64_t n, int64_t K, real *d) {
    const int64_t whole = n < LANES ? 0 : K & ~(int64_t)3;
    if (whole) lanes_of[rows](a, b, K, whole, d);
    if (whole < K) multiply_part(rows, a + whole, b + whole, n, K, K - whole, d);
}

#endif

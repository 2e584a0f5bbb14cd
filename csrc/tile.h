/* The register tile, which does every multiply: C[rows, columns] = C_in + A[rows, k] · B[k, columns].
 *
 * Columns lie across the lanes, a few vectors of them beside each other; a few rows stand below each other. Each
 * element is one chain of multiply-adds over rising k that begins with C_in, so its bits depend neither on the size
 * of the tile that computes it nor on where a chain is broken off and taken up again.
 */
#ifndef FASTRNN_TILE_H
#define FASTRNN_TILE_H

#include "simd.h"

/* Where a multiply finds A and B. k counts `segments` × `length`. A is read element by element, B by whole vectors.
 */
typedef struct {
    const real *a; /* element (row, segment, i) at a[row·a_row + segment·a_segment + i·a_k] */
    int64_t a_row, a_segment, a_k;
    const real *b; /* element (segment, i, column) at b[segment·b_segment + i·b_k + column] */
    int64_t b_segment, b_k;
    int64_t segments, length;
} factors;

/* C = C_in + the first pair of factors + the second, if there are two */
typedef struct {
    factors of[2];
    int pairs;
    const real *c_in; /* element (row, column) at c_in[row·c_in_row + column]; may be c */
    real *c;          /* element (row, column) at c[row·c_row + column] */
    int64_t c_in_row, c_row;
} product;

enum { TILE_ROWS = 8, TILE_VECTORS = 8 }; /* at most */

/* Accumulators are named variables made by macro, which GCC 12 keeps in registers; an array it stores at every k. */
#define EACH_VECTOR(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define EACH_ROW EACH_VECTOR
#define ROW(X, r) X(r, 0) X(r, 1) X(r, 2) X(r, 3) X(r, 4) X(r, 5) X(r, 6) X(r, 7)
#define EACH(X) ROW(X, 0) ROW(X, 1) ROW(X, 2) ROW(X, 3) ROW(X, 4) ROW(X, 5) ROW(X, 6) ROW(X, 7)

#define TILE_DECLARE(r, v) vec c##r##v = splat(0);
#define TILE_BEGIN(r, v) \
    if (r < R && v < V) c##r##v = load(c_in + r * m->c_in_row + v * LANES);
#define TILE_B(v) const vec b##v = v < V ? load(b + v * LANES) : splat(0);
#define TILE_A(r)                              \
    if (r < R) {                               \
        const vec ar = splat(a[r * f->a_row]); \
        ROW(TILE_STEP, r)                      \
    }
#define TILE_STEP(r, v) \
    if (v < V) c##r##v = fma_(ar, b##v, c##r##v);
#define TILE_END(r, v) \
    if (r < R && v < V) store(c + r * m->c_row + v * LANES, c##r##v);

/* R rows × V vectors, both constant where this is inlined, of m from a row and a column on */
INLINE void tile(const int R, const int V, const product *m, int64_t row, int64_t column) {
    const real *const c_in = m->c_in + row * m->c_in_row + column;
    real *const c = m->c + row * m->c_row + column;
    EACH(TILE_DECLARE)
    EACH(TILE_BEGIN)
    for (const factors *f = m->of; f < m->of + m->pairs; f++)
        for (int64_t s = 0; s < f->segments; s++) {
            const real *a = f->a + row * f->a_row + s * f->a_segment, *b = f->b + column + s * f->b_segment;
            for (int64_t i = 0; i < f->length; i++, a += f->a_k, b += f->b_k) {
                EACH_VECTOR(TILE_B)
                EACH_ROW(TILE_A)
            }
        }
    EACH(TILE_END)
}

/* ---- the tiles there are: as many rows as leave accumulators and a row of B in registers ---- */

#define UP_TO_1(X, V) X(1, V)
#define UP_TO_2(X, V) UP_TO_1(X, V) X(2, V)
#define UP_TO_4(X, V) UP_TO_2(X, V) X(3, V) X(4, V)
#define UP_TO_6(X, V) UP_TO_4(X, V) X(5, V) X(6, V)
#define UP_TO_8(X, V) UP_TO_6(X, V) X(7, V) X(8, V)
#if defined(FR_ISA_AVX512) || defined(FR_ISA_NEON) /* 32 registers */
#define WIDE_TILES(X) \
    UP_TO_8(X, 2) UP_TO_8(X, 3) UP_TO_6(X, 4) UP_TO_2(X, 5) UP_TO_2(X, 6) UP_TO_2(X, 7) UP_TO_2(X, 8)
enum { MANY_ROWS_VECTORS = 4 }; /* as wide as a tile of many rows may be */
#else                           /* 16 registers */
#define WIDE_TILES(X) \
    UP_TO_6(X, 2) UP_TO_4(X, 3) UP_TO_2(X, 4) UP_TO_1(X, 5) UP_TO_1(X, 6) UP_TO_1(X, 7) UP_TO_1(X, 8)
enum { MANY_ROWS_VECTORS = 3 };
#endif
#define TILES(X) UP_TO_8(X, 1) WIDE_TILES(X)

#define TILE_FUNCTION(R, V) \
    static void tile_##R##_##V(const product *m, int64_t row, int64_t column) { tile(R, V, m, row, column); }
TILES(TILE_FUNCTION)
#undef TILE_FUNCTION

#define TILE_ENTRY(R, V) [V][R] = tile_##R##_##V,
static void (*const tiles[TILE_VECTORS + 1][TILE_ROWS + 1])(const product *, int64_t, int64_t) = {TILES(TILE_ENTRY)};
#undef TILE_ENTRY

#define TILE_MOST(R, V) [V] = R,
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* the last R of a V is the largest */
static const signed char tile_rows[TILE_VECTORS + 1] = {TILES(TILE_MOST)};
#pragma GCC diagnostic pop
#undef TILE_MOST

/* A tile of one row, for callers that cannot spare the call */
INLINE void tile_of_one_row(int64_t vectors, const product *m) {
    switch (vectors) {
    case 1:
        tile(1, 1, m, 0, 0);
        break;
    case 2:
        tile(1, 2, m, 0, 0);
        break;
    case 3:
        tile(1, 3, m, 0, 0);
        break;
    case 4:
        tile(1, 4, m, 0, 0);
        break;
    case 5:
        tile(1, 5, m, 0, 0);
        break;
    case 6:
        tile(1, 6, m, 0, 0);
        break;
    case 7:
        tile(1, 7, m, 0, 0);
        break;
    default:
        tile(1, 8, m, 0, 0);
        break;
    }
}

/* ---- any number of rows and vectors ---- */

INLINE int64_t parts_of(int64_t whole, int64_t most) { return (whole + most - 1) / most; }

/* Where part i of n equal parts begins, and the one before it ends: 32 = 5 + 5 + 6 + 5 + 5 + 6 */
INLINE int64_t share(int64_t whole, int64_t i, int64_t n) { return n == 1 ? whole * i : whole * i / n; }

/* Vectors of the tiles that so many rows × vectors are cut into */
INLINE int64_t tile_vectors(int64_t rows, int64_t vectors) {
    if (rows <= tile_rows[vectors] || vectors <= MANY_ROWS_VECTORS) return vectors;
    return parts_of(vectors, parts_of(vectors, MANY_ROWS_VECTORS));
}

/* Rows that go through all vectors together, at most */
INLINE int64_t group_rows(int64_t rows, int64_t vectors) { return tile_rows[tile_vectors(rows, vectors)]; }

/* `m` goes by pointer and unchanged: copies of it would cost as much as a small tile does. */
static void multiply(int64_t rows, int64_t vectors, const product *m) {
    const int64_t width = tile_vectors(rows, vectors), most = tile_rows[width];
    const int64_t n = rows <= most ? 1 : parts_of(rows, most);
    for (int64_t v = 0; v < vectors; v += width) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t row = share(rows, i, n), end = share(rows, i + 1, n);
            tiles[vectors - v < width ? vectors - v : width][end - row](m, row, v * LANES);
        }
    }
}

#endif

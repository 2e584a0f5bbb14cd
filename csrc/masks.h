/* Random masks, of dropout and zoneout. They are not kept but made again wherever they are wanted, forward and
 * backward, from a seed and an element's place: the same for any number of threads, any ISA and element type.
 *
 *     key = splitmix64(seed, row)      v = a mix of the column and both halves of the key, in 32 bits
 *     dropped where v / 2 < rate · 2^31
 *
 * splitmix64: Steele, Lea & Flood (2014), "Fast splittable pseudorandom number generators"; the mix is Wellons's
 * lowbias32 (2018), with the key's high half added on the way.
 */
#ifndef FASTRNN_MASKS_H
#define FASTRNN_MASKS_H

#include "simd.h"

typedef struct {
    uint32_t low, high;
} mask_key;

INLINE mask_key key_of(uint64_t seed, int64_t row) {
    uint64_t z = seed + ((uint64_t)row + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (mask_key){(uint32_t)z, (uint32_t)(z >> 32)};
}

INLINE real_bits threshold_of(double rate) { return (real_bits)(rate * 0x80000000u); }

/* Lanes are as wide as a real, the arithmetic is that of 32 bits. */
INLINE uvec low_32(uvec v) { return v & (real_ubits)0xFFFFFFFFu; }

/* All bits set in the lanes of dropped columns, `column` that of the first lane */
INLINE ivec dropped(mask_key key, int64_t column, real_bits threshold) {
    static const real_ubits lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uvec v;
    memcpy(&v, lanes, sizeof v);
    v = low_32((v + (real_ubits)(uint32_t)column) * (real_ubits)0x9E3779B1u + (real_ubits)key.low);
    v ^= v >> 16;
    v = low_32(v * (real_ubits)0x7FEB352Du + (real_ubits)key.high);
    v ^= v >> 15;
    v = low_32(v * (real_ubits)0x846CA68Bu);
    v ^= v >> 16;
    return (ivec)(v >> 1) < threshold;
}

INLINE vec masked(ivec mask, vec yes, vec no) { return (vec)(((ivec)yes & mask) | ((ivec)no & ~mask)); }

/* y = 0 where dropped, else x / (1 - rate); [rows, columns] both */
static void drop(double rate, uint64_t seed, int64_t rows, int64_t columns, const void *x, void *y) {
    const real_bits threshold = threshold_of(rate);
    const vec scale = splat((real)(1 / (1 - rate)));
    for (int64_t row = 0; row < rows; row++) {
        const mask_key key = key_of(seed, row);
        const real *from = (const real *)x + row * columns;
        real *to = (real *)y + row * columns;
        for (int64_t j = 0; j < columns; j += LANES) {
            const vec kept = load_n(from + j, columns - j) * scale;
            store_n(to + j, masked(dropped(key, j, threshold), splat(0), kept), columns - j);
        }
    }
}

#endif

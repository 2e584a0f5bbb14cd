/* Some arrays of any sizes, gone through as if they were one: cut into pieces, which the threads share out.
 */
#ifndef FASTRNN_ARRAYS_H
#define FASTRNN_ARRAYS_H

#include "fastrnn.h"
#include "pool.h"
#include "tile.h"

enum {
    PIECE = 1 << 14,              /* elements, at most */
    ELEMENTS_PER_THREAD = 1 << 18 /* about 200 µs: a thread with less to do costs more than it brings */
};

typedef struct {
    int64_t array, start, size; /* elements start … start + size - 1 of one array */
    int64_t number;             /* among the pieces of all arrays */
} piece;

static int64_t pieces_of(const fr_arrays *a) {
    int64_t pieces = 0;
    for (int64_t i = 0; i < a->count; i++) pieces += parts_of(a->sizes[i], PIECE);
    return pieces;
}

/* work(context, p) for one worker's pieces p */
INLINE void each_piece(const fr_arrays *a, int worker, int workers, void (*work)(const void *, piece),
                       const void *context) {
    const int64_t pieces = pieces_of(a), first = pieces * worker / workers, end = pieces * (worker + 1) / workers;
    int64_t number = 0;
    for (int64_t i = 0; i < a->count; i++) {
        for (int64_t start = 0; start < a->sizes[i]; start += PIECE, number++) {
            const int64_t left = a->sizes[i] - start;
            if (first <= number && number < end)
                work(context, (piece){i, start, left < PIECE ? left : PIECE, number});
        }
    }
}

/* How many threads are worth waking */
static int workers_for_arrays(const fr_arrays *a) {
    if (a->eager) return a->threads;
    int64_t elements = 0;
    for (int64_t i = 0; i < a->count; i++) elements += a->sizes[i];
    const int64_t worth = elements / ELEMENTS_PER_THREAD + 1;
    return worth < a->threads ? (int)worth : a->threads;
}

#endif

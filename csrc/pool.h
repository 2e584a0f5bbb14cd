/* The threads: one pool in the process, made when first needed, see pool.c. */
#ifndef FASTRNN_POOL_H
#define FASTRNN_POOL_H

#include <stdatomic.h>

enum { FR_MAX_THREADS = 256 };

/* body(context, worker, workers) on `workers` threads at once, the caller's being worker 0, or on fewer: when another
 * thread is using the pool, or the system gives no more. Returns when all have. */
void fr_parallel(int workers, void (*body)(void *context, int worker, int workers), void *context);

/* A point that all workers of one fr_parallel reach before any goes on. Starts as {0}. */
typedef struct {
    atomic_int arrived, round;
} fr_barrier;

void fr_barrier_wait(fr_barrier *barrier, int workers);

#endif

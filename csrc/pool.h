/* The threads: one pool in the process, made when first needed, see pool.c. */
#ifndef FASTRNN_POOL_H
#define FASTRNN_POOL_H

#include <stdatomic.h>

enum { FR_MAX_THREADS = 256 };

/* body(context, worker, workers) on `workers` threads at once, the caller's being worker 0, or on fewer: when another
 * thread is using the pool, or the system gives no more. Returns when all have. */
void fr_parallel(int workers, void (*body)(void *context, int worker, int workers), void *context);

/* Threads of another library, as GCC's OpenMP has them, to be used instead of the pool's own. That library's spin for
 * a while after each of its jobs, and where each takes a core, one's own find none. `parallel` calls member(data) on
 * so many threads at once, or on fewer, the caller's among them; in it `number` and `count` tell which of how many.
 */
typedef struct {
    void (*parallel)(void (*member)(void *data), void *data, unsigned threads, unsigned flags);
    int (*number)(void), (*count)(void);
} fr_team;

/* From now on, in this process; its children of a fork have the pool's own again. All NULL: the pool's own. */
void fr_use_team(fr_team team);

/* A point that all workers of one fr_parallel reach before any goes on. Starts as {0}. */
typedef struct {
    atomic_int arrived, round;
} fr_barrier;

void fr_barrier_wait(fr_barrier *barrier, int workers);

#endif

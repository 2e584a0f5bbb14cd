/* One small pool of threads, the one stateful file of the kernels.
 *
 * A worker that has nothing to do spins for a moment, since the next call often follows at once, and then sleeps.
 * After a fork the child has no workers and makes its own. Whoever finds the pool in use works alone: nested and
 * concurrent calls can't wait for each other, so they can't lock each other out.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield")
#else
#define RELAX() ((void)0)
#endif

enum {
    SPINS_BEFORE_SLEEP = 20000, /* about half a millisecond */
    SPINS_BEFORE_YIELD = 2000   /* someone else may need this very core to get to the same point */
};

static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER; /* held by the caller that the pool works for */
static pthread_mutex_t sleep_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int started; /* threads made, guarded by in_use */
static atomic_int sleeping;
static atomic_uint job; /* counts the jobs; a worker takes part in each of them once */
static atomic_int unfinished;
static atomic_int workers_of_job;
static void (*body_of_job)(void *, int, int);
static void *context_of_job;

static void spin_or_yield(int64_t *spins) {
    if (++*spins > SPINS_BEFORE_YIELD)
        sched_yield();
    else
        RELAX();
}

static unsigned next_job(unsigned last) {
    for (int spins = 0; spins < SPINS_BEFORE_SLEEP; spins++) {
        if (atomic_load_explicit(&job, memory_order_acquire) != last) return last + 1;
        RELAX();
    }
    pthread_mutex_lock(&sleep_lock);
    atomic_fetch_add(&sleeping, 1);
    while (atomic_load(&job) == last) pthread_cond_wait(&wake, &sleep_lock);
    atomic_fetch_sub(&sleeping, 1);
    pthread_mutex_unlock(&sleep_lock);
    return last + 1;
}

typedef struct {
    int worker;
    unsigned job;
} birth;

static birth births[FR_MAX_THREADS];

static void *work(void *argument) {
    const birth b = *(birth *)argument;
    for (unsigned last = b.job;;) {
        last = next_job(last);
        const int workers = atomic_load_explicit(&workers_of_job, memory_order_relaxed);
        if (b.worker < workers) body_of_job(context_of_job, b.worker, workers);
        atomic_fetch_sub_explicit(&unfinished, 1, memory_order_release);
    }
    return 0;
}

static void forget_threads(void) { /* in the child of a fork */
    started = 0;
    atomic_store(&sleeping, 0);
    in_use = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    sleep_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static void watch_forks(void) { pthread_atfork(0, 0, forget_threads); }

/* Have so many threads besides the caller's, or as many as the system gives. */
static void start_threads(int wanted) {
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (; started < wanted; started++) {
        pthread_t thread;
        births[started] = (birth){started + 1, atomic_load(&job)};
        if (pthread_create(&thread, &detached, work, &births[started])) break;
    }
    pthread_attr_destroy(&detached);
}

void fr_parallel(int workers, void (*body)(void *, int, int), void *context) {
    if (workers > FR_MAX_THREADS) workers = FR_MAX_THREADS;
    if (workers <= 1 || pthread_mutex_trylock(&in_use)) {
        body(context, 0, 1);
        return;
    }
    pthread_once(&once, watch_forks);
    start_threads(workers - 1);
    if (workers > started + 1) workers = started + 1;
    body_of_job = body, context_of_job = context;
    atomic_store_explicit(&workers_of_job, workers, memory_order_relaxed);
    atomic_store_explicit(&unfinished, started, memory_order_relaxed);
    atomic_fetch_add(&job, 1);
    if (atomic_load(&sleeping)) {
        pthread_mutex_lock(&sleep_lock);
        pthread_cond_broadcast(&wake);
        pthread_mutex_unlock(&sleep_lock);
    }
    body(context, 0, workers);
    for (int64_t spins = 0; atomic_load_explicit(&unfinished, memory_order_acquire);) spin_or_yield(&spins);
    pthread_mutex_unlock(&in_use);
}

void fr_barrier_wait(fr_barrier *barrier, int workers) {
    if (workers <= 1) return;
    const int round = atomic_load_explicit(&barrier->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&barrier->arrived, 1, memory_order_acq_rel) == workers - 1) {
        atomic_store_explicit(&barrier->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&barrier->round, round + 1, memory_order_release);
        return;
    }
    for (int64_t spins = 0; atomic_load_explicit(&barrier->round, memory_order_acquire) == round;)
        spin_or_yield(&spins);
}

/* One small pool of threads, the one stateful file of the kernels.
 *
 * A worker that has nothing to do spins for a moment, since the next call often follows at once, and then sleeps
 * until a job comes that needs it: jobs of few threads leave alone those that were made for a larger one.
 * After a fork the child has no workers and makes its own. Whoever finds the pool in use works alone: nested and
 * concurrent calls can't wait for each other, so they can't lock each other out. Where other processes want the
 * cores too, threads that wait for each other wait for those as well: then calls use one thread for a while.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>

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
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int started;                  /* threads made; this and the next line are guarded by in_use */
static double alone_until, patience; /* seconds */
static atomic_uint_fast64_t ticket;  /* of the last job: its number, and in the low bits how many workers it has */
static atomic_int unfinished;        /* workers, besides the caller */
static atomic_int crowded;           /* some worker of the job lost its core to another process */
static void (*body_of_job)(void *, int, int);
static void *context_of_job;

static const double LEAST_PATIENCE = 2e-3, MOST_PATIENCE = 0.2; /* seconds */

enum { WORKER_BITS = 16, WORKERS = (1 << WORKER_BITS) - 1 };

static void spin_or_yield(int64_t *spins) {
    if (++*spins > SPINS_BEFORE_YIELD)
        sched_yield();
    else
        RELAX();
}

typedef struct {
    int number;         /* the caller is number 0 */
    uint_fast64_t last; /* the ticket that it was last at, or that was out when it was made */
    atomic_int asleep;
    pthread_cond_t wake;
} worker;

static worker crew[FR_MAX_THREADS]; /* crew[i] is number i + 1 */

static int is_new_job_for(const worker *w, uint_fast64_t now) {
    return now != w->last && w->number < (int)(now & WORKERS);
}

/* Wait for the next job that needs this worker, and return how many work on it. */
static int next_job(worker *w) {
    uint_fast64_t now = atomic_load_explicit(&ticket, memory_order_acquire);
    for (int spins = 0; spins < SPINS_BEFORE_SLEEP && !is_new_job_for(w, now); spins++) {
        RELAX();
        now = atomic_load_explicit(&ticket, memory_order_acquire);
    }
    if (!is_new_job_for(w, now)) {
        pthread_mutex_lock(&sleep_lock);
        atomic_store(&w->asleep, 1); /* before it looks again: whoever writes the ticket sees one or is seen */
        while (!is_new_job_for(w, now = atomic_load(&ticket))) pthread_cond_wait(&w->wake, &sleep_lock);
        atomic_store(&w->asleep, 0);
        pthread_mutex_unlock(&sleep_lock);
    }
    w->last = now;
    return (int)(now & WORKERS);
}

static void wake_up(int workers) {
    int asleep = 0;
    for (int i = 0; i < workers - 1; i++) asleep |= atomic_load(&crew[i].asleep);
    if (!asleep) return;
    pthread_mutex_lock(&sleep_lock);
    for (int i = 0; i < workers - 1; i++) pthread_cond_signal(&crew[i].wake);
    pthread_mutex_unlock(&sleep_lock);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One worker's part, and whether it had its core to itself: a worker that waits spins, so it uses time all the time.
 */
static void work_on(void (*body)(void *, int, int), void *context, int worker, int workers) {
    const double wall = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_THREAD_CPUTIME_ID);
    body(context, worker, workers);
    const double elapsed = seconds(CLOCK_MONOTONIC) - wall,
                 lost = elapsed - (seconds(CLOCK_THREAD_CPUTIME_ID) - used);
    if (lost > 0.2 * elapsed && lost > 1e-3) atomic_store(&crowded, 1);
}

static void *work(void *argument) {
    worker *const w = argument;
    for (;;) {
        const int workers = next_job(w);
        work_on(body_of_job, context_of_job, w->number, workers);
        atomic_fetch_sub_explicit(&unfinished, 1, memory_order_release);
    }
    return 0;
}

static void forget_threads(void) { /* in the child of a fork */
    started = 0, patience = 0;
    in_use = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    sleep_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static void watch_forks(void) { pthread_atfork(0, 0, forget_threads); }

/* Have so many threads besides the caller's, or as many as the system gives. */
static void start_threads(int wanted) {
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (; started < wanted; started++) {
        pthread_t thread;
        crew[started] = (worker){started + 1, atomic_load(&ticket), 0, PTHREAD_COND_INITIALIZER};
        if (pthread_create(&thread, &detached, work, &crew[started])) break;
    }
    pthread_attr_destroy(&detached);
}

static void run_job(int workers, void (*body)(void *, int, int), void *context) {
    body_of_job = body, context_of_job = context;
    atomic_store(&crowded, 0);
    atomic_store_explicit(&unfinished, workers - 1, memory_order_relaxed);
    const uint_fast64_t number = (atomic_load(&ticket) >> WORKER_BITS) + 1;
    atomic_store(&ticket, number << WORKER_BITS | (uint_fast64_t)workers);
    wake_up(workers);
    work_on(body, context, 0, workers);
    for (int64_t spins = 0; atomic_load_explicit(&unfinished, memory_order_acquire);) spin_or_yield(&spins);
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
    if (workers == 1 || (patience > 0 && seconds(CLOCK_MONOTONIC) < alone_until)) {
        body(context, 0, 1);
    } else {
        run_job(workers, body, context);
        if (!atomic_load(&crowded))
            patience = 0;
        else /* try again soon: most others, threads of other libraries for instance, stop spinning in a moment */
            patience = patience > 0 ? (2 * patience < MOST_PATIENCE ? 2 * patience : MOST_PATIENCE) : LEAST_PATIENCE;
        alone_until = patience > 0 ? seconds(CLOCK_MONOTONIC) + patience : 0;
    }
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

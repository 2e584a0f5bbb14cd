/* One small pool of threads, or another library's in its place: the one stateful file of the kernels.
 *
 * A worker that has nothing to do spins for a moment, since the next call often follows at once, and then sleeps
 * until a job comes that needs it: jobs of few threads leave alone those that were made for a larger one.
 * After a fork the child has no workers and makes its own. Whoever finds the pool in use works alone: nested and
 * concurrent calls can't wait for each other, so they can't lock each other out. Where other processes want the
 * cores too, threads that wait for each other wait for those as well: then calls use one thread for a while.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "pool.h"

#include <stdint.h>

#include "system.h"

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

static system_lock in_use = SYSTEM_LOCK_INIT; /* held by the caller that the pool works for */
static system_lock sleep_lock = SYSTEM_LOCK_INIT;

static fr_team team;                 /* this and the next three lines are guarded by in_use */
static int watching;                 /* for forks */
static int started;                  /* threads made */
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
        give_way();
    else
        RELAX();
}

typedef struct {
    int number;         /* the caller is number 0 */
    uint_fast64_t last; /* the ticket that it was last at, or that was out when it was made */
    atomic_int asleep;
    system_condition wake;
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
        lock(&sleep_lock);
        atomic_store(&w->asleep, 1); /* before it looks again: whoever writes the ticket sees one or is seen */
        while (!is_new_job_for(w, now = atomic_load(&ticket))) wait_for(&w->wake, &sleep_lock);
        atomic_store(&w->asleep, 0);
        unlock(&sleep_lock);
    }
    w->last = now;
    return (int)(now & WORKERS);
}

static void wake_up(int workers) {
    int asleep = 0;
    for (int i = 0; i < workers - 1; i++) asleep |= atomic_load(&crew[i].asleep);
    if (!asleep) return;
    lock(&sleep_lock);
    for (int i = 0; i < workers - 1; i++) wake_all(&crew[i].wake);
    unlock(&sleep_lock);
}

/* One worker's part, and whether it had its core to itself: a worker that waits spins, so it uses time all the time.
 */
static void work_on(void (*body)(void *, int, int), void *context, int worker, int workers) {
    const double wall = wall_seconds(), used = thread_seconds();
    body(context, worker, workers);
    const double elapsed = wall_seconds() - wall, lost = elapsed - (thread_seconds() - used);
    if (lost > 0.2 * elapsed && lost > CLOCK_TICK) atomic_store(&crowded, 1);
}

SYSTEM_THREAD work(void *argument) {
    worker *const w = argument;
    for (;;) {
        const int workers = next_job(w);
        work_on(body_of_job, context_of_job, w->number, workers);
        atomic_fetch_sub_explicit(&unfinished, 1, memory_order_release);
    }
    return SYSTEM_THREAD_END;
}

static void forget_threads(void) { /* in the child of a fork */
    started = 0, patience = 0, team = (fr_team){0};
    in_use = (system_lock)SYSTEM_LOCK_INIT;
    sleep_lock = (system_lock)SYSTEM_LOCK_INIT;
}

/* Have so many threads besides the caller's, or as many as the system gives. */
static void start_threads(int wanted) {
    if (!watching) watch_forks(forget_threads);
    watching = 1;
    for (; started < wanted; started++) {
        crew[started] = (worker){started + 1, atomic_load(&ticket), 0, SYSTEM_CONDITION_INIT};
        if (!start_thread(work, &crew[started])) break;
    }
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

/* ---- another library's threads ---- */

typedef struct {
    void (*body)(void *, int, int);
    void *context;
} errand;

static void run_errand(void *data) {
    const errand *e = data;
    work_on(e->body, e->context, team.number(), team.count());
}

static void run_on_team(int workers, void (*body)(void *, int, int), void *context) {
    errand e = {body, context};
    atomic_store(&crowded, 0);
    team.parallel(run_errand, &e, (unsigned)workers, 0);
}

void fr_use_team(fr_team other) {
    lock(&in_use);
    if (!watching) watch_forks(forget_threads);
    watching = 1, team = other, patience = 0;
    unlock(&in_use);
}

/* ---- either ---- */

void fr_parallel(int workers, void (*body)(void *, int, int), void *context) {
    if (workers > FR_MAX_THREADS) workers = FR_MAX_THREADS;
    if (workers <= 1 || !try_lock(&in_use)) {
        body(context, 0, 1);
        return;
    }
    if (!team.parallel) start_threads(workers - 1);
    if (!team.parallel && workers > started + 1) workers = started + 1;
    if (workers == 1 || (patience > 0 && wall_seconds() < alone_until)) {
        body(context, 0, 1);
    } else {
        (team.parallel ? run_on_team : run_job)(workers, body, context);
        if (!atomic_load(&crowded))
            patience = 0;
        else /* try again soon: most others, threads of other libraries for instance, stop spinning in a moment */
            patience = patience > 0 ? (2 * patience < MOST_PATIENCE ? 2 * patience : MOST_PATIENCE) : LEAST_PATIENCE;
        alone_until = patience > 0 ? wall_seconds() + patience : 0;
    }
    unlock(&in_use);
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

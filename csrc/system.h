/* What pool.c wants of the operating system: locks, a condition, threads that nobody joins, clocks, and to be told
 * of forks. POSIX, and Windows, where there are no forks. */
#ifndef FASTRNN_SYSTEM_H
#define FASTRNN_SYSTEM_H

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

typedef SRWLOCK system_lock;
typedef CONDITION_VARIABLE system_condition;
#define SYSTEM_LOCK_INIT SRWLOCK_INIT
#define SYSTEM_CONDITION_INIT CONDITION_VARIABLE_INIT
#define SYSTEM_THREAD static unsigned __stdcall
#define SYSTEM_THREAD_END 0

static inline void lock(system_lock *l) { AcquireSRWLockExclusive(l); }
static inline int try_lock(system_lock *l) { return TryAcquireSRWLockExclusive(l); }
static inline void unlock(system_lock *l) { ReleaseSRWLockExclusive(l); }
static inline void wait_for(system_condition *c, system_lock *l) { SleepConditionVariableSRW(c, l, INFINITE, 0); }
static inline void wake_all(system_condition *c) { WakeAllConditionVariable(c); }
static inline void give_way(void) { SwitchToThread(); }

/* Start a thread; 0 if the system gives none. */
static inline int start_thread(unsigned(__stdcall *body)(void *), void *argument) {
    const HANDLE thread = (HANDLE)_beginthreadex(0, 0, body, argument, 0, 0);
    if (thread) CloseHandle(thread);
    return thread != 0;
}

static inline double wall_seconds(void) {
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now), QueryPerformanceFrequency(&frequency);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}

/* How long this thread has run. Windows counts in ticks of 15 ms, so a thread that has lost its core looks at times
 * as if it had not, and the other way round. */
static inline double thread_seconds(void) {
    FILETIME created, exited, kernel, user;
    GetThreadTimes(GetCurrentThread(), &created, &exited, &kernel, &user);
    const double high = (double)kernel.dwHighDateTime + (double)user.dwHighDateTime;
    return 1e-7 * (4294967296.0 * high + (double)kernel.dwLowDateTime + (double)user.dwLowDateTime);
}
static const double CLOCK_TICK = 16e-3; /* seconds: no lost time shorter than that is told from none */

static inline void watch_forks(void (*in_child)(void)) { (void)in_child; }

#else

#include <pthread.h>
#include <sched.h>
#include <time.h>

typedef pthread_mutex_t system_lock;
typedef pthread_cond_t system_condition;
#define SYSTEM_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define SYSTEM_CONDITION_INIT PTHREAD_COND_INITIALIZER
#define SYSTEM_THREAD static void *
#define SYSTEM_THREAD_END 0

static inline void lock(system_lock *l) { pthread_mutex_lock(l); }
static inline int try_lock(system_lock *l) { return pthread_mutex_trylock(l) == 0; }
static inline void unlock(system_lock *l) { pthread_mutex_unlock(l); }
static inline void wait_for(system_condition *c, system_lock *l) { pthread_cond_wait(c, l); }
static inline void wake_all(system_condition *c) { pthread_cond_broadcast(c); }
static inline void give_way(void) { sched_yield(); }

/* Start a thread; 0 if the system gives none. */
static inline int start_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    const int failed = pthread_create(&thread, &detached, body, argument);
    pthread_attr_destroy(&detached);
    return !failed;
}

static inline double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static inline double wall_seconds(void) { return seconds(CLOCK_MONOTONIC); }
static inline double thread_seconds(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }
static const double CLOCK_TICK = 1e-3; /* seconds: no lost time shorter than that is told from none */

/* Call `in_child` in the child of each fork from now on. */
static inline void watch_forks(void (*in_child)(void)) { pthread_atfork(0, 0, in_child); }

#endif

#endif

/* Subnormal numbers count as zero in a forward or backward pass: arithmetic on them is up to a hundred times slower,
 * and gradients that fade over time are full of them. The thread's mode is put back before returning.
 */
#ifndef FASTRNN_DENORMALS_H
#define FASTRNN_DENORMALS_H

#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
typedef unsigned int fp_mode;
static inline fp_mode flush_denormals(void) {
    const fp_mode before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u); /* flush results to zero, read operands as zero */
    return before;
}
static inline void restore_mode(fp_mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
typedef uint64_t fp_mode;
static inline fp_mode flush_denormals(void) {
    fp_mode before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (UINT64_C(1) << 24)));
    return before;
}
static inline void restore_mode(fp_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
typedef int fp_mode;
static inline fp_mode flush_denormals(void) { return 0; }
static inline void restore_mode(fp_mode mode) { (void)mode; }
#endif

#endif

/* Which vector instructions this x86 and its operating system have. The compilers' __builtin_cpu_supports would say
 * the same, but on Windows clang keeps it in a library that is not linked. Bits: Intel's manual, volume 2, CPUID;
 * volume 1, 13.3, for XCR0. */
#ifndef FASTRNN_CPU_H
#define FASTRNN_CPU_H

#include <cpuid.h>

enum {
    /* CPUID 1, ECX */
    CPU_FMA = 1 << 12,
    CPU_OSXSAVE = 1 << 27,
    /* CPUID 7.0, EBX */
    CPU_AVX2 = 1 << 5,
    CPU_AVX512 = 1 << 16 | 1 << 17 | 1 << 30, /* F, DQ, BW */
    /* XCR0: registers that the operating system saves */
    SAVES_YMM = 1 << 1 | 1 << 2,
    SAVES_ZMM = SAVES_YMM | 1 << 5 | 1 << 6 | 1 << 7
};
static const unsigned CPU_AVX512VL = 1u << 31; /* CPUID 7.0, EBX */

typedef struct {
    int avx2, avx512; /* avx2 stands for FMA too, avx512 for F, DQ, BW and VL */
} cpu_features;

static cpu_features cpu_detect(void) {
    cpu_features has = {0, 0};
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & CPU_OSXSAVE)) return has;
    const unsigned fma = c & CPU_FMA;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return has;
    has.avx2 = fma && (b & CPU_AVX2) && (saved & SAVES_YMM) == SAVES_YMM;
    has.avx512 = (b & CPU_AVX512) == CPU_AVX512 && (b & CPU_AVX512VL) && (saved & SAVES_ZMM) == SAVES_ZMM;
    return has;
}

#endif

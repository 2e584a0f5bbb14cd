/* The tables: which cells and which ISAs there are, and which ISAs run here. Nothing numeric.
 * setup.py defines FR_HAVE_AVX2, FR_HAVE_AVX512 and FR_HAVE_NEON for what it compiled.
 */
#include "fastrnn.h"

#include <string.h>

#if defined(FR_HAVE_AVX2) || defined(FR_HAVE_AVX512)
#include "cpu.h"
#endif

#define CELL_INFO(name, gates, states, slots, saves, phases, x, h_1, h_2) \
    {#name, gates, states, slots, saves, phases, x, {h_1, h_2}},
const fr_cell_info fr_cells[FR_CELL_COUNT] = {FR_CELLS(CELL_INFO)};

#define DECLARE(isa) extern const fr_kernels fr_kernels_##isa##_f32, fr_kernels_##isa##_f64;
#define ENTRY(isa) {#isa, &fr_kernels_##isa##_f32, &fr_kernels_##isa##_f64}

DECLARE(base)
#ifdef FR_HAVE_AVX2
DECLARE(avx2)
#endif
#ifdef FR_HAVE_AVX512
DECLARE(avx512)
#endif
#ifdef FR_HAVE_NEON
DECLARE(neon)
#endif

const fr_isa fr_isas[] = {
    ENTRY(base),
#ifdef FR_HAVE_AVX2
    ENTRY(avx2),
#endif
#ifdef FR_HAVE_AVX512
    ENTRY(avx512),
#endif
#ifdef FR_HAVE_NEON
    ENTRY(neon),
#endif
};
const int fr_isa_count = (int)(sizeof fr_isas / sizeof fr_isas[0]);

int fr_isa_runs_here(int index) {
    const char *name = fr_isas[index].name;
#ifdef FR_HAVE_AVX2
    if (strcmp(name, "avx2") == 0) return cpu_detect().avx2;
#endif
#ifdef FR_HAVE_AVX512
    if (strcmp(name, "avx512") == 0) return cpu_detect().avx512;
#endif
    (void)name; /* base runs everywhere, and every arm64 has NEON */
    return 1;
}

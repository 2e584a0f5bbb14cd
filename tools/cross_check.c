/* Compares every ISA compiled in with plain C, without Python: forward and BPTT of every cell, odd sizes, both
 * element types. For CPUs that are only emulated here; tools/cross_check.sh builds and runs it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastrnn.h"

enum { STEPS = 9 };

static double element(const void *a, int64_t i, int wide) {
    return wide ? ((const double *)a)[i] : (double)((const float *)a)[i];
}

static void set(void *a, int64_t i, int wide, double value) {
    if (wide)
        ((double *)a)[i] = value;
    else
        ((float *)a)[i] = (float)value;
}

static void multiply(int wide, int ta, int tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                     const void *b, int64_t ldb, int accumulate, void *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = accumulate ? element(c, i * ldc + j, wide) : 0;
            for (int64_t l = 0; l < k; l++)
                sum += element(a, ta ? l * lda + i : i * lda + l, wide) *
                       element(b, tb ? j * ldb + l : l * ldb + j, wide);
            set(c, i * ldc + j, wide, sum);
        }
}

static void gemm_f32(int ta, int tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                     int64_t ldb, int accumulate, void *c, int64_t ldc) {
    multiply(0, ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

static void gemm_f64(int ta, int tb, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b,
                     int64_t ldb, int accumulate, void *c, int64_t ldc) {
    multiply(1, ta, tb, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

/* Random numbers in [-scale, scale], the same for both element types. */
static void *filled(int64_t n, int wide, double scale) {
    static uint64_t state = 1;
    void *a = malloc((size_t)(n + 16) * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        set(a, i, wide, scale * ((double)(state >> 40) / (1 << 23) - 1));
    }
    return a;
}

/* What a run leaves behind: h, then the gradients, one after another. */
typedef struct {
    void *values;
    int64_t count;
} result;

static result run(const fr_kernels *kernels, int wide, fr_cell cell, int64_t N, int64_t I, int64_t H,
                  void *const in[8]) {
    const int64_t G = fr_cells[cell].gates, NH = N * H, T = STEPS;
    const int gated = fr_cells[cell].states == 2;
    const fr_problem problem = {
        .cell = cell, .rows = N, .inputs = I, .hidden = H, .gemm = wide ? gemm_f64 : gemm_f32};
    const fr_weights w = {.w_ih = in[0], .w_hh = in[1], .b_ih = in[2], .b_hh = in[3]};
    const size_t width = wide ? sizeof(double) : sizeof(float);
    const int64_t sizes[] = {(T + 1) * NH, (T + 1) * NH, T * N * G * H, NH,    NH,
                             T * N * I,    G * H * I,    G * H * H,     G * H, G * H};
    int64_t start[11] = {0};
    for (int i = 0; i < 10; i++) start[i + 1] = start[i] + sizes[i];
    char *all = calloc((size_t)start[10] + 16, width);
#define PART(i) (void *)(all + start[i] * (int64_t)width)
    memcpy(PART(0), in[5], (size_t)NH * width);
    memcpy(PART(1), in[6], (size_t)NH * width);
    memcpy(PART(3), in[5], (size_t)NH * width);
    memcpy(PART(4), in[6], (size_t)NH * width);
    void *packed = calloc((size_t)kernels->packed_size(&problem) + 16, width);
    void *scratch = calloc(
        (size_t)(kernels->forward_workspace(&problem, T, 1) + kernels->backward_workspace(&problem, T)) + 16, width);
    kernels->pack(&problem, &w, packed);
    kernels->forward(&problem, &w,
                     &(fr_forward_args){.steps = T,
                                        .record = 1,
                                        .x = in[4],
                                        .h = PART(0),
                                        .c = gated ? PART(1) : NULL,
                                        .gates = fr_cells[cell].saves_gates ? PART(2) : NULL,
                                        .workspace = scratch,
                                        .packed = packed});
    kernels->backward(&problem, &w,
                      &(fr_backward_args){.steps = T,
                                          .x = in[4],
                                          .h = PART(0),
                                          .c = gated ? PART(1) : NULL,
                                          .gates = fr_cells[cell].saves_gates ? PART(2) : NULL,
                                          .grad_output = in[7],
                                          .grad_h = PART(3),
                                          .grad_c = gated ? PART(4) : NULL,
                                          .grad_x = PART(5),
                                          .grad_w_ih = PART(6),
                                          .grad_w_hh = PART(7),
                                          .grad_b_ih = PART(8),
                                          .grad_b_hh = PART(9),
                                          .workspace = scratch});
    free(packed);
    free(scratch);
    return (result){all, start[10]};
}

/* Largest difference between an ISA and plain C, relative to the largest value, in units of the type's epsilon. */
static double compare(int isa, int wide, fr_cell cell, int64_t N, int64_t I, int64_t H) {
    const int64_t G = fr_cells[cell].gates;
    void *in[8] = {filled(G * H * I, wide, 0.5), filled(G * H * H, wide, 0.5),   filled(G * H, wide, 1),
                   filled(G * H, wide, 1),       filled(STEPS * N * I, wide, 2), filled(N * H, wide, 1),
                   filled(N * H, wide, 1),       filled(STEPS * N * H, wide, 1)};
    const result truth = run(wide ? fr_isas[0].f64 : fr_isas[0].f32, wide, cell, N, I, H, in);
    const result got = run(wide ? fr_isas[isa].f64 : fr_isas[isa].f32, wide, cell, N, I, H, in);
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < truth.count; i++) {
        const double a = element(truth.values, i, wide), b = element(got.values, i, wide);
        if (!(fabs(a - b) <= worst)) worst = fabs(a - b); /* a NaN counts */
        if (fabs(a) > largest) largest = fabs(a);
    }
    free(truth.values);
    free(got.values);
    for (int i = 0; i < 8; i++) free(in[i]);
    return worst / largest / (wide ? 2.220446e-16 : 1.1920929e-7);
}

int main(void) {
    const int64_t rows[] = {1, 3, 4, 7, 33}, sizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 65};
    int bad = 0;
    for (int isa = 1; isa < fr_isa_count; isa++)
        for (int wide = 0; wide < 2; wide++) {
            double worst = 0;
            if (!fr_isa_runs_here(isa)) {
                printf("%s: not on this CPU\n", fr_isas[isa].name);
                break;
            }
            for (int cell = 0; cell < FR_CELL_COUNT; cell++)
                for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
                    for (size_t h = 0; h < sizeof sizes / sizeof *sizes; h++) {
                        const double error =
                            compare(isa, wide, (fr_cell)cell, rows[n], sizes[(h + n) % 12], sizes[h]);
                        if (!(error <= worst)) worst = error;
                    }
            printf("%s %s: largest difference from plain C %.0f eps of the largest value\n", fr_isas[isa].name,
                   wide ? "f64" : "f32", worst);
            bad |= !(worst < 2000);
        }
    return bad;
}

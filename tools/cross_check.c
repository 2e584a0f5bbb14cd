/* Compares every ISA compiled in with base, without Python: forward and BPTT of every cell, dense and ragged,
 * forwards and reversed, with and without options, odd sizes, both element types; and several threads with one, to
 * the bit. Steps of optimisers and norms, to the bit. For CPUs that are only emulated here, too; tools/cross_check.sh
 * builds and runs it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastrnn.h"

#ifdef _WIN32
#include <malloc.h>
#define ALIGNED_ALLOC(alignment, bytes) _aligned_malloc(bytes, alignment)
#define ALIGNED_FREE _aligned_free
#else
#define ALIGNED_ALLOC aligned_alloc
#define ALIGNED_FREE free
#endif

enum { STEPS = 9, RAGGED = 1, REVERSED = 2, OPTIONS = 4 };

static double element(const void *a, int64_t i, int wide) {
    return wide ? ((const double *)a)[i] : (double)((const float *)a)[i];
}

static void set(void *a, int64_t i, int wide, double value) {
    if (wide)
        ((double *)a)[i] = value;
    else
        ((float *)a)[i] = (float)value;
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

/* A workspace full of NaN, aligned to 64 bytes */
static void *aligned(int64_t n, size_t width) {
    const size_t bytes = ((size_t)n * width + 127) / 64 * 64;
    void *a = ALIGNED_ALLOC(64, bytes);
    memset(a, 0xff, bytes);
    return a;
}

/* What a run leaves behind: h, then the gradients, one after another. */
typedef struct {
    void *values;
    int64_t count;
} result;

/* Counts of a ragged batch: every other step has a row fewer, but at least one. Returns the rows of all steps. */
static int64_t fill_counts(int64_t N, int ragged, int64_t counts[STEPS]) {
    int64_t total = 0;
    for (int64_t t = 0; t < STEPS; t++) {
        counts[t] = ragged && t / 2 < N ? N - t / 2 : ragged ? 1 : N;
        total += counts[t];
    }
    return total;
}

/* Initial states [N, H] in every place of the states: kernels overwrite all but those where sequences begin. */
static void begin(char *states, const int64_t counts[STEPS], int64_t N, size_t row, const void *start) {
    memcpy(states, start, (size_t)N * row);
    states += (size_t)N * row;
    for (int64_t t = 0; t < STEPS; states += (size_t)counts[t] * row, t++)
        memcpy(states, start, (size_t)counts[t] * row);
}

static result run(const fr_kernels *kernels, int wide, fr_problem problem, int variant, void *const in[8]) {
    const fr_cell_info cell = fr_cells[problem.cell];
    const int64_t N = problem.rows, I = problem.inputs, H = problem.hidden, G = cell.gates, NH = N * H;
    const int two = cell.states == 2;
    int64_t counts[STEPS];
    const int64_t S = fill_counts(N, variant & RAGGED, counts);
    const fr_rows rows = {
        .steps = STEPS, .counts = variant & RAGGED ? counts : NULL, .reverse = (variant & REVERSED) != 0};
    const fr_weights w = {.w_ih = in[0], .w_hh = in[1], .b_ih = in[2], .b_hh = in[3]};
    const size_t width = wide ? sizeof(double) : sizeof(float);
    const int64_t sizes[] = {(N + S) * H, (N + S) * H, S * cell.saves * H, NH, NH, S * I, G * H * I, G * H * H,
                             G * H,       G * H,       (N + S) * H,        S};
    int64_t start[13] = {0};
    for (int i = 0; i < 12; i++) start[i + 1] = start[i] + sizes[i];
    char *all = calloc((size_t)start[12] + 16, width);
#define PART(i) (void *)(all + start[i] * (int64_t)width)
    begin(PART(0), counts, N, (size_t)H * width, in[5]);
    begin(PART(10), counts, N, (size_t)H * width, in[5]);
    if (two) begin(PART(1), counts, N, (size_t)H * width, in[6]);
    fr_options options = {.fed = PART(0), .fed_row = H};
    fr_flow flow = {.bound = {INFINITY, INFINITY}};
    if (variant & OPTIONS) {
        options = (fr_options){
            .keep = in[6], .fed = PART(10), .fed_row = H, .zoneout = {.rate = {0.3, 0.2}, .draw = 1, .seed = 7}};
        flow = (fr_flow){.norms = {PART(11)}, .bound = {2, 1}};
    }
    memcpy(PART(3), in[5], (size_t)NH * width);
    if (two) memcpy(PART(4), in[6], (size_t)NH * width);
    void *packed = aligned(kernels->packed_size(&problem), width);
    void *forward_space = aligned(kernels->forward_workspace(&problem, &rows), width);
    void *backward_space = aligned(kernels->backward_workspace(&problem, &rows), width);
    kernels->pack(&problem, &w, packed);
    kernels->forward(&problem, &(fr_forward_args){.rows = rows,
                                                  .record = 1,
                                                  .x = in[4],
                                                  .h = PART(0),
                                                  .h_row = H,
                                                  .options = options,
                                                  .c = two ? PART(1) : NULL,
                                                  .saved = cell.saves ? PART(2) : NULL,
                                                  .workspace = forward_space,
                                                  .packed = packed});
    kernels->backward(&problem, &w,
                      &(fr_backward_args){.rows = rows,
                                          .x = in[4],
                                          .h = PART(0),
                                          .h_row = H,
                                          .grad_output_row = H,
                                          .options = options,
                                          .flow = flow,
                                          .c = two ? PART(1) : NULL,
                                          .saved = cell.saves ? PART(2) : NULL,
                                          .grad_output = in[7],
                                          .grad_h = PART(3),
                                          .grad_c = two ? PART(4) : NULL,
                                          .grad_x = PART(5),
                                          .grad_w_ih = PART(6),
                                          .grad_w_hh = PART(7),
                                          .grad_b_ih = PART(8),
                                          .grad_b_hh = PART(9),
                                          .workspace = backward_space});
    ALIGNED_FREE(packed);
    ALIGNED_FREE(forward_space);
    ALIGNED_FREE(backward_space);
    return (result){all, start[12]};
}

/* Largest difference between an ISA and base, relative to the largest value, in units of the type's epsilon; infinite
 * if several threads give other bits than one. */
static double compare(int isa, int wide, fr_cell cell, int variant, int64_t N, int64_t I, int64_t H) {
    const int64_t G = fr_cells[cell].gates;
    void *in[8] = {filled(G * H * I, wide, 0.5), filled(G * H * H, wide, 0.5),   filled(G * H, wide, 1),
                   filled(G * H, wide, 1),       filled(STEPS * N * I, wide, 2), filled(N * H, wide, 1),
                   filled(N * H, wide, 1),       filled(STEPS * N * H, wide, 1)};
    fr_problem problem = {.cell = cell, .threads = 1, .rows = N, .inputs = I, .hidden = H};
    const fr_kernels *kernels = wide ? fr_isas[isa].f64 : fr_isas[isa].f32;
    const result truth = run(wide ? fr_isas[0].f64 : fr_isas[0].f32, wide, problem, variant, in);
    const result got = run(kernels, wide, problem, variant, in);
    problem.threads = 3, problem.eager = 1;
    const result shared = run(kernels, wide, problem, variant, in);
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < truth.count; i++) {
        const double a = element(truth.values, i, wide), b = element(got.values, i, wide);
        if (!(fabs(a - b) <= worst)) worst = fabs(a - b); /* a NaN counts */
        if (fabs(a) > largest) largest = fabs(a);
    }
    if (memcmp(got.values, shared.values, (size_t)got.count * (wide ? sizeof(double) : sizeof(float))))
        worst = INFINITY;
    free(truth.values);
    free(got.values);
    free(shared.values);
    for (int i = 0; i < 8; i++) free(in[i]);
    return worst / largest / (wide ? 2.220446e-16 : 1.1920929e-7);
}

enum { ARRAYS = 3, ROOM = 40000 };

/* Some steps of an optimiser, then scaling and clamping; returns the norm before these. a: w, g and three memories */
static double train(const fr_kernels *kernels, fr_rule rule, int threads, int wide, char *const a[5]) {
    static const int64_t sizes[ARRAYS] = {37, 0, 33333}, offsets[ARRAYS] = {0, 48, 64};
    const size_t width = wide ? sizeof(double) : sizeof(float);
    void *w[ARRAYS], *g[ARRAYS];
    for (int i = 0; i < ARRAYS; i++)
        w[i] = a[0] + (size_t)offsets[i] * width, g[i] = a[1] + (size_t)offsets[i] * width;
    fr_update_args u = {.arrays = {threads, threads > 1, ARRAYS, sizes},
                        .rule = rule,
                        .w = w,
                        .g = (const void *const *)g,
                        .decayed = "\1\0\1",
                        .offsets = offsets,
                        .memory = {a[2], a[3], rule == FR_RMSPROP ? a[4] : NULL},
                        .rate = 0.01,
                        .l2 = 0.1,
                        .shrink = 0.9,
                        .momentum = 0.8,
                        .beta1 = 0.7,
                        .beta2 = 0.9,
                        .root = 2,
                        .eps = 1e-3,
                        .nesterov = 1};
    for (int step = 0; step < 3; step++) kernels->update(&u);
    double sums[ARRAYS + ROOM / 1000];
    const double norm = kernels->norm(&u.arrays, (const void *const *)w, sums);
    kernels->scale(&u.arrays, w, 0.3);
    kernels->clamp(&u.arrays, w, 0.2);
    return norm;
}

/* Whether an optimiser's results differ from those of base in any bit */
static int optimizer_differs(int isa, int wide, fr_rule rule, int threads) {
    const size_t width = wide ? sizeof(double) : sizeof(float);
    char *one[5], *other[5];
    for (int i = 0; i < 5; i++) {
        one[i] = filled(ROOM, wide, i < 2 ? 1 : 0);
        other[i] = memcpy(aligned(ROOM, width), one[i], ROOM * width);
    }
    const double a = train(wide ? fr_isas[0].f64 : fr_isas[0].f32, rule, 1, wide, one),
                 b = train(wide ? fr_isas[isa].f64 : fr_isas[isa].f32, rule, threads, wide, other);
    int differs = a != b;
    for (int i = 0; i < 5; i++) {
        differs |= memcmp(one[i], other[i], ROOM * width) != 0;
        free(one[i]);
        ALIGNED_FREE(other[i]);
    }
    return differs;
}

int main(void) {
    const int64_t rows[] = {1, 2, 3, 4, 7, 8, 17, 33}, sizes[] = {1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 65};
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
                        const double error = compare(isa, wide, (fr_cell)cell, (int)(h + 3 * n) & 7, rows[n],
                                                     sizes[(h + n) % 12], sizes[h]);
                        if (!(error <= worst)) worst = error;
                    }
            printf("%s %s: largest difference from base %.0f eps of the largest value\n", fr_isas[isa].name,
                   wide ? "f64" : "f32", worst);
            bad |= !(worst < 2000);
            for (int rule = FR_SGD; rule <= FR_ADAM; rule++)
                for (int threads = 1; threads < 4; threads++)
                    if (optimizer_differs(isa, wide, (fr_rule)rule, threads)) {
                        printf("%s: rule %d with %d threads differs from base\n", fr_isas[isa].name, rule, threads);
                        bad = 1;
                    }
        }
    return bad;
}

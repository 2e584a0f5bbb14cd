/* Where the rows of each step lie, forward and backward in time, and how rows are shared out. */
#ifndef FASTRNN_STEPS_H
#define FASTRNN_STEPS_H

#include "plan.h"

typedef struct {
    int64_t row;           /* its first row among all rows: in x, in the output */
    int64_t before, after; /* its first row in h (and c): of h_{t-1}, of h_t */
    int64_t rows;
} step_rows;

INLINE step_rows first_step(const fr_rows *rows, int64_t N) { return (step_rows){0, 0, N, rows_at(rows, N, 0)}; }

/* The step after `step`, t */
INLINE step_rows step_after(step_rows step, const fr_rows *rows, int64_t N, int64_t t) {
    const int64_t n = t < rows->steps ? rows_at(rows, N, t) : 0;
    return (step_rows){step.row + step.rows, step.after, step.after + step.rows, n};
}

/* The step before one that begins with row `next`, t */
INLINE step_rows step_before(int64_t next, const fr_rows *rows, int64_t N, int64_t t) {
    const int64_t n = rows_at(rows, N, t), row = next - n;
    return (step_rows){row, t ? N + row - rows_at(rows, N, t - 1) : 0, N + row, n};
}

/* The first row of a worker's share: rows of long sequences weigh more. */
static int64_t row_share(const fr_rows *rows, int64_t N, int worker, int workers) {
    if (!rows->counts || worker == 0 || worker == workers) return share(N, worker, workers);
    const int64_t goal = share(total_rows(rows, N), worker, workers);
    int64_t low = 0, high = N;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        int64_t work = 0;
        for (int64_t t = 0; t < rows->steps; t++) work += rows->counts[t] < middle ? rows->counts[t] : middle;
        if (work < goal)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#endif

/* Where the rows of each step lie, forward and backward in time, and how rows are shared out. */
#ifndef FASTRNN_STEPS_H
#define FASTRNN_STEPS_H

#include "plan.h"

typedef struct {
    int64_t t, rows;
    int64_t row;           /* its first row among all rows: in x, in z, in dz */
    int64_t before, after; /* its first row in h (and c): of the state it begins with, of the one it ends with */
} step_rows;

/* Step t, given its first row */
INLINE step_rows step_at(const fr_rows *rows, int64_t N, int64_t t, int64_t row) {
    const int64_t low = t ? N + row - rows_at(rows, N, t - 1) : 0, high = N + row; /* places t and t+1 */
    return (step_rows){t, rows_at(rows, N, t), row, rows->reverse ? high : low, rows->reverse ? low : high};
}

/* The first step on a walk up or down in time. The cells walk up, or down if reversed; their gradients the other way.
 */
INLINE step_rows first_step(const fr_rows *rows, int64_t N, int up) {
    const int64_t last = rows->steps - 1;
    return up ? step_at(rows, N, 0, 0) : step_at(rows, N, last, total_rows(rows, N) - rows_at(rows, N, last));
}

/* The next step on that walk; behind the last one there is none, which nobody may use. */
INLINE step_rows next_step(step_rows step, const fr_rows *rows, int64_t N, int up) {
    const int64_t t = up ? step.t + 1 : step.t - 1;
    if (!rows->counts) {
        const int64_t way = up ? N : -N;
        return (step_rows){t, N, step.row + way, step.before + way, step.after + way};
    }
    if (t < 0 || t == rows->steps) return (step_rows){.t = t};
    return step_at(rows, N, t, up ? step.row + step.rows : step.row - rows_at(rows, N, t));
}

/* The rows of some steps together, from `step` on along the walk */
typedef struct {
    int64_t t, row, rows; /* of the earliest in time: its t and its first row; rows of all */
} stretch;

INLINE stretch stretch_of(step_rows step, const fr_rows *rows, int64_t N, int up, int64_t steps) {
    if (!rows->counts) {
        const int64_t back = up ? 0 : steps - 1;
        return (stretch){step.t - back, step.row - back * N, steps * N};
    }
    stretch s = {step.t, step.row, 0};
    for (int64_t i = 0; i < steps; i++, step = next_step(step, rows, N, up)) {
        s.rows += step.rows;
        if (!up) s.t = step.t, s.row = step.row;
    }
    return s;
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

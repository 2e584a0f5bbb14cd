"""Break the kernels and layers on purpose and see the suite fail: ``python tools/mutate.py [NAME…]``.

Each mutation replaces one piece of source in a copy of the tree, builds it if it is C, and runs the tests until the
first failure. Prints a line a mutation and killed/total; exits with 1 if any survives. Needs the `dev` extra, and PyTorch.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 1200  # seconds that a build or the suite may take, at most


class Mutation(NamedTuple):
    """One break: ``old`` stands exactly once in ``file``; most such mutants fall in ``first``, the suite follows."""

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...] = ()  # FIRST if there is none


FIRST = (
    "gradcheck", "activations", "kernels_contract", "kernels_stream", "ragged", "parameters", "tapes", "tapes_reuse",
    "optimizers", "optimizer_kernels", "optimizer_arrays", "optimizer_states", "clipping", "schedules",
    "losses", "losses_sums", "losses_own", "losses_torch", "metrics", "softmax",
    "options", "options_bits", "layer_options", "layer_properties", "trace", "state_norms",
    "option_errors", "kernels", "kernels_bits", "jordan", "kernels_jordan", "dense", "threads", "pool",
    "trainer", "trainer_data", "trainer_options", "tbptt", "callbacks", "checkpoint",
    "sequential_ragged", "tdnn", "pooling", "dropout", "embedding", "norm", "models",
    "kernels_lookup", "sequential_lookup", "one_hot",
    "data_series", "data_scaling", "data_text", "data_padding",
)  # fmt: skip

LSTM, ELMAN, GRU, CELLS = "csrc/cells/lstm.h", "csrc/cells/elman.h", "csrc/cells/gru.h", "csrc/cells/table.h"
FORWARD, BACKWARD, STEPS, EPILOGUES = "csrc/forward.h", "csrc/backward.h", "csrc/steps.h", "csrc/epilogues.h"
FORWARD_INPUT, RING_TABLE = "csrc/forward_input.h", "csrc/ring_table.h"
PACK, PLAN, TILE, POOL, RING = "csrc/pack.h", "csrc/plan.h", "csrc/tile.h", "csrc/pool.c", "csrc/ring.h"
JORDAN, JORDAN_FORWARD, JORDAN_BACKWARD = "csrc/jordan.h", "csrc/jordan_forward.h", "csrc/jordan_backward.h"
JORDAN_CALLS, JORDAN_LAYER = "src/fastrnn/_jordan.pyx", "src/fastrnn/layers/jordan.py"
KERNELS, STREAMS, ROWS = "src/fastrnn/_kernels.pyx", "src/fastrnn/_streams.pyx", "src/fastrnn/_rows.pyx"
MASKS, TRANSPOSE = "csrc/masks.h", "csrc/transpose.h"
LINEAR, LINEAR_BACKWARD, UNPACKED = "csrc/linear.h", "csrc/linear_backward.h", "csrc/unpacked.h"
BASE, RECURRENT, RAGGED, STACK, BUILDING, AXES = (
    f"src/fastrnn/layers/{name}.py" for name in ("base", "recurrent", "ragged", "stack", "building", "axes")
)
THREADS, VALIDATION = "src/fastrnn/threads.py", "src/fastrnn/_validation.py"
CHUNKS, UPDATES, LEARNER, FITTING, RESUMING, CALLBACKS, CHECKPOINT, MEASURING, RATES, CHECKS, SOURCES = (
    f"src/fastrnn/trainer/{name}.py"
    for name in (
        *("chunks", "updates", "learner", "fitting", "resuming", "callbacks", "checkpoint", "measuring", "rates"),
        *("checks", "sources"),
    )
)
DATASET, COLUMNS, SAMPLES = (f"src/fastrnn/data/{name}.py" for name in ("dataset", "columns", "samples"))
INTERRUPT = "src/fastrnn/trainer/interrupt.py"
CHAIN, SEQUENTIAL, MODEL, TDNN, POOLING, DROPOUT, EMBEDDING, NORM = (
    f"src/fastrnn/layers/{name}.py"
    for name in ("chain", "sequential", "model", "tdnn", "pooling", "dropout", "embedding", "norm")
)
LOOKUP, ONE_HOT = "src/fastrnn/layers/lookup.py", "src/fastrnn/layers/one_hot.py"
INITIALIZERS = "src/fastrnn/initializers.py"
OPTIMIZERS, CLIPPING, TABLE = "csrc/optimizers.h", "csrc/clipping.h", "src/fastrnn/_optimizers.pyx"
OPTIMIZER_BASE = "src/fastrnn/optimizers/base.py"
CURVES, PLATEAU = "src/fastrnn/schedules/curves.py", "src/fastrnn/schedules/plateau.py"
SOFTMAX = "csrc/softmax.h"
LOSS, ELEMENTWISE, CROSS_ENTROPY, LOSS_CHECKS = (
    f"src/fastrnn/losses/{name}.py" for name in ("base", "elementwise", "cross_entropy", "checks")
)
METRIC, CLASSES, MEANS, SCORED = (f"src/fastrnn/metrics/{name}.py" for name in ("base", "classes", "means", "scored"))

SAMPLING, GENERATION, BEAM, DECODER = (
    "src/fastrnn/_sampling.pyx",
    "src/fastrnn/layers/generation.py",
    "src/fastrnn/layers/beam.py",
    "src/fastrnn/layers/encoder_decoder.py",
)

SERIES, MOMENTS, SCALING, TEXT, IDS, PADDING = (
    f"src/fastrnn/data/{name}.py" for name in ("series", "moments", "scaling", "text", "ids", "padding")
)

FORECAST_TESTS = ("forecast_regression", "forecast_intervals", "forecast_backtest", "forecaster")
REGRESSION, INTERVALS, REFITS = (
    f"src/fastrnn/forecasting/{name}.py" for name in ("regression", "intervals", "fitting")
)
ESTIMATOR_TESTS = ("estimators", "estimators_training", "estimators_data", "estimators_tools")
ESTIMATOR, LESSONS, LABELS, POOLED, TAGGER = (
    f"src/fastrnn/estimators/{name}.py" for name in ("base", "fitting", "classes", "pooling", "tagger")
)
FORECASTER_TESTS = ("forecaster", "forecaster_labels")
ROWS_OF_SERIES, FORECASTER = "src/fastrnn/estimators/series.py", "src/fastrnn/estimators/forecaster.py"
TORCH_TESTS = ("torch_hostile", "torch_autograd", "torch_accelerate", "torch_modules")
MODULES, AUTOGRAD, FALLBACK, CONVERTED = (
    f"src/fastrnn/torch/{name}.py" for name in ("modules", "autograd", "fallback", "chain")
)

MUTATIONS = [
    # the LSTM's equations
    Mutation("forget gate zeroed", LSTM, "u->c = fma_(f, u->c_prev, i * g);", "u->c = fma_(splat(0), u->c_prev, i * g);"),
    Mutation("input and forget gates swapped", LSTM, "u->c = fma_(f, u->c_prev, i * g);", "u->c = fma_(i, u->c_prev, f * g);"),
    Mutation("output gate dropped", LSTM, "u->h = o * tanh_(u->c)", "u->h = tanh_(u->c)"),
    Mutation("candidate through sigmoid", LSTM, "g = tanh_(u->z[2])", "g = sigmoid_(u->z[2])"),
    Mutation("derivative of input gate wrong", LSTM, "dc * g * sigmoid_slope(i)", "dc * g * tanh_slope(i)"),
    Mutation("forget gate's gradient by c_t", LSTM, "dc * u->c_prev * sigmoid_slope(f)", "dc * c * sigmoid_slope(f)"),
    Mutation("candidate's gradient without input gate", LSTM, "dc * i * tanh_slope(g)", "dc * tanh_slope(g)"),
    Mutation("output gate's gradient by c, not tanh c", LSTM, "u->dh * tanh_c * sigmoid_slope(o)", "u->dh * c * sigmoid_slope(o)"),
    Mutation("cell gradient not carried back", LSTM, "u->dc = dc * f;", "u->dc = splat(0);"),
    Mutation("cell gradient from above ignored", LSTM, "tanh_slope(tanh_c), u->dc)", "tanh_slope(tanh_c), splat(0))"),
    # Elman's
    Mutation("tanh' as 1 - h", ELMAN, "fma_(splat(0) - h, h, splat(1))", "splat(1) - h"),
    Mutation("relu' 1 at 0", ELMAN, "if_negative(splat(0) - h, splat(1), splat(0))", "if_negative(h, splat(0), splat(1))"),
    # the GRU's
    Mutation("update gate the other way round", GRU, "u->h = fma_(z, u->h_prev - n, n);\n    u->z[0] = n, u->z[1] = r", "u->h = fma_(z, n - u->h_prev, u->h_prev);\n    u->z[0] = n, u->z[1] = r"),
    Mutation("reset gate forgotten", GRU, "tanh_(fma_(r, u->z[3], u->z[0]))", "tanh_(u->z[3] + u->z[0])"),
    Mutation("reset gate's gradient by n's input part", GRU, "u->dz[3] = dn * r;", "u->dz[3] = dn;"),
    Mutation("GRU's state not carried back around", GRU, "u->dz[3] = dn * r;\n    u->dh = u->dh * z;", "u->dz[3] = dn * r;\n    u->dh = splat(0);"),
    Mutation("reset before: gradient by r without the state", GRU, "u->d_input * u->h_prev * sigmoid_slope(r)", "u->d_input * sigmoid_slope(r)"),
    Mutation("reset before: what flows through r h dropped", GRU, "u->dh = fma_(u->d_input, r, u->dh);", ""),
    Mutation("reset before: second product's input not restored", GRU, "    u->h = r * u->h_prev;\n", ""),
    Mutation("GRU's gates r and z swapped in the table", CELLS, "WINDOW(0, 2, 0, 1), WINDOW(1, 0, 1, 2)", "WINDOW(0, 2, 1, 0), WINDOW(1, 0, 1, 2)"),
    Mutation("window one slot too early", CELLS, "WINDOW(1, 1, 0), WINDOW(0, 2))", "WINDOW(0, 1, 0), WINDOW(0, 2))"),
    # forward in time
    Mutation("the second phase multiplies h", FORWARD, "phase ? f->next : (const real *)options->fed + step.before * row", "(const real *)options->fed + step.before * row"),
    Mutation("h shifted by a row", FORWARD, "(const real *)options->fed + step.before * row;", "(const real *)options->fed + (step.before ? step.before - 1 : 0) * row;"),
    Mutation("a single row's steps in place", FORWARD, "step.t += way, step.row += way, step.before += way, step.after += way;", "step.t += way, step.row += way, step.after += way;"),
    Mutation("a single row's next chunk begins early", FORWARD, "up ? step.row + steps : step.row - steps);", "up ? step.row + steps - 1 : step.row - steps + 1);"),
    Mutation("padding of a single block short of a unit", RING, "f->blocks == 1 ? f->p->hidden : LANES", "f->blocks == 1 ? f->p->hidden - (f->p->hidden > 1) : LANES"),
    Mutation("epilogue's state of another step", FORWARD, ".h_prev = (const real *)args->h + (step.before + r) * args->h_row + unit,", ".h_prev = (const real *)args->h + (step.after + r) * args->h_row + unit,"),
    Mutation("the first phase taken for final", FORWARD, "const int last = phase == f->cell->phases - 1;", "const int last = 1;"),
    Mutation("saved one slot short", EPILOGUES, "for (int s = 0; s < saves; s++) store_n(f->saved", "for (int s = 1; s < saves; s++) store_n(f->saved"),
    Mutation("bias dropped", PACK, "if (job->w->b_ih) {", "if (0) {"),
    Mutation("second bias on the first window", PACK, "add_bias(p, cell->h[phase], q, job->w->b_hh, b)", "add_bias(p, cell->x, q, job->w->b_hh, b)"),
    Mutation("a hoisted chunk one row short", FORWARD, "hoist(&f, s);", "hoist(&f, (stretch){s.t, s.row, s.rows - (s.rows > 1)});"),
    Mutation("z of a hoisted step one row early", FORWARD, "hoisted(p) ? f.z + (step.row - s.row) * f.z_row : f.z;", "hoisted(p) ? f.z + (step.row - s.row - (step.row > s.row)) * f.z_row : f.z;"),
    Mutation("panels backwards as if the first were 0", FORWARD, "backwards ? f->first_panel + f->end_panel - 1 - i", "backwards ? f->end_panel - 1 - i"),
    Mutation("a single row's panels backwards as if the first were 0", FORWARD, "t & 1 ? f->first_panel + f->end_panel - 1 - i", "t & 1 ? f->end_panel - 1 - i"),
    Mutation("columns backwards as if the first were 0", BACKWARD, "f->first_panel + f->end_panel - 1 - i", "f->end_panel - 1 - i"),
    Mutation("c of the last row in place, while recording", FORWARD, "span.c = (real *)args->c + (args->record ? step.after + r : r) * H + unit;", "span.c = (real *)args->c + (args->record && r ? step.after + r : r) * H + unit;"),
    Mutation("no barrier between phases", FORWARD, "        fr_barrier_wait(barrier, waiting);", ""),
    # cut into panels, blocks and shares
    Mutation("panels begin one block early", PLAN, "i * c.blocks + (i < c.extra ? i : c.extra)", "i * c.blocks + (i < c.extra ? i : c.extra) - (i == 2)"),
    Mutation("the last panel's padding counted", PLAN, "left < padded ? left : padded}", "padded}"),
    Mutation("too many panels", PLAN, "c.blocks + (i < c.extra);", "c.blocks + (i <= c.extra);"),
    Mutation("a share one short", TILE, "n == 1 ? whole * i : whole * i / n", "n == 1 ? whole * i : whole * i / n - (i == 2)"),
    Mutation("tiles without their last k", TILE, "i < f->length; i++, a += f->a_k", "i < f->length - (f->length > 3); i++, a += f->a_k"),
    Mutation("second vector of B twice", TILE, "load(b + v * LANES)", "load(b + (v == 4 ? 3 : v) * LANES)"),
    Mutation("rows of A by the wrong stride", TILE, "f->a + row * f->a_row + s", "f->a + row * m->c_row + s"),
    Mutation("edge lanes not packed", PACK, "lane < n; lane++) to[k * to_k + lane]", "lane < n - (n == 3); lane++) to[k * to_k + lane]"),
    Mutation("transposed blocks mixed up", TRANSPOSE, "ab_high = SHUFFLE(a, b, 2, 6, 3, 7)", "ab_high = SHUFFLE(a, b, 3, 7, 2, 6)"),
    Mutation("end of a row of columns not packed", PACK, "if (j < n) store(to + j, load_part(from + j, n - j)), j += LANES;", "if (j < n) store(to + j, splat(0)), j += LANES;"),
    Mutation("a ragged step begins at N", STEPS, "up ? step.row + step.rows : step.row - rows_at(rows, N, t)", "up ? step.row + N : step.row - rows_at(rows, N, t)"),
    Mutation("the step before lies elsewhere", STEPS, "t ? N + row - rows_at(rows, N, t - 1) : 0", "t ? N + row - rows_at(rows, N, t) : 0"),
    Mutation("forward forgets a row of the third worker", FORWARD, "f.first_row = row_share(rows, N, worker, workers)", "f.first_row = row_share(rows, N, worker, workers) + (worker == 2)"),
    Mutation("backward takes a row of the third worker twice", BACKWARD, "f.first_row = row_share(rows, N, worker, workers)", "f.first_row = row_share(rows, N, worker, workers) - (worker == 2)"),
    # backward in time
    Mutation("upstream gradient dropped", EPILOGUES, "u.dh += load_n(f->dy + r * f->dy_row + j, n);", "u.dh += splat(0);"),
    Mutation("recurrent gradient replaced, not added", BACKWARD, "through[phase], !phase && !dropping);", "through[phase], 0);"),
    Mutation("gradient of r h added to that of the step before", BACKWARD, "m.c_in = add ? m.c : zeros, m.c_in_row = add ? padded : 0;", "m.c_in = m.c, m.c_in_row = padded;"),
    Mutation("previous state of another step", BACKWARD, ".h_prev = (const real *)args->h + (step.before + r) * h_row + unit,", ".h_prev = (const real *)args->h + (step.after + r) * h_row + unit,"),
    Mutation("one step missing from BPTT", BACKWARD, "for (int64_t i = 0; i < steps; i++, step = next_step(step, rows, N, up))", "for (int64_t i = left == steps && steps > 2; i < steps; i++, step = next_step(step, rows, N, up))"),
    Mutation("ring filled beyond its rows", BACKWARD, "steps < left && rows <= f->ring; rows += step.rows", "steps < left && rows <= f->ring + 8; rows += step.rows"),
    Mutation("only the last ring counts", BACKWARD, "f.first_sums = 0, left -= steps;", "left -= steps;"),
    Mutation("sums begin with what was in the buffers", BACKWARD, ".first_sums = 1,", ".first_sums = 0,"),
    Mutation("weight gradient by h_t, not h_{t-1}", RING, "fed + step.before * fed_row, fed_row, f->in_ring, 0,", "fed + step.after * fed_row, fed_row, f->in_ring, 0,"),
    Mutation("ragged weight gradient by h_t, not h_{t-1}", RING, "fed + step.before * fed_row, fed_row, step.rows,", "fed + step.after * fed_row, fed_row, step.rows,"),
    Mutation("second window's gradient by h", BACKWARD, "phase ? f->at.inputs : f->at.h", "f->at.h"),
    Mutation("one window's rows for another's", RING, "dw + (window.gate[s] * H + block * LANES) * K", "dw + (window.gate[window.width - 1 - s] * H + block * LANES) * K"),
    Mutation("bias gradient of the wrong slot", RING, "const real *dz = f->space + f->at.dz + ((window.first + s)", "const real *dz = f->space + f->at.dz + ((s)"),
    Mutation("bias gradient of every fourth row missing", RING, "(sums[0] + sums[1]) + (sums[2] + sums[3])", "(sums[0] + sums[1]) + sums[2]"),
    Mutation("second bias without gradient", BACKWARD, "add_to_bias(f, cell->h[phase], first, end, args->grad_b_hh);", "add_to_bias(f, cell->h[phase], first, end - 1, args->grad_b_hh);"),
    Mutation("grad_x one row off in later rings", RING, "grad_x + (f->ring_first + row) * I", "grad_x + (f->ring_first + row - (f->ring_first > 0)) * I"),
    Mutation("cut rows beyond the first eight from the top again", RING, "row += TILE_ROWS, t.of[0].a += TILE_ROWS * m->of[0].a_row)", "row += TILE_ROWS)"),
    Mutation("padding of the weights not zero", BACKWARD, "unit < H ? q.units : 0,", "q.units,"),
    Mutation("gradient of the initial state of some rows unfinished", BACKWARD, "for (int64_t j = 0; j < H; j += LANES) {\n            const vec around", "for (int64_t j = 0; r < 5 && j < H; j += LANES) {\n            const vec around"),
    Mutation("no barrier before the sums", BACKWARD, "        pack_sources(&f, s.t, steps);\n        fr_barrier_wait(&job->barrier, workers);", "        pack_sources(&f, s.t, steps);"),
    # Jordan's network
    Mutation("softmax without its largest element", SOFTMAX, "const real m = largest_lane(largest);", "const real m = 0 * largest_lane(largest);"),
    Mutation("softmax's sum counts what lies behind the row", SOFTMAX, "load_or(z + j, n - j, -(real)INFINITY)", "load_or(z + j, n - j, z[0])"),
    Mutation("softmax's largest element may be a padding zero", SOFTMAX, "load_or(z + j, n - j, z[0])", "load_n(z + j, n - j)"),
    Mutation("softmax's slope without the mean", JORDAN_BACKWARD, "(load(d_o) - mean)", "load(d_o)"),
    Mutation("slope of ψ taken for that of φ", JORDAN_BACKWARD, "slope_of(f->p->phi, value)", "slope_of(f->p->psi, value)"),
    Mutation("no gradient through what is fed back", JORDAN_BACKWARD, "if (args->fed != args->y && step.row > 0)", "if (step.row > 0)"),
    Mutation("gradient through the teacher", JORDAN_BACKWARD, "if (args->fed != args->y && step.row > 0)", "if (0)"),
    Mutation("no gradient to y_0 under a teacher", JORDAN_BACKWARD, "if (args->fed != args->y && step.row > 0)", "if (args->fed != args->y)"),
    Mutation("gradient of W_hh by the output, not by what was fed", JORDAN_BACKWARD, "args->fed, f->p->outputs, f->columns_o", "args->y, f->p->outputs, f->columns_o"),
    Mutation("gradient of the last output dropped", JORDAN_BACKWARD, "pack_row(dy + r * p->outputs, p->outputs,", "pack_row(dy + r * p->outputs, 0,"),
    Mutation("Jordan's upstream gradient dropped", JORDAN_BACKWARD, "load_n(outside + j, O - j) + load(dy + j)", "load(dy + j)"),
    Mutation("Jordan: only the first ring counts", JORDAN_BACKWARD, "f.hidden.first_sums = f.output.first_sums = 0, end = t0;", "end = t0;"),
    Mutation("Jordan: a worker's rows one short", JORDAN_FORWARD, ".end_row = row_share(&args->rows, p->rows, worker + 1, workers)", ".end_row = row_share(&args->rows, p->rows, worker + 1, workers) - (worker == 2)"),
    Mutation("Jordan: no barrier before the sums", JORDAN_BACKWARD, "        jordan_pack_sources(&f, t0, end - t0);\n        fr_barrier_wait(&job->barrier, workers);", "        jordan_pack_sources(&f, t0, end - t0);"),
    Mutation("the output fed back in spite of a teacher", JORDAN_FORWARD, "(const real *)args->fed + (step.before + lo) * O", "(const real *)args->y + (step.before + lo) * O"),
    Mutation("what was fed back shifted by a step", JORDAN_FORWARD, "(const real *)args->fed + (step.before + lo) * O", "(const real *)args->fed + lo * O"),
    Mutation("Jordan's second bias dropped", JORDAN_FORWARD, "(second ? second[j] : 0)", "0"),
    Mutation("Jordan: z of a hoisted step one row late", JORDAN_FORWARD, "f.z + (step.row - first) * padded", "f.z + (step.row - first + (step.row > first)) * padded"),
    Mutation("Jordan: h of a step overwritten while recording", JORDAN_FORWARD, "(real *)args->h + (step.row + lo) * H", "(real *)args->h + lo * H"),
    Mutation("Jordan's stream forgets its last output", JORDAN_CALLS, "memcpy(y, y + block * self.step_out, self.step_out)", "memcpy(y, y, self.step_out)"),
    Mutation("Jordan: one array for both biases' gradients", JORDAN_CALLS, "grads[5].copy()", "grads[5]"),
    Mutation("Jordan: final outputs in the rows' order", JORDAN_LAYER, "np.array(batch.unsort(batch.final(y, reverse=False)))[None]", "np.array(batch.final(y, reverse=False))[None]"),
    Mutation("Jordan's tape shares the caller's input", JORDAN_LAYER, "            rows = rows.copy()", "            pass"),
    # inputs that are looked up
    Mutation("one row of the table for all of a tile", FORWARD_INPUT, "load(table + x_row[r] * table_row + j)", "load(table + x_row[0] * table_row + j)"),
    Mutation("every step looks up the first one's rows", FORWARD_INPUT, "f->args->x_row + row, c, c_row", "f->args->x_row, c, c_row"),
    Mutation("panels of the table overlap", FORWARD_INPUT, "q.block * LANES * f->p->distinct", "q.block * LANES * (f->p->distinct - 1)"),
    Mutation("a row of the table computed by nobody", FORWARD_INPUT, "share(p->distinct, worker, workers) : 0", "share(p->distinct, worker, workers) + (worker == 2) : 0"),
    Mutation("one-hot rows without bias", PACK, "if (p->one_hot) add_bias_to_rows", "if (0) add_bias_to_rows"),
    Mutation("dz added to one row of the table", RING_TABLE, "sums + x_row[r] * LANES", "sums + x_row[0] * LANES"),
    Mutation("every ring adds to the first one's rows", RING_TABLE, "f->args->x_row + f->ring_first", "f->args->x_row"),
    Mutation("sums begin with what was in the table", RING_TABLE, "0, (size_t)(R * LANES)", "0, (size_t)((R - 1) * LANES)"),
    Mutation("one-hot gradients not transposed", RING_TABLE, "dw[unit * R + r] =", "dw[r * units + unit] ="),
    Mutation("one-hot gradients by slot, not by gate", RING_TABLE, "(window.gate[s] * H + block * LANES) * R", "(s * H + block * LANES) * R"),
    Mutation("rows before the table's first pass", KERNELS, "if not 0 <= x_row[s] < R:", "if not x_row[s] < R:"),
    Mutation("vectors that do not occur take part", LOOKUP, "seen = np.zeros(count, bool)", "seen = np.ones(count, bool)"),
    Mutation("layers of one's own taken for what they derive from", LOOKUP, "vars(type(layers[i])).get(word)", "getattr(type(layers[i]), word, False)"),
    Mutation("gradients of vectors to the first ids", EMBEDDING, "grad[saved] = grad_rows", "grad[: len(saved)] = grad_rows"),
    Mutation("a one-hot tape sees later changes", ONE_HOT, "ids = np.array(self._ids(x))", "ids = self._ids(x)"),
    Mutation("zeros of a one-hot stream left as they were", ONE_HOT, "    out[...] = 0\n", ""),
    # reversed in time
    Mutation("places of a reversed step not exchanged", STEPS, "rows->reverse ? high : low, rows->reverse ? low : high", "low, high"),
    Mutation("a reversed step has the rows of the one after it", STEPS, "step.row - rows_at(rows, N, t));", "step.row - step.rows);"),
    Mutation("a reversed stretch begins with its first step", STEPS, "if (!up) s.t = step.t, s.row = step.row;", ""),
    Mutation("a dense reversed stretch begins with its first step", STEPS, "step.row - back * N", "step.row"),
    Mutation("reversed sequences walk up", FORWARD, "const int up = !rows->reverse;", "const int up = 1;"),
    Mutation("a single reversed row walks up", FORWARD, "&f, step, steps, up ? 1 : -1,", "&f, step, steps, 1,"),
    Mutation("a reversed sequence begins in place 0", KERNELS, "states[S:] = start", "states[:N] = start"),
    Mutation("reversed sequences begin with the first one's state", KERNELS, "states[row + r] = start[r]", "states[row + r] = start[0]"),
    Mutation("a reversed output's places as those of its steps", ROWS, "place += N if t == 0 else counts[t - 1]", "place += counts[t]"),
    Mutation("a reversed layer's output where the other's is", RAGGED, "rows = states[: len(states) - self.rows] if reverse else states[self.rows :]", "rows = states[self.rows :]"),
    Mutation("a reversed layer's final state where the other's is", RAGGED, "return states[: self.rows] if reverse else states[len(states) - self.rows :]", "return states[len(states) - self.rows :]"),
    Mutation("a ragged reversed layer's final state where the other's is", RAGGED, "return states[: self.rows] if reverse else states[self.rows + self._last]", "return states[self.rows + self._last]"),
    # recurrent dropout
    Mutation("what is fed back not masked", EPILOGUES, "const vec fed = options && f->keep ? u.h * load_n(f->keep + at, n) : u.h;", "const vec fed = u.h;"),
    Mutation("h masked and not only what is fed back", EPILOGUES, "(final) ? u.h : fed, n)", "fed, n)"),
    Mutation("the initial state fed whole", KERNELS, "begin[floating](fed, np.multiply(h_0, keep), counts, reverse)", "begin[floating](fed, h_0, counts, reverse)"),
    Mutation("gradient of what is fed back not masked", EPILOGUES, "u.dh = fma_(keep, load(f->d_fed + r * f->padded + j), u.dh);", "u.dh = load(f->d_fed + r * f->padded + j) + u.dh;"),
    Mutation("gradient of the second multiply's input not masked", EPILOGUES, "if (options) u.d_input = u.d_input * keep;", ""),
    Mutation("second multiply's input not masked for dW", EPILOGUES, "options ? u.h * keep : u.h, n)", "u.h, n)"),
    Mutation("weight gradient by h, not by what was fed back", RING, "options->fed, options->fed_row, f->columns_h", "f->args->h, f->args->h_row, f->columns_h"),
    Mutation("gradient of the initial state not masked", BACKWARD, "keep ? fma_(load_n(keep + r * H + j, H - j), load(d_fed + j), around) : around", "keep ? load(d_fed + j) + around : around"),
    Mutation("gradient of what is fed back added to that of the step before", BACKWARD, "!phase && !dropping);", "!phase);"),
    # zoneout
    Mutation("c zoned out where h is", EPILOGUES, "zone->seed + (uint64_t)state", "zone->seed"),
    Mutation("the rate of h for c", EPILOGUES, "threshold_of(zone->rate[state])", "threshold_of(zone->rate[0])"),
    Mutation("zoneout the other way round", EPILOGUES, "masked(zoned_out(zone, state, row, unit), before, now)", "masked(zoned_out(zone, state, row, unit), now, before)"),
    Mutation("expected zoneout the other way round", EPILOGUES, "fma_(splat((real)zone->rate[state]), before - now, now)", "fma_(splat((real)zone->rate[state]), now - before, before)"),
    Mutation("every step zones out the same, forward", FORWARD, "span.row = step.row + r, span.unit", "span.row = r, span.unit"),
    Mutation("every step zones out the same, backward", BACKWARD, "span.row = step.row + r, span.unit", "span.row = r, span.unit"),
    Mutation("every panel zones out the same", FORWARD, "span.unit = unit;", "span.unit = 0;"),
    Mutation("a single row without zoneout", FORWARD, "one_row[p->cell][f.options](&f", "one_row[p->cell][0](&f"),
    Mutation("zoneout alone counts for nothing", EPILOGUES, "return options->keep || zones(options);", "return options->keep != NULL;"),
    Mutation("gradient past the cell lost, of h", EPILOGUES, "options ? u.dh + past_h : u.dh", "u.dh"),
    Mutation("gradient past the cell lost, of c", EPILOGUES, "options ? u.dc + past_c : u.dc", "u.dc"),
    Mutation("gradient into the cell and past it", EPILOGUES, "    *grad = masked(old, splat(0), *grad);\n", ""),
    Mutation("the LSTM's c of the step, zoned out or not", LSTM, "tanh_c = tanh_(c); /*", "tanh_c = tanh_(u->c_prev); /*"),
    Mutation("all lanes dropped as the first vector's", MASKS, "v = low_32((v + (real_ubits)(uint32_t)column)", "v = low_32((v + (real_ubits)(uint32_t)(0 * column))"),
    Mutation("the rate of h for c, in the layer", BUILDING, "(*self.zoneout, 0.0)[:2]", "(self.zoneout[0], self.zoneout[0])"),
    Mutation("zoneout in training by its expected value", STACK, "self.expected and self.expected._replace(seed=draw_seed(rng))", "self.expected and (draw_seed(rng), self.expected)[1]"),
    # the gradient that flows back through the states
    Mutation("norms of c written to those of h", BACKWARD, "((real *)flow->norms[state])[row]", "((real *)flow->norms[0])[row]"),
    Mutation("norms without what came through the multiply", BACKWARD, "keep ? grad[j] + (double)keep[j] * d_fed[j] : grad[j]", "grad[j]"),
    Mutation("norms overflow", BACKWARD, "double sum = 0;", "real sum = 0;"),
    Mutation("bounds ignored", BACKWARD, "if (!(norm > flow->bound[state])) return;", "return;"),
    Mutation("what came through the multiply not scaled down", BACKWARD, "if (keep) d_fed[j] *= scale;", ""),
    Mutation("bounds without norms ignored", BACKWARD, "flow->norms[0] || flow->norms[1] || flow->bound[0] < INFINITY || flow->bound[1] < INFINITY", "flow->norms[0] || flow->norms[1]"),
    Mutation("a worker watches another's rows", BACKWARD, "watch(f, step, units ? f->worker : 0, workers);", "watch(f, step, f->worker, workers);"),
    Mutation("the bound of h for c", KERNELS, "args.flow.bound[0], args.flow.bound[1] = bounds", "args.flow.bound[0] = args.flow.bound[1] = bounds[0]"),
    Mutation("the bound of h for c, in the layer", RECURRENT, "Watch((numbers[0], numbers[-1]), arrays)", "Watch((numbers[0], numbers[0]), arrays)"),
    Mutation("norms of one layer for all", STACK, "own = [norms[i] for norms in self.norms]", "own = [norms[0] for norms in self.norms]"),
    Mutation("norms in axes of their own", RECURRENT, "self._output(batch.unpack(one[:, None]), unbatched) for one in norms]", "batch.unpack(one[:, None]) for one in norms]"),
    # stacks in two directions
    Mutation("outputs of two directions exchanged", STACK, "output[:, d * self.H : (d + 1) * self.H])", "output[:, (1 - d) * self.H : (2 - d) * self.H])"),
    Mutation("final h of the reversed direction where the other's is", STACK, "batch.final(one.h, d == 1)", "batch.final(one.h, False)"),
    Mutation("final c of the reversed direction where the other's is", STACK, "batch.final(one.c, d == 1)", "batch.final(one.c, False)"),
    Mutation("gradient of x of the reversed direction alone", STACK, "zoneout=one.zoneout, add_to=add_to,", "zoneout=one.zoneout, add_to=None,"),
    Mutation("gradient of x overwritten, not added to", RING, "m.c_in = add ? m.c : zeros, m.c_in_row = add ? I : 0;", "m.c_in = zeros, m.c_in_row = 0;"),
    Mutation("both directions learn from the first one's output", STACK, "dy if self.D == 1 else dy[:, d * self.H : (d + 1) * self.H]", "dy if self.D == 1 else dy[:, : self.H]"),
    Mutation("gradients of both directions' states to the first", STACK, "state[i] = batch.unsort(grad)", "state[i - d] = batch.unsort(grad)"),
    Mutation("gradient of what was dropped between layers", STACK, "                if tape.seed is not None:\n                    _elementwise.drop(dx, dx, self.rates.dropout, tape.seed)\n", ""),
    Mutation("dropout of the first layer's input", STACK, "self._drop(x, rng) if k and rng is not None", "self._drop(x, rng) if rng is not None"),
    # traces
    Mutation("the GRU's traced gates exchanged", RECURRENT, '"gru": ("n", "r", "z", "")', '"gru": ("n", "z", "r", "")'),
    Mutation("the LSTM's traced gates exchanged", RECURRENT, '"lstm": ("i", "f", "g", "o")', '"lstm": ("i", "f", "o", "g")'),
    Mutation("reversed states traced where the others are", RECURRENT, "batch.output(states_, reverse)", "batch.output(states_, False)"),
    # numerics
    Mutation("polynomial one term short", "csrc/activations.h", "p = fma_(r4, PAIR(r, 1.0 / 720, 1.0 / 5040), p);", "p = fma_(r4, splat((real)(1.0 / 720)), p);"),
    Mutation("sign of tanh lost", "csrc/activations.h", "return with_sign(abs_(quotient(e, e_2)), x);", "return abs_(quotient(e, e_2));"),
    Mutation("processor mode not restored after backward", BACKWARD, "    restore_mode(before);", "    (void)before;"),
    Mutation("processor mode not restored after forward", FORWARD, "    restore_mode(before);", "    (void)before;"),
    Mutation("subnormals kept in backward", BACKWARD, "const fp_mode before = flush_denormals();", "const fp_mode before = flush_denormals();\n    restore_mode(before);"),
    # threads
    Mutation("one worker too few is waited for", POOL, "== workers - 1) {", "== workers - 2 + (workers == 2)) {"),
    Mutation("a child works on its parent's team", POOL, ", team = (fr_team){0}", "", ("torch_threads",)),
    Mutation("a child keeps its parent's threads", POOL, "started = 0, patience = 0, team", "patience = 0, team"),
    Mutation("a nested call waits for the pool", POOL, "!try_lock(&in_use)", "(lock(&in_use), 0)"),
    Mutation("a worker's share given to two", POOL, "work_on(body_of_job, context_of_job, w->number, workers)", "work_on(body_of_job, context_of_job, w->number == 3 ? 2 : w->number, workers)"),
    Mutation("the number of a block outlives it", THREADS, "        _within.reset(token)", "        del token"),
    Mutation("the number of a block is everyone's", THREADS, "return _within.get() or _process", "return _process"),
    Mutation("nonsense in the environment ignored", THREADS, 'if text and name == "FASTRNN_NUM_THREADS":', "if False:"),
    # what the kernels' module checks
    Mutation("counts may grow", KERNELS, "counts[t] > last or counts[t] < 1", "counts[t] < 1"),
    Mutation("counts may not add up", KERNELS, "if total != S:", "if False:"),
    Mutation("no steps pass", KERNELS, "if T < 1:", "if T < 0:"),
    Mutation("buffers of another size used again", KERNELS, "spare.shape == shape and spare.dtype == dtype", "spare.dtype == dtype"),
    Mutation("state lost between blocks of a stream", STREAMS, "memcpy(h, h + self.args.rows.steps * self.step_out, self.step_out)", "memcpy(h, h, self.step_out)"),
    Mutation("a stream's cell state is the caller's", STREAMS, 'np.array(c_0, order="C")', 'np.asarray(c_0, order="C")'),
    # ragged batches
    Mutation("states handed back in the rows' order", RAGGED, "        result[self.order] = state\n", "        result[...] = state\n"),
    Mutation("the last row is that of the last step", RAGGED, "states[self.rows + self._last]", "states[len(states) - self.rows :]"),
    Mutation("rows packed in the order of the batch", ROWS, "memcpy(&rows[row + r, 0], &padded[t * N + order[r], 0]", "memcpy(&rows[row + r, 0], &padded[t * N + r, 0]"),
    Mutation("input after the state in one pass", FORWARD, "m.of[1] = m.of[0], m.of[0] = x_factors(f, q, step.row + r), m.pairs = 2;", "m.of[1] = x_factors(f, q, step.row + r), m.pairs = 2;"),
    Mutation("slots outside of the input's window without bias", FORWARD_INPUT, "(s < first || s >= end) && r < rows", "(s < first || s > end) && r < rows"),
    Mutation("bias of the first row for all but the first", FORWARD_INPUT, "* q.blocks * LANES, m->c_in_row = 0;", "* q.blocks * LANES, m->c_in_row = LANES;"),
    Mutation("a kept block given out though too small", "src/fastrnn/_memory.pyx", "size <= sizes[i] <= 2 * size", "size // 2 <= sizes[i] <= 2 * size"),
    Mutation("padding of the output not zeroed", ROWS, "memset(&padded[t * N + order[r], 0], 0,", "memset(&padded[t * N + order[r], 0], 1,"),
    Mutation("lengths of zero pass", VALIDATION, "array.min() >= 1", "array.min() >= 0"),
    Mutation("lengths ignored", RAGGED, "checked.min() < steps", "checked.min() < 0"),
    # layers and trainer
    Mutation("upper layers fed by one feature of x", STACK, "            x = y\n", "            x = x[..., :1] + 0 * y\n"),
    Mutation("state handed to the wrong layer", STACK, "start = [batch.sort(part[i]) for part in states]", "start = [batch.sort(part[-1 - i]) for part in states]"),
    Mutation("gradient of the state written into the caller's", AXES, "as_real(name, part, self.dtype, copy=True)", "as_real(name, part, self.dtype)"),
    Mutation("tape shares the caller's input", RECURRENT, "            own = own.copy()", "            pass"),
    Mutation("an ended tape plays on", BASE, "if tape.saved is None:", "if False:"),
    Mutation("a tape goes on though its buffers went", BASE, 'object.__setattr__(tape, "saved", None)', "pass"),
    Mutation("buffers not used again", STACK, "[one[:4] for one in old.directions] if old else", "[one[:4] for one in old.directions] if False else"),
    Mutation("changed parameters unnoticed", BASE, "tape.fingerprint != self._watched()", "False"),
    Mutation("reset convention lost in config", "src/fastrnn/layers/gru.py", '"gru" if config["reset_after"] else "gru_before"', '"gru_before" if config["reset_after"] else "gru"'),
    # Linear
    Mutation("Linear's bias dropped where it is packed", LINEAR, "bias ? p->outputs : 0, blocks_of", "0, blocks_of"),
    Mutation("Linear's bias dropped for few rows", LINEAR, "bias ? load_n(bias + output, n) : splat(0)", "splat(0)"),
    Mutation("Linear's bias of another output", LINEAR, "splat(bias ? bias[o] : 0)", "splat(bias ? bias[0] : 0)"),
    Mutation("Linear multiplies before all is packed", LINEAR, "        fr_barrier_wait(&job->barrier, workers);\n", ""),
    Mutation("Linear: a worker's rows one short", LINEAR, "share(rows, worker + 1, workers) - row, 0, panels}", "share(rows, worker + 1, workers) - row - (worker == 2), 0, panels}"),
    Mutation("Linear: subnormals on their own", LINEAR, "const fp_mode before = flush_denormals();", "const fp_mode before = flush_denormals();\n    restore_mode(before);"),
    Mutation("what is not packed stops at whole fours", UNPACKED, "if (whole < K)", "if (whole < K && whole == 0)"),
    Mutation("columns in the lanes exchanged", UNPACKED, "fma_(splat(ar[1]), column.b, c##r)", "fma_(splat(ar[2]), column.b, c##r)"),
    Mutation("Linear: only the last ring counts", LINEAR_BACKWARD, "f.ring.first_sums = 0;", ""),
    Mutation("Linear's upstream gradient one row late", LINEAR_BACKWARD, "const int64_t row = f->ring.ring_first + mine.row;", "const int64_t row = f->ring.ring_first + mine.row - (mine.row > 0);"),
    Mutation("Linear: no barrier before the sums", LINEAR_BACKWARD, "        fr_barrier_wait(&job->barrier, workers);\n        add_linear_sums(&f);", "        add_linear_sums(&f);"),
    Mutation("pieces of rows in the wrong order", TRANSPOSE, "ROW_AT(2), 2), ROW_AT(3), 3)", "ROW_AT(3), 2), ROW_AT(2), 3)"),
    Mutation("another chain for what is not packed", UNPACKED, "if (r < R) c##r = load(d + r * LANES);", "if (r < R) c##r = splat(0);"),
    Mutation("Linear's bias gradient never summed", LINEAR_BACKWARD, "if (f->args->grad_bias)", "if (0)"),
    Mutation("validation rows trained on", DATASET, "np.sort(rows[held:])", "np.sort(rows)"),
    # the trainer
    Mutation("windows that share values with validation trained on", DATASET, "len(self) - held - (self.overlap or 0)", "len(self) - held"),
    Mutation("an order that buckets do not shuffle", DATASET, "return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]", "return batches"),
    Mutation("lengths of the data set, not of its part", DATASET, "None if own is None else own[chosen] for own", "None if own is None else own[: len(chosen)] for own"),
    Mutation("rows that are not neighbours as a slice", COLUMNS, "and (np.diff(rows) == 1).all()", ""),
    Mutation("padding looked at", SAMPLES, "index = first_bad(block, counts)", "index = first_bad(block, None)"),
    Mutation("the errors of the whole window count", CHUNKS, "_counted(n, stop - first, start - first, part.lengths)", "_counted(n, stop - first, 0, part.lengths)"),
    Mutation("a window begins where the last one did", CHUNKS, "None if stop in (T, following) else following - first", "None"),
    Mutation("ended sequences stay in the batch", CHUNKS, "int((lengths > start).sum())", "int((lengths >= start).sum())"),
    Mutation("weights stay in their order", CHUNKS, "None if weights is None else weights[order]", "weights"),
    Mutation("the state of other sequences", CHUNKS, "return state[..., :rows, :]", "return state[..., -rows:, :]"),
    Mutation("padding counts in the loss", CHUNKS, "return Chunk(batch._replace(weight=weight), counted, None)", "return Chunk(batch._replace(weight=weight), counted | True, None)"),
    Mutation("the mean of means", UPDATES, "self._total += sums.total", "self._total += 1"),
    Mutation("accumulated gradients forgotten", UPDATES, "self._sum[name] += own", "self._sum[name] = own"),
    Mutation("the state's gradient not clipped", UPDATES, "{} if self.limits.state is None else", "{} if True else"),
    Mutation("values clipped before they are seen", UPDATES, "norm = clip_by_global_norm(gradients, math.inf if self.limits.value is not None else limit)", "self.limits.value and clip_by_value(gradients, self.limits.value)\n        norm = clip_by_global_norm(gradients, limit)"),
    Mutation("a batch without targets changes parameters", UPDATES, "if total == 0:", "if False:"),
    Mutation("gradients of steps that do not count", UPDATES, "spread[chunk.counted] = gradient", "spread[...] = gradient.mean()"),
    Mutation("the state after the update", LEARNER, "        if window.advance is not None:\n            end = self._state_after(window.advance, batch, state)\n        if self._updates.pending == self.accumulate:\n            self.apply()", "        if self._updates.pending == self.accumulate:\n            self.apply()\n        if window.advance is not None:\n            end = self._state_after(window.advance, batch, state)"),
    Mutation("a schedule of epochs counts updates", LEARNER, 'if self.schedule.per == "update" else self.epochs', 'if self.schedule.per == "update" else self.updates'),
    Mutation("a schedule sees no losses", LEARNER, "observe(numbers[self.watched(numbers)])", "pass"),
    Mutation("windows measured from zero", MEASURING, "model.forward(x, first_rows(state, len(y)), **options)", "model.forward(x, None, **options)"),
    Mutation("what is left of an epoch is never applied", FITTING, "        learner.apply()\n", ""),
    Mutation("the state is carried from batch to batch", FITTING, "if position.chunk == 0 and not self.stateful:", "if False:"),
    Mutation("the state is never carried", FITTING, "if position.chunk == 0 and not self.stateful:", "if position.chunk == 0:"),
    Mutation("a resumed epoch in another order", FITTING, 'rng.state = self._rng["epoch"]', "pass"),
    Mutation("random numbers of a resumed epoch begin again", FITTING, "        if not fresh:\n            rng.state = now\n", ""),
    Mutation("batches done twice", FITTING, "self.source.epoch(self.learner.rng, position.batch)", "self.source.epoch(self.learner.rng)"),
    Mutation("windows done twice", FITTING, "windows[position.chunk :]", "windows"),
    Mutation("an interrupt in the middle of an accumulation", FITTING, "            if interrupt.asked and self.learner.settled:\n", "            if interrupt.asked:\n"),
    Mutation("the checkpoint of the best, not of the last", FITTING, "            if self.checkpoint is not None:\n                self._save(self.checkpoint)\n        except", "            if self.checkpoint is not None:\n                for callback in self.callbacks:\n                    callback.on_end(self.trainer, self.history)\n                self._save(self.checkpoint)\n        except"),
    Mutation("the limit of a sum", UPDATES, "        gradient /= gradient.dtype.type(sums.total or 1)\n", "        if self.accumulate == 1:\n            gradient /= gradient.dtype.type(sums.total or 1)\n        total = 1\n"),
    Mutation("targets of batches not looked at", UPDATES, "        self.loss.check(picked.target, picked.prediction.shape)\n", ""),
    Mutation("an optimiser of another model", "src/fastrnn/trainer/trainer.py", "if not getattr(chosen", "if False and not getattr(chosen"),
    Mutation("samples that were left out looked at", SAMPLES, "chosen = self.rows[start : start + self.of.piece]", "chosen = np.arange(len(self.of))[start : start + self.of.piece]"),
    Mutation("another training's checkpoint", RESUMING, "settings.get(name) != then.get(name):", "False:"),
    Mutation("the learning rate forgotten", RESUMING, "(learner.updates, learner.epochs), learner.optimizer.learning_rate = counts, rate", "(learner.updates, learner.epochs), _ = counts, rate"),
    Mutation("an earlier training overwritten", CHECKPOINT, "if not resume:", "if False:"),
    Mutation("never more than one checkpoint", CHECKPOINT, "updates - self._written >= self.every", "updates == self.every"),
    Mutation("patience one epoch longer", CALLBACKS, "if epoch - self.best_epoch < self.patience:", "if epoch - self.best_epoch <= self.patience:"),
    Mutation("the last parameters for the best", CALLBACKS, "trainer.model.load_state_dict(self._parameters)", "pass"),
    Mutation("any change is an improvement", CALLBACKS, "sign * self.best - self.min_change", "sign * self.best"),
    Mutation("a table that grows", CALLBACKS, "write_whole(self.path, text.getvalue().encode())", "self.path.open('a').write(text.getvalue())"),
    Mutation("the second interrupt is swallowed", INTERRUPT, "if self.asked:", "if False:"),
    Mutation("the signal is kept", INTERRUPT, "if self._before is not None:", "if False:"),
    Mutation("the range test trains the model", RATES, "deepcopy(learner.model),", "learner.model,"),
    Mutation("a bidirectional layer truncated", CHECKS, 'getattr(layer, "bidirectional", False)', "False"),
    Mutation("targets not looked at", CHECKS, "            loss.check(y, (len(y), *shape))", "            pass"),
    Mutation("every epoch in one order", SOURCES, "rng if shuffled else None", "None"),
    # losses and metrics
    Mutation("softmax's sum after scaling", SOFTMAX, "return (normaliser){m, s};", "return (normaliser){m, s * scale};"),
    Mutation("the gradient of a loss is that of the sum", LOSS, "gradient /= gradient.dtype.type(total)", "pass"),
    Mutation("weights broadcast from the right", LOSS, "array.reshape(array.shape + (1,) * (len(rows) - array.ndim))", "array"),
    Mutation("a function's rows counted as elements", LOSS, "rows = prediction.size // prediction.shape[-1]", "rows = prediction.size"),
    Mutation("squared error a mean over elements", ELEMENTWISE, "    by_row = True", "    by_row = False"),
    Mutation("ignored elements keep their slope", ELEMENTWISE, "terms[missing] = gradient[missing] = 0", "terms[missing] = 0"),
    Mutation("ignored elements are in the mean", ELEMENTWISE, "valid = valid - np.count_nonzero(missing, axis=-1)", "pass"),
    Mutation("a weighted mean over the plain total", ELEMENTWISE, "total = np.sum(rows * w, dtype=np.float64)", "total = np.sum(rows * np.ones_like(w))"),
    Mutation("Huber's parabola to the end", ELEMENTWISE, "np.maximum(slope, -self.delta, out=slope)", "pass"),
    Mutation("pos_weight on the value alone", ELEMENTWISE, "            gradient *= both\n", ""),
    Mutation("binary cross-entropy without its tail", ELEMENTWISE, "np.log1p(np.exp(", "np.abs(np.exp("),
    Mutation("cross-entropy's gradient without the target", CROSS_ENTROPY, "gradient.reshape(-1)[at] -= 1 if scale is None else scale", "pass"),
    Mutation("class weights not in the mean", CROSS_ENTROPY, "float(R) if scale is None else float(scale.sum(dtype=np.float64))", "float(R)"),
    Mutation("smoothing by ε, not ε/K", CROSS_ENTROPY, "self.label_smoothing / K", "self.label_smoothing"),
    Mutation("smoothed class numbers divided by the rows", CROSS_ENTROPY, "weight)._replace(total=total)", "weight)"),
    Mutation("ignored rows keep their gradient", CROSS_ENTROPY, "gradient = np.zeros_like(z)", "gradient = np.ones_like(z)"),
    Mutation("classes out of range pass", CROSS_ENTROPY, "target.max() >= K)", "target.max() > K)"),
    Mutation("only the first piece of targets checked", LOSS_CHECKS, "for part in pieces(whole):", "for part in list(pieces(whole))[:1]:"),
    Mutation("a bad target's place within its piece", LOSS_CHECKS, "[part.start + first, *rest]", "[first, *rest]"),
    Mutation("negative classes count", METRIC, "~ignored & (target >= 0)", "~ignored"),
    Mutation("one above a probability of 0.73", CLASSES, "return z > 0, d", "return z > 1, d"),
    Mutation("mean over classes that never came", CLASSES, "self._counts[0, self._seen] / np.where(of > 0, of, 1))", "np.append(self._counts[0, self._seen] / np.where(of > 0, of, 1), 0))"),
    Mutation("precision and recall exchanged", CLASSES, "parts = (true, w * (chosen == true)), (chosen, w), (true, w)", "parts = (true, w * (chosen == true)), (true, w), (chosen, w)"),
    Mutation("moments of batches without their distance", MEANS, " + apart**2 * self._weight * share", ""),
    Mutation("nats for bits", MEANS, "super().result() / math.log(2)", "super().result()"),
    Mutation("functions keep the caller's buffers", SCORED, "self._as_true(d[kept])", "self._as_true(d if kept.all() else d[kept])"),
    # optimisers, clipping, schedules
    Mutation("Adam without bias correction", OPTIMIZER_BASE, '"root": 1 / math.sqrt(1 - beta2**t)', '"root": 1.0'),
    Mutation("Adam's rate without bias correction", OPTIMIZER_BASE, '"rate": rate / (1 - beta1**t)', '"rate": rate'),
    Mutation("one step behind", OPTIMIZER_BASE, "self._numbers(self._step + 1)", "self._numbers(self._step + 2)"),
    Mutation("biases decay too", OPTIMIZER_BASE, "self.decay_biases or parameters[name].ndim > 1", "True"),
    Mutation("AdamW decays as Adam", "src/fastrnn/optimizers/adam.py", '{"shrink": 1 - self.learning_rate * self.weight_decay}', '{"l2": self.weight_decay}'),
    Mutation("a copy keeps the table", OPTIMIZER_BASE, 'self.__dict__ | {"_table": None}', "self.__dict__"),
    Mutation("other parameters go unnoticed", OPTIMIZER_BASE, "elif self._memories.layout != layout:", "elif False:"),
    Mutation("a loaded state forgets the step", OPTIMIZER_BASE, "self._step = step\n", "self._step = 0\n"),
    Mutation("states share memory", "src/fastrnn/optimizers/memories.py", "view.copy() for name", "view for name"),
    Mutation("memories not zero at first", "src/fastrnn/optimizers/memories.py", "    array[...] = 0\n", "    array[...] = 1\n"),
    Mutation("Nesterov's step without looking ahead", OPTIMIZERS, "nesterov ? g + momentum * v : v", "v"),
    Mutation("decay forgotten", OPTIMIZERS, "l2 > 0 ? g + splat((real)l2) * w : g", "g"),
    Mutation("decay for all", OPTIMIZERS, "if (u->decayed[p.array]) q.l2", "q.l2"),
    Mutation("variance by the mean, not its square", OPTIMIZERS, "s - m * m", "s - m"),
    Mutation("negative variances", OPTIMIZERS, "max_(splat(0), s - m * m)", "s - m * m"),
    Mutation("mean square without the gradient's square", OPTIMIZERS, "keep * v + add_v * (g * g)", "keep * v + add_v * g"),
    Mutation("a step's rest is not stored", OPTIMIZERS, "store_n(p.memory[1] + j, v, n);", "if (n >= LANES) store(p.memory[1] + j, v);"),
    Mutation("all arrays have the first one's memory", OPTIMIZERS, "u->offsets[p.array] + p.start", "u->offsets[0] + p.start"),
    Mutation("pieces begin where the array does", OPTIMIZERS, "(const real *)u->g[p.array] + p.start", "(const real *)u->g[p.array]"),
    Mutation("subnormals remembered", OPTIMIZERS, "const fp_mode before = flush_denormals();", "const fp_mode before = flush_denormals();\n    restore_mode(before);"),
    Mutation("processor mode not restored after a step", OPTIMIZERS, "    restore_mode(before);", "    (void)before;"),
    Mutation("a worker's last piece left out", "csrc/arrays.h", "number < end)", "number < end - (workers > 1))"),
    Mutation("squares that overflow", CLIPPING, "if (found > 0x1p500) return", "if (0) return"),
    Mutation("squares that vanish", CLIPPING, "if (found < 0x1p-450) return", "if (0) return"),
    Mutation("the norm of the last piece alone", CLIPPING, "sum += job->sums[i];", "sum = job->sums[i];"),
    Mutation("one chain of squares left out", CLIPPING, "a = (a + b) + (c + d);", "a = (a + b) + c;"),
    Mutation("clamped on one side", CLIPPING, "max_(low, min_(high, load_n(x + j, p.size - j)))", "min_(high, load_n(x + j, p.size - j))"),
    Mutation("clipping off", "src/fastrnn/optimizers/clipping.py", "if limit < found < math.inf:", "if False:"),
    Mutation("infinite gradients scaled to NaN", "src/fastrnn/optimizers/clipping.py", "if limit < found < math.inf:", "if limit < found:"),
    Mutation("copies of odd arrays not written back", "src/fastrnn/_clipping.pyx", "            array[...] = copy", "            pass"),
    Mutation("odd parameters not written back", TABLE, "            self._copy(self._direct, self.arrays)\n", ""),
    Mutation("odd parameters read once", TABLE, "            self._copy(self.arrays, self._direct)\n", ""),
    Mutation("parameters in other arrays go unnoticed", TABLE, "is not self.arrays[i]:", "is None:"),
    Mutation("gradients of other shapes pass", "src/fastrnn/_arrays.pyx", "memcmp(a.shape, b.shape, a.ndim * sizeof(Py_ssize_t))", "False"),
    Mutation("a step after the cosine's end", CURVES, "min(count, self.steps) / self.steps", "count / self.steps"),
    Mutation("what follows a warm-up counts from the beginning", CURVES, "self.then.rate(initial, count - self.steps)", "self.then.rate(initial, count)"),
    Mutation("the peak a step late", CURVES, "self.pct_start * self.steps - 1, self.steps - 1", "self.pct_start * self.steps, self.steps - 1"),
    Mutation("a plateau's patience one shorter", PLATEAU, "if self._bad > self.patience:", "if self._bad >= self.patience:"),
    Mutation("a plateau without rest", PLATEAU, "self._falls + 1, 0, self.cooldown", "self._falls + 1, 0, 0"),
    Mutation("NaN is the best", PLATEAU, "return sign * value > sign * bound", "return not sign * value <= sign * bound"),
    # initialisers
    Mutation("rotations not uniform", INITIALIZERS, "    q *= np.sign(np.diag(r))  # makes the distribution uniform over rotations\n", ""),
    Mutation("all gates begin as the first", INITIALIZERS, "np.concatenate([draw(self.size, shape[1]) for _ in range(self.count)])", "np.concatenate([draw(self.size, shape[1])] * self.count)"),
    Mutation("forget bias in both biases", INITIALIZERS, 'if gates.forget is not None and name.startswith("bias_ih"):', "if gates.forget is not None:"),
    Mutation("Glorot's limit by the rows alone", INITIALIZERS, "np.sqrt(6.0 / (rows + columns))", "np.sqrt(3.0 / rows)"),
    Mutation("PyTorch's limit by the inputs", INITIALIZERS, "1.0 / np.sqrt(gates.size)", "1.0 / np.sqrt(shape[-1])"),
    Mutation("chrono's input gate as its forget gate", INITIALIZERS, "bias[gates.rows(0)] = -log_u", "bias[gates.rows(0)] = log_u"),
    Mutation("chrono's second bias left as it was", INITIALIZERS, "self._set(array, np.zeros(gates.size), gates)", "pass"),
    Mutation("chrono's bias u, not log u", INITIALIZERS, "np.log(rng.uniform(1.0, self.max_steps - 1.0, gates.size))", "rng.uniform(1.0, self.max_steps - 1.0, gates.size)"),
    # layers without a cell of their own, and models
    Mutation("rows of a ragged batch from another sequence", CHAIN, "starts[batch.order[place]] + step", "starts[place] + step"),
    Mutation("what lies beyond a length is not zero", CHAIN, "padded = np.zeros(", "padded = np.ones("),
    Mutation("time is still there after pooling", CHAIN, "(timed[-1] and not layer.pools)", "timed[-1]"),
    Mutation("a list's sequences in the rows' order", CHAIN, "rows[packed.source] = y", "rows[...] = y"),
    Mutation("layers over time do not hear of lengths", SEQUENTIAL, 'options["lengths"] = with_rows_of(packed.batch.unpack, x), packed.batch.lengths', '_ = with_rows_of(packed.batch.unpack, x), None'),
    Mutation("each layer draws from the seed anew", SEQUENTIAL, 'options["seed"] = rng', 'options["seed"] = seed'),
    Mutation("the trainer's masks without its seed", UPDATES, 'options["seed"] = rng', 'options["seed"] = None'),
    Mutation("dropout without training", DROPOUT, "self._masked(array, np.ones((), array.dtype), self._steps(array, lengths))", "self._drop(array, 0, self._steps(array, lengths))"),
    Mutation("another mask for the gradient", DROPOUT, "self._drop(dy, seed, steps)", "self._drop(dy, seed + 1, steps)"),
    Mutation("each step of a sequence has its own mask", DROPOUT, "np.ones(x.shape[1:], x.dtype)", "np.ones(x.shape, x.dtype)"),
    Mutation("padding's vector learns", EMBEDDING, "            grad[self.padding_idx] = 0", "            pass"),
    Mutation("gradients of ids where they come, not by id", EMBEDDING, 'np.argsort(flat, kind="stable")', "np.arange(flat.size)"),
    Mutation("negative ids count from the end", "src/fastrnn/_validation.py", "if least < 0 or most >= count:", "if most >= count:"),
    Mutation("the norm's gradient keeps its mean", NORM, "(dx - dx.mean(axis=-1, keepdims=True) - x_hat * along)", "(dx - x_hat * along)"),
    Mutation("the norm without eps", NORM, " + self.dtype.type(self.eps)", ""),
    Mutation("the window runs backwards", TDNN, "transpose(2, 0, 1))", "transpose(2, 0, 1)[::-1])"),
    Mutation("taps without dilation", TDNN, "longer.later(j * self.dilation)", "longer.later(j)"),
    Mutation("a centred window that lags", TDNN, "self.context // 2", "self.context // 2 - (self.context > 2)"),
    Mutation("gradient of the last inputs ignored", TDNN, "d_rows[longer.end()] = end", "d_rows[longer.end()] = 0"),
    Mutation("last inputs in the order of the batch", RAGGED, "self.batch.lengths[self.batch.order] + np.arange", "self.batch.lengths + np.arange"),
    Mutation("the mean divides by all steps", POOLING, "steps / steps.sum(axis=0, dtype=x.dtype)", "steps / x.dtype.type(len(x))"),
    Mutation("the last step is that of the padding", POOLING, "checked_lengths(lengths, len(x), x.shape[1]) - 1,", "0 * checked_lengths(lengths, len(x), x.shape[1]) - 1,"),
    Mutation("padding counts as 0 in a maximum", POOLING, "np.where(is_step(lengths, x), x, -np.inf)", "np.where(is_step(lengths, x), x, 0.0)"),
    Mutation("the last of equal maxima has the gradient", POOLING, "valid.argmax(axis=0)[None]", "(len(valid) - 1 - valid[::-1].argmax(axis=0))[None]"),
    Mutation("gradient of what was repeated averaged", POOLING, "Gradients(dy.sum(axis=0))", "Gradients(dy.mean(axis=0))"),
    Mutation("two uses of a layer count once", MODEL, "sum((g[name] for g in gradients[1:]), grad)", "grad"),
    Mutation("a model's copy shares its layers", MODEL, "{name: deepcopy(value, memo) for", "{name: value for"),
    Mutation("shared parameters listed twice", MODEL, "if first[id(array)] == name}", "if True}"),
    Mutation("a model's own parameters unwatched", MODEL, "return _elementwise.fingerprint(self._parameters.values())", "return 0"),
    Mutation("each evaluation of the check draws anew", "src/fastrnn/gradcheck.py", '{"seed": int(rng.integers(2**31))}', '{"seed": rng}'),
    # generation, encoder and decoder
    Mutation("temperature ignored", SAMPLING, "(logits[k] - logits[best]) / temperature", "(logits[k] - logits[best])"),
    Mutation("classes past the k-th drawn", SAMPLING, "if logits[k] < limit or left == 0:", "if left == 0:"),
    Mutation("all of equal logits take part", SAMPLING, "left -= logits[k] > limit", "left += logits[k] > limit"),
    Mutation("the smallest logit is greedy's choice", SAMPLING, "if logits[k] > logits[best]:", "if logits[k] < logits[best]:"),
    Mutation("generation begins after the first of the prompt", GENERATION, "last = stream.run(given)[..., -1, :]", "last = stream.run(given)[..., 0, :]"),
    Mutation("the same class fed again and again", GENERATION, "stream.advance(feed(found[t].reshape(lead)), output)", "stream.advance(feed(found[0].reshape(lead)), output)"),
    Mutation("probabilities taken for logits", GENERATION, "return np.log(probabilities)", "return probabilities"),
    Mutation("outputs fed back late", GENERATION, "stream.step(found[t - 1], found[t])", "stream.step(found[0], found[t])"),
    Mutation("states stay with other beginnings", BEAM, "        states = _chosen(states, rows)\n", "        states = _chosen(states, np.sort(rows))\n"),
    Mutation("a beginning that has stopped goes on", BEAM, "np.where(over[..., None], _only(stop, K),", "np.where(over[..., None] & False, _only(stop, K),"),
    Mutation("length penalty ignored", BEAM, "scores / length**penalty", "scores"),
    Mutation("the stop is returned too", BEAM, "np.append(np.flatnonzero(classes == stop), len(classes))[0]", "1 + np.append(np.flatnonzero(classes == stop), len(classes))[0]"),
    Mutation("the decoder's state not handed back", DECODER, "(len(self.encoder.layers) - 1), decoder.state[self._place])", "(len(self.encoder.layers) - 1), None)"),
    Mutation("teacher forcing the other way round", DECODER, ">= self.teacher_forcing", "< self.teacher_forcing"),
    Mutation("decoder's padding read", DECODER, "if lengths is not None:  # padding is never read", "if False:"),
    Mutation("norms of a chain not watched", SEQUENTIAL, "options = watching if isinstance(self.layers[i], Recurrent) else {}", "options = {}"),
    Mutation("a trace of something else", SEQUENTIAL, "traced = layer.trace(x, start, **options)", "traced = layer.trace(2 * x, start, **options)"),
    # data
    Mutation("overlap one short", SERIES, "overlap=(steps + horizon - 1) // stride", "overlap=(steps + horizon - 2) // stride"),
    Mutation("overlap without the horizon", SERIES, "overlap=(steps + horizon - 1) // stride", "overlap=(steps - 1) // stride"),
    Mutation("targets one row late", SERIES, "follow[steps - 1 :]", "follow[steps:]"),
    Mutation("targets begin in the window", SERIES, "_windows(told[1:], horizon)", "_windows(told[:-1], horizon)"),
    Mutation("last window reaches into the next series", SERIES, "end - rows + 1, stride", "end - rows + 2, stride"),
    Mutation("last window of a series lost", SERIES, "end - rows + 1, stride", "end - rows, stride"),
    Mutation("forecasting looks at nothing", SERIES, "if not isinstance(one, np.memmap):", "if False:"),
    Mutation("parts merged without the distance of their means", MOMENTS, " + delta**2 * (self.rows * (other.rows / rows))", ""),
    Mutation("mean of two parts unweighted", MOMENTS, "delta * (other.rows / rows)", "delta / 2"),
    Mutation("padding counts in the normalisation", MOMENTS, "if valid is None else part[valid]", "if True else part[valid]"),
    Mutation("constant feature keeps a rounded mean", SCALING, "np.where(self._constant(), self.minimum, self.mean", "np.where(self._constant(), self.mean, self.mean"),
    Mutation("spread of a constant feature not 1", SCALING, "self._constant() | (spread == 0), 1.0", "spread == 0, 1.0"),
    Mutation("inverse without the offset", SCALING, "rows * scale + offset", "rows * scale"),
    Mutation("a failed fit forgets", SCALING, "self._moments = self._seen(None, x, lengths)", "self._moments = None; self._moments = self._seen(None, x, lengths)"),
    Mutation("characters beyond the table taken for the last one in it", TEXT, "default=-1) + 2", "default=-1) + 1"),
    Mutation("max_size without the unknown token", TEXT, 'positive_int("max_size", max_size) - len(first)', 'positive_int("max_size", max_size)'),
    Mutation("ties in the order in which they come", TEXT, "(-counts[token], token)", "-counts[token]"),
    Mutation("id -1 as the last class", IDS, "np.flatnonzero(array >= 0)", "np.flatnonzero(array >= -1)"),
    Mutation("streams' targets one late", IDS, "array[1 : N * L + 1]", "array[2 : N * L + 2]"),
    Mutation("padding filled one step early", PADDING, "~steps_that_count(found.lengths, padded.shape[1])", "~steps_that_count(found.lengths - 1, padded.shape[1])"),
    # forecasting
    Mutation("rows go out of the sums as they came in", REFITS, "sign=-1)", "sign=1)", FORECAST_TESTS),
    Mutation("an outlier's rounding stays in the sums", REFITS, "np.trace(sums.gram) < size / 2", "False", FORECAST_TESTS),
    Mutation("moments of the regression unweighted", REGRESSION, "weighted.T @ (y - level)", "A.T @ (y - level)", FORECAST_TESTS),
    Mutation("the regression's sums without the distance of means", REGRESSION, "(weighted.T @ A) + before * share", "(weighted.T @ A) + 0 * share", FORECAST_TESTS),
    Mutation("no answer where the penalty is lost in rounding", REGRESSION, "return np.asarray(np.linalg.lstsq(A, self.moment)[0])", "raise", FORECAST_TESTS),
    Mutation("errors that overlap count as more than independent ones", INTERVALS, "float(((1 - k / m)", "-float(((1 - k / m)", FORECAST_TESTS),
    Mutation("intervals of one side", INTERVALS, "(1 + COVERAGE) / 2", "COVERAGE", FORECAST_TESTS),
    # estimators
    Mutation("labels of a fit that failed are kept", ESTIMATOR, "            self.__dict__.update(before)\n", "", ESTIMATOR_TESTS),
    Mutation("partial_fit begins with a new optimiser", ESTIMATOR, "if not incremental or not goes_on:", "if True:", ESTIMATOR_TESTS),
    Mutation("the estimator's gradient is not clipped", ESTIMATOR, "            clip_norm=self.clip_norm,\n", "", ESTIMATOR_TESTS),
    Mutation("no dropout before the last layer", ESTIMATOR, "Dropout(self.dropout) if self.dropout else None", "None", ESTIMATOR_TESTS),
    Mutation("early stopping keeps the worst", ESTIMATOR, "maximize=True", "maximize=False", ESTIMATOR_TESTS),
    Mutation("always the same share is held out", LESSONS, "random_state=int(self._rng.integers(2**31))", "random_state=0", ESTIMATOR_TESTS),
    Mutation("weights do not count in the scales of X", LESSONS, "rows_of(x), weight_of_rows(weight, x))", "rows_of(x))", ESTIMATOR_TESTS),
    Mutation("an unknown label is taken for the next one", LABELS, "known = self.classes_[numbers] == labels", "known = np.ones(np.shape(labels), bool)", ESTIMATOR_TESTS),
    Mutation("balanced without weights", LABELS, "np.bincount(numbers, weight, minlength", "np.bincount(numbers, minlength", ESTIMATOR_TESTS),
    Mutation("the reversed direction is read where it began", POOLED, "Ends() if self.bidirectional else Last()", "Last()", ESTIMATOR_TESTS),
    Mutation("the tagger's score unweighted", TAGGER, "np.average(right, weights=weight)", "np.average(right)", ESTIMATOR_TESTS),
    Mutation("those held out share targets with those trained on", ROWS_OF_SERIES, "- held_out - (self.horizon - 1)", "- held_out", FORECASTER_TESTS),
    Mutation("weights of the rows before", ROWS_OF_SERIES, "windows(weight[1:], H).mean", "windows(weight[:-1], H).mean", FORECASTER_TESTS),
    Mutation("the network sees levels", ROWS_OF_SERIES, "x - x[:, -1:] if self._tells_itself else x", "x", FORECASTER_TESTS),
    Mutation("the end held out is never learnt", ROWS_OF_SERIES, "            self.linear_ = _ridge(x, follow, weight)\n", "            pass\n", FORECASTER_TESTS),
    Mutation("each row told from the row before it", FORECASTER, "[: len(u) - H])[:, -1]", "[: len(u) - H])[:, 0]", FORECASTER_TESTS),
    # fastrnn.torch
    Mutation("states of a packed sequence unsorted", MODULES, "tuple(state.index_select(1, sort) for state in states)", "tuple(states)", TORCH_TESTS),
    Mutation("dropout in evaluation", MODULES, "if self.training and self.num_layers > 1", "if self.num_layers > 1", TORCH_TESTS),
    Mutation("the caller's gradient overwritten", AUTOGRAD, "_array(grad).copy() for", "_array(grad) for", TORCH_TESTS),
    Mutation("an overwritten output taken for the recording", AUTOGRAD, "if ctx.output._version:", "if False:", TORCH_TESTS),
    Mutation("PyTorch's number of threads ignored", AUTOGRAD, "num_threads(min(torch", "num_threads(max(torch", TORCH_TESTS),
    Mutation("tangents lost", FALLBACK, "if unpack_dual(tensor).tangent is None", "if True", TORCH_TESTS),
    Mutation("padding counts in a converted mean", CONVERTED, "x.masked_fill(beyond, 0).sum(dim=1)", "x.sum(dim=1)", ("torch_converting",)),
]  # fmt: skip


def main(names: list[str]) -> int:
    """Run the mutations named, or all."""
    unknown = set(names) - {mutation.name for mutation in MUTATIONS}
    if unknown:
        raise SystemExit(f"no such mutation: {', '.join(sorted(unknown))}")
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        original = Path(directory) / "original"  # the tree may be edited meanwhile
        shutil.copytree(ROOT, original, ignore=shutil.ignore_patterns(".git", "build", ".*_cache", "__pycache__"))
        if run_suite(original, None).returncode != 0:
            raise SystemExit("the suite must pass without any mutation first")
        killed = sum(pool.map(lambda mutation: is_killed(original, mutation), chosen))
    print(f"{killed}/{len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


def is_killed(original: Path, mutation: Mutation) -> bool:
    """Return whether the suite noticed, and print how."""
    start = time.perf_counter()
    tests = run_suite(original, mutation)
    verdict = {0: "SURVIVED", 1: "killed"}.get(tests.returncode, "killed" if tests.returncode < 0 else "BROKEN")
    first = next((line for line in tests.stdout.splitlines() if line.startswith("FAILED")), tests.stdout[-120:])
    print(f"{verdict:8} {mutation.name:50} {time.perf_counter() - start:4.0f} s  {first[:120]}", flush=True)
    return verdict == "killed"


def run_suite(original: Path, mutation: Mutation | None) -> subprocess.CompletedProcess[str]:
    """Copy the tree, break it, build it and run the tests until the first failure."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "fastrnn"
        shutil.copytree(original, tree)
        if mutation is not None:
            apply(mutation, tree)
        if mutation is None or not mutation.file.endswith(".py"):
            command([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], tree).check_returncode()
        environment = {"PYTHONPATH": str(tree / "src")}
        probe = command([sys.executable, "-c", "import fastrnn; print(fastrnn.__file__)"], tree, environment)
        if str(tree) not in probe.stdout:
            raise SystemExit(f"the tests would not run against the mutant but against {probe.stdout}{probe.stderr}")
        pytest = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider"]
        nearest = (mutation and mutation.first) or FIRST
        first = command([*pytest, *map("tests/test_{}.py".format, nearest)], tree, environment)
        return command(pytest, tree, environment) if first.returncode == 0 else first


def apply(mutation: Mutation, tree: Path) -> None:
    """Change the source."""
    path = tree / mutation.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.name}: expected the text once in {mutation.file}, found {source.count(mutation.old)}"
        )
    path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")


def command(
    words: list[str], tree: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the tree; one that hangs, as a broken barrier may, has failed."""
    process = subprocess.Popen(
        words,
        cwd=tree,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that the tests' own processes end with it
    )
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

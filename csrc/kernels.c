/* All kernels for one ISA and one element type. setup.py compiles this file once for each pair, with
 * -DFR_ISA_… -DFR_REAL_… and -DFR_TABLE=<the symbol that dispatch.c names>; the table is all it exports.
 */
#include "fastrnn.h"

#include "activations.h"
#include "backward.h"
#include "clipping.h"
#include "forward.h"
#include "jordan_backward.h"
#include "jordan_forward.h"
#include "linear.h"
#include "linear_backward.h"
#include "masks.h"
#include "optimizers.h"
#include "peak.h"
#include "softmax.h"

#define APPLY(function) \
    for (int64_t j = 0; j < n; j += LANES) store_n(out + j, function(load_n(in + j, n - j)), n - j)

static void apply(fr_function function, int64_t n, const void *x, void *y) {
    const real *in = x;
    real *out = y;
    switch (function) {
    case FR_EXP:
        APPLY(exp_);
        break;
    case FR_TANH:
        APPLY(tanh_);
        break;
    case FR_SIGMOID:
        APPLY(sigmoid_);
        break;
    case FR_RELU:
        APPLY(relu_);
        break;
    case FR_FUNCTION_COUNT:
        break;
    }
}

extern const fr_kernels FR_TABLE;
const fr_kernels FR_TABLE = {
    .lanes = LANES,
    .packed_size = packed_size,
    .pack = pack,
    .forward_workspace = forward_workspace,
    .forward = forward,
    .backward_workspace = backward_workspace,
    .backward = backward,
    .apply = apply,
    .drop = drop,
    .softmax = softmax,
    .multiply_adds = multiply_adds,
    .jordan_packed_size = jordan_packed_size,
    .jordan_pack = jordan_pack,
    .jordan_forward_workspace = jordan_forward_workspace,
    .jordan_forward = jordan_forward,
    .jordan_backward_workspace = jordan_backward_workspace,
    .jordan_backward = jordan_backward,
    .linear_packed_size = linear_packed_size,
    .linear_pack = linear_pack,
    .linear_forward_workspace = linear_forward_workspace,
    .linear_forward = linear_forward,
    .linear_backward_workspace = linear_backward_workspace,
    .linear_backward = linear_backward,
    .update = update,
    .norm_workspace = pieces_of,
    .norm = norm,
    .scale = scale,
    .clamp = clamp,
};

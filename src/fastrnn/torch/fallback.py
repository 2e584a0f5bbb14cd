"""What fastrnn's kernels do not cover, and what PyTorch's own implementation does then."""

import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from fastrnn.torch.call import Call

DTYPES = (torch.float32, torch.float64)
PLAIN = (Tensor, nn.Parameter)
# Before, is_exporting is true in torch.compile as well (github.com/pytorch/pytorch/issues/176347). There too what is
# compiled runs on the kernels, and of the two kinds of torch.export the one with strict=False can be had.
TELLS_EXPORTS = torch.__version__ >= "2.13"


class FallbackWarning(UserWarning):
    """Something is computed by PyTorch's own implementation, as fastrnn's kernels do not cover it."""


def warn(what: str) -> None:
    """Say what PyTorch computes; Python shows each text once, unless its filters are set otherwise."""
    warnings.warn(f"fastrnn.torch: {what}; PyTorch's own implementation computes it", FallbackWarning, stacklevel=2)


def is_recorded() -> bool:
    """Whether PyTorch is writing operations down, for a graph that will run without this module."""
    exports = torch.compiler.is_exporting() and (TELLS_EXPORTS or not torch.compiler.is_dynamo_compiling())
    return bool(torch.jit.is_tracing() or exports)


def undisturbed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that `torch.compile` runs as it is, instead of translating it.

    The compiler takes seconds to load, which is why it is not told about the function before somebody has loaded it.
    """
    if "torch._dynamo" not in sys.modules:
        return function
    disabled = getattr(function, "disabled", None)
    if disabled is None:
        disabled = function.disabled = torch.compiler.disable(function)  # type: ignore[attr-defined]
    return cast("Callable[..., Any]", disabled)


def not_covered(module: Any, tensors: Sequence[Tensor]) -> str | None:
    """Return what about a module, or these tensors of a call, the kernels do not cover; None if they cover all.

    Parameters
    ----------
    module : torch.nn.LSTM, GRU or RNN
    tensors : sequence of Tensor
        The input, initial states and weights, as far as there are any.
    """
    if module.proj_size:
        return f"a projection of the output (proj_size={module.proj_size})"
    if module.dropout == 1:
        return "a dropout of everything (dropout=1)"
    return next(filter(None, map(_not_covered, tensors)), None)


def _not_covered(tensor: Tensor) -> str | None:
    """Return what about a tensor the kernels do not cover, or None."""
    if type(tensor) not in PLAIN:
        return f"a tensor of the type {type(tensor).__name__}"
    if not tensor.is_cpu:
        return f"a tensor on the device {tensor.device.type}"
    if tensor.dtype not in DTYPES:
        return f"a tensor of {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.layout != torch.strided:
        return "a sparse tensor"
    return None if unpack_dual(tensor).tangent is None else "forward-mode differentiation"


def mode_not_covered() -> str | None:
    """Return what mode PyTorch is in that the kernels do not cover, or None."""
    if torch.is_autocast_enabled("cpu"):
        return "automatic mixed precision"
    if torch._C._are_functorch_transforms_active():  # what torch.autograd.Function itself asks; nothing public tells
        return "a transform of torch.func"
    return None


def is_batched(grad: Tensor | None) -> bool:
    """Whether it is many gradients at once, of ``torch.autograd.grad(..., is_grads_batched=True)``."""
    return grad is not None and bool(torch._C._functorch.is_legacy_batchedtensor(grad))


def differentiable(
    call: Call,
    states: int,
    tensors: Sequence[Tensor],
    grads: Sequence[Tensor | None],
    wanted: Sequence[bool],
    *,
    create_graph: bool,
) -> list[Tensor | None]:
    """Return the gradients of x, so many states and the weights by PyTorch's operations.

    Parameters
    ----------
    call : Call
    states : int
        How many of the tensors are initial states.
    tensors : sequence of Tensor
        x (T, N, I) or (S, I), initial states (L·D, N, H) if there are any, weights.
    grads : sequence of Tensor
        Of the output and the final states; None for zeros.
    wanted : sequence of bool
        Which of the tensors need one.
    create_graph : bool
        Whether gradients of the gradients may be wanted; else there are many of each at once.

    Raises
    ------
    RuntimeError
        If there was dropout, whose masks PyTorch would draw anew.
    """
    what = (
        "gradients of gradients (create_graph=True)" if create_graph else "batches of gradients (is_grads_batched=True)"
    )
    if call.dropout:
        raise RuntimeError(f"backward: {what} are not to be had through dropout; set dropout=0 or call eval()")
    warn("a gradient that can be differentiated again (create_graph=True)" if create_graph else what)
    with torch.enable_grad():
        pairs = [(y, grad) for y, grad in zip(_torch(call, tensors, states), grads, strict=True) if grad is not None]
        inputs = [tensor for tensor, want in zip(tensors, wanted, strict=True) if want]
        outputs, given = zip(*pairs, strict=True)
        found = iter(torch.autograd.grad(outputs, inputs, given, create_graph=create_graph, allow_unused=True))
    return [next(found) if want else None for want in wanted]


def _torch(call: Call, tensors: Sequence[Tensor], states: int) -> Sequence[Tensor]:
    """Return output and final states as PyTorch computes them."""
    x, weights = tensors[0], list(tensors[1 + states :])
    start = tensors[1 : 1 + states] or [x.new_zeros(call.state_shape) for _ in range(call.states)]
    hx = tuple(start) if call.states == 2 else start[0]
    options = call.bias, call.layers, 0.0, False, call.directions == 2
    function = getattr(torch, call.cell)  # torch.lstm and so on
    if x.ndim == 2:
        counts = [call.batch.rows] * call.batch.steps if call.batch.counts is None else call.batch.counts
        return tuple(function(x, torch.as_tensor(counts), hx, weights, *options))
    return tuple(function(x, hx, weights, *options, False))

"""The kernels as one operation of PyTorch's autograd, on the tensors' own memory.

T steps, N sequences, S rows of all steps, I inputs, H hidden units, G gates, L layers, D directions.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import Function

from fastrnn.layers.base import Array
from fastrnn.layers.stack import Direction, LayerTape, Rates, Stack, Weights
from fastrnn.threads import get_num_threads, num_threads
from fastrnn.torch.call import Call
from fastrnn.torch.fallback import differentiable, is_batched


def run(call: Call, x: Tensor, states: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Run over whole sequences, differentiably where gradients are wanted.

    Parameters
    ----------
    call : Call
    x : Tensor (T, N, I), or rows (S, I)
    states : sequence of Tensor (L·D, N, H)
        h_0 and, where the cell has it, c_0; none for zeros.
    weights : sequence of Tensor
        weight_ih (G·H, I), weight_hh (G·H, H) and perhaps bias_ih (G·H,) and bias_hh (G·H,), direction by direction
        and layer by layer.

    Returns
    -------
    tuple of Tensor
        The output (T, N, D·H) or (S, D·H), and the final states (L·D, N, H).
    """
    tensors = (x, *states, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return tuple(Recurrence.apply(call, len(states), *tensors))
    return _forward(call, (x, *states), _weights(call, weights), _seed(call), record=False)[0]


class Recurrence(Function):
    """A stack of recurrent layers, forwards and back."""

    @staticmethod
    def forward(ctx: Any, call: Call, states: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the final states of x, so many initial states and the weights."""
        seed = _seed(call)
        results, tapes = _forward(call, tensors[: 1 + states], _weights(call, tensors[1 + states :]), seed, record=True)
        # PyTorch keeps it all: it frees it after backward, lets hooks move it, and sees what was overwritten meanwhile.
        ctx.save_for_backward(*tensors, *_flat(tapes))
        ctx.call, ctx.states, ctx.seed, ctx.seeds = call, states, seed, [tape.seed for tape in tapes]
        ctx.output = _counter(results[0])
        ctx.set_materialize_grads(False)
        return results

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Return the gradients of what `forward` took."""
        call, wanted, saved = ctx.call, ctx.needs_input_grad[2:], ctx.saved_tensors
        tensors, kept = saved[: len(wanted)], saved[len(wanted) :]
        again = torch.is_grad_enabled()  # create_graph=True
        if again or any(map(is_batched, grads)):
            return None, None, *differentiable(call, ctx.states, tensors, grads, wanted, create_graph=again)
        inputs, weights = tensors[: 1 + ctx.states], _weights(call, tensors[1 + ctx.states :])
        if ctx.output._version:  # a later operation in place: the output shares its memory with the recording
            tapes = _forward(call, inputs, weights, ctx.seed, record=True)[1]
        else:
            tapes = _tapes(call, inputs[0], kept, ctx.seeds)
        found = _backward(call, inputs, weights, tapes, grads, want_x=wanted[0])
        return None, None, *(grad if want else None for grad, want in zip(found, wanted, strict=True))


# ---- the kernels' side: arrays on the tensors' memory ----


def _forward(
    call: Call, inputs: Sequence[Tensor], weights: Sequence[Weights], seed: int | None, *, record: bool
) -> tuple[tuple[Tensor, ...], list[LayerTape]]:
    """Return the output and the final states of x and initial states, and the recording if there is one."""
    rows, *start = _rows(inputs[0]), *map(_array, inputs[1:])
    start = start or [np.zeros(call.state_shape, rows.dtype) for _ in range(call.states)]
    rng = None if seed is None else np.random.default_rng(seed)
    with _threads():
        output, final, tapes = _stack(call).forward(weights, call.batch, rows, start, record=record, rng=rng)
    return tuple(map(torch.from_numpy, (output.reshape(*inputs[0].shape[:-1], -1), *final))), tapes


def _backward(
    call: Call,
    inputs: Sequence[Tensor],
    weights: Sequence[Weights],
    tapes: list[LayerTape],
    grads: Sequence[Tensor | None],
    *,
    want_x: bool,
) -> list[Tensor | None]:
    """Return the gradients of x, if wanted, of as many initial states as there were, and of the weights."""
    output = tapes[-1].output
    dy = np.zeros_like(output) if grads[0] is None else _array(grads[0]).reshape(output.shape)
    # those of the initial states will take their place
    d_states = [np.zeros(call.state_shape, dy.dtype) if grad is None else _array(grad).copy() for grad in grads[1:]]
    with _threads():
        dx, d_weights = _stack(call).backward(weights, call.batch, tapes, dy, d_states, want_x=want_x)
    parameters = (grad for grad in chain.from_iterable(d_weights) if grad is not None)
    found = [torch.from_numpy(grad) for grad in (*d_states[: len(inputs) - 1], *parameters)]
    return [None if dx is None else torch.from_numpy(dx.reshape(inputs[0].shape)), *found]


def _array(tensor: Tensor) -> Array:
    """Return an array on a tensor's memory, or on that of a copy if the tensor is not contiguous."""
    return np.asarray(tensor.contiguous().numpy(force=True))


def _rows(x: Tensor) -> Array:
    """Return x as the kernels take it: (S, I)."""
    return _array(x).reshape(-1, x.shape[-1])


def _weights(call: Call, tensors: Sequence[Tensor]) -> list[Weights]:
    return call.by_direction([_array(tensor) for tensor in tensors])


def _stack(call: Call) -> Stack:
    return _stack_of(call.cell, call.hidden_size, call.layers, call.directions, call.dropout)


@lru_cache
def _stack_of(cell: str, hidden_size: int, layers: int, directions: int, dropout: float) -> Stack:
    return Stack(cell, hidden_size, layers, bidirectional=directions == 2, rates=Rates(dropout))


def _threads() -> Any:
    """Return the ``with`` block in which PyTorch's number of threads holds as well as fastrnn's."""
    return num_threads(min(torch.get_num_threads(), get_num_threads()))


def _seed(call: Call) -> int | None:
    """Return what decides the masks of dropout, from PyTorch's generator; None without dropout."""
    return int(torch.randint(2**63 - 1, (), device="cpu")) if call.dropout else None


# ---- what is kept ----


def _counter(tensor: Tensor) -> Tensor:
    """Return an empty tensor whose version rises whenever an operation writes to the other one's memory."""
    counter = tensor.detach()
    counter.data = tensor.new_empty(0)
    return counter


def _flat(tapes: Sequence[LayerTape]) -> list[Tensor | None]:
    """Return the arrays of a recording as tensors, without the input; `_tapes` undoes it."""
    arrays: list[Any] = []
    for k, tape in enumerate(tapes):
        arrays += [tape.x] * (k > 0) + [tape.output]
        arrays += (array for one in tape.directions for array in (one.h, one.c, one.saved))
    return [None if array is None else torch.from_numpy(array) for array in arrays]


def _tapes(call: Call, x: Tensor, kept: Sequence[Tensor | None], seeds: Sequence[int | None]) -> list[LayerTape]:
    """Return the recording that `_flat` took apart."""
    arrays: Iterator[Any] = iter([None if tensor is None else tensor.numpy() for tensor in kept])
    tapes = []
    for k, seed in enumerate(seeds):
        rows, output = next(arrays) if k else _rows(x), next(arrays)
        directions = (
            Direction(next(arrays), next(arrays), next(arrays), None, None, None) for _ in range(call.directions)
        )
        tapes.append(LayerTape(rows, seed, tuple(directions), output))
    return tapes

"""Modules of torch.nn and of fastrnn.torch side by side, and inputs for them."""

import copy
from contextlib import contextmanager
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import fastrnn.torch

torch.set_num_threads(1)  # small work, and side by side with other tests

CELLS = {"lstm": {}, "gru": {}, "rnn_tanh": {}, "rnn_relu": {"nonlinearity": "relu"}}
KINDS = ("batched", "unbatched", "packed", "packed_sorted", "packed_equal")
SIZES = [(1, 1, 1, 1), (5, 1, 3, 17), (4, 9, 7, 65), (12, 4, 5, 8)]  # T, N, I, H
FLAGS = list(product([False, True], repeat=2))


def pair(cell, inputs, H, **options):
    """Return a module of torch.nn and one of fastrnn.torch with the same parameters."""
    name = cell.split("_")[0].upper()
    theirs = getattr(nn, name)(inputs, H, **CELLS[cell], **options)
    ours = getattr(fastrnn.torch, name)(inputs, H, **CELLS[cell], **options)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def lengths_of(kind, T, N, rng):
    """Return the lengths of N packed sequences, the longest of T steps."""
    if kind == "packed_equal":
        return [T] * N
    lengths = [T, *rng.integers(1, T + 1, N - 1).tolist()]
    return sorted(lengths, reverse=True) if kind == "packed_sorted" else lengths[::-1]


def given(module, kind, T, N, rng, *, states):
    """Return the tensors of an input, which want gradients, and lengths (of packed ones) or None."""
    dtype = module.weight_ih_l0.dtype
    shape = (T, module.input_size) if kind == "unbatched" else (T, N, module.input_size)
    if module.batch_first and kind != "unbatched":
        shape = (N, T, module.input_size)
    rows = () if kind == "unbatched" else (N,)
    state = (module.num_layers * (1 + module.bidirectional), *rows, module.hidden_size)
    shapes = [shape, *[state] * ((2 if module.mode == "LSTM" else 1) if states else 0)]
    arrays = [torch.from_numpy(rng.normal(size=shape)).to(dtype).requires_grad_() for shape in shapes]
    return arrays, lengths_of(kind, T, N, rng) if kind.startswith("packed") else None


def call(module, tensors, lengths):
    """Return the output and the final states of a module, as a flat list of tensors."""
    x, *states = tensors
    hx = None if not states else tuple(states) if module.mode == "LSTM" else states[0]
    if lengths is not None:
        sorted_ = lengths == sorted(lengths, reverse=True)
        x = pack_padded_sequence(x, lengths, module.batch_first, enforce_sorted=sorted_)
    output, final = module(x, hx)
    assert isinstance(output, PackedSequence) == (lengths is not None)
    final = final if isinstance(final, tuple) else (final,)
    return [output.data if lengths is not None else output, *final]


def results(module, tensors, lengths, weights):
    """Return the outputs, and the gradients of Σ weights · outputs by inputs and parameters; fresh each time."""
    module.zero_grad()
    inputs = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    outputs = call(module, inputs, lengths)
    sum((y * w.to(y.dtype)).sum() for y, w in zip(outputs, weights, strict=True)).backward()
    return [*outputs, *(one.grad for one in inputs), *(one.grad for one in module.parameters())]


def expect_equal(got, true, limit):
    """Compare tensors to a limit in units of the largest element, at least 1."""
    for one, other in zip(got, true, strict=True):
        assert one.shape == other.shape
        error = (one.detach().double() - other.detach().double()).abs().max().item()
        assert error <= limit * max(1.0, other.abs().max().item())


def rounding(module, T, N):
    """Return the limit: each element is the end of sums of I + H products over T steps, layers, or T·N rows."""
    if module.weight_ih_l0.dtype == torch.float64:
        return 1e-12
    terms = module.num_layers * T * (module.input_size + 4 * module.hidden_size + N)
    return 4 * np.finfo(np.float32).eps * np.sqrt(terms)


def in_double(module, tensors):
    """Return copies in float64, of which results count as true."""
    return copy.deepcopy(module).double(), [tensor.detach().double() for tensor in tensors]


@contextmanager
def without_torchs_own():
    """Let PyTorch's own recurrent operations fail, so that only fastrnn's kernels can have computed it."""

    def used(*_):
        raise AssertionError("PyTorch's own implementation ran")

    names = ("lstm", "gru", "rnn_tanh", "rnn_relu")
    functions = {name: getattr(torch._VF, name) for name in names}
    try:
        for name in names:
            setattr(torch._VF, name, used)
        yield
    finally:
        for name, function in functions.items():
            setattr(torch._VF, name, function)

"""Which module of PyTorch is which layer: two tables, one for each direction. No parameters are copied here."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from fastrnn import layers
from fastrnn._validation import BLANK
from fastrnn.layers import Layer
from fastrnn.layers.recurrent import Recurrent
from fastrnn.torch import chain

FromModule = Callable[[Any, str, bool], Layer | None]  # of a module, its parameters' dtype, and batch_first
FromLayer = Callable[[Any, bool], Any]  # of a layer, and batch_first

# ---- from PyTorch: raise ValueError for what would compute something else ----


def _recurrent(kind: Callable[..., Recurrent], *more: str) -> FromModule:
    def build(module: Any, dtype: str, batch_first: bool) -> Recurrent:
        if module.proj_size:
            raise ValueError(f"proj_size: expected 0, got {module.proj_size}; no layer of fastrnn projects its state")
        return kind(
            module.input_size,
            module.hidden_size,
            module.num_layers,
            bias=module.bias,
            batch_first=batch_first,
            dropout=module.dropout if module.num_layers > 1 else 0.0,  # without effect there, so PyTorch only warns
            bidirectional=module.bidirectional,
            dtype=dtype,
            seed=BLANK,
            **{name: getattr(module, name) for name in more},
        )

    return build


def _linear(module: Any, dtype: str, _: bool) -> Layer:
    return layers.Linear(module.in_features, module.out_features, bias=module.bias is not None, dtype=dtype, seed=BLANK)


def _embedding(module: Any, dtype: str, _: bool) -> Layer:
    if module.max_norm is not None:
        raise ValueError(f"max_norm: expected None, got {module.max_norm}; vectors are not changed as they are read")
    if module.scale_grad_by_freq:
        raise ValueError("scale_grad_by_freq: expected False, got True; gradients are not scaled")
    return layers.Embedding(
        module.num_embeddings, module.embedding_dim, padding_idx=module.padding_idx, dtype=dtype, seed=BLANK
    )


def _layer_norm(module: Any, dtype: str, _: bool) -> Layer:
    if len(module.normalized_shape) != 1:
        raise ValueError(f"normalized_shape: expected the last axis alone, got {tuple(module.normalized_shape)}")
    if module.elementwise_affine and module.bias is None:
        raise ValueError("bias: expected True with elementwise_affine, got False; give the module a bias of zeros")
    return layers.LayerNorm(
        module.normalized_shape[0], eps=module.eps, elementwise_affine=module.elementwise_affine, dtype=dtype
    )


def _softmax(module: Any, dtype: str, _: bool) -> Layer:  # noqa: ARG001
    if module.dim != -1:
        raise ValueError(f"dim: expected -1, got {module.dim}; set module.dim = -1 if its last axis is meant")
    return layers.Softmax()


def _flatten(module: Any, dtype: str, _: bool) -> None:  # noqa: ARG001
    if (module.start_dim, module.end_dim) != (1, -1):
        raise ValueError(f"start_dim, end_dim: expected 1, -1, got {module.start_dim}, {module.end_dim}")


def _conv1d(module: Any, dtype: str, _: bool) -> Layer:
    window, dilation = module.kernel_size[0], module.dilation[0]
    context = (window - 1) * dilation
    if module.stride != (1,) or module.groups != 1:
        raise ValueError(f"stride, groups: expected 1, got {module.stride[0]}, {module.groups}")
    if module.padding_mode != "zeros":
        raise ValueError(f"padding_mode: expected 'zeros', got {module.padding_mode!r}")
    if module.padding != "same" and module.padding != (context // 2,):
        raise ValueError(f"padding: expected {context // 2}, which keeps the number of steps, got {module.padding}")
    return layers.TDNN(
        module.in_channels,
        module.out_channels,
        window,
        dilation=dilation,
        bias=module.bias is not None,
        causal=False,
        dtype=dtype,
        seed=BLANK,
    )


def _time_delay(module: Any, dtype: str, _: bool) -> Layer:
    return layers.TDNN(
        module.in_channels,
        module.out_channels,
        module.kernel_size[0],
        dilation=module.dilation[0],
        bias=module.bias is not None,
        causal=module.causal,
        dtype=dtype,
        seed=BLANK,
    )


# The first that a module is an instance of
OF_MODULES: Mapping[type[Any], FromModule] = {
    nn.LSTM: _recurrent(layers.LSTM),
    nn.GRU: _recurrent(layers.GRU),
    nn.RNN: _recurrent(layers.RNN, "nonlinearity"),
    nn.Linear: _linear,
    nn.Embedding: _embedding,
    nn.LayerNorm: _layer_norm,
    nn.Dropout: lambda module, *_: layers.Dropout(module.p),
    nn.Tanh: lambda *_: layers.Tanh(),
    nn.Sigmoid: lambda *_: layers.Sigmoid(),
    nn.ReLU: lambda *_: layers.ReLU(),
    nn.Softmax: _softmax,
    nn.Identity: lambda *_: None,
    nn.Flatten: _flatten,
    chain.TDNN: _time_delay,
    nn.Conv1d: _conv1d,
    chain.Last: lambda *_: layers.Last(),
    chain.Ends: lambda *_: layers.Ends(),
    chain.MeanOverTime: lambda *_: layers.MeanOverTime(),
    chain.MaxOverTime: lambda *_: layers.MaxOverTime(),
    chain.Repeat: lambda module, *_: layers.Repeat(module.steps),
    chain.OneHot: lambda module, *_: layers.OneHot(module.num_classes, dtype=str(module.like.dtype).split(".")[1]),
    chain.SequenceDropout: lambda module, *_: layers.Dropout(module.p, per_sequence=True),
}
INSTEAD = {
    "LogSoftmax": 'leave it out: the loss "cross_entropy" takes logits',
    "LSTMCell": "copy its parameters to an nn.LSTM, whose names end in _l0",
    "GRUCell": "copy its parameters to an nn.GRU, whose names end in _l0",
    "RNNCell": "copy its parameters to an nn.RNN, whose names end in _l0",
}

# ---- to PyTorch ----


def _dtype(layer: Layer) -> Any:
    return getattr(torch, str(layer.dtype))


def _to_recurrent(kind: Callable[..., Any], *more: str) -> FromLayer:
    def build(layer: Any, batch_first: bool) -> Any:
        without = {"recurrent_dropout": 0.0, "zoneout": 0.0, "reset_after": True}
        for name, needed in without.items():
            if (got := layer.config().get(name, needed)) != needed:
                raise ValueError(f"{name}: expected {needed}, as PyTorch has nothing like it, got {got}")
        if layer.config().get("nonlinearity") == "sigmoid":
            raise ValueError("nonlinearity: expected 'tanh' or 'relu', as PyTorch has, got 'sigmoid'")
        return kind(
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            bias=layer.bias,
            batch_first=batch_first,
            dropout=layer.dropout,
            bidirectional=layer.bidirectional,
            dtype=_dtype(layer),
            **{name: getattr(layer, name) for name in more},
        )

    return build


def _to_dropout(layer: Any, _: bool) -> Any:
    return (chain.SequenceDropout if layer.per_sequence else nn.Dropout)(layer.rate)


def _to_tdnn(layer: Any, _: bool) -> Any:
    sizes = layer.input_size, layer.outputs, layer.window
    return chain.TDNN(*sizes, dilation=layer.dilation, causal=layer.causal, bias=layer.bias, dtype=_dtype(layer))


OF_LAYERS: Mapping[type[Layer], FromLayer] = {  # exactly these: a class derived from one may do something else
    layers.LSTM: _to_recurrent(nn.LSTM),
    layers.GRU: _to_recurrent(nn.GRU),
    layers.RNN: _to_recurrent(nn.RNN, "nonlinearity"),
    layers.TDNN: _to_tdnn,
    layers.Linear: lambda one, _: nn.Linear(one.in_features, one.out_features, bias=one.bias, dtype=_dtype(one)),
    layers.Embedding: lambda one, _: nn.Embedding(
        one.num_embeddings, one.embedding_dim, padding_idx=one.padding_idx, dtype=_dtype(one)
    ),
    layers.OneHot: lambda one, _: chain.OneHot(one.num_classes, dtype=_dtype(one)),
    layers.LayerNorm: lambda one, _: nn.LayerNorm(
        one.features, eps=one.eps, elementwise_affine=one.elementwise_affine, dtype=_dtype(one)
    ),
    layers.Dropout: _to_dropout,
    layers.Tanh: lambda *_: nn.Tanh(),
    layers.Sigmoid: lambda *_: nn.Sigmoid(),
    layers.ReLU: lambda *_: nn.ReLU(),
    layers.Softmax: lambda *_: nn.Softmax(dim=-1),
    layers.Last: lambda *_: chain.Last(),
    layers.Ends: lambda *_: chain.Ends(),
    layers.MeanOverTime: lambda *_: chain.MeanOverTime(),
    layers.MaxOverTime: lambda *_: chain.MaxOverTime(),
    layers.Repeat: lambda one, _: chain.Repeat(one.steps),
}

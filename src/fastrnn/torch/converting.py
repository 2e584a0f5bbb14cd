"""Whole models from PyTorch and to it, parameters copied. What can't be kept exactly is refused.

Each direction has a table: from the type to what builds its counterpart. Parameters have the same names and shapes on
both sides, so that copying them is the same for all.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from fastrnn._validation import shown
from fastrnn.layers import EncoderDecoder, Layer, Sequential
from fastrnn.torch import chain, counterparts

_FLOATS = {torch.float32: "float32", torch.float64: "float64"}


def from_torch(module: Any) -> Any:
    """Return what computes the same as a PyTorch module, with copies of its parameters.

    Parameters
    ----------
    module : torch.nn.Module, or iterable of torch.nn.Module and `fastrnn.Layer`
        An `nn.LSTM`, `nn.GRU`, `nn.RNN`, `nn.Linear`, `nn.Embedding`, `nn.LayerNorm`, `nn.Dropout`, `nn.Tanh`,
        `nn.Sigmoid`, `nn.ReLU` or `nn.Softmax` over the last axis; an `nn.Sequential` of them, what `to_torch` made, or
        a list of them in the order in which they run. A list is for modules with a ``forward`` of their own, which
        can't be converted. In it a recurrent module hands on its output, and layers stand for what such a ``forward``
        does between its modules: `Last` for ``output[:, -1]``, or ``h_n[-1]`` of one direction; `Ends` for
        ``torch.cat([h_n[-2], h_n[-1]], dim=-1)`` of two; `MeanOverTime` for ``output.mean(dim=1)``, `MaxOverTime` for
        ``output.max(dim=1).values``. There an `nn.Conv1d` that keeps the number of steps can be too: it becomes a
        `TDNN`, for which features are last and nothing need be transposed.

    Returns
    -------
    fastrnn.Layer or fastrnn.Sequential
        Of one module that is no container its counterpart, which takes axes in the same order; else a `Sequential`,
        which takes samples first, whatever ``batch_first`` was.

    Raises
    ------
    TypeError
        If there is no counterpart, or a module has a ``forward`` of its own.
    ValueError
        If there is none for an option, a dtype or device, for a parameter that two modules share, or for hooks.

    Notes
    -----
    Calling evaluates, as in PyTorch after ``eval()``. Recording drops with the same probability and scale, but draws
    other masks than PyTorch's generator. ``requires_grad`` and hooks of gradients are not kept.

    Examples
    --------
    >>> import fastrnn, torch
    >>> from fastrnn.torch import from_torch
    >>> embedding, lstm, linear = torch.nn.Embedding(28, 8), torch.nn.LSTM(8, 16), torch.nn.Linear(16, 2)
    >>> model = from_torch([embedding, lstm, fastrnn.Last(), linear])
    >>> model([[3, 1, 4, 1, 5]]).shape
    (1, 2)
    """
    if isinstance(module, nn.Module) and not isinstance(module, (nn.Sequential, nn.ModuleList)):
        layer = _layer(module, "module", "float32", batch_first=bool(getattr(module, "batch_first", False)))
        if layer is None:
            raise TypeError(f"module: expected one that computes something, got {type(module).__name__}")
        return layer
    if isinstance(module, (str, bytes, Layer)) or not isinstance(module, Iterable):
        raise TypeError(f"module: expected a torch.nn.Module, or a list of modules, got {shown(module)}")
    found = list(_flat(module, "module"))
    _expect_owners(found)
    dtype = _common_dtype(one for one, _, _ in found)
    layers, flattened = [], []
    for one, name, listed in found:
        layer = _layer(one, name, dtype, listed=listed)
        if layer is not None:
            layers.append(layer)
        elif isinstance(one, nn.Flatten):
            flattened.append((len(layers), name))
    model = Sequential(*layers)
    for place, name in flattened:
        _expect_flat(model.timed[: place + 1], name)
    return model


def _flat(module: Any, name: str) -> Iterator[tuple[Any, str, bool]]:
    """Yield the modules of nested containers and lists in order, what errors call each, and whether a list has it."""
    listed = not isinstance(module, nn.Sequential)
    if not listed:
        _expect_plain(module, nn.Sequential, name)
    for i, child in enumerate(module):
        inner = f"{name}[{i}]"
        if isinstance(child, (nn.Sequential, nn.ModuleList, list, tuple)):
            yield from _flat(child, inner)
        else:
            yield child, inner, listed


def _expect_flat(timed: list[bool], name: str) -> None:
    """Raise unless Flatten does nothing: what it gets is (N, F), and not (N, T, F) or of more axes."""
    if timed[-1] or not (len(timed) == 1 or any(timed)):
        raise ValueError(f"{name}: expected Flatten first, or where a layer has taken time away, got it elsewhere")


def _layer(module: Any, name: str, dtype: str, *, listed: bool = False, batch_first: bool = False) -> Layer | None:
    """Return the counterpart of one module, of this dtype if it has no parameters; None for what does nothing."""
    if isinstance(module, Layer):
        return module
    kind = next((kind for kind in counterparts.OF_MODULES if isinstance(module, kind)), None)
    if kind is None:
        raise _no_counterpart(module, name)
    _expect_plain(module, kind, name)
    parameters = {key: value.detach() for key, value in module.named_parameters()}
    try:
        layer = counterparts.OF_MODULES[kind](module, _dtype(parameters, dtype), batch_first)
    except ValueError as error:
        raise ValueError(f"{name}: {type(module).__name__}: {error}") from None
    if kind is nn.Conv1d and not listed:
        raise ValueError(f"{name}: Conv1d: expected in a list of modules, as features are last here, not time")
    if layer is not None:
        layer.load_state_dict({key: value.numpy() for key, value in parameters.items()})
    return layer


def _expect_plain(module: Any, kind: type[Any], name: str) -> None:
    """Raise unless a module computes what its type says, with parameters that it holds as they are."""
    forward = type(module).forward
    own = forward is not kind.forward and not forward.__module__.startswith("fastrnn.torch.")
    if own or "forward" in vars(module) or type(module).__call__ is not nn.Module.__call__:
        raise _own_forward(module, name)
    kind_name = type(module).__name__
    if any(map(nn.parameter.is_lazy, module.parameters(recurse=False))):
        raise ValueError(f"{name}: expected parameters, got a {kind_name} that has none yet; call it once, on a batch")
    if module._forward_hooks or module._forward_pre_hooks or is_parametrized(module):
        raise ValueError(
            f"{name}: expected no forward hooks and no parametrizations, got a {kind_name} with some; remove them, or "
            "make them permanent (torch.nn.utils has a function to remove each that it adds)"
        )


def _own_forward(module: Any, name: str) -> TypeError:
    """Return the error that says what to write instead."""
    parts = [f"{name}.{child}" for child, _ in module.named_children()]
    return TypeError(
        f"{name}: expected a torch.nn.Sequential or a layer, got {type(module).__name__}, whose own forward can't be "
        f"converted; list what it runs, in that order: from_torch([{', '.join(parts) or '...'}]), with layers such as "
        "fastrnn.Last() for what it does between its modules"
    )


def _no_counterpart(module: Any, name: str) -> TypeError:
    """Return the error that says what to do instead."""
    if not isinstance(module, nn.Module):
        return TypeError(f"{name}: expected a torch.nn.Module or a layer of fastrnn, got {shown(module)}")
    if "quantized" in type(module).__module__:
        return TypeError(f"{name}: expected a module in float32 or float64, got a quantized {type(module).__name__}")
    if next(module.children(), None) is not None:
        return _own_forward(module, name)
    known = ", ".join(kind.__name__ for kind in counterparts.OF_MODULES if kind.__module__.startswith("torch."))
    hint = counterparts.INSTEAD.get(type(module).__name__, f"there is one of {known}")
    return TypeError(f"{name}: expected a module with a counterpart in fastrnn, got {type(module).__name__}; {hint}")


def _dtype(parameters: dict[str, Any], default: str) -> str:
    """Return the dtype of parameters that NumPy can share; the default if there are none."""
    for key, value in parameters.items():
        if value.device.type != "cpu":
            raise ValueError(f"{key}: expected a tensor on the CPU, got one on {value.device}; use module.cpu()")
        if value.dtype not in _FLOATS:
            raise ValueError(f"{key}: expected torch.float32 or torch.float64, got {value.dtype}; use module.float()")
    dtypes = {_FLOATS[value.dtype] for value in parameters.values()} or {default}
    if len(dtypes) > 1:
        raise ValueError(f"expected parameters of one dtype, got {', '.join(sorted(dtypes))}; use module.float()")
    return dtypes.pop()


def _common_dtype(found: Iterable[Any]) -> str:
    """Return the first dtype among those of parameters and layers; float32 if there is none."""
    for one in found:
        if isinstance(one, Layer):
            names = [] if one.dtype is None else [one.dtype.name]
        else:
            names = [_FLOATS[p.dtype] for p in getattr(one, "parameters", tuple)() if p.dtype in _FLOATS]
        if names:
            return names[0]
    return "float32"


def _expect_owners(found: list[tuple[Any, str, bool]]) -> None:
    """Raise if two places share a parameter: layers of fastrnn own theirs."""
    seen: dict[int, str] = {}
    for module, name, _ in found:
        for key, value in module.named_parameters() if isinstance(module, nn.Module) else ():
            if id(value) in seen:
                raise ValueError(
                    f"{name}.{key}: expected a parameter of its own, got {seen[id(value)]}; layers of fastrnn can't "
                    "share, so they would be trained apart: pass copy.deepcopy(...) of one module if that is meant"
                )
            seen[id(value)] = f"{name}.{key}"


def to_torch(model: Layer) -> Any:
    """Return a PyTorch module that computes the same as a model, with copies of its parameters.

    Parameters
    ----------
    model : fastrnn.Sequential or fastrnn.Layer
        Any layer but those named below.

    Returns
    -------
    torch.nn.Module
        Of a `Sequential` a `torch.nn.Sequential` whose recurrent modules hand on their output alone and which, as the
        model does, takes samples first and ``lengths``. Its state dict has the model's names. Of an `RNN`, `LSTM` or
        `GRU` by itself `torch.nn`'s, with the same ``batch_first``; of any other layer what it is in a `Sequential`,
        samples first. All of it is plain PyTorch, in training mode as new modules are, and can be trained, moved and
        exported; `fastrnn.torch.accelerate` lets it run on fastrnn's kernels.

    Raises
    ------
    TypeError
        If it is no layer, or one for which PyTorch has none: `Jordan`, `EncoderDecoder`, layers of one's own.
    ValueError
        If PyTorch has no such option: ``zoneout``, ``recurrent_dropout``, ``reset_after=False``,
        ``nonlinearity="sigmoid"``.

    Notes
    -----
    Dropout acts until ``eval()`` is called. A model trained with a loss that takes logits gives logits here too.

    A state dict that was saved needs no fastrnn to be loaded; a `Sequential` that was saved whole does. What
    ``torch.export`` makes of it does not either, but has a fixed number of steps, as with any `nn.LSTM`.

    Examples
    --------
    >>> import fastrnn, torch
    >>> from fastrnn.torch import to_torch
    >>> module = to_torch(fastrnn.Sequential(fastrnn.GRU(3, 8), fastrnn.Last(), fastrnn.Linear(8, 2)))
    >>> module(torch.zeros(5, 10, 3)).shape, list(module.state_dict())[-2:]
    (torch.Size([5, 2]), ['2.weight', '2.bias'])
    """
    if type(model) is Sequential:
        return chain.Chain(*[_module(layer, f"layer {i}", batch_first=True) for i, layer in enumerate(model.layers)])
    return _module(model, "model", batch_first=bool(getattr(model, "batch_first", False)))


def _module(layer: Layer, name: str, *, batch_first: bool) -> Any:
    """Return the counterpart of one layer."""
    if not isinstance(layer, Layer):
        raise TypeError(f"{name}: expected a Sequential or a layer, got {shown(layer)}")
    build = counterparts.OF_LAYERS.get(type(layer))
    if build is None:
        hint = "; convert its encoder and its decoder" if isinstance(layer, EncoderDecoder) else ""
        raise TypeError(f"{name}: expected a layer with a counterpart in PyTorch, got {shown(layer)}{hint}")
    with torch.device("meta"):  # so that nothing is drawn: parameters are about to come
        try:
            module = build(layer, batch_first)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    module.to_empty(device="cpu")
    module.load_state_dict({key: torch.from_numpy(value) for key, value in layer.state_dict().items()})
    return module

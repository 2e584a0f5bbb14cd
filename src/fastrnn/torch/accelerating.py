"""Let the recurrent modules of a PyTorch model run on fastrnn's kernels, in place, and undo it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from fastrnn.torch.fallback import not_covered
from fastrnn.torch.modules import KERNELS, ORIGINALS, Kernels


@dataclass(frozen=True)
class Replaced:
    """What `accelerate` or `restore` did.

    Attributes
    ----------
    action : str
        "accelerated" or "restored".
    modules : dict of str to str
        What was replaced: the module by its name in ``named_modules``, where "" is the model itself.
    left : dict of str to str
        Recurrent modules that were left as they are, each with the reason.
    """

    action: str
    modules: dict[str, str]
    left: dict[str, str]

    def __str__(self) -> str:
        """Return a line for each module."""
        done = [f"{self.action} {name or 'the model itself'}: {module}" for name, module in self.modules.items()]
        rest = [f"left {name or 'the model itself'}: {reason}" for name, reason in self.left.items()]
        kind = "torch.nn" if self.action == "accelerated" else "fastrnn.torch"
        return "\n".join([*done, *rest]) or f"{self.action} nothing: no {kind}.LSTM, GRU or RNN in the model"


def accelerate(model: nn.Module, *, verbose: int = 1) -> Replaced:
    """Let every `torch.nn.LSTM`, `GRU` and `RNN` in a model run on fastrnn's kernels, in place.

    The modules stay the objects that they are, with their parameters, hooks and names, and become
    `fastrnn.torch.LSTM`, `GRU` and `RNN`; so optimisers, checkpoints and whatever else refers to them go on working.

    Parameters
    ----------
    model : torch.nn.Module
    verbose : {0, 1}
        Whether to print what was replaced, on standard error.

    Returns
    -------
    Replaced
        What was, and what was left with the reason: a subclass with code of its own, ``proj_size``, another device or
        dtype, a module compiled by TorchScript, a cell of single steps.

    Raises
    ------
    TypeError
        If ``model`` is no module.

    Examples
    --------
    >>> import torch, fastrnn.torch
    >>> model = torch.nn.ModuleDict({"encoder": torch.nn.GRU(8, 32), "head": torch.nn.Linear(32, 2)})
    >>> print(fastrnn.torch.accelerate(model, verbose=0))
    accelerated encoder: GRU(8, 32)
    >>> isinstance(model["encoder"], torch.nn.GRU)
    True
    """
    return _replace(model, "accelerated", KERNELS, _reason, verbose)


def restore(model: nn.Module, *, verbose: int = 1) -> Replaced:
    """Undo `accelerate`: let every recurrent module run on PyTorch's own implementation again, in place.

    Parameters
    ----------
    model : torch.nn.Module
    verbose : {0, 1}
        Whether to print what was replaced, on standard error.

    Returns
    -------
    Replaced

    Raises
    ------
    TypeError
        If ``model`` is no module.
    """
    return _replace(model, "restored", ORIGINALS, _reason_to_stay, verbose)


def _replace(
    model: nn.Module,
    action: str,
    classes: Mapping[type[Any], type[Any]],
    reason: Callable[[Any], str | None],
    verbose: int,
) -> Replaced:
    """Give the modules of these classes the other ones, unless there is a reason not to."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: expected a torch.nn.Module, got {type(model).__name__}")
    done, left = {}, {}
    for name, module in model.named_modules():
        why = reason(module)
        if why is not None:
            left[name] = why
        elif type(module) in classes:
            module.__class__ = classes[type(module)]
            done[name] = repr(module)
    result = Replaced(action, done, left)
    if verbose:
        print(result, file=sys.stderr)
    return result


def _reason(module: Any) -> str | None:
    """Return why a recurrent module is not accelerated; None for one that is, and for other modules."""
    if isinstance(module, nn.RNNCellBase):
        return f"{type(module).__name__} takes single steps, fastrnn's kernels take sequences"
    if isinstance(module, torch.jit.ScriptModule) and module.original_name in {cls.__name__ for cls in KERNELS}:
        return f"{module.original_name} compiled by TorchScript"
    if not isinstance(module, nn.RNNBase) or isinstance(module, Kernels):
        return None
    if type(module) not in KERNELS:
        return f"{type(module).__name__} is a class of its own"
    return not_covered(module, tuple(module.parameters()))


def _reason_to_stay(module: Any) -> str | None:
    """Return why a module that runs on the kernels is not restored, or None."""
    if isinstance(module, Kernels) and type(module) not in ORIGINALS:
        return f"{type(module).__name__} is a class of its own"
    return None

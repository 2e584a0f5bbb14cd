"""At home with PyTorch (the extra ``torch``): fastrnn's kernels behind `torch.nn`'s recurrent layers.

`accelerate` lets the recurrent layers of a model run on fastrnn's kernels, `restore` undoes it. `LSTM`, `GRU` and `RNN`
are such layers to build models with. `from_torch` and `to_torch` convert whole models.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("fastrnn.torch needs PyTorch: pip install 'fastrnn[torch]'") from error

from fastrnn.torch.accelerating import Replaced, accelerate, restore
from fastrnn.torch.converting import from_torch, to_torch
from fastrnn.torch.fallback import FallbackWarning
from fastrnn.torch.modules import GRU, LSTM, RNN
from fastrnn.torch.threads import share_threads as _share_threads

_share_threads()

__all__ = [
    "GRU", "LSTM", "RNN", "FallbackWarning", "Replaced", "accelerate", "from_torch", "restore", "to_torch",
]  # fmt: skip

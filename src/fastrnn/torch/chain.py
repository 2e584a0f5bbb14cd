"""What `to_torch` makes where torch.nn has no module: a chain over sequences, and the layers that look along time.

Samples first: N sequences of T steps of F features, (N, T, F), or one, (T, F). Plain PyTorch all through.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fastrnn._validation import checked_lengths
from fastrnn.layers.ragged import lengths_of_one


def padding(lengths: Tensor, steps: int, device: Any) -> Tensor:
    """Return which of T steps lie beyond the lengths (N,): (N, T, 1)."""
    return (torch.arange(steps) >= lengths[:, None])[..., None].to(device)


class OverTime(nn.Module):
    """A layer that looks along time; ``lengths`` (N,), on the CPU, says how many steps of each sequence count.

    Attributes
    ----------
    pools : bool
        Whether it takes time away.
    """

    pools = True


class Last(OverTime):
    """The last step of each sequence: (N, T, F) → (N, F)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return y_n = x_{n, T_n}."""
        return _last(x, lengths)


class Ends(OverTime):
    """Where both directions of a bidirectional module have ended: (N, T, 2H) → (N, 2H)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return y_n = [x_{n, T_n}[:H] | x_{n, 1}[H:]]."""
        H = x.shape[-1] // 2
        return torch.cat([_last(x, lengths)[..., :H], x[..., 0, H:]], dim=-1)


def _last(x: Tensor, lengths: Tensor | None) -> Tensor:
    return x[..., -1, :] if lengths is None else x[torch.arange(len(x)), lengths - 1]


class MeanOverTime(OverTime):
    """The mean over the steps of each sequence: (N, T, F) → (N, F)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return y_n = Σ_t x_{n, t} / T_n."""
        if lengths is None:
            return x.mean(dim=-2)
        beyond = padding(lengths, x.shape[1], x.device)
        return x.masked_fill(beyond, 0).sum(dim=1) / lengths[:, None].to(x)


class MaxOverTime(OverTime):
    """The maximum over the steps of each sequence, feature by feature: (N, T, F) → (N, F)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return y_n = max_t x_{n, t}; where several steps share it, the gradient goes to the first."""
        if lengths is not None:
            x = x.masked_fill(padding(lengths, x.shape[1], x.device), -torch.inf)
        return x.max(dim=-2).values


class TDNN(nn.Conv1d, OverTime):
    """A convolution over time that keeps the number of steps: (N, T, F) → (N, T, O).

    Parameters
    ----------
    input_size, output_size, window : int
        F, O, and how many steps an output sees.
    dilation : int
        How far they lie apart.
    causal : bool
        Whether the window ends at its step, or lies around it; zeros before the first step, and behind the last.
    **options
        ``bias`` and ``dtype``.
    """

    pools = False

    def __init__(
        self, input_size: int, output_size: int, window: int, *, dilation: int, causal: bool, **options: Any
    ) -> None:
        super().__init__(input_size, output_size, window, dilation=dilation, **options)
        self.causal = causal
        context = (window - 1) * dilation
        self.around = (context, 0) if causal else (context // 2, context // 2)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return y; what lies beyond a sequence's length counts as zeros."""
        if lengths is not None:
            x = x.masked_fill(padding(lengths, x.shape[1], x.device), 0)
        return super().forward(pad(x.transpose(-1, -2), self.around)).transpose(-1, -2)


class SequenceDropout(nn.Dropout1d):
    """Dropout with one mask for all steps of a sequence: (N, T, F) → (N, T, F)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training without some of its features, the others larger."""
        return super().forward(x.transpose(-1, -2)).transpose(-1, -2)


class Repeat(nn.Module):
    """One vector at every step: (N, F) → (N, T, F).

    Parameters
    ----------
    steps : int
        T.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """Return y_{n, t} = x_n."""
        return x.unsqueeze(-2).repeat_interleave(self.steps, dim=-2)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"steps={self.steps}"


class OneHot(nn.Module):
    """Vectors with a one in the place of each id: (...) → (..., V).

    Parameters
    ----------
    num_classes : int
        V.
    dtype : torch.dtype
    """

    like: Tensor

    def __init__(self, num_classes: int, *, dtype: Any) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)  # of the module's dtype and device

    def forward(self, x: Tensor) -> Tensor:
        """Return y_v = 1 where x = v, else 0."""
        return one_hot(x.long(), self.num_classes).to(self.like)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"num_classes={self.num_classes}"


class Chain(nn.Sequential):
    """Modules one after another, as in `torch.nn.Sequential`; of a recurrent one the next takes the output alone."""

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Run over a batch.

        Parameters
        ----------
        x : Tensor (N, T, F), or (T, F) of one sequence; of ids (N, T) or (T,)
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond has no share in the output,
            which is zero there, nor in any gradient. All T if not given.

        Returns
        -------
        Tensor (N, T, K) or (T, K), or (N, K) or (K,) after a module that takes time away
        """
        if lengths is not None:
            lengths = self._checked(lengths, x)
            x = _cut(x, lengths)
        for module in self:
            if isinstance(module, nn.RNNBase):
                x = _run(module, x, lengths)
            elif isinstance(module, OverTime):
                x = module(x, lengths)
                lengths = None if module.pools else lengths
            else:
                x = module(x)
        return x if lengths is None else _cut(x, lengths)

    def _checked(self, lengths: Any, x: Tensor) -> Tensor:
        """Return lengths as a tensor (N,) on the CPU, if x has that many sequences of so many steps."""
        ids = isinstance(self[0], (nn.Embedding, OneHot))
        if x.ndim + ids < 3:
            raise lengths_of_one(tuple(x.shape))
        given = lengths.cpu() if isinstance(lengths, Tensor) else lengths
        return torch.from_numpy(checked_lengths(np.asarray(given), x.shape[1], len(x)))


def _run(module: Any, x: Tensor, lengths: Tensor | None) -> Tensor:
    """Return the output (N, T, D·H) of a recurrent module with ``batch_first``."""
    if lengths is None:
        return module(x)[0]
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(module(packed)[0], batch_first=True, total_length=x.shape[1])[0]


def _cut(x: Tensor, lengths: Tensor) -> Tensor:
    """Return x with zeros beyond the lengths, whatever was there: NaN times 0 would stay NaN."""
    beyond = padding(lengths, x.shape[1], x.device)
    return x.masked_fill(beyond if x.ndim == 3 else beyond[..., 0], 0)

"""torch.nn's recurrent modules on fastrnn's kernels.

T steps, N sequences, S rows of all steps, I inputs, H hidden units, L layers, D directions.
"""

from typing import Any, TypeAlias, cast

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fastrnn.layers.ragged import Dense
from fastrnn.torch.autograd import run
from fastrnn.torch.call import Call, packed
from fastrnn.torch.fallback import is_recorded, mode_not_covered, not_covered, undisturbed, warn

Input: TypeAlias = Tensor | PackedSequence
Hidden: TypeAlias = Tensor | tuple[Tensor, Tensor]
States: TypeAlias = tuple[Tensor, ...]  # h_0 and, of an LSTM, c_0; none for zeros
Weights: TypeAlias = list[Tensor]  # direction by direction and layer by layer


class Kernels(nn.RNNBase):
    """What the modules share: parameters, their names and all else are those of `torch.nn`."""

    def forward(self, input: Input, hx: Hidden | None = None) -> tuple[Input, Hidden]:
        """Return the output and the final state, as the module of `torch.nn` does.

        Parameters
        ----------
        input : Tensor (T, N, I), (N, T, I) with batch_first, (T, I), or PackedSequence
        hx : Tensor (L·D, N, H), or (L·D, H) for an input (T, I), optional
            The initial state, zeros if not given; of an LSTM a tuple ``(h_0, c_0)``.

        Returns
        -------
        output : Tensor (T, N, D·H), (N, T, D·H) with batch_first, (T, D·H), or PackedSequence
        h_n : Tensor, or tuple of Tensor
            The final state, in the form of the initial one.

        Raises
        ------
        RuntimeError, ValueError
            As `torch.nn` does.

        Warns
        -----
        FallbackWarning
            If PyTorch's implementation computes it, as the kernels do not cover what is asked for.
        """
        if is_recorded():
            return self._by_torch(input, hx)
        return cast("tuple[Input, Hidden]", undisturbed(Kernels._forward)(self, input, hx))

    def _forward(self, input: Input, hx: Hidden | None) -> tuple[Input, Hidden]:
        weights = [weight for direction in self.all_weights for weight in direction]
        x = input.data if isinstance(input, PackedSequence) else input
        pair = self._states == 2 and isinstance(hx, (tuple, list))
        states = () if hx is None else tuple(hx) if pair else (hx,)
        if not self._fits(input, x, states, weights[0].dtype):  # PyTorch refuses it in its own words
            return self._by_torch(input, hx)
        reason = mode_not_covered() or not_covered(self, (x, *states, *weights))
        if reason:
            warn(f"{type(self).__name__}: {reason}")
            return self._by_torch(input, hx)
        if isinstance(input, PackedSequence):
            return self._packed(input, states, weights)
        return self._padded(input, states, weights)

    def _by_torch(self, input: Input, hx: Hidden | None) -> tuple[Input, Hidden]:
        return cast("tuple[Input, Hidden]", super().forward(input, hx))

    def __prepare_scriptable__(self) -> nn.RNNBase:
        """Refuse `torch.jit.script`, which can't compile this, before it says so at length."""
        raise TypeError(
            f"torch.jit.script: expected torch.nn.{type(self).__name__}, got fastrnn.torch.{type(self).__name__}; "
            "call fastrnn.torch.restore(model) first, or use torch.jit.trace or torch.export"
        )

    def _fits(self, input: Input, x: Any, states: tuple[Any, ...], dtype: Any) -> bool:
        """Whether types, shapes and dtypes are as they should be and there is something to compute."""
        if not all(isinstance(tensor, Tensor) and tensor.dtype == dtype for tensor in (x, *states)):
            return False
        if not x.numel() or x.shape[-1] != self.input_size or len(states) not in (0, self._states):
            return False
        if isinstance(input, PackedSequence):
            rows: tuple[int, ...] = (int(input.batch_sizes[0]),)
            fits = x.ndim == 2
        else:
            rows = () if x.ndim == 2 else (x.shape[0 if self.batch_first else 1],)
            fits = x.ndim in (2, 3)
        shape = self.num_layers * (1 + self.bidirectional), *rows
        widths = (self.proj_size or self.hidden_size, self.hidden_size)
        return fits and all(state.shape == (*shape, H) for state, H in zip(states, widths, strict=False))

    @property
    def _states(self) -> int:
        """How many states the cell has."""
        return 2 if self.mode == "LSTM" else 1

    def _run(self, batch: Dense, x: Tensor, states: States, weights: Weights) -> tuple[Tensor, ...]:
        dropout = self.dropout if self.training and self.num_layers > 1 else 0.0
        call = Call(
            self.mode.lower(),
            self.num_layers,
            1 + self.bidirectional,
            self.hidden_size,
            self.bias,
            dropout,
            batch,
        )
        return run(call, x, states, weights)

    def _padded(self, x: Tensor, states: States, weights: Weights) -> tuple[Tensor, Hidden]:
        if x.ndim == 2:
            states = tuple(state[:, None] for state in states)
            output, *final = self._run(Dense(len(x), 1), x[:, None], states, weights)
            return output[:, 0], _hidden([state[:, 0] for state in final])
        if self.batch_first:
            x = x.transpose(0, 1)
        output, *final = self._run(Dense(x.shape[0], x.shape[1]), x, states, weights)
        return output.transpose(0, 1) if self.batch_first else output, _hidden(final)

    def _packed(self, input: PackedSequence, states: States, weights: Weights) -> tuple[PackedSequence, Hidden]:
        batch = packed(input.batch_sizes, len(input.data))
        sort, unsort = input.sorted_indices, input.unsorted_indices
        if sort is not None:
            states = tuple(state.index_select(1, sort) for state in states)
        output, *final = self._run(batch, input.data, states, weights)
        if unsort is not None:
            final = [state.index_select(1, unsort) for state in final]
        return PackedSequence(output, input.batch_sizes, sort, unsort), _hidden(final)


def _hidden(final: list[Tensor]) -> Hidden:
    return final[0] if len(final) == 1 else (final[0], final[1])


class LSTM(Kernels, nn.LSTM):
    """`torch.nn.LSTM` on fastrnn's kernels.

    A subclass with the same constructor, parameters and results, within rounding. Only the masks of dropout are others;
    `torch.manual_seed` decides them too. What the kernels do not cover PyTorch computes: tensors on other devices or of
    other dtypes than float32 and float64, ``proj_size``, automatic mixed precision, transforms of `torch.func`, and
    gradients of gradients or many at once. Says so once (`FallbackWarning`). The number of threads is the smaller one
    of PyTorch's and fastrnn's; on Linux they are PyTorch's own.

    Parameters
    ----------
    *args, **kwargs
        Of `torch.nn.LSTM`.

    Examples
    --------
    >>> import torch, fastrnn.torch
    >>> lstm = fastrnn.torch.LSTM(10, 20, num_layers=2)
    >>> output, (h_n, c_n) = lstm(torch.randn(5, 3, 10))
    >>> output.sum().backward()
    >>> output.shape, h_n.shape, lstm.weight_hh_l1.grad.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([80, 20]))
    """


class GRU(Kernels, nn.GRU):
    """`torch.nn.GRU` on fastrnn's kernels; see `LSTM`.

    Parameters
    ----------
    *args, **kwargs
        Of `torch.nn.GRU`.
    """


class RNN(Kernels, nn.RNN):
    """`torch.nn.RNN` on fastrnn's kernels; see `LSTM`.

    Parameters
    ----------
    *args, **kwargs
        Of `torch.nn.RNN`, among them ``nonlinearity``, "tanh" or "relu".
    """


KERNELS: dict[type[nn.RNNBase], type[Kernels]] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}
ORIGINALS = {ours: theirs for theirs, ours in KERNELS.items()}

"""Dropout: in training some elements are 0, the others larger."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _elementwise
from fastrnn._validation import Seed, a_bool, a_rate, as_float, as_generator, as_real, expect_shape
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.pooling import as_sequences
from fastrnn.layers.ragged import is_step
from fastrnn.layers.stack import draw_seed
from fastrnn.layers.stream import LayerStream


class _Identity:
    """Nothing is dropped in a stream."""

    def run(self, x: Array, out: Array) -> None:
        out[...] = x


class Dropout(Layer):
    """Dropout (Srivastava et al. 2014), inverted: y = x ∘ mask / (1 - rate) in training, y = x otherwise.

    Training is `record`, which draws the mask from its ``seed``: the same seed gives the same mask, whatever the
    number of threads. Calling the layer drops nothing.

    Parameters
    ----------
    rate : float
        Probability with which an element is dropped, from 0 to below 1.
    per_sequence : bool
        Whether all steps of a sequence have the same mask (Gal & Ghahramani 2016). Then the first axis is time.
    """

    def __init__(self, rate: float, *, per_sequence: bool = False) -> None:
        self.rate = a_rate("rate", rate)
        self.per_sequence = self.recurrent = a_bool("per_sequence", per_sequence)
        self.random = self.rate > 0

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"rate": self.rate, "per_sequence": self.per_sequence}

    def _input(self, x: ArrayLike) -> Array:
        return as_sequences(x) if self.per_sequence else as_float("x", x)

    def forward(
        self,
        x: ArrayLike,
        state: State = None,  # noqa: ARG002
        *,
        lengths: ArrayLike | None = None,
    ) -> tuple[Array, None]:
        """Return ``(x, None)``; with ``per_sequence`` and ``lengths``, 0 beyond a sequence's length."""
        array = self._input(x)
        return self._masked(array, np.ones((), array.dtype), self._steps(array, lengths)), None

    def record(
        self,
        x: ArrayLike,
        state: State = None,  # noqa: ARG002
        *,
        lengths: ArrayLike | None = None,
        seed: Seed = None,
    ) -> tuple[Array, None, Tape]:
        """Return ``(y, None, tape)``.

        Parameters
        ----------
        x : array_like (..., F), or (T, N, F) or (T, F) with per_sequence
        state
            There is none.
        lengths : array_like of int (N,), optional
            With ``per_sequence`` alone: how many steps of each sequence count; what lies beyond is never read.
        seed : int or numpy.random.Generator, optional
            Of the mask.
        """
        array = self._input(x)
        drawn = draw_seed(as_generator(seed)) if self.random else 0
        steps = self._steps(array, lengths)
        y = self._drop(array, drawn, steps)
        return read_only(y), None, self._tape((array.shape, array.dtype, drawn, steps))

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx = dy ∘ mask / (1 - rate), the mask being made again from its seed."""
        shape, dtype, seed, steps = self._open(tape)
        dy = as_real("grad_output", grad_output, dtype)
        expect_shape("grad_output", dy, shape)
        return Gradients(self._drop(dy, seed, steps))

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return a runner that drops nothing."""
        return _Identity()

    def _steps(self, x: Array, lengths: ArrayLike | None) -> Array | None:
        """Return what is no padding, (T, N, 1); None if all is."""
        if lengths is not None and not self.per_sequence:
            raise TypeError("lengths: only Dropout(..., per_sequence=True) takes them; others need no axis of time")
        return None if lengths is None else is_step(lengths, x)

    def _drop(self, x: Array, seed: int, steps: Array | None) -> Array:
        """Return x with the mask of a seed applied."""
        if self.per_sequence:
            return self._masked(x, self._scaled_mask(np.ones(x.shape[1:], x.dtype), seed), steps)
        return self._scaled_mask(x, seed)

    def _scaled_mask(self, x: Array, seed: int) -> Array:
        """Return x, dropped or scaled element by element."""
        out = np.empty_like(x)
        columns = x.shape[-1] if x.ndim else 1
        rows = x.size // columns if columns else 0
        _elementwise.drop(x.reshape(rows, columns), out.reshape(rows, columns), self.rate, seed)
        return out

    @staticmethod
    def _masked(x: Array, mask: Array, steps: Array | None) -> Array:
        """Return x ∘ mask as a new array, 0 in the padding and wherever the mask is 0, whatever x is there."""
        kept = mask != 0 if steps is None else steps & (mask != 0)
        return np.multiply(x, mask, out=np.zeros_like(x), where=kept)

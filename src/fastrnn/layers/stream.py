"""Streams: run a model on one sequence that arrives step by step, the state kept inside.

A stream takes a snapshot of the weights when it is made; training afterwards does not change it. It belongs to
one thread at a time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _streams
from fastrnn._validation import as_real, expect_features
from fastrnn.layers.base import Array, Layer, State

if TYPE_CHECKING:
    from fastrnn.layers.sequential import Sequential


class LayerStream(Protocol):
    """One layer's part of a stream."""

    def run(self, x: Array, out: Array) -> None:
        """Take T steps ``x`` (T, F) and write the output (T, K); both contiguous, of the layer's dtype."""
        ...


class ForwardStream:
    """The stream of any layer: its `forward`, carrying the state along."""

    def __init__(self, layer: Layer, state: State) -> None:
        self._layer, self._state = layer.__deepcopy__({}), state

    def run(self, x: Array, out: Array) -> None:
        """Run the layer from where the last call ended."""
        out[...], self._state = self._layer.forward(x, self._state)


class KernelStream:
    """The stream of a stack of recurrent layers: packed weights, no allocation for a single step."""

    def __init__(self, streams: Sequence[_streams.Stream], hidden_size: int, dtype: np.dtype[Any]) -> None:
        self._streams = streams
        self._between = np.empty((1, hidden_size), dtype)

    def run(self, x: Array, out: Array) -> None:
        """Run the stack from where the last call ended."""
        between = self._between if len(x) == 1 else np.empty_like(out)
        for stream in self._streams[:-1]:
            stream.run(x, between)
            x = between
        self._streams[-1].run(x, out)


class ModelStream:
    """A model that takes one sequence step by step; made by `Sequential.stream`.

    Attributes
    ----------
    steps : int
        How many steps it has taken.
    """

    def __init__(self, model: "Sequential", states: Sequence[State]) -> None:
        self.steps = 0
        self._dtype = model.dtype
        self._sizes = model.sizes
        self._runners = [layer.stream(state) for layer, state in zip(model.layers, states, strict=True)]
        self._between = [np.empty((1, size), self._dtype) for size in self._sizes[1:-1]]

    def step(self, x: ArrayLike, out: Array | None = None) -> Array:
        """Take one step.

        Parameters
        ----------
        x : array_like (F,)
        out : ndarray (K,), C-contiguous, of the model's dtype, optional
            Where to write the output; with it no array is allocated by recurrent layers, Linear, Tanh, Sigmoid and
            ReLU.

        Returns
        -------
        ndarray (K,)
            ``out`` if given, else a new array.
        """
        step = as_real("x", x, self._dtype)
        expect_features("x", step, self._sizes[0], (1,), "(F,)")
        if out is None:
            out = np.empty(self._sizes[-1], self._dtype)
        self._check_out(out, (self._sizes[-1],))
        self._advance(step[None], [*self._between, out[None]])
        return out

    def run(self, block: ArrayLike, out: Array | None = None) -> Array:
        """Take the steps of a block (T, F) and return their output (T, K), in ``out`` if given; T may be 0."""
        steps = as_real("block", block, self._dtype)
        expect_features("block", steps, self._sizes[0], (2,), "(T, F)")
        if out is None:
            out = np.empty((len(steps), self._sizes[-1]), self._dtype)
        self._check_out(out, (len(steps), self._sizes[-1]))
        if len(steps):
            self._advance(steps, [*(np.empty((len(steps), size), self._dtype) for size in self._sizes[1:-1]), out])
        return out

    def _advance(self, x: Array, outputs: list[Array]) -> None:
        for runner, output in zip(self._runners, outputs, strict=True):
            runner.run(x, output)
            x = output
        self.steps += len(x)

    def _check_out(self, out: Array, shape: tuple[int, ...]) -> None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: expected an ndarray, got {type(out).__name__}")
        flags = out.flags
        if out.shape != shape or out.dtype != self._dtype or not (flags.c_contiguous and flags.writeable):
            raise ValueError(
                f"out: expected a writable C-contiguous {self._dtype} array of shape {shape}, "
                f"got {out.dtype} of shape {out.shape}"
            )

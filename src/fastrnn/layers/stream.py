"""Streams: run a model on one sequence that arrives step by step, the state kept inside.

A stream takes a snapshot of the weights when it is made; training afterwards does not change it. It belongs to
one thread at a time.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _streams
from fastrnn._validation import as_ids, as_real, as_shape, expect_features, expect_shape
from fastrnn.layers.base import Array, Layer, State

if TYPE_CHECKING:
    from fastrnn.layers.sequential import Sequential


class LayerStream(Protocol):
    """One layer's part of a stream."""

    def run(self, x: Array, out: Array) -> None:
        """Take T steps ``x`` (T, F) and write the output (T, K); both contiguous, of the layer's dtype.

        In a stream of N sequences these are (T, N, F) and (T, N, K).
        """
        ...


def refuse_stream(layer: Layer, reason: str) -> NoReturn:
    """Raise the error of a layer that can't run step by step."""
    raise ValueError(f"stream: {layer!r} can't run step by step: {reason}")


class ForwardStream:
    """The stream of any layer: its `forward`, carrying the state along."""

    def __init__(self, layer: Layer, state: State) -> None:
        self._layer, self._state = layer.__deepcopy__({}), state

    def run(self, x: Array, out: Array) -> None:
        """Run the layer from where the last call ended."""
        out[...], self._state = self._layer.forward(x, self._state)


class KernelStream:
    """The stream of a stack of recurrent layers: packed weights, no allocation for a single step.

    Attributes
    ----------
    streams : list of _streams.Stream
        One for each layer of the stack.
    """

    def __init__(self, streams: list[_streams.Stream], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.streams = streams
        self._between = np.empty((1, *shape), dtype)

    def run(self, x: Array, out: Array) -> None:
        """Run the stack from where the last call ended."""
        between = self._between if len(x) == 1 else np.empty_like(out)
        for stream in self.streams[:-1]:
            stream.run(x, between)
            x = between
        self.streams[-1].run(x, out)


class ModelStream(_streams.Steps):
    """A model that takes one sequence, or N of them side by side, step by step; made by `Sequential.stream`.

    Attributes
    ----------
    steps : int
        How many steps it has taken.
    """

    def __init__(self, model: "Sequential", states: Sequence[State], batch_size: int | None) -> None:
        self.steps = 0
        self._dtype = model.dtype
        self._sizes = model.sizes
        self._ids = model.takes_ids
        self._lead = () if batch_size is None else (batch_size,)
        self._runners = [layer.stream(state, batch_size) for layer, state in zip(model.layers, states, strict=True)]
        self._between = [np.empty((1, *self._lead, size), self._dtype) for size in self._sizes[1:-1]]
        if all(isinstance(runner, KernelStream) for runner in self._runners):
            streams = [stream for runner in self._runners for stream in runner.streams]  # type: ignore[attr-defined]
            self._connect(streams, np.empty((*self._lead, self._sizes[-1]), self._dtype))

    def _step(self, x: ArrayLike, out: Array | None) -> Array:
        """Take one step, whatever x is and whatever the layers are."""
        step = self._check_in("x", x, ())
        if out is None:
            out = np.empty((*self._lead, self._sizes[-1]), self._dtype)
        self._check_out(out, (*self._lead, self._sizes[-1]))
        self.advance(step, out)
        return out

    def advance(self, x: Array, out: Array) -> None:
        """Take one step as `step` does, but check nothing: x and out are what it would accept."""
        self._advance(x[None], [*self._between, out[None]])

    def run(self, block: ArrayLike, out: Array | None = None) -> Array:
        """Take the steps of a block.

        Parameters
        ----------
        block : array_like (T, F), or (N, T, F) in a stream of N sequences
            T may be 0. Of a model of ids (T,), or (N, T).
        out : ndarray (T, K) or (N, T, K), C-contiguous, of the model's dtype, optional
            Where to write the output.

        Returns
        -------
        ndarray (T, K) or (N, T, K)
            ``out`` if given, else a new array.

        Raises
        ------
        ValueError, TypeError
            If ``block`` or ``out`` is not such an array.
        """
        steps = self._check_in("block", block, ("T",))
        T = steps.shape[len(self._lead)]
        if out is None:
            out = np.empty((*self._lead, T, self._sizes[-1]), self._dtype)
        self._check_out(out, (*self._lead, T, self._sizes[-1]))
        if T:
            inner = [np.empty((T, *self._lead, size), self._dtype) for size in self._sizes[1:]]
            if self._lead:  # the layers have time first
                self._advance(np.ascontiguousarray(steps.swapaxes(0, 1)), inner)
                out[...] = inner[-1].swapaxes(0, 1)
            else:
                self._advance(steps, [*inner[:-1], out])
        return out

    def _advance(self, x: Array, outputs: list[Array]) -> None:
        for runner, output in zip(self._runners, outputs, strict=True):
            runner.run(x, output)
            x = output
        self.steps += len(x)

    def _check_in(self, name: str, value: ArrayLike, time: tuple[str, ...]) -> Array:
        """Return (N, T, F): without N if there is one sequence, without T if one step, without F if these are ids."""
        axes = (*("N",) * len(self._lead), *time)
        if self._ids:
            array: Array = as_ids(name, value, self._sizes[0])
            if array.ndim != len(axes):
                raise ValueError(f"{name}: expected ids of shape {as_shape(axes)}, got {array.shape}")
        else:
            array = as_real(name, value, self._dtype)
            expect_features(name, array, self._sizes[0], (len(axes) + 1,), as_shape((*axes, "F")))
        expect_shape(name, array, (*self._lead, *array.shape[len(self._lead) :]))
        return array

    def _check_out(self, out: Array, shape: tuple[int, ...]) -> None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out: expected an ndarray, got {type(out).__name__}")
        flags = out.flags
        if out.shape != shape or out.dtype != self._dtype or not (flags.c_contiguous and flags.writeable):
            raise ValueError(
                f"out: expected a writable C-contiguous {self._dtype} array of shape {shape}, "
                f"got {out.dtype} of shape {out.shape}"
            )

"""What layers that run over time have in common: the axes in which users pass sequences and states.

T steps, N rows (sequences), I inputs. Within a layer sequences are time-major, (T, N, ·).
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import as_real, expect_features, expect_shape, rows_of_stream
from fastrnn.layers.base import Array, Layer, State
from fastrnn.layers.ragged import Dense, lengths_of_one, packing


class OverTime(Layer):
    """Base of layers that take (T, N, I), (N, T, I) with ``batch_first``, or (T, I), and carry a state.

    A layer names its states in ``_state_names`` and gives their shape by `_state_shape`.
    """

    recurrent = True
    recycles = True
    dtype: np.dtype[Any]
    input_size: int
    outputs: int  # features that come out
    batch_first: bool
    _state_names: tuple[str, ...]

    def _state_shape(self, rows: int) -> tuple[int, ...]:
        """Return the shape of one state of N rows; the rows are its second axis."""
        raise NotImplementedError

    def output_size(self, input_size: int) -> int:
        """Return the number of output features; raise ValueError if the layer takes another number than this."""
        if input_size != self.input_size:
            raise ValueError(f"{type(self).__name__} takes {self.input_size} features, but gets {input_size}")
        return self.outputs

    def _sequence(self, x: ArrayLike) -> tuple[Array, bool]:
        """Return x as (T, N, I), and whether it came without a batch axis."""
        array = as_real("x", x, self.dtype)
        axes = "(N, T, I) or (T, I)" if self.batch_first else "(T, N, I) or (T, I)"
        expect_features("x", array, self.input_size, (2, 3), axes)
        return self._time_major(array, array.shape)

    def _time_major(self, x: Array, shape: tuple[int, ...]) -> tuple[Array, bool]:
        """Return (T, N, ·) of x with the axes that users pass, and whether it came without a batch axis."""
        array = self._with_batch(x)
        if array.shape[0] == 0:
            raise ValueError(f"x: expected at least one step, got T = 0 in shape {shape}")
        return np.ascontiguousarray(array), x.ndim == 2

    def _states(self, form: str, state: State, rows: int, unbatched: bool) -> list[Array]:
        """Return a copy of each of the states, zeros if none are given.

        ``form`` makes the names that errors use: "{}_0" for initial states, "grad_{}_n" for gradients of final ones.
        """
        names = [form.format(name) for name in self._state_names]
        shape = self._state_shape(rows)
        if state is None:
            return [np.zeros(shape, self.dtype) for _ in names]
        parts = (state,) if len(names) == 1 else state
        if not isinstance(parts, (tuple, list)) or len(parts) != len(names):
            what = form.split("{", maxsplit=1)[0] + "state"
            raise TypeError(f"{what}: expected a tuple ({', '.join(names)}), got {type(state).__name__}")
        arrays = []
        for name, part in zip(names, parts, strict=True):
            array = as_real(name, part, self.dtype, copy=True)
            expect_shape(name, array, (shape[0], *shape[2:]) if unbatched else shape)
            arrays.append(array.reshape(shape))
        return arrays

    def check_state(self, state: State, rows: int | None) -> None:
        """Raise unless this can be the initial state of N rows, or of one without a batch axis for None."""
        self._states("{}_0", state, 1 if rows is None else rows, unbatched=rows is None)

    def _stream_states(self, state: State, batch_size: int | None) -> tuple[list[Array], int | None]:
        """Return the states that a stream starts from, and its N; None for one sequence without a batch axis."""
        rows = rows_of_stream(batch_size)
        return self._states("{}_0", state, rows or 1, unbatched=rows is None), rows

    def _state(self, parts: list[Array], unbatched: bool) -> State:
        """Return states in the form in which users pass them."""
        parts = [part[:, 0] for part in parts] if unbatched else parts
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _with_batch(self, array: Array) -> Array:
        """Return (T, N, ·) of an array with the axes that users pass."""
        return array[:, None] if array.ndim == 2 else array.swapaxes(0, 1) if self.batch_first else array

    def _output(self, array: Array, unbatched: bool) -> Array:
        """Return (T, N, ·) with the axes that x came with."""
        return array[:, 0] if unbatched else array.swapaxes(0, 1) if self.batch_first else array

    def _pack(self, name: str, array: ArrayLike, batch: Dense, unbatched: bool) -> Array:
        """Return rows (S, O) of an array with the shape of the output."""
        lead = (batch.steps,) if unbatched else (batch.steps, batch.rows)
        checked = as_real(name, array, self.dtype)
        expect_shape(name, checked, (*(lead[::-1] if self.batch_first else lead), self.outputs))
        return batch.pack(np.ascontiguousarray(self._with_batch(checked)))

    def _batch(self, x: Array, lengths: ArrayLike | None, unbatched: bool) -> Dense:
        """Return how the rows of x (T, N, I) are packed."""
        T, N, _ = x.shape
        if lengths is None:
            return Dense(T, N)
        if unbatched:
            raise lengths_of_one(x[:, 0].shape)
        return packing(lengths, T, N)

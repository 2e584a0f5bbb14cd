"""What all recurrent layers share: a stack of ``num_layers`` of one cell.

The time loops are in the kernels; here inputs are cast and checked, layers are stacked and states are split.
T steps, N rows (sequences), I inputs, H hidden units, G gates, L layers.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _kernels, _streams
from fastrnn._validation import (
    BLANK,
    Seed,
    a_bool,
    as_dtype,
    as_generator,
    as_real,
    expect_features,
    expect_shape,
    positive_int,
)
from fastrnn.initializers import glorot_uniform, orthogonal
from fastrnn.layers.base import Array, Gradients, Layer, Shapes, State, Tape, read_only
from fastrnn.layers.ragged import Dense, Ragged, checked_lengths
from fastrnn.layers.stream import KernelStream, LayerStream

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@cache
def _names(k: int) -> tuple[str, ...]:
    """Return the names of the parameters of layer k."""
    return tuple(f"{name}_l{k}" for name in NAMES)


class _LayerTape(NamedTuple):
    """One layer of the stack, recorded; S rows of all steps together."""

    x: Array  # (S, I)
    h: Array  # (N+S, H)
    c: Array | None  # (N+S, H)
    saved: Array | None  # (S, saves, H)


class _Recorded(NamedTuple):
    layers: list[_LayerTape]
    batch: Dense
    unbatched: bool


class Recurrent(Layer):
    """Base of the recurrent layers; each names its cell and its states, and adds what its constructor takes."""

    recurrent = True
    dtype: np.dtype[Any]
    _state_names: tuple[str, ...] = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.input_size = positive_int("input_size", input_size)
        self.hidden_size = positive_int("hidden_size", hidden_size)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bias = a_bool("bias", bias)
        self.batch_first = a_bool("batch_first", batch_first)
        self.dtype = as_dtype(dtype)
        self.cell = self._cell_of(self.config())  # its name in the kernels' table
        shapes = dict(self.parameter_shapes(self.config()))
        if seed is BLANK:
            self._parameters = {name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}
            return
        rng = as_generator(seed)
        self._parameters = {name: self._initial(rng, name, shape).astype(self.dtype) for name, shape in shapes.items()}

    # ---- parameters ----

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of ``weight_ih_l0 (G·H, I)``, ``weight_hh_l0 (G·H, H)``, ``bias_ih_l0 (G·H,)`` and so on."""
        H = config["hidden_size"]
        units = _kernels.CELLS[cls._cell_of(config)].gates * H
        for k in range(config["num_layers"]):
            yield f"weight_ih_l{k}", (units, H if k else config["input_size"])
            yield f"weight_hh_l{k}", (units, H)
            if config["bias"]:
                yield f"bias_ih_l{k}", (units,)
                yield f"bias_hh_l{k}", (units,)

    def _initial(self, rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
        """Return initial values: Glorot for the input, orthogonal for the recurrence, each gate by itself."""
        if name.startswith("bias"):
            return np.zeros(shape)
        draw = orthogonal if name.startswith("weight_hh") else glorot_uniform
        return np.concatenate([draw(rng, self.hidden_size, shape[1]) for _ in range(shape[0] // self.hidden_size)])

    def _layer_parameters(self, k: int) -> list[Array | None]:
        """Return weight_ih, weight_hh, bias_ih, bias_hh of layer k; None for missing biases."""
        return [self._parameters.get(name) for name in _names(k)]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": self.batch_first,
            "dtype": self.dtype.name,
        }

    def output_size(self, input_size: int) -> int:
        """Return ``hidden_size``."""
        if input_size != self.input_size:
            raise ValueError(f"{type(self).__name__} takes {self.input_size} features, but gets {input_size}")
        return self.hidden_size

    # ---- shapes of what users pass ----

    def _sequence(self, x: ArrayLike) -> tuple[Array, bool]:
        """Return x as (T, N, I), and whether it came without a batch axis."""
        array = as_real("x", x, self.dtype)
        axes = "(N, T, I) or (T, I)" if self.batch_first else "(T, N, I) or (T, I)"
        expect_features("x", array, self.input_size, (2, 3), axes)
        unbatched = array.ndim == 2
        array = self._with_batch(array)
        if array.shape[0] == 0:
            raise ValueError(f"x: expected at least one step, got T = 0 in shape {np.shape(x)}")
        return np.ascontiguousarray(array), unbatched

    def _state_shape(self, rows: int) -> tuple[int, int, int]:
        """Return (L, N, H), the shape of each state of a batch."""
        return self.num_layers, rows, self.hidden_size

    def _states(self, form: str, state: State, rows: int, unbatched: bool) -> list[Array]:
        """Return a copy (L, N, H) of each of the cell's states, zeros if none are given.

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
            expect_shape(name, array, (shape[0], shape[2]) if unbatched else shape)
            arrays.append(array.reshape(shape))
        return arrays

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

    # ---- the protocol ----

    def __call__(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Run over whole sequences and keep nothing.

        Parameters
        ----------
        x : array_like (T, N, I), (N, T, I) with batch_first, or (T, I)
        state : array_like (L, N, H), or (L, H) for unbatched x, optional
            The initial state, zeros if not given; for an LSTM a tuple of two such arrays, ``(h_0, c_0)``.
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond is never read. All T if not
            given.

        Returns
        -------
        output : ndarray (T, N, H), (N, T, H) with batch_first, or (T, H)
            h of the topmost layer at every step; zero beyond a sequence's length.
        state : ndarray or tuple
            The final state, in the form of the initial one: of each sequence after its own last step.

        Raises
        ------
        ValueError
            If a shape is wrong, there is no step, or a length is not from 1 to T.
        TypeError
            If an array does not hold real numbers, or ``lengths`` whole ones.
        """
        return self.forward(x, state, lengths=lengths)

    def forward(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Return ``(output, final state)``, as calling the layer does."""
        sequence, unbatched = self._sequence(x)
        batch = self._batch(sequence, lengths, unbatched)
        states = self._states("{}_0", state, batch.rows, unbatched)
        rows, final, _ = self._run(batch, batch.pack(sequence), states)
        return self._output(batch.unpack(rows), unbatched), self._state(final, unbatched)

    def record(
        self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None, reuse: Tape | None = None
    ) -> tuple[Array, State, Tape]:
        """Run as calling does, and keep what `backward` needs.

        Parameters
        ----------
        x, state, lengths
            As for a call.
        reuse : Tape, optional
            An earlier tape of this layer whose buffers may be overwritten. It ends with this, and so does the output
            that came with it.

        Returns
        -------
        output, state
            As from a call; the output is read-only, as the tape shares it.
        tape : Tape
            For `backward`.

        Raises
        ------
        ValueError, TypeError
            As for a call, or if ``reuse`` is no tape of this layer.
        """
        sequence, unbatched = self._sequence(x)
        batch = self._batch(sequence, lengths, unbatched)
        states = self._states("{}_0", state, batch.rows, unbatched)
        spare = [] if reuse is None else self._recycle(reuse).layers
        rows = batch.pack(sequence, spare[0].x if spare else None)
        if np.may_share_memory(rows, x):  # the tape owns what it needs
            rows = rows.copy()
        rows, final, tapes = self._run(batch, rows, states, spare, record=True)
        output = read_only(self._output(batch.unpack(rows), unbatched))
        return output, self._state(final, unbatched), self._tape(_Recorded(tapes, batch, unbatched))

    def _batch(self, x: Array, lengths: ArrayLike | None, unbatched: bool) -> Dense:
        """Return how the rows of x (T, N, I) are packed."""
        T, N, _ = x.shape
        if lengths is None:
            return Dense(T, N)
        if unbatched:
            raise ValueError(f"lengths: expected None with one sequence {x[:, 0].shape}; leave its padding out")
        checked = checked_lengths(lengths, T, N)
        return Ragged(T, checked) if N and checked.min() < T else Dense(T, N)

    def _run(
        self, batch: Dense, x: Array, states: list[Array], spare: Sequence[_LayerTape] = (), *, record: bool = False
    ) -> tuple[Array, list[Array], list[_LayerTape]]:
        """Run the stack on rows (S, I) from states (L, N, H); tapes only if asked to record."""
        tapes: list[_LayerTape] = []
        final = [np.empty_like(part) for part in states]
        for k in range(self.num_layers):
            h_0, *c_0 = (batch.sort(part[k]) for part in states)
            h, c, saved = self._layer(k, batch, x, h_0, c_0[0] if c_0 else None, spare[k] if spare else None, record)
            output = h[batch.rows :]
            final[0][k] = batch.unsort(batch.last(output))
            if c is not None:
                final[1][k] = batch.unsort(batch.last(c[batch.rows :]) if record else c)
            if record:
                tapes.append(_LayerTape(x, h, c, saved))
            x = output
        return x, final, tapes

    def _layer(
        self, k: int, batch: Dense, x: Array, h_0: Array, c_0: Array | None, spare: _LayerTape | None, record: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Run layer k; an empty batch has nothing to run."""
        if batch.rows == 0:
            info = _kernels.CELLS[self.cell]
            saved = np.empty((0, info.saves, self.hidden_size), self.dtype) if info.saves and record else None
            return h_0, c_0, saved
        reuse = (None, None, None) if spare is None else (spare.h, spare.c, spare.saved)
        return _kernels.FORWARD[self.dtype](
            self.cell, x, h_0, c_0, *self._layer_parameters(k), record=record, counts=batch.counts, reuse=reuse
        )

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        tape : Tape
            From `record`; it may be played more than once.
        grad_output : array_like
            dE/d(output), shaped like the output; beyond a sequence's length it is not read.
        grad_state : array_like or tuple, optional
            dE/d(final state), in the form of the state; zeros if not given.

        Returns
        -------
        Gradients
            dE/dx, dE/d(initial state) and dE/d(parameters), all new arrays; dE/dx is zero beyond a sequence's length.

        Raises
        ------
        ValueError
            If the tape is another layer's, or a shape is wrong.
        RuntimeError
            If the parameters have changed since the tape was recorded, or its buffers were given to another.
        """
        tapes, batch, unbatched = self._open(tape)
        T, N, H = batch.steps, batch.rows, self.hidden_size
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, (T, H) if unbatched else (N, T, H) if self.batch_first else (T, N, H))
        dy = batch.pack(np.ascontiguousarray(self._with_batch(dy)))
        grad_states = self._states("grad_{}_n", grad_state, N, unbatched)
        grads: dict[str, Array] = {}
        for k in reversed(range(self.num_layers)):
            dh_n, *dc_n = (batch.sort(part[k]) for part in grad_states)
            dy, starts, dw = self._layer_backward(k, batch, tapes[k], dy, dh_n, dc_n[0] if dc_n else None)
            for part, start in zip(grad_states, starts, strict=False):
                part[k] = batch.unsort(start)
            grads |= {name: grad for name, grad in zip(_names(k), dw, strict=True) if grad is not None}
        ordered = {name: grads[name] for name in self._parameters}
        return Gradients(self._output(batch.unpack(dy), unbatched), self._state(grad_states, unbatched), ordered)

    def _layer_backward(
        self, k: int, batch: Dense, tape: _LayerTape, dy: Array, dh_n: Array, dc_n: Array | None
    ) -> tuple[Array, list[Array], list[Array | None]]:
        """Return dE/dx, dE/d(initial states) and dE/d(parameters) of layer k."""
        parameters = self._layer_parameters(k)
        if batch.rows == 0:
            none = [None if array is None else np.zeros_like(array) for array in parameters]
            return np.zeros_like(tape.x), [dh_n] if dc_n is None else [dh_n, dc_n], none
        w_ih, w_hh, _, _ = parameters
        dx, dh_0, dc_0, *dw = _kernels.BACKWARD[self.dtype](
            self.cell, *tape, w_ih, w_hh, self.bias, dy, dh_n, dc_n, counts=batch.counts
        )
        return dx, [dh_0] if dc_0 is None else [dh_0, dc_0], dw

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:
        """Return a runner for one sequence, or N of them, that takes the input step by step; see `KernelStream`."""
        states = self._states("{}_0", state, batch_size or 1, unbatched=batch_size is None)
        shape = (self.hidden_size,) if batch_size is None else (batch_size, self.hidden_size)
        return KernelStream(
            [
                _streams.Stream(self.cell, *([*(part[k] for part in states), None][:2]), *self._layer_parameters(k))
                for k in range(self.num_layers)
            ],
            shape,
            self.dtype,
        )

"""What all recurrent layers share: a stack of ``num_layers`` of one cell.

The time loops are in the kernels; here inputs are cast and checked, layers are stacked and states are split.
T steps, N rows (sequences), I inputs, H hidden units, G gates, L layers.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _kernels
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
from fastrnn.layers.stream import KernelStream, LayerStream

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _LayerTape(NamedTuple):
    """One layer of the stack, recorded."""

    x: Array  # (T, N, I)
    h: Array  # (T+1, N, H)
    c: Array | None  # (T+1, N, H)
    gates: Array | None  # (T, N, G·H)


class _Recorded(NamedTuple):
    layers: list[_LayerTape]
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

    @property
    def cell(self) -> str:
        """Name of the cell in the kernels' table."""
        return self._cell_of(self.config())

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
        return [self._parameters.get(f"{name}_l{k}") for name in NAMES]

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

    def _sequence(self, x: ArrayLike, *, copy: bool | None = None) -> tuple[Array, bool]:
        """Return x as (T, N, I), and whether it came without a batch axis."""
        array = as_real("x", x, self.dtype)
        axes = "(N, T, I) or (T, I)" if self.batch_first else "(T, N, I) or (T, I)"
        expect_features("x", array, self.input_size, (2, 3), axes)
        unbatched = array.ndim == 2
        array = self._with_batch(array)
        if array.shape[0] == 0:
            raise ValueError(f"x: expected at least one step, got T = 0 in shape {np.shape(x)}")
        return as_real("x", array, self.dtype, copy=copy), unbatched

    def _states(self, form: str, state: State, rows: int, unbatched: bool) -> list[Array]:
        """Return a copy (L, N, H) of each of the cell's states, zeros if none are given.

        ``form`` makes the names that errors use: "{}_0" for initial states, "grad_{}_n" for gradients of final ones.
        """
        names = [form.format(name) for name in self._state_names]
        shape = (self.num_layers, rows, self.hidden_size)
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

    def __call__(self, x: ArrayLike, state: State = None) -> tuple[Array, State]:
        """Run over whole sequences and keep nothing.

        Parameters
        ----------
        x : array_like (T, N, I), (N, T, I) with batch_first, or (T, I)
        state : array_like (L, N, H), or (L, H) for unbatched x, optional
            The initial state, zeros if not given; for an LSTM a tuple of two such arrays, ``(h_0, c_0)``.

        Returns
        -------
        output : ndarray (T, N, H), (N, T, H) with batch_first, or (T, H)
            h of the topmost layer at every step.
        state : ndarray or tuple
            The final state, in the form of the initial one.

        Raises
        ------
        ValueError
            If a shape is wrong, or there is no step.
        TypeError
            If an array does not hold real numbers.
        """
        return self.forward(x, state)

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, State]:
        """Return ``(output, final state)``, as calling the layer does."""
        sequence, unbatched = self._sequence(x)
        output, final, _ = self._run(sequence, self._states("{}_0", state, sequence.shape[1], unbatched), record=False)
        return self._output(output, unbatched), self._state(final, unbatched)

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, State, Tape]:
        """Run as calling does, and return ``(output, final state, tape)``; the output is read-only."""
        sequence, unbatched = self._sequence(x, copy=True)
        output, final, tapes = self._run(
            sequence, self._states("{}_0", state, sequence.shape[1], unbatched), record=True
        )
        output = read_only(self._output(output, unbatched))
        return output, self._state(final, unbatched), self._tape(_Recorded(tapes, unbatched))

    def _run(self, x: Array, states: list[Array], *, record: bool) -> tuple[Array, list[Array], list[_LayerTape]]:
        """Run the stack on (T, N, I) from states (L, N, H); tapes only if asked to record."""
        tapes: list[_LayerTape] = []
        final = [np.empty_like(part) for part in states]
        for k in range(self.num_layers):
            start = [part[k] for part in states]
            c_0 = start[1] if len(start) == 2 else None
            h, c, gates = _kernels.forward(self.cell, x, start[0], c_0, *self._layer_parameters(k), record=record)
            final[0][k] = h[-1]
            if c is not None:
                final[1][k] = c[-1] if record else c
            if record:
                tapes.append(_LayerTape(x, h, c, gates))
            x = h[1:]
        return x, final, tapes

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        tape : Tape
            From `record`; it may be played more than once.
        grad_output : array_like
            dE/d(output), shaped like the output.
        grad_state : array_like or tuple, optional
            dE/d(final state), in the form of the state; zeros if not given.

        Returns
        -------
        Gradients
            dE/dx, dE/d(initial state) and dE/d(parameters), all new arrays.

        Raises
        ------
        ValueError
            If the tape is another layer's, or a shape is wrong.
        RuntimeError
            If the parameters have changed since the tape was recorded.
        """
        tapes, unbatched = self._open(tape)
        T, N, _ = tapes[0].x.shape
        dy = as_real("grad_output", grad_output, self.dtype)
        H = self.hidden_size
        expect_shape("grad_output", dy, (T, H) if unbatched else (N, T, H) if self.batch_first else (T, N, H))
        dy = np.ascontiguousarray(self._with_batch(dy))
        grad_states = self._states("grad_{}_n", grad_state, N, unbatched)
        grads: dict[str, Array] = {}
        for k in reversed(range(self.num_layers)):
            w_ih, w_hh, _, _ = self._layer_parameters(k)
            ends = [part[k] for part in grad_states]
            x, h, c, gates = tapes[k]
            dc_n = ends[1] if len(ends) == 2 else None
            dy, dh_0, dc_0, *dw = _kernels.backward(self.cell, x, h, c, gates, w_ih, w_hh, self.bias, dy, ends[0], dc_n)
            for part, start in zip(grad_states, (dh_0, dc_0), strict=False):
                part[k] = start
            grads |= {f"{name}_l{k}": grad for name, grad in zip(NAMES, dw, strict=True) if grad is not None}
        ordered = {name: grads[name] for name in self._parameters}
        return Gradients(self._output(dy, unbatched), self._state(grad_states, unbatched), ordered)

    def stream(self, state: State = None) -> LayerStream:
        """Return a runner for one sequence that takes the input step by step; see `KernelStream`."""
        states = self._states("{}_0", state, 1, unbatched=True)
        return KernelStream(
            [
                _kernels.Stream(self.cell, *([*(part[k] for part in states), None][:2]), *self._layer_parameters(k))
                for k in range(self.num_layers)
            ],
            self.hidden_size,
            self.dtype,
        )

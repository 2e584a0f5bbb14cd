"""What all recurrent layers share: their constructor, and what users pass them, cast and checked.

The stack of layers that runs is in stack.py. T steps, N rows (sequences), I inputs, H hidden units, G gates, L layers,
D directions.
"""

from collections.abc import Mapping
from functools import cache
from itertools import chain
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _kernels, _streams
from fastrnn._validation import (
    BLANK,
    Seed,
    a_bool,
    a_rate,
    as_dtype,
    as_generator,
    as_real,
    expect_features,
    expect_shape,
    positive_float,
    positive_int,
    shown,
)
from fastrnn.initializers import Initializer, as_initializer, initial_parameters
from fastrnn.layers.base import Array, Gradients, Layer, Shapes, State, Tape, read_only
from fastrnn.layers.ragged import Dense, Ragged, checked_lengths
from fastrnn.layers.stack import Direction, LayerTape, Rates, Stack, Watch
from fastrnn.layers.stream import KernelStream, LayerStream

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@cache
def _names(k: int, reverse: bool) -> tuple[str, ...]:
    """Return the names of the parameters of one direction of layer k."""
    return tuple(f"{name}_l{k}{'_reverse' if reverse else ''}" for name in NAMES)


class _Recorded(NamedTuple):
    layers: list[LayerTape]
    batch: Dense
    unbatched: bool


class Options(TypedDict, total=False):
    """What all recurrent layers take besides their sizes; see `Recurrent`."""

    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    recurrent_dropout: float
    zoneout: float | tuple[float, float]
    init: str | Initializer
    dtype: str
    seed: Seed


class Recurrent(Layer):
    """Base of the recurrent layers; each names its cell and its states, and adds what its constructor takes.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        L layers, each fed by the output of the one below.
    bias : bool
        Whether there are biases.
    batch_first : bool
        Whether x and output are (N, T, ·) instead of (T, N, ·).
    dropout : float
        Probability with which an element that one layer hands to the next is dropped in training (Srivastava et al.
        2014; between layers alone: Zaremba, Sutskever & Vinyals 2014). Needs two layers.
    bidirectional : bool
        Whether each layer also runs from the last step to the first, with weights of its own (``…_reverse``), its
        output beside the other's (Schuster & Paliwal 1997): the output has 2H features.
    recurrent_dropout : float
        Probability with which a unit of h_{t-1} is dropped in training on its way into the recurrent product, for a
        whole sequence at a time (Gal & Ghahramani 2016). What goes past the product sees h_{t-1} itself.
    zoneout : float, or two for h and c
        Probability with which an element of the state keeps its old value at a step (Krueger et al. 2017): drawn in
        training, by its expected value otherwise. One number for an LSTM is that of both.
    init : {"orthogonal", "glorot", "identity", "pytorch", "keras"}, Chrono, or callable
        How the parameters are drawn: see `fastrnn.initializers`.
    dtype : {"float32", "float64"}
        Of parameters and output; input is cast to it.
    seed : int or numpy.random.Generator, optional
        Of the initial weights.

    Notes
    -----
    Training is `record`, which draws from its own ``seed``; calling the layer never drops anything.
    """

    recurrent = True
    dtype: np.dtype[Any]
    _state_names: tuple[str, ...] = ("h",)
    _forget_gate: int | None = None  # which of the gates, for initialisers
    _update_gate: int | None = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        init: str | Initializer = "orthogonal",
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.input_size = positive_int("input_size", input_size)
        self.hidden_size = positive_int("hidden_size", hidden_size)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bias = a_bool("bias", bias)
        self.batch_first = a_bool("batch_first", batch_first)
        self.bidirectional = a_bool("bidirectional", bidirectional)
        self.dropout = a_rate("dropout", dropout)
        if self.dropout and self.num_layers == 1:
            raise ValueError(f"dropout: expected 0 with num_layers=1, got {dropout}; it is what happens between layers")
        self.recurrent_dropout = a_rate("recurrent_dropout", recurrent_dropout)
        self.zoneout = self._zoneout(zoneout)
        self.dtype = as_dtype(dtype)
        self.cell = self._cell_of(self.config())  # its name in the kernels' table
        self._stack = self._make_stack()
        init = as_initializer(init)
        shapes = dict(self.parameter_shapes(self.config()))
        if seed is BLANK:
            self._parameters = {name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}
            return
        drawn = initial_parameters(
            init,
            as_generator(seed),
            shapes,
            gates=_kernels.CELLS[self.cell].gates,
            hidden_size=self.hidden_size,
            forget_gate=self._forget_gate,
            update_gate=self._update_gate,
        )
        self._parameters = {name: array.astype(self.dtype) for name, array in drawn.items()}

    def _zoneout(self, zoneout: float | tuple[float, float]) -> tuple[float, ...]:
        """Return one rate for each state."""
        states = self._state_names
        rates = zoneout if isinstance(zoneout, (tuple, list)) else [zoneout] * len(states)
        if len(rates) != len(states):
            raise ValueError(f"zoneout: expected one number for each of {', '.join(states)}, got {shown(zoneout)}")
        return tuple(a_rate("zoneout", rate) for rate in rates)

    def _make_stack(self) -> Stack:
        rates = Rates(self.dropout, self.recurrent_dropout, (*self.zoneout, 0.0)[:2])
        return Stack(self.cell, self.hidden_size, self.num_layers, bidirectional=self.bidirectional, rates=rates)

    @property
    def random(self) -> bool:
        """Whether `record` draws random numbers."""
        return self._stack.rates.any()

    # ---- parameters ----

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of ``weight_ih_l0 (G·H, I)``, ``weight_hh_l0 (G·H, H)``, ``bias_ih_l0 (G·H,)`` and so on.

        Those of the reversed direction, if there is one, follow each layer's as ``…_l0_reverse``.
        """
        H, directions = config["hidden_size"], 1 + config.get("bidirectional", False)
        units = _kernels.CELLS[cls._cell_of(config)].gates * H
        for k in range(config["num_layers"]):
            for reverse in range(directions):
                names = _names(k, bool(reverse))
                yield names[0], (units, directions * H if k else config["input_size"])
                yield names[1], (units, H)
                if config["bias"]:
                    yield names[2], (units,)
                    yield names[3], (units,)

    def _weights(self) -> list[list[Array | None]]:
        """Return weight_ih, weight_hh, bias_ih, bias_hh of each direction of each layer; None for missing biases."""
        return [[self._parameters.get(name) for name in names] for names in self._all_names()]

    def _all_names(self) -> list[tuple[str, ...]]:
        return [_names(k, bool(d)) for k in range(self.num_layers) for d in range(1 + self.bidirectional)]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments; of the later ones, those that are not left at their defaults."""
        later = {
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
            "recurrent_dropout": self.recurrent_dropout,
            "zoneout": list(self.zoneout) if any(self.zoneout) else 0.0,
        }
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": self.batch_first,
            **{name: value for name, value in later.items() if value},
            "dtype": self.dtype.name,
        }

    def output_size(self, input_size: int) -> int:
        """Return ``hidden_size``, twice that if bidirectional."""
        if input_size != self.input_size:
            raise ValueError(f"{type(self).__name__} takes {self.input_size} features, but gets {input_size}")
        return self.hidden_size * (1 + self.bidirectional)

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

    def _states(self, form: str, state: State, rows: int, unbatched: bool) -> list[Array]:
        """Return a copy (L·D, N, H) of each of the cell's states, zeros if none are given.

        ``form`` makes the names that errors use: "{}_0" for initial states, "grad_{}_n" for gradients of final ones.
        """
        names = [form.format(name) for name in self._state_names]
        shape = (len(self._all_names()), rows, self.hidden_size)
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
        state : array_like (L·D, N, H), or (L·D, H) for unbatched x, optional
            The initial state, zeros if not given; for an LSTM a tuple of two such arrays, ``(h_0, c_0)``. Of a
            bidirectional layer D = 2: each layer's forward direction, then its reversed one.
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond is never read. All T if not
            given.

        Returns
        -------
        output : ndarray (T, N, D·H), (N, T, D·H) with batch_first, or (T, D·H)
            h of the topmost layer at every step; zero beyond a sequence's length.
        state : ndarray or tuple
            The final state, in the form of the initial one: of each sequence after its own last step, or after
            its first one where the direction is reversed.

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
        rows, final, _ = self._stack.forward(self._weights(), batch, batch.pack(sequence), states)
        return self._output(batch.unpack(rows), unbatched), self._state(final, unbatched)

    def record(
        self,
        x: ArrayLike,
        state: State = None,
        *,
        lengths: ArrayLike | None = None,
        seed: Seed = None,
        reuse: Tape | None = None,
    ) -> tuple[Array, State, Tape]:
        """Run as calling does, and keep what `backward` needs.

        Parameters
        ----------
        x, state, lengths
            As for a call.
        seed : int or numpy.random.Generator, optional
            Of dropout and zoneout: the same number gives the same masks, whatever the number of threads.
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
        rng = as_generator(seed) if self.random else None
        rows, final, tapes = self._stack.forward(
            self._weights(), batch, rows, states, record=True, rng=rng, spare=spare
        )
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

    def backward(
        self,
        tape: Tape,
        grad_output: ArrayLike,
        grad_state: State = None,
        *,
        clip_state: float | tuple[float | None, ...] | None = None,
        norms: bool = False,
    ) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        tape : Tape
            From `record`; it may be played more than once.
        grad_output : array_like
            dE/d(output), shaped like the output; beyond a sequence's length it is not read.
        grad_state : array_like or tuple, optional
            dE/d(final state), in the form of the state; zeros if not given.
        clip_state : float, or one for each of h and c, optional
            The largest norm, for each sequence, of the gradient that flows back through the state from a step to the
            one before; what is larger is scaled down, step by step. None: no limit.
        norms : bool
            Whether to return these norms, as they were before that.

        Returns
        -------
        Gradients
            dE/dx, dE/d(initial state) and dE/d(parameters), all new arrays; dE/dx is zero beyond a sequence's length.
            With ``norms`` also ``state_norms``: for each state by name an array (L·D, T, N), or (L·D, T), entry t the
            norm of the gradient by the state that step t began with; zero beyond a sequence's length.

        Raises
        ------
        ValueError
            If the tape is another layer's, or a shape is wrong.
        RuntimeError
            If the parameters have changed since the tape was recorded, or its buffers were given to another.
        """
        layers, batch, unbatched = self._open(tape)
        T, N, width = batch.steps, batch.rows, self.output_size(self.input_size)
        dy = as_real("grad_output", grad_output, self.dtype)
        leading = (T,) if unbatched else (N, T) if self.batch_first else (T, N)
        expect_shape("grad_output", dy, (*leading, width))
        dy = batch.pack(np.ascontiguousarray(self._with_batch(dy)))
        grad_states = self._states("grad_{}_n", grad_state, N, unbatched)
        watch = self._watch(clip_state, len(dy)) if norms or clip_state is not None else None
        dx, grads = self._stack.backward(self._weights(), batch, layers, dy, grad_states, watch)
        pairs = zip(chain.from_iterable(self._all_names()), chain.from_iterable(grads), strict=True)
        named = {name: grad for name, grad in pairs if grad is not None}
        return Gradients(
            self._output(batch.unpack(dx), unbatched),
            self._state(grad_states, unbatched),
            {name: named[name] for name in self._parameters},
            self._norms(batch, watch, unbatched) if watch is not None and norms else None,
        )

    def _watch(self, clip_state: float | tuple[float | None, ...] | None, S: int) -> Watch:
        """Return what the kernels are to do with the gradient that flows back."""
        states = self._state_names
        bounds = list(clip_state) if isinstance(clip_state, (tuple, list)) else [clip_state] * len(states)
        if len(bounds) != len(states):
            raise ValueError(f"clip_state: expected one for each of {', '.join(states)}, got {shown(clip_state)}")
        numbers = [np.inf if bound is None else positive_float("clip_state", bound) for bound in bounds]
        arrays = [np.zeros((len(self._all_names()), S), self.dtype) for _ in states]
        return Watch((numbers[0], numbers[-1]), arrays)

    def _norms(self, batch: Dense, watch: Watch, unbatched: bool) -> dict[str, Array]:
        """Return norms (L·D, S) by state, with time and batch axes."""
        result = {}
        for name, norms in zip(self._state_names, watch.norms, strict=True):
            spread = np.stack([batch.unpack(one[:, None])[..., 0] for one in norms])
            result[name] = spread[..., 0] if unbatched else spread
        return result

    def trace(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> dict[str, Array]:
        """Return gates and states at every step, as a call computes them.

        Parameters
        ----------
        x, state, lengths
            As for a call.

        Returns
        -------
        dict of ndarray
            By name, ``h`` and whatever the cell has besides, such as ``i``, ``f``, ``g``, ``o`` and ``c`` of an LSTM:
            (L·D, T, N, H), (L·D, N, T, H) with batch_first or (L·D, T, H); zero beyond a sequence's length.
        """
        sequence, unbatched = self._sequence(x)
        batch = self._batch(sequence, lengths, unbatched)
        states = self._states("{}_0", state, batch.rows, unbatched)
        _, _, tapes = self._stack.forward(self._weights(), batch, batch.pack(sequence), states, record=True)
        found: dict[str, list[Array]] = {}
        for tape in tapes:
            for reverse, one in enumerate(tape.directions):
                for name, rows in self._traced(batch, one, bool(reverse)).items():
                    found.setdefault(name, []).append(self._output(batch.unpack(rows), unbatched))
        return {name: np.stack(arrays) for name, arrays in found.items()}

    def _traced(self, batch: Dense, one: Direction, reverse: bool) -> dict[str, Array]:
        """Return rows (S, H) by name."""
        gates = {} if one.saved is None else {
            name: one.saved[:, i] for i, name in enumerate(SAVED[self.cell]) if name
        }  # fmt: skip
        states = {"h": one.h} if one.c is None else {"c": one.c, "h": one.h}
        rows = {name: batch.output(states_, reverse) for name, states_ in states.items()}
        return {name: np.ascontiguousarray(array) for name, array in (gates | rows).items()}

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:
        """Return a runner for one sequence, or N of them, that takes the input step by step; see `KernelStream`.

        Raises
        ------
        ValueError
            If the layer is bidirectional: its output at one step needs all steps.
        """
        if self.bidirectional:
            raise ValueError(
                f"stream: {type(self).__name__} is bidirectional, so its first output needs the last step; "
                "call it on whole sequences, or build it with bidirectional=False"
            )
        states = self._states("{}_0", state, batch_size or 1, unbatched=batch_size is None)
        shape = (self.hidden_size,) if batch_size is None else (batch_size, self.hidden_size)
        zoneout = self._stack.expected
        return KernelStream(
            [
                _streams.Stream(self.cell, *([*(part[k] for part in states), None][:2]), *weights, zoneout=zoneout)
                for k, weights in enumerate(self._weights())
            ],
            shape,
            self.dtype,
        )


# What the kernels save of each cell for backward, slot by slot; "" for what is no gate
SAVED = {"lstm": ("i", "f", "g", "o"), "gru": ("n", "r", "z", ""), "gru_before": ("n", "z", "r")}

"""What all recurrent layers do: run, record, go back, run step by step, show what went on inside.

How they are built is in building.py, the stack of layers that runs in stack.py. T steps, N rows (sequences), I inputs,
H hidden units, L layers, D directions.
"""

from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _streams
from fastrnn._validation import Seed, as_generator, positive_float, shown
from fastrnn.layers.base import Array, Gradients, State, Tape, read_only
from fastrnn.layers.building import Built
from fastrnn.layers.lookup import Picked
from fastrnn.layers.ragged import Dense
from fastrnn.layers.stack import Direction, LayerTape, Watch
from fastrnn.layers.stream import KernelStream, LayerStream

# What the kernels save of each cell for backward, slot by slot; "" for what is no gate
SAVED = {"lstm": ("i", "f", "g", "o"), "gru": ("n", "r", "z", ""), "gru_before": ("n", "z", "r")}


class _Recorded(NamedTuple):
    layers: list[LayerTape]
    batch: Dense
    unbatched: bool


class Recurrent(Built):
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
    init : {"orthogonal", "glorot", "he", "identity", "pytorch", "keras"}, Chrono, or callable
        How the parameters are drawn: see `fastrnn.initializers`.
    dtype : {"float32", "float64"}
        Of parameters and output; input is cast to it.
    seed : int or numpy.random.Generator, optional
        Of the initial weights.

    Notes
    -----
    Training is `record`, which draws from its own ``seed``; calling the layer never drops anything.
    """

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
        rows, final, _ = self._stack.forward(self._weights(), batch, self._rows(batch, sequence, x), states)
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
        rng = as_generator(seed) if self.random else None
        spare = [] if reuse is None else self._recycle(reuse).layers  # last: what is refused must not end it
        own = self._rows(batch, sequence, x, spare[0].x if spare else None)
        if not isinstance(own, Picked) and np.may_share_memory(own, x):  # the tape owns what it needs
            own = own.copy()
        rows, final, tapes = self._stack.forward(self._weights(), batch, own, states, record=True, rng=rng, spare=spare)
        output = read_only(self._output(batch.unpack(rows), unbatched))
        return output, self._state(final, unbatched), self._tape(_Recorded(tapes, batch, unbatched))

    def _sequence(self, x: Any) -> tuple[Array, bool]:
        """Return x as (T, N, I), or which rows are picked as (T, N, 1), and whether it came without a batch axis."""
        return self._time_major(x.ids[..., None], x.shape) if isinstance(x, Picked) else super()._sequence(x)

    def _rows(self, batch: Dense, sequence: Array, x: Any, spare: Array | Picked | None = None) -> Array | Picked:
        """Return a sequence as rows (S, I), in ``spare`` if it fits; (S,) that are picked if x is."""
        if isinstance(x, Picked):
            return x._replace(ids=batch.pack(sequence)[:, 0])
        return batch.pack(sequence, None if isinstance(spare, Picked) else spare)

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
            With ``norms`` also ``state_norms``: for each state by name an array (L·D, T, N), (L·D, N, T) with
            batch_first or (L·D, T), at step t the norm of the gradient by the state that the step began with; zero
            beyond a sequence's length.

        Raises
        ------
        ValueError
            If the tape is another layer's, or a shape is wrong.
        RuntimeError
            If the parameters have changed since the tape was recorded, or its buffers were given to another.
        """
        layers, batch, unbatched = self._open(tape)
        dy = self._pack("grad_output", grad_output, batch, unbatched)
        grad_states = self._states("grad_{}_n", grad_state, batch.rows, unbatched)
        watch = self._watch(clip_state, len(dy) if norms else None) if norms or clip_state is not None else None
        dx, grads = self._stack.backward(self._weights(), batch, layers, dy, grad_states, watch)
        pairs = zip(chain.from_iterable(self._names), chain.from_iterable(grads), strict=True)
        named = {name: grad for name, grad in pairs if grad is not None}
        return Gradients(
            self._grad_x(batch, layers[0].x, dx, unbatched),
            self._state(grad_states, unbatched),
            {name: named[name] for name in self._parameters},
            self._norms(batch, watch, unbatched) if watch is not None and norms else None,
        )

    def _grad_x(self, batch: Dense, x: Array | Picked, dx: Any, unbatched: bool) -> Any:
        """Return dE/dx, given that of its rows (S, I), or of the table (R, I), with the axes that x came with."""
        return x._replace(rows=dx) if isinstance(x, Picked) else self._output(batch.unpack(dx), unbatched)

    def _watch(self, clip_state: float | tuple[float | None, ...] | None, S: int | None) -> Watch:
        """Return what the kernels are to do with the gradient that flows back; S rows of norms, None: not wanted."""
        states = self._state_names
        bounds = list(clip_state) if isinstance(clip_state, (tuple, list)) else [clip_state] * len(states)
        if len(bounds) != len(states):
            raise ValueError(f"clip_state: expected one for each of {', '.join(states)}, got {shown(clip_state)}")
        numbers = [np.inf if bound is None else positive_float("clip_state", bound) for bound in bounds]
        arrays = [] if S is None else [np.zeros((len(self._names), S), self.dtype) for _ in states]
        return Watch((numbers[0], numbers[-1]), arrays)

    def _norms(self, batch: Dense, watch: Watch, unbatched: bool) -> dict[str, Array]:
        """Return norms (L·D, S) by state, with the axes that x came with."""
        result = {}
        for name, norms in zip(self._state_names, watch.norms, strict=True):
            spread = [self._output(batch.unpack(one[:, None]), unbatched) for one in norms]
            result[name] = np.stack(spread)[..., 0]
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
        states, rows = self._stream_states(state, batch_size)
        shape = (self.hidden_size,) if rows is None else (rows, self.hidden_size)
        zoneout = self._stack.expected
        return KernelStream(
            [
                _streams.Stream(self.cell, *([*(part[k] for part in states), None][:2]), *weights, zoneout=zoneout)
                for k, weights in enumerate(self._weights())
            ],
            shape,
            self.dtype,
        )

"""The Jordan network: a recurrent layer whose memory is its output."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _jordan
from fastrnn._validation import (
    BLANK,
    Seed,
    a_bool,
    as_dtype,
    as_generator,
    one_of,
    positive_int,
)
from fastrnn.initializers import glorot_uniform, orthogonal
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Gradients, Shapes, State, Tape, read_only
from fastrnn.layers.ragged import Dense
from fastrnn.layers.stream import LayerStream

WEIGHTS = ("weight_ih", "weight_hh", "weight_ho")
BIASES = ("bias_ih", "bias_hh", "bias_ho")
PARAMETERS = (*WEIGHTS, *BIASES)


class _Recorded(NamedTuple):
    """S rows of all steps together, in the order of the kernels."""

    x: Array  # (S, I)
    y: Array  # (N+S, O)
    fed: Array | None  # (N+S, O)
    h: Array  # (S, H)
    batch: Dense
    unbatched: bool


def _initial(rng: np.random.Generator | None, name: str, shape: tuple[int, ...]) -> Array:
    """Return initial values of one parameter; zeros without a generator."""
    if rng is None or name in BIASES:
        return np.zeros(shape)
    draw = orthogonal if name == "weight_hh" else glorot_uniform
    return draw(rng, shape[0], shape[1])


class Jordan(OverTime):
    """The Jordan network (Jordan 1986, "Attractor dynamics and parallelism in a connectionist sequential machine").

    ``h_t = φ(W_ih x_t + b_ih + W_hh y_{t-1} + b_hh)``, ``y_t = ψ(W_ho h_t + b_ho)``: what is remembered is the output.

    Parameters
    ----------
    input_size, hidden_size, output_size : int
        I, H and O.
    nonlinearity : {"tanh", "sigmoid", "relu"}
        φ.
    output_activation : {"linear", "tanh", "sigmoid", "softmax"}
        ψ.
    bias : bool
        Whether there are biases; they start at 0.
    batch_first : bool
        Whether x and output are (N, T, ·) instead of (T, N, ·).
    dtype : {"float32", "float64"}
        Of parameters and output; input is cast to it.
    seed : int or numpy.random.Generator, optional
        Of the initial weights: Glorot uniform from the input and to the output, orthogonal from what is fed back.

    Notes
    -----
    Parameters: ``weight_ih`` (H, I), ``weight_hh`` (H, O), ``weight_ho`` (O, H), ``bias_ih`` and ``bias_hh`` (H,),
    ``bias_ho`` (O,). The state is the last output, (1, N, O), or (1, O) for one sequence without a batch axis.
    """

    _state_names = ("y",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        *,
        nonlinearity: str = "tanh",
        output_activation: str = "linear",
        bias: bool = True,
        batch_first: bool = False,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.input_size = positive_int("input_size", input_size)
        self.hidden_size = positive_int("hidden_size", hidden_size)
        self.outputs = positive_int("output_size", output_size)
        self.nonlinearity = one_of("nonlinearity", nonlinearity, tuple(_jordan.PHI))
        self.output_activation = one_of("output_activation", output_activation, tuple(_jordan.PSI))
        self.bias = a_bool("bias", bias)
        self.batch_first = a_bool("batch_first", batch_first)
        self.dtype = as_dtype(dtype)
        shapes = dict(self.parameter_shapes(self.config()))
        rng = None if seed is BLANK else as_generator(seed)
        self._parameters = {
            name: np.array(_initial(rng, name, shape), self.dtype, order="C") for name, shape in shapes.items()
        }

    # ---- parameters ----

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of the weights and, if there are any, of the biases."""
        inputs, H, outputs = config["input_size"], config["hidden_size"], config["output_size"]
        yield from zip(WEIGHTS, ((H, inputs), (H, outputs), (outputs, H)), strict=True)
        if config["bias"]:
            yield from zip(BIASES, ((H,), (H,), (outputs,)), strict=True)

    def _all_parameters(self) -> list[Array | None]:
        """Return weights and biases as the kernels take them; None for missing biases."""
        return [self._parameters.get(name) for name in PARAMETERS]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "output_size": self.outputs,
            "nonlinearity": self.nonlinearity,
            "output_activation": self.output_activation,
            "bias": self.bias,
            "batch_first": self.batch_first,
            "dtype": self.dtype.name,
        }

    def _state_shape(self, rows: int) -> tuple[int, int, int]:
        return 1, rows, self.outputs

    # ---- the protocol ----

    def __call__(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Run freely over whole sequences, each step fed the output of the one before, and keep nothing.

        Parameters
        ----------
        x : array_like (T, N, I), (N, T, I) with batch_first, or (T, I)
        state : array_like (1, N, O), or (1, O) for unbatched x, optional
            y_0, what the first step is fed; zeros if not given.
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond is never read. All T if not
            given.

        Returns
        -------
        output : ndarray (T, N, O), (N, T, O) with batch_first, or (T, O)
            y at every step; zero beyond a sequence's length.
        state : ndarray (1, N, O) or (1, O)
            y of each sequence after its own last step.

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
        (start,) = self._states("{}_0", state, batch.rows, unbatched)
        y, _ = self._run_rows(batch, batch.pack(sequence), batch.sort(start[0]))
        return self._results(batch, y, unbatched)

    def record(
        self,
        x: ArrayLike,
        state: State = None,
        *,
        lengths: ArrayLike | None = None,
        teacher: ArrayLike | None = None,
        reuse: Tape | None = None,
    ) -> tuple[Array, State, Tape]:
        """Run as calling does, and keep what `backward` needs.

        Parameters
        ----------
        x, state, lengths
            As for a call.
        teacher : array_like, optional
            Teacher forcing: what the outputs should have been, shaped like the output. Step t is fed ``teacher[t-1]``
            in place of y_{t-1}; the first step is fed y_0. These are constants, so nothing flows back through them.
            The last step, and what lies beyond a sequence's length, is never read.
        reuse : Tape, optional
            An earlier tape of this layer whose buffers may be overwritten. It ends with this, and so does the output
            that came with it.

        Returns
        -------
        output, state
            As from a call, with a teacher too: the network's own outputs. The output is read-only, as the tape shares
            it.
        tape : Tape
            For `backward`.

        Raises
        ------
        ValueError, TypeError
            As for a call, or if ``teacher`` is not such an array, or ``reuse`` is no tape of this layer.
        """
        sequence, unbatched = self._sequence(x)
        batch = self._batch(sequence, lengths, unbatched)
        (start,) = self._states("{}_0", state, batch.rows, unbatched)
        y_0 = batch.sort(start[0])
        fed = None if teacher is None else np.concatenate([y_0, self._pack("teacher", teacher, batch, unbatched)])
        spare: _Recorded | None = None if reuse is None else self._recycle(reuse)
        rows = batch.pack(sequence, None if spare is None else spare.x)
        if np.may_share_memory(rows, x):  # the tape owns what it needs
            rows = rows.copy()
        y, h = self._run_rows(batch, rows, y_0, fed, spare, record=True)
        output, final = self._results(batch, y, unbatched)
        return read_only(output), final, self._tape(_Recorded(rows, y, fed, h, batch, unbatched))

    def _run_rows(
        self,
        batch: Dense,
        x: Array,
        y_0: Array,
        fed: Array | None = None,
        spare: _Recorded | None = None,
        *,
        record: bool = False,
    ) -> tuple[Array, Any]:
        """Return y (N+S, O) and, if recorded, h (S, H), from rows x (S, I); an empty batch has nothing to run."""
        if batch.rows == 0:
            return y_0, np.empty((0, self.hidden_size), self.dtype)
        reuse = (None, None) if spare is None else (spare.y, spare.h)
        return _jordan.FORWARD[self.dtype](
            self.nonlinearity, self.output_activation, x, y_0, fed, *self._all_parameters(),
            record=record, counts=batch.counts, reuse=reuse,
        )  # fmt: skip

    def _results(self, batch: Dense, y: Array, unbatched: bool) -> tuple[Array, State]:
        """Return output and final state, in the axes that users see, of y (N+S, O)."""
        final = np.array(batch.unsort(batch.final(y, reverse=False)))[None]
        return self._output(batch.unpack(batch.output(y, reverse=False)), unbatched), self._state([final], unbatched)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Backpropagate through time.

        Parameters
        ----------
        tape : Tape
            From `record`; it may be played more than once.
        grad_output : array_like
            dE/d(output), shaped like the output; beyond a sequence's length it is not read.
        grad_state : array_like, optional
            dE/d(final state), in the form of the state; zeros if not given.

        Returns
        -------
        Gradients
            dE/dx, dE/dy_0 and dE/d(parameters), all new arrays; dE/dx is zero beyond a sequence's length.

        Raises
        ------
        ValueError
            If the tape is another layer's, or a shape is wrong.
        RuntimeError
            If the parameters have changed since the tape was recorded, or its buffers were given to another.
        """
        recorded: _Recorded = self._open(tape)
        x, y, fed, h, batch, unbatched = recorded
        dy = self._pack("grad_output", grad_output, batch, unbatched)
        (end,) = self._states("grad_{}_n", grad_state, batch.rows, unbatched)
        if batch.rows == 0:
            zeros = {name: np.zeros_like(array) for name, array in self._parameters.items()}
            dx, dy_0, grads = np.zeros_like(x), end[0], zeros
        else:
            dx, dy_0, *sums = _jordan.BACKWARD[self.dtype](
                self.nonlinearity, self.output_activation, x, y, fed, h, *self._all_parameters()[:3], self.bias, dy,
                batch.sort(end[0]), counts=batch.counts,
            )  # fmt: skip
            grads = {name: grad for name, grad in zip(PARAMETERS, sums, strict=True) if grad is not None}
        start = self._state([batch.unsort(dy_0)[None]], unbatched)
        return Gradients(self._output(batch.unpack(dx), unbatched), start, grads)

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:
        """Return a runner for one sequence, or N of them, that takes the input step by step and allocates nothing."""
        ((start,),), _ = self._stream_states(state, batch_size)
        return _jordan.JordanStream(self.nonlinearity, self.output_activation, start, *self._all_parameters())

"""TDNN: a window over time, the same weights at every step.

T steps, N sequences, S rows of all steps, I inputs, O outputs, C = (window - 1)·dilation steps that a window spans
besides its last.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn import _blas
from fastrnn._memory import empty
from fastrnn._validation import (
    BLANK,
    Seed,
    a_bool,
    as_dtype,
    as_generator,
    positive_int,
    shown,
)
from fastrnn.initializers import uniform
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Gradients, Shapes, State, Tape, read_only
from fastrnn.layers.ragged import Dense, Longer, Rows
from fastrnn.layers.stream import ForwardStream, LayerStream, refuse_stream

LARGEST_CONTEXT = 2**24  # steps: memory follows it, and a model file must not be able to ask for any amount


class _Recorded(NamedTuple):
    rows: Array  # (S + C·N, I)
    longer: Longer
    unbatched: bool


class TDNN(OverTime):
    """Time-delay neural network (Waibel et al. 1989): a convolution over time.

    ``y_t = b + Σ_{k=0}^{window-1} W_k x_{t - k·dilation}``, with zeros, or a carried state, before the first step.
    With ``causal=False`` the window lies around t, ``y_t = b + Σ_k W_k x_{t + C/2 - k·dilation}``, with zeros at both
    ends.

    Parameters
    ----------
    input_size, output_size : int
        I and O.
    window : int
        How many steps y_t sees; odd if not causal.
    dilation : int
        How far they lie apart; (window - 1)·dilation may be 2²⁴ at most.
    bias : bool
        Whether there is a bias; it starts at 0.
    causal : bool
        Whether y_t sees no step after t. Only then is there a state, and streams.
    batch_first : bool
        Whether x and output are (N, T, ·) instead of (T, N, ·).
    dtype : {"float32", "float64"}
    seed : int or numpy.random.Generator, optional
        Of the initial weights: Glorot uniform.

    Notes
    -----
    Parameters, as of PyTorch's Conv1d: ``weight`` (O, I, window), whose last entry, [..., window - 1], is W_0; ``bias``
    (O,). The state is the last C = (window - 1)·dilation inputs, (C, N, I), or (C, I) for one sequence without a batch
    axis; None if not causal.
    """

    _state_names = ("x",)

    def __init__(
        self,
        input_size: int,
        output_size: int,
        window: int,
        *,
        dilation: int = 1,
        bias: bool = True,
        causal: bool = True,
        batch_first: bool = False,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.input_size = positive_int("input_size", input_size)
        self.outputs = positive_int("output_size", output_size)
        self.window = positive_int("window", window)
        self.dilation = positive_int("dilation", dilation)
        if self.context > LARGEST_CONTEXT:
            got = shown(self.context)
            raise ValueError(f"window, dilation: expected (window - 1) * dilation <= {LARGEST_CONTEXT}, got {got}")
        self.bias = a_bool("bias", bias)
        self.causal = a_bool("causal", causal)
        if not self.causal and self.window % 2 == 0:
            raise ValueError(f"window: expected an odd number with causal=False, got {window}")
        self.batch_first = a_bool("batch_first", batch_first)
        self.dtype: np.dtype[Any] = as_dtype(dtype)
        shape = self.outputs, self.input_size, self.window
        limit = np.sqrt(6 / ((self.input_size + self.outputs) * self.window))
        weight = np.zeros(shape) if seed is BLANK else uniform(as_generator(seed), shape, limit)
        self._parameters = {"weight": weight.astype(self.dtype)}
        if self.bias:
            self._parameters["bias"] = np.zeros(self.outputs, self.dtype)

    @property
    def context(self) -> int:
        """C, how many steps a window spans besides its last."""
        return (self.window - 1) * self.dilation

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of weight and bias."""
        yield "weight", (config["output_size"], config["input_size"], config["window"])
        if config["bias"]:
            yield "bias", (config["output_size"],)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_size": self.input_size,
            "output_size": self.outputs,
            "window": self.window,
            "dilation": self.dilation,
            "bias": self.bias,
            "causal": self.causal,
            "batch_first": self.batch_first,
            "dtype": self.dtype.name,
        }

    # ---- the protocol ----

    def __call__(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Run over whole sequences and keep nothing.

        Parameters
        ----------
        x : array_like (T, N, I), (N, T, I) with batch_first, or (T, I)
        state : array_like (C, N, I), or (C, I) for unbatched x, optional
            The inputs before the first step, zeros if not given.
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond is never read. All T if not
            given.

        Returns
        -------
        output : ndarray (T, N, O), (N, T, O) with batch_first, or (T, O)
            Zero beyond a sequence's length.
        state : ndarray or None
            The last inputs of each sequence, in the form of the initial state.

        Raises
        ------
        ValueError
            If a shape is wrong, there is no step, a length is not from 1 to T, or a state comes with causal=False.
        TypeError
            If an array does not hold real numbers, or ``lengths`` whole ones.
        """
        return self.forward(x, state, lengths=lengths)

    def forward(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Return ``(output, final state)``, as calling the layer does."""
        output, final, _ = self._run(x, state, lengths)
        return output, final

    def record(
        self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None, reuse: Tape | None = None
    ) -> tuple[Array, State, Tape]:
        """Run as calling does, and keep what `backward` needs.

        Parameters
        ----------
        x, state, lengths
            As for a call.
        reuse : Tape, optional
            An earlier tape of this layer whose buffers may be overwritten. It ends with this.

        Returns
        -------
        output, state, tape
        """
        output, final, recorded = self._run(x, state, lengths, reuse)
        return read_only(output), final, self._tape(recorded)

    def _run(
        self, x: ArrayLike, state: State, lengths: ArrayLike | None, reuse: Tape | None = None
    ) -> tuple[Array, State, _Recorded]:
        """Lay state and inputs one after the other, and multiply tap by tap."""
        sequence, unbatched = self._sequence(x)
        batch = self._batch(sequence, lengths, unbatched)
        start = self._state_rows("{}_0", state, batch, unbatched)
        longer = Longer(batch, self.context)
        spare = None if reuse is None else self._recycle(reuse).rows
        shape = longer.total, self.input_size
        rows = spare if spare is not None and spare.shape == shape else empty(shape, self.dtype)
        if self.causal:
            rows[: self.context * batch.rows] = start
        else:
            rows[...] = 0
        rows[longer.later(self._before)] = batch.pack(sequence)
        output = self._output(batch.unpack(self._multiply(rows, longer)), unbatched)
        return output, self._state_of(rows[longer.end()], batch, unbatched), _Recorded(rows, longer, unbatched)

    def _multiply(self, rows: Array, longer: Longer) -> Array:
        """Return y (S, O): a product for each tap, added to those before."""
        y = empty((longer.batch.size, self.outputs), self.dtype)
        y[...] = self._parameters.get("bias", 0)
        weights = np.ascontiguousarray(self._parameters["weight"].transpose(2, 1, 0))  # (window, I, O), the faster way
        for tap, weight in zip(self._taps(longer), weights, strict=True):
            _blas.gemm(rows[tap], weight, out=y, accumulate=True)
        return y

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """dx_s = Σ_k dy_{s+k·dilation} W_k,  dW_k = Σ_t dy_tᵀ x_{t-k·dilation},  db = Σ_t dy_t.

        Parameters
        ----------
        tape : Tape
            From `record`; it may be played more than once.
        grad_output : array_like
            dE/dy, shaped like the output; beyond a sequence's length it is not read.
        grad_state : array_like, optional
            dE/d(final state); zeros if not given.

        Returns
        -------
        Gradients
            dE/dx, zero beyond a length, dE/d(initial state) and dE/d(parameters), all new arrays.
        """
        rows, longer, unbatched = self._open(tape)
        batch = longer.batch
        dy = self._pack("grad_output", grad_output, batch, unbatched)
        d_rows = np.zeros_like(rows)
        end = self._state_rows("grad_{}_n", grad_state, batch, unbatched)
        if self.causal:
            d_rows[longer.end()] = end
        d_weights = []
        weights = np.ascontiguousarray(self._parameters["weight"].transpose(2, 0, 1))  # (window, O, I)
        for tap, weight in zip(self._taps(longer), weights, strict=True):
            if isinstance(tap, slice):
                _blas.gemm(dy, weight, out=d_rows[tap], accumulate=True)
            else:  # each row once
                d_rows[tap] += _blas.gemm(dy, weight)
            d_weights.append(_blas.gemm(dy, rows[tap], trans_a=True))
        grads = {"weight": np.stack(d_weights, axis=-1)}
        if self.bias:
            grads["bias"] = dy.sum(axis=0)
        dx = batch.unpack(np.ascontiguousarray(d_rows[longer.later(self._before)]))
        d_state = self._state_of(d_rows[: self.context * batch.rows], batch, unbatched)
        return Gradients(self._output(dx, unbatched), d_state, grads)

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:
        """Return a runner that carries the last C inputs; raise ValueError if the window sees later steps."""
        if not self.causal:
            refuse_stream(self, "its window sees later steps")
        states, rows = self._stream_states(state, batch_size)
        return ForwardStream(self, self._state(states, unbatched=rows is None))

    # ---- taps ----

    @property
    def _before(self) -> int:
        """How many of the C steps lie before the first input."""
        return self.context if self.causal else self.context // 2

    def _taps(self, longer: Longer) -> list[Rows]:
        """Return the rows that each tap sees, the earliest first."""
        return [longer.later(j * self.dilation) for j in range(self.window)]

    # ---- states ----

    def _state_shape(self, rows: int) -> tuple[int, ...]:
        return self.context, rows, self.input_size

    def _states(self, form: str, state: State, rows: int, unbatched: bool) -> list[Array]:
        if not self.causal and state is not None:
            name = form.format(*self._state_names)
            raise ValueError(f"{name}: expected None with causal=False, got {type(state).__name__}")
        return super()._states(form, state, rows, unbatched)

    def _state_rows(self, form: str, state: State, batch: Dense, unbatched: bool) -> Array:
        """Return a state as rows (C·N, I), step after step in the order of the batch; zeros if None."""
        (steps,) = self._states(form, state, batch.rows, unbatched)
        return batch.sort(steps.swapaxes(0, 1)).swapaxes(0, 1).reshape(-1, self.input_size)

    def _state_of(self, rows: Array, batch: Dense, unbatched: bool) -> State:
        """Return rows (C·N, I) as a state, a new array; None if not causal."""
        if not self.causal:
            return None
        steps = rows.reshape(self._state_shape(batch.rows)).swapaxes(0, 1)
        return self._state([np.array(batch.unsort(steps).swapaxes(0, 1), order="C")], unbatched)

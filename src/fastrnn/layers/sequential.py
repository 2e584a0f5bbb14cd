"""Sequential: layers one after another, sample first.

Inside, sequences are time-major, and ragged batches are packed: see chain.py.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import Seed, as_generator, as_ids, as_real, expect_shape, rows_of_stream
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.chain import Axes, Packed, common_dtype, is_list, rectangular, sizes_of
from fastrnn.layers.generation import generate
from fastrnn.layers.lookup import Picked, at_work, with_rows_of
from fastrnn.layers.model import Model
from fastrnn.layers.recurrent import Recurrent
from fastrnn.layers.stream import ModelStream
from fastrnn.layers.summary import summary

Step = Callable[[int, Array, State, dict[str, Any]], tuple[Array, State]]  # layer i, x, state, options → y, state


class Sequential(Model):
    """A chain of layers, which is itself a layer.

    Parameters
    ----------
    *layers : Layer
        First to last, all of one dtype. Recurrent layers must be built with ``batch_first=False``: here the
        samples always come first.

    Attributes
    ----------
    link : {"sigmoid", "softmax"} or None
        What turns the output into probabilities; `Trainer` sets it where the loss takes logits.
    sizes : list of int
        Features before the first layer, or how many ids it knows, and after each layer.
    timed : list of bool
        Whether there is an axis of time, likewise.

    Notes
    -----
    If there is a layer inside that mixes over time or pools, input is (N, T, F), or (T, F) for one sequence; of ids (N,
    T) or (T,). If time is added only by `Repeat`, it is (N, F) or (F,). Without time it is (N, F) or any number of
    leading axes. Output is (N, T, K) or (T, K) where there is time at the end, else (N, K) or (K,). Parameters have the
    layer's index in front, as in PyTorch: ``0.weight_ih_l0``.
    """

    dtype: np.dtype[Any]
    recycles = True

    def __init__(self, *layers: Layer) -> None:
        for i, layer in enumerate(layers):
            if isinstance(layer, Sequential):
                raise TypeError(f"layers: got a Sequential at position {i}; pass its layers instead: *model.layers")
        self.dtype = common_dtype(layers)
        self.layers = layers
        self.takes_ids = layers[0].takes_ids
        self.sizes = sizes_of(layers)
        self._axes = Axes(layers, self.sizes[0])
        self.timed = self._axes.timed
        self.recurrent = any(self.timed)

    @property
    def _at_work(self) -> Sequence[Layer]:
        """What runs for each of the layers: see `at_work`. `trace` and streams take the layers themselves."""
        return at_work(self.layers)

    # ---- the protocol ----

    def __call__(self, x: ArrayLike | Sequence[Array], *, lengths: ArrayLike | None = None) -> Any:
        """Run over a batch and keep nothing.

        Parameters
        ----------
        x : array_like (N, T, F), or (T, F) of one sequence, or a list of arrays (T_i, F)
            See the notes of the class for models without time, and of ids.
        lengths : array_like of int (N,), optional
            How many steps of each sequence count, 1 to T, in any order; what lies beyond is never read, and the output
            is zero there. All T if not given.

        Returns
        -------
        ndarray or list of ndarray
            The output (N, T, K) or (T, K), without T after a layer that pools; of a list a list of (T_i, K), or (N, K).

        Raises
        ------
        ValueError
            If a shape is wrong, there is no step, an id is unknown, or a length is not from 1 to T.
        TypeError
            If x does not hold real numbers, or whole ones where these are ids, or ``lengths`` no whole ones.
        """
        if not is_list(x, 1 if self.takes_ids else 2):
            return self.forward(rectangular(x), lengths=lengths)[0]
        if lengths is not None:
            raise ValueError("lengths: expected None with a list, whose sequences have their own")
        rows, packed = self._axes.enter_list([self._cast(one, f"x[{i}]") for i, one in enumerate(x)])
        return self._axes.leave_list(self._run(rows, packed, None, self._forwards())[0], packed)

    def forward(
        self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None
    ) -> tuple[Array, tuple[State, ...]]:
        """Return ``(output, states)``, one state for each layer, None for stateless ones."""
        array, packed = self._axes.enter(self._cast(x), lengths)
        array, ends = self._run(array, packed, state, self._forwards())
        return self._axes.leave(array, packed), ends

    def record(
        self,
        x: ArrayLike,
        state: State = None,
        *,
        lengths: ArrayLike | None = None,
        seed: Seed = None,
        reuse: Tape | None = None,
    ) -> tuple[Array, tuple[State, ...], Tape]:
        """Run as `forward` does, but with what layers do in training alone, and keep what `backward` needs.

        Parameters
        ----------
        x, state, lengths
            As for `forward`.
        seed : int or numpy.random.Generator, optional
            Of the random numbers of layers such as `Dropout`, which draw one after the other.
        reuse : Tape, optional
            An earlier tape of this model whose buffers may be overwritten; it ends with this, and so does the output
            that came with it.

        Returns
        -------
        output, states, tape
            The output is read-only, as the tape may share it.
        """
        array, packed = self._axes.enter(self._cast(x), lengths)
        rng = as_generator(seed) if self.random else None
        self._check_states(state, self._axes.rows(array, packed))
        spare = [None] * len(self.layers) if reuse is None else self._recycle(reuse)[0]
        tapes: list[Tape] = []
        layers = self._at_work

        def step(i: int, x: Array, start: State, options: dict[str, Any]) -> tuple[Array, State]:
            layer = layers[i]
            if layer.random:
                options["seed"] = rng
            if layer.recycles:
                options["reuse"] = spare[i]
            y, end, tape = layer.record(x, start, **options)
            tapes.append(tape)
            return y, end

        array, ends = self._run(array, packed, state, step)
        output = read_only(self._axes.leave(array, packed))
        return output, ends, self._tape((tapes, output.shape, packed))

    def _cast(self, x: ArrayLike, name: str = "x") -> Array:
        """Return x as the array that the first layer takes."""
        return as_ids(name, x) if self.takes_ids else as_real(name, x, self.dtype)

    def _forwards(self) -> Step:
        layers = self._at_work
        return lambda i, x, start, options: layers[i].forward(x, start, **options)

    def _run(self, x: Array, packed: Packed | None, state: State, step: Step) -> tuple[Array, tuple[State, ...]]:
        """Take x through the layers, packed rows padded for those that mix over time."""
        ends = []
        for i, start in enumerate(self._states(state)):
            options: dict[str, Any] = {}
            if packed is not None and self._axes.takes_padded(i, packed):
                x, options["lengths"] = with_rows_of(packed.batch.unpack, x), packed.batch.lengths
            x, end = step(i, x, start, options)
            if packed is not None and self._axes.gives_padded(i, packed):
                x = packed.batch.pack(x)
            ends.append(end)
        return x, tuple(ends)

    def backward(
        self,
        tape: Tape,
        grad_output: ArrayLike,
        grad_state: State = None,
        *,
        clip_state: float | None = None,
        norms: bool = False,
    ) -> Gradients:
        """Backpropagate through all layers, last to first.

        Parameters
        ----------
        tape : Tape
            From `record`.
        grad_output : array_like
            dE/d(output), shaped like the output; beyond a sequence's length it is not read.
        grad_state : tuple, optional
            dE/d(final states), one for each layer.
        clip_state, norms
            For `RNN`, `LSTM` and `GRU` layers: see `Recurrent.backward`.

        Returns
        -------
        Gradients
            dE/dx, None if x is ids, and zero beyond a sequence's length; dE/d(initial states), dE/d(parameters). With
            ``norms``, ``state_norms`` has the layer's index in front of the state's name, ``0.h``, and samples before
            steps: (L·D, N, T) or (L·D, T).
        """
        tapes, shape, packed = self._open(tape)
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, shape)
        dx: Array | None = self._axes.enter_back(dy, packed)
        grad_states: list[State] = list(self._states(grad_state))
        grads: dict[str, Array] = {}
        flow: dict[str, Array] | None = {} if norms else None
        watching = {"clip_state": clip_state, "norms": norms} if norms or clip_state is not None else {}
        layers = self._at_work
        for i in reversed(range(len(layers))):
            options = watching if isinstance(self.layers[i], Recurrent) else {}
            if self._axes.gives_padded(i, packed):
                dx = packed.batch.unpack(dx)
            gradients = layers[i].backward(tapes[i], dx, grad_states[i], **options)  # type: ignore[arg-type]
            dx, grad_states[i] = gradients.x, gradients.state
            if self._axes.takes_padded(i, packed) and not isinstance(dx, Picked):
                dx = packed.batch.pack(dx)
            grads |= self.named(str(i), gradients.parameters)
            if flow is not None and gradients.state_norms is not None:
                flow |= {f"{i}.{name}": _samples_first(array, 3) for name, array in gradients.state_norms.items()}
        ordered = {name: grads[name] for name in self.parameters()}
        return Gradients(self._axes.leave_back(dx, packed), tuple(grad_states), ordered, flow)

    def trace(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> dict[str, Array]:
        """Return gates and states of all `RNN`, `LSTM` and `GRU` layers at every step, as a call computes them.

        Parameters
        ----------
        x, state, lengths
            As for `forward`.

        Returns
        -------
        dict of ndarray
            By the layer's index and the name of what it is, ``0.h``: (L·D, N, T, H), or (L·D, T, H) of one sequence;
            zero beyond a sequence's length. See `Recurrent.trace`.
        """
        found: dict[str, Array] = {}

        def step(i: int, x: Array, start: State, options: dict[str, Any]) -> tuple[Array, State]:
            layer = self.layers[i]
            if isinstance(layer, Recurrent):
                traced = layer.trace(x, start, **options)
                found.update({f"{i}.{name}": _samples_first(array, 4) for name, array in traced.items()})
            return layer.forward(x, start, **options)

        array, packed = self._axes.enter(self._cast(x), lengths)
        self._run(array, packed, state, step)
        return found

    def outputs(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> list[Array]:
        """Return every layer's output, as a call computes them.

        Parameters
        ----------
        x, state, lengths
            As for `forward`.

        Returns
        -------
        list of ndarray
            Samples first: (N, T, F), or (N, F) where there is no time; zero beyond a sequence's length.
        """
        found: list[Array] = []

        def step(i: int, x: Array, start: State, options: dict[str, Any]) -> tuple[Array, State]:
            y, end = self.layers[i].forward(x, start, **options)
            found.append(self._axes.spread(y, i, packed))
            return y, end

        array, packed = self._axes.enter(self._cast(x), lengths)
        self._run(array, packed, state, step)
        return found

    def _check_states(self, state: State, rows: int | None) -> None:
        """Raise unless each layer can start from its state, before `record` ends an earlier tape."""
        for layer, start in zip(self.layers, self._states(state), strict=True):
            if isinstance(layer, OverTime) and start is not None:
                layer.check_state(start, rows)

    def _states(self, state: State) -> Sequence[State]:
        if state is None:
            return [None] * len(self.layers)
        if not isinstance(state, (tuple, list)) or len(state) != len(self.layers):
            raise TypeError(f"state: expected a tuple with one state for each of {len(self.layers)} layers")
        return state

    def stream(self, state: State = None, batch_size: int | None = None) -> ModelStream:  # type: ignore[override]
        """Return a runner for one sequence, or several side by side, that arrive step by step.

        Parameters
        ----------
        state : tuple, optional
            One state for each layer, as `forward` returns them; zeros if not given.
        batch_size : int, optional
            N sequences side by side; one sequence without a batch axis if not given.

        Returns
        -------
        ModelStream
            It owns a snapshot of the weights; training afterwards does not change it.
        """
        return ModelStream(self, self._states(state), rows_of_stream(batch_size))

    def generate(
        self,
        prompt: ArrayLike,
        steps: int,
        *,
        state: State = None,
        temperature: float | None = None,
        top_k: int | None = None,
        seed: Seed = None,
    ) -> Array:
        """Run a prompt, then feed each output back as the next input.

        Of a model that gives classes (one that takes ids, ends in `Softmax` or was trained with "cross_entropy") a
        class is drawn from each output and fed back, as its id or as a vector with a one in its place. Of any other
        model the output itself is fed back. Both need as many outputs as inputs.

        Parameters
        ----------
        prompt : array_like (T, F) or (N, T, F), of ids (T,) or (N, T)
            At least one step.
        steps : int
            How many to generate.
        state : tuple, optional
            Where to start, one state for each layer, as `forward` returns them; zeros if not given. So a vector can
            stand at the beginning.
        temperature : float, optional
            Logits are divided by it, 1 if not given; at 0 the likeliest class is taken.
        top_k : int, optional
            How many of the likeliest classes may be drawn; all if not given.
        seed : int or numpy.random.Generator, optional
            Of the drawing.

        Returns
        -------
        ndarray
            Classes (steps,) or (N, steps) of int64, or outputs (steps, F) or (N, steps, F); the prompt not included.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong, or the model can't run step by step.
        """
        return generate(self, prompt, steps, state=state, temperature=temperature, top_k=top_k, seed=seed)

    # ---- parameters, description, files ----

    def children(self) -> dict[str, Layer]:
        """Return the layers by their index."""
        return {str(i): layer for i, layer in enumerate(self.layers)}

    def ends_in(self) -> Layer:
        """Return the last layer."""
        return self.layers[-1]

    def as_batch(self, x: ArrayLike) -> Array:
        """Return samples as an array that can be cut along its first axis.

        Raises
        ------
        ValueError, TypeError
            If x is no batch of what the model takes.
        """
        array = self._axes.check(self._cast(x))
        if self.recurrent and array.ndim + self.takes_ids < 2 + self.timed[0]:
            raise ValueError(f"x: expected samples first, got samples of shape {array.shape[1:]}")
        return as_ids("x", array, self.sizes[0]) if self.takes_ids else array

    def config(self) -> dict[str, Any]:
        """Return each layer's type and arguments."""
        return {"layers": [{"type": type(layer).__name__, **layer.config()} for layer in self.layers]}

    def __iter__(self) -> Iterator[Layer]:
        """Iterate over the layers."""
        return iter(self.layers)

    def __repr__(self) -> str:
        """Return the call that would build this model."""
        return f"Sequential({', '.join(map(repr, self.layers))})"

    def summary(self) -> str:
        """Return a table: layers, output shapes, parameters, multiplications by weights a step."""
        return summary(self.layers, self.sizes[1:], self.timed[1:])


def _samples_first(array: Array, axes: int) -> Array:
    """Return (L·D, N, T, …) of (L·D, T, N, …), or what has no samples as it is."""
    return array.swapaxes(1, 2) if array.ndim == axes else array

"""Sequential: layers one after another, sample first.

Inside, sequences are time-major; the axes are exchanged once on the way in and once on the way out.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from fastrnn._validation import as_real, expect_features, expect_shape, positive_int, shown
from fastrnn.layers.activations import Sigmoid, Softmax
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.stream import ModelStream

LINKS: dict[str, Callable[[Array], Array]] = {"sigmoid": expit, "softmax": lambda z: softmax(z, axis=-1)}


class Sequential(Layer):
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
        Features before the first layer and after each layer.

    Notes
    -----
    With a recurrent layer inside, input is (N, T, F), or (T, F) for one sequence; without, (N, F) or any number
    of leading axes. Parameters have the layer's index in front, as in PyTorch: ``0.weight_ih_l0``.
    """

    dtype: np.dtype[Any]

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise ValueError("layers: expected at least one layer, got none")
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers: expected a Layer at position {i}, got {shown(layer)}")
            if isinstance(layer, Sequential):
                raise TypeError(f"layers: got a Sequential at position {i}; pass its layers instead: *model.layers")
            if isinstance(layer, OverTime) and layer.batch_first:
                raise ValueError(f"layers: {layer!r} at position {i} has batch_first=True; leave it out here")
        owners = [layer for layer in layers if layer.parameters()]
        if len(set(map(id, owners))) < len(owners):
            raise ValueError("layers: got one layer twice; two places can't share parameters")
        dtypes = {layer.dtype for layer in layers if layer.dtype is not None} or {np.dtype(np.float32)}
        if len(dtypes) > 1:
            raise ValueError(f"layers: expected one dtype, got {', '.join(sorted(d.name for d in dtypes))}")
        self.layers = layers
        self.dtype = dtypes.pop()
        self.recurrent = any(layer.recurrent for layer in layers)
        self.link: str | None = None
        self.sizes = self._chain_sizes()

    def _chain_sizes(self) -> list[int]:
        """Return the features before and after each layer; refuse layers that do not fit together."""
        first = next((size for layer in self.layers if (size := _input_size(layer)) is not None), None)
        if first is None:
            raise ValueError("layers: expected at least one layer with parameters, to tell the number of features")
        sizes = [first]
        for i, layer in enumerate(self.layers):
            try:
                sizes.append(layer.output_size(sizes[-1]))
            except ValueError as error:
                raise ValueError(f"layers: at position {i} {error}") from None
        return sizes

    # ---- axes ----

    def _time_major(self, name: str, x: ArrayLike, features: int) -> Array:
        """Return a batch in the axes that the layers use."""
        array = as_real(name, x, self.dtype)
        axes = "(N, T, F) or (T, F)" if self.recurrent else "(..., F)"
        expect_features(name, array, features, (2, 3) if self.recurrent else range(1, 65), axes)
        return self._swap(array)

    def _swap(self, array: Array) -> Array:
        return array.swapaxes(0, 1) if self.recurrent and array.ndim == 3 else array

    # ---- the protocol ----

    def __call__(self, x: ArrayLike) -> Array:
        """Return the output (N, T, K) of a batch (N, T, F), or (T, K) of one sequence (T, F)."""
        return self.forward(x)[0]

    def predict(self, x: ArrayLike) -> Array:
        """Return the output, as calling the model does: logits, if it was trained on logits."""
        return self.forward(x)[0]

    def predict_proba(self, x: ArrayLike) -> Array:
        """Return the output as probabilities.

        Raises
        ------
        ValueError
            If the model neither ends in Sigmoid or Softmax nor was trained with a loss that takes logits.
        """
        output = self.predict(x)
        if self.link is not None:
            return np.asarray(LINKS[self.link](output), self.dtype)
        if isinstance(self.layers[-1], (Sigmoid, Softmax)):
            return output
        raise ValueError(
            'predict_proba: this model gives no probabilities; train it with loss="bce" or "cross_entropy", '
            "or end it in Sigmoid or Softmax"
        )

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, State]:
        """Return ``(output, states)``, one state for each layer, None for stateless ones."""
        array = self._time_major("x", x, self.sizes[0])
        states = []
        for layer, start in zip(self.layers, self._states(state), strict=True):
            array, end = layer.forward(array, start)
            states.append(end)
        return self._swap(array), tuple(states)

    def record(self, x: ArrayLike, state: State = None, *, reuse: Tape | None = None) -> tuple[Array, State, Tape]:
        """Run as `forward` does, and keep what `backward` needs.

        Parameters
        ----------
        x, state
            As for `forward`.
        reuse : Tape, optional
            An earlier tape of this model whose buffers may be overwritten; it ends with this, and so does the output
            that came with it.

        Returns
        -------
        output, state
            The output is read-only, as the tape may share it.
        tape : Tape
            For `backward`.
        """
        array = self._time_major("x", x, self.sizes[0])
        spare = [None] * len(self.layers) if reuse is None else self._recycle(reuse)[0]
        states, tapes = [], []
        for layer, start, old in zip(self.layers, self._states(state), spare, strict=True):
            recycled = {"reuse": old} if isinstance(layer, OverTime) else {}
            array, end, tape = layer.record(array, start, **recycled)
            states.append(end)
            tapes.append(tape)
        output = read_only(self._swap(array))
        # each layer's tape watches its own parameters
        return output, tuple(states), Tape(self, (tapes, output.shape), 0)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Return the gradients of the input, the initial states and all parameters."""
        tapes, shape = self._own(tape)
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, shape)
        dy = self._swap(dy)
        grad_states: list[State] = list(self._states(grad_state))
        grads: dict[str, Array] = {}
        for i in reversed(range(len(self.layers))):
            gradients = self.layers[i].backward(tapes[i], dy, grad_states[i])
            dy, grad_states[i] = gradients.x, gradients.state
            grads |= {f"{i}.{name}": grad for name, grad in gradients.parameters.items()}
        ordered = {name: grads[name] for name in self.parameters()}
        return Gradients(self._swap(dy), tuple(grad_states), ordered)

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
        rows = None if batch_size is None else positive_int("batch_size", batch_size)
        return ModelStream(self, self._states(state), rows)

    # ---- parameters, description, files ----

    def parameters(self) -> dict[str, NDArray[Any]]:
        """Return all parameters, the layer's index in front of each name."""
        return {f"{i}.{name}": a for i, layer in enumerate(self.layers) for name, a in layer.parameters().items()}

    def config(self) -> dict[str, Any]:
        """Return each layer's type and arguments."""
        return {"layers": [{"type": type(layer).__name__, **layer.config()} for layer in self.layers]}

    def __iter__(self) -> Iterator[Layer]:
        """Iterate over the layers."""
        return iter(self.layers)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sequential":
        """Return an independent copy."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__dict__)
        copy.layers = tuple(layer.__deepcopy__(memo) for layer in self.layers)
        return copy

    def __repr__(self) -> str:
        """Return the call that would build this model."""
        return f"Sequential({', '.join(map(repr, self.layers))})"

    def summary(self) -> str:
        """Return a table: layers, output shapes, parameters, multiplications by weights a step."""
        lead = "(N, T, {})" if self.recurrent else "(N, {})"
        rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiplications a step")]
        totals = [0, 0]
        for i, layer in enumerate(self.layers):
            counts = sum(a.size for a in layer.parameters().values()), layer.multiplications()
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            rows.append((f"{i} {_short(layer)}", lead.format(self.sizes[i + 1]), *(f"{c:,}" for c in counts)))
        rows.append(("total", "", *(f"{total:,}" for total in totals)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["{:{}}  {:{}}  {:>{}}  {:>{}}".format(*chain(*zip(row, widths, strict=True))) for row in rows]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def save(self, path: str | PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the model to a safetensors file, whole or not at all; see `fastrnn.load`."""
        from fastrnn.serialization import save  # noqa: PLC0415 - serialization builds on the layers

        save(self, path, metadata)


def _input_size(layer: Layer) -> int | None:
    """Return the number of input features that a layer insists on, if any."""
    config = layer.config()
    size = config.get("input_size", config.get("in_features"))
    return None if size is None else int(size)


def _short(layer: Layer) -> str:
    """Return the layer's type and the arguments that change its shape."""
    hide = {"dtype", "bias", "batch_first"}
    arguments = ", ".join(f"{value}" for name, value in layer.config().items() if name not in hide)
    return f"{type(layer).__name__}({arguments})"

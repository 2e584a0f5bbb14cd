"""A model opened up: stacks taken apart into single layers, and a tap behind every layer."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import BLANK, checked_lengths
from fastrnn.layers import Dropout, Jordan, Layer, Sequential
from fastrnn.layers.base import Array, Gradients, State, Tape
from fastrnn.layers.chain import is_list
from fastrnn.layers.recurrent import Recurrent
from fastrnn.layers.summary import short_name


class Tap(Layer):
    """Hands everything on unchanged, and keeps the last output and the last gradient that came by."""

    output: Array
    gradient: Array

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(x, None)``."""
        self.output = np.asarray(x)
        return self.output, None

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:
        """Return ``(x, None, tape)``."""
        return *self.forward(x, state), self._tape(())

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx = dy."""
        self.gradient = np.asarray(grad_output)
        return Gradients(self.gradient)


class StepByStep(Layer):
    """A recurrent layer whose kernels do not measure the state's gradient: a tape a step, so that it comes by."""

    recurrent = True

    def __init__(self, layer: Jordan) -> None:
        self.layer, self.dtype = layer, layer.dtype

    def config(self) -> dict[str, Any]:
        """Return the arguments of the layer inside."""
        return self.layer.config()

    def output_size(self, input_size: int) -> int:
        """Return that of the layer inside."""
        return self.layer.output_size(input_size)

    def forward(self, x: ArrayLike, state: State = None, *, lengths: ArrayLike | None = None) -> tuple[Array, State]:
        """Return ``(output, final state)``."""
        return self.layer.forward(x, state, lengths=lengths)

    def record(
        self,
        x: ArrayLike,
        state: State = None,
        *,
        lengths: ArrayLike | None = None,  # noqa: ARG002 - no gradient comes from padding, so it changes no norm
    ) -> tuple[Array, State, Tape]:
        """Return ``(output, state, tape)`` of x (T, N, I)."""
        outputs, tapes = [], []
        for step in np.asarray(x)[:, None]:
            y, state, tape = self.layer.record(step, state)
            outputs.append(y)
            tapes.append(tape)
        return np.concatenate(outputs), state, self._tape(tapes)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Return the gradients, and as ``state_norms`` those by the output that each step was fed, (1, T, N)."""
        dx, norms = [], []
        for one, dy in zip(reversed(self._open(tape)), np.asarray(grad_output)[::-1, None], strict=True):
            back = self.layer.backward(one, dy, grad_state)
            grad_state = back.state
            dx.append(back.x)
            norms.append(np.linalg.norm(back.state, axis=-1))
        state_norms = {"y": np.stack(norms[::-1], axis=1)}
        return Gradients(np.concatenate(dx[::-1]), grad_state, {}, state_norms)


class Place(NamedTuple):
    """A single layer of an opened model."""

    number: int  # of the layer in the model itself
    depth: int  # in the stack of that layer
    name: str
    layer: Layer
    tap: Tap  # behind it


class Probe:
    """A model like the one given, sharing what it can, that can be looked into.

    Attributes
    ----------
    model : Sequential
        Of single layers, each with a tap behind it: layer 2p is that of place p.
    places : list of Place
    """

    def __init__(self, model: Sequential) -> None:
        if not isinstance(model, Sequential):
            raise TypeError(f"model: expected a Sequential, got {type(model).__name__}")
        self.places = [place for i, layer in enumerate(model.layers) for place in _places(i, layer)]
        self.model = Sequential(*(part for place in self.places for part in (_measurable(place.layer), place.tap)))

    def directions(self, place: Place, part: str, found: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
        """Yield what was found of one state or gate of a layer, direction by direction, under its name in the model.

        Parameters
        ----------
        place : Place
        part : str
            The state's or gate's name, such as ``h``.
        found : mapping
            Arrays (D, ...) by the names that they have in the probe, as `Sequential.trace` returns them.
        """
        for row, values in enumerate(found[f"{2 * self.places.index(place)}.{part}"]):
            suffix = f"_l{place.depth}{'_reverse' if row else ''}" if isinstance(place.layer, Recurrent) else ""
            yield f"{place.number}.{part}{suffix}", values

    def batch(self, x: Any, lengths: ArrayLike | None) -> tuple[Array, np.ndarray[Any, Any] | None]:
        """Return samples as one array, and their lengths; None where there is no time.

        Raises
        ------
        ValueError, TypeError
            If the model can't take them, or there is none.
        """
        if is_list(x, 1 if self.model.takes_ids else 2) and self.model.timed[0] and lengths is None:
            x, lengths = padded(x)
        array = self.model.as_batch(x)
        if len(array) == 0:
            raise ValueError(f"x: expected at least one sample, got shape {array.shape}")
        if not self.model.timed[0]:
            if lengths is not None:
                raise ValueError("lengths: expected None, as the input of this model has no axis of time")
            return array, None
        N, T = array.shape[:2]
        return array, checked_lengths(np.full(N, T) if lengths is None else lengths, T, N)

    def expect_finite(self) -> None:
        """Raise ValueError unless the output that was last seen is finite."""
        if not np.isfinite(self.places[-1].tap.output).all():
            raise ValueError("x: expected finite output, got NaN or infinity; look for them in x and in the parameters")


def _places(i: int, layer: Layer) -> Iterator[Place]:
    """Yield the layers of a stack one by one, with the dropout between them; any other layer as it is."""
    if not isinstance(layer, Recurrent) or layer.num_layers == 1:
        yield Place(i, 0, f"{i} {short_name(layer)}", layer, Tap())
        return
    for k in range(layer.num_layers):
        if k and layer.dropout:
            yield Place(i, k, f"{i} dropout l{k}", Dropout(layer.dropout), Tap())
        yield Place(i, k, f"{i} {short_name(layer)} l{k}", _single(layer, k), Tap())


def _single(layer: Recurrent, k: int) -> Recurrent:
    """Return layer k of a stack as a layer of its own, with copies of its parameters."""
    sizes = {"input_size": layer.outputs if k else layer.input_size, "num_layers": 1, "dropout": 0.0}
    single = type(layer)(**(layer.config() | sizes), seed=BLANK)
    ends = f"_l{k}", f"_l{k}_reverse"
    own = {name: array for name, array in layer.parameters().items() if name.endswith(ends)}
    single.load_state_dict({name.replace(f"_l{k}", "_l0"): array for name, array in own.items()})
    return single


def _measurable(layer: Layer) -> Layer:
    return StepByStep(layer) if isinstance(layer, Jordan) else layer


def padded(sequences: Any) -> tuple[Array, np.ndarray[Any, Any]]:
    """Return sequences (T_i, ...) as one array (N, T, ...), zero beyond their lengths, and these."""
    lengths = np.array([len(one) for one in sequences])
    padded = np.zeros((len(sequences), lengths.max(), *sequences[0].shape[1:]), np.result_type(*sequences))
    for row, one in zip(padded, sequences, strict=True):
        row[: len(one)] = one
    return padded, lengths

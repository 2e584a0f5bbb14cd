"""Check a layer's backward against finite differences, in float64."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import Seed, as_generator, as_ids, as_real
from fastrnn.layers import Model, Sequential
from fastrnn.layers.base import Layer, State, input_features

Array = NDArray[Any]


@dataclass(frozen=True)
class GradientReport:
    """Largest disagreement of each gradient with finite differences.

    Attributes
    ----------
    errors : dict
        For x, each part of the initial state and each parameter: the largest absolute error, relative to the
        gradient's largest element.
    tolerance : float
    """

    errors: dict[str, float]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether every error is within the tolerance."""
        return all(error <= self.tolerance for error in self.errors.values())

    def __str__(self) -> str:
        """Return a table."""
        width = max(map(len, self.errors))
        rows = [
            f"{name:{width}}  {error:.1e}  {'ok' if error <= self.tolerance else 'WRONG'}"
            for name, error in self.errors.items()
        ]
        return "\n".join(rows)


def check_gradients(
    layer: Layer, x: ArrayLike | None = None, *, tolerance: float = 1e-7, step: float = 1e-3, seed: Seed = 0
) -> GradientReport:
    """Compare every gradient that ``layer.backward`` returns with central differences of fourth order.

    A loss with random weights on the output and on every part of the final state is differentiated by x, the
    initial state and every parameter. The layer itself is not changed: a float64 copy is checked. Where it draws random
    numbers, it draws the same ones each time.

    Parameters
    ----------
    layer : Layer
        A model counts as one.
    x : array_like, optional
        Input; random, 5 steps of 3 sequences, if not given. Ids are not differentiated by.
    tolerance : float
        Largest relative error that counts as right.
    step : float
        Width of the differences.
    seed : int or numpy.random.Generator
        Of the random numbers.

    Returns
    -------
    GradientReport
    """
    rng = as_generator(seed)
    twin = in_double(layer)
    x = _input(layer, x, rng)
    options = {"seed": int(rng.integers(2**31))} if layer.random else {}  # the same masks at every evaluation
    output, final, _ = twin.record(x, **options)
    state = _map(lambda part: rng.standard_normal(part.shape), final)  # a random initial state, shaped like the final
    weights = rng.standard_normal(output.shape), _map(lambda part: rng.standard_normal(part.shape), final)

    def loss() -> float:
        y, end = twin.record(x, state, **options)[:2] if options else twin.forward(x, state)
        parts = zip(_leaves(end), _leaves(weights[1]), strict=True)
        return float(np.vdot(y, weights[0]) + sum(np.vdot(a, b) for a, b in parts))

    _, _, tape = twin.record(x, state, **options)
    grads = twin.backward(tape, *weights)
    variables = {} if grads.x is None else {"x": (x, grads.x)}
    pairs = zip(_leaves(state), _leaves(grads.state), strict=True)
    variables |= {f"state[{i}]": pair for i, pair in enumerate(pairs)}
    variables |= {name: (array, grads.parameters[name]) for name, array in twin.parameters().items()}
    errors = {name: _error(loss, array, grad, step) for name, (array, grad) in variables.items()}
    return GradientReport(errors, tolerance)


def in_double(layer: Layer) -> Layer:
    """Return a copy of a layer, or of every layer in a model, with float64 parameters."""
    twin = layer.__deepcopy__({})
    for part in _every_layer(twin):
        if part.dtype is not None:
            part.dtype = np.dtype(np.float64)
        part._parameters = {name: array.astype(np.float64) for name, array in part._parameters.items()}
    return twin


def _every_layer(layer: Layer) -> Iterator[Layer]:
    """Yield a layer and, of a model, whatever layers are in it."""
    yield layer
    for part in layer.children().values() if isinstance(layer, Model) else ():
        yield from _every_layer(part)


def _input(layer: Layer, x: ArrayLike | None, rng: np.random.Generator) -> Array:
    """Return a copy of x, or random numbers or ids in a shape that the layer takes."""
    if x is not None:
        return np.array(as_ids("x", x)) if layer.takes_ids else as_real("x", x, np.float64, copy=True)
    if isinstance(layer, Sequential):
        first, size = layer.layers[0], layer.sizes[0]
        shape = (3, 5) if layer.timed[0] or not layer.recurrent else (3,)
    else:
        first, size = layer, input_features(layer) or 4
        shape = (3,) if layer.repeats else (3, 5) if layer.config().get("batch_first") else (5, 3)
    if not first.takes_ids:
        return rng.standard_normal((*shape, size))
    ids = np.setdiff1d(np.arange(size), [first.config().get("padding_idx")])  # its vector counts, but has no gradient
    return rng.choice(ids, shape)


def _error(loss: Any, array: Array, grad: Array, step: float) -> float:
    """Return the largest error of one gradient, relative to its largest element (or to 1e-3 where that is less)."""
    numeric = np.empty_like(array)
    for index in np.ndindex(array.shape):
        numeric[index] = _derivative(loss, array, index, step)
    return float(np.max(np.abs(numeric - grad), initial=0.0) / max(np.max(np.abs(numeric), initial=0.0), 1e-3))


def _derivative(loss: Any, array: Array, index: tuple[int, ...], h: float) -> float:
    """[8(f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))] / 12h."""
    value = array[index]
    at = {}
    for k in (1, -1, 2, -2):
        array[index] = value + k * h
        at[k] = loss()
    array[index] = value
    return float(8 * (at[1] - at[-1]) - (at[2] - at[-2])) / (12 * h)


def _leaves(state: State) -> Iterator[Array]:
    """Yield the arrays in a state, whatever its nesting."""
    if state is None:
        return
    if isinstance(state, (tuple, list)):
        for part in state:
            yield from _leaves(part)
    else:
        yield state


def _map(function: Any, state: State) -> State:
    """Return a state of the same nesting with a function applied to each array."""
    if state is None:
        return None
    if isinstance(state, (tuple, list)):
        return tuple(_map(function, part) for part in state)
    return function(state)

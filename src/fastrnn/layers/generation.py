"""Generation: what a model puts out is what it takes next."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn import _sampling
from fastrnn._validation import Seed, as_generator, as_ids, as_real, positive_float, positive_int
from fastrnn.layers.activations import Softmax
from fastrnn.layers.base import Array, State
from fastrnn.layers.stream import ModelStream

if TYPE_CHECKING:
    from fastrnn.layers.sequential import Sequential


def gives_classes(model: "Sequential") -> bool:
    """Whether a model's output says how likely each class is."""
    return model.takes_ids or model.link == "softmax" or isinstance(model.ends_in(), Softmax)


def generate(
    model: "Sequential",
    prompt: ArrayLike,
    steps: int,
    *,
    state: State = None,
    temperature: float | None = None,
    top_k: int | None = None,
    seed: Seed = None,
) -> NDArray[Any]:
    """Run a prompt and go on from there; see `Sequential.generate`."""
    steps = positive_int("steps", steps)
    classes = gives_classes(model)
    if model.sizes[-1] != model.sizes[0]:
        raise ValueError(
            f"generate: expected a model with as many outputs as inputs, got {model.sizes[-1]} and {model.sizes[0]}"
        )
    if not classes and (temperature is not None or top_k is not None):
        raise ValueError("temperature, top_k: expected None, as this model's outputs are no classes to draw from")
    given = as_ids("prompt", prompt, model.sizes[0]) if model.takes_ids else as_real("prompt", prompt, model.dtype)
    axes = given.ndim + model.takes_ids
    if axes not in (2, 3) or 0 in given.shape[: axes - 1]:
        raise ValueError(f"prompt: expected {_shapes(model)} with at least one step, got {given.shape}")
    stream = model.stream(state, given.shape[0] if axes == 3 else None)
    last = stream.run(given)[..., -1, :]
    if not classes:
        return _outputs(model, stream, last, steps)
    top_k = None if top_k is None else positive_int("top_k", top_k)
    temperature = 1.0 if temperature is None else positive_float("temperature", temperature, zero=True)
    return _classes(model, stream, last, steps, temperature, top_k, as_generator(seed))


def _shapes(model: "Sequential") -> str:
    return "ids (T,) or (N, T)" if model.takes_ids else f"(T, {model.sizes[0]}) or (N, T, {model.sizes[0]})"


def _outputs(model: "Sequential", stream: ModelStream, last: Array, steps: int) -> Array:
    """Return outputs (steps, K) or (N, steps, K), each the input of the next step."""
    found = np.empty((steps, *last.shape), model.dtype)
    found[0] = last
    for t in range(1, steps):
        stream.step(found[t - 1], found[t])
    return found if last.ndim == 1 else np.ascontiguousarray(found.swapaxes(0, 1))


def _classes(
    model: "Sequential",
    stream: ModelStream,
    last: Array,
    steps: int,
    temperature: float,
    top_k: int | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return classes (steps,) or (N, steps), each drawn from the output of the step before."""
    lead = last.shape[:-1]
    output = np.array(last)
    logits = output.reshape(-1, model.sizes[-1])  # a view: one row for each sequence
    uniform = rng.random((steps, len(logits)))
    found = np.empty((steps, len(logits)), np.int64)
    draw, feed, scores = _sampling.DRAW[model.dtype], _feed(model), _scores(model)
    for t in range(steps):
        draw(scores(logits), temperature, top_k, uniform[t], found[t])
        if t + 1 < steps:
            stream.advance(feed(found[t].reshape(lead)), output)
    return found[:, 0] if not lead else np.ascontiguousarray(found.T)


def _feed(model: "Sequential") -> Callable[[NDArray[np.int64]], Array]:
    """Return what makes the next input of classes: themselves, or vectors with a one in their place."""
    if model.takes_ids:
        return lambda classes: classes
    one_hot = np.eye(model.sizes[0], dtype=model.dtype)
    return lambda classes: one_hot[classes]


def _scores(model: "Sequential") -> Callable[[Array], Array]:
    """Return what makes logits of the output."""
    if not isinstance(model.ends_in(), Softmax):
        return lambda logits: logits

    def log(probabilities: Array) -> Array:
        with np.errstate(divide="ignore"):  # a class that can't be is -inf
            return np.log(probabilities)

    return log

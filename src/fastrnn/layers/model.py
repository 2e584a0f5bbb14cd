"""Model: what is built of layers, whatever way the data take through them."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from os import PathLike
from typing import Any, Self

import numpy as np
import scipy
from numpy.typing import ArrayLike

from fastrnn import _elementwise
from fastrnn._validation import as_real
from fastrnn.layers.activations import Sigmoid, Softmax
from fastrnn.layers.base import Array, Layer

# scipy.special is named in full, so that it is loaded when it is first wanted: that takes as long as all of fastrnn.


def _sigmoid(z: Array) -> Array:
    return scipy.special.expit(z)


def _softmax(z: Array) -> Array:
    return scipy.special.softmax(z, axis=-1)


LINKS: dict[str, Callable[[Array], Array]] = {"sigmoid": _sigmoid, "softmax": _softmax}


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, Layer]]:
    """Yield the names and layers of an attribute, also of tuples, lists and dicts within each other."""
    if isinstance(value, Layer):
        yield name, value
    elif isinstance(value, (tuple, list, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _layers_in(f"{name}.{key}", part)


class Model(Layer):
    """Base of models: a class whose attributes are layers, or tuples, lists or dicts of them, also within each other.

    A model of one's own defines `record` and `backward` by calling those of its layers, and `forward` if one of these
    is random. Parameters, copies, files of parameters, `fastrnn.check_gradients` and `fastrnn.Trainer` follow. It is
    its own business which axes it takes; `fastrnn.Trainer` hands it batches with the samples first.

    Attributes
    ----------
    link : {"sigmoid", "softmax"} or None
        What turns the output into probabilities; `fastrnn.Trainer` sets it where the loss takes logits.
    """

    link: str | None = None

    def children(self) -> dict[str, Layer]:
        """Return the layers by name, those in a tuple, list or dict by number or key: ``encoder``, ``cells.0``.

        Raises
        ------
        ValueError
            If two layers have one name, as in ``{"1": a, 1: b}``.
        """
        found: dict[str, Layer] = {}
        for attribute, value in vars(self).items():
            for name, layer in _layers_in(attribute, value):
                if name in found:
                    raise ValueError(f"{type(self).__name__}: two layers are called {name!r}")
                found[name] = layer
        return found

    @property
    def random(self) -> bool:  # type: ignore[override]
        """Whether one of the layers draws random numbers in `record`."""
        return any(layer.random for layer in self.children().values())

    # ---- parameters ----

    def parameters(self) -> dict[str, Array]:
        """Return all parameters, the layer's name in front: ``encoder.weight_ih_l0``; what is shared, once."""
        named = dict(self._parameters)
        for child, layer in self.children().items():
            named |= {f"{child}.{name}": array for name, array in layer.parameters().items()}
        first = {id(array): name for name, array in reversed(named.items())}
        return {name: array for name, array in named.items() if first[id(array)] == name}

    def named(self, child: str, *gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Return gradients of a layer's parameters under the names that they have here.

        Parameters
        ----------
        child : str
            The layer's name among `children`.
        *gradients : mapping
            ``Gradients.parameters`` of each use of the layer; they are added up.
        """
        return {f"{child}.{name}": sum((g[name] for g in gradients[1:]), grad) for name, grad in gradients[0].items()}

    def multiplications(self) -> int:
        """Return how many products with weights one step of one sequence takes, if each layer is used once."""
        own = sum(array.size for array in self._parameters.values() if array.ndim >= 2)
        return own + sum(layer.multiplications() for layer in self.children().values())

    def _watched(self) -> int:
        """Return a digest of the model's own parameters; its layers' tapes watch theirs."""
        return _elementwise.fingerprint(self._parameters.values())

    # ---- prediction ----

    def as_batch(self, x: ArrayLike) -> Array:
        """Return samples as an array that can be cut along its first axis."""
        return as_real("x", x, self.dtype)

    def predict(self, x: Any, **options: Any) -> Any:
        """Return the output, as calling the model does: logits, if it was trained on logits."""
        return self(x, **options)

    def ends_in(self) -> Layer | None:
        """Return the last layer, where there is one that all output comes from."""
        return None

    def predict_proba(self, x: Any, **options: Any) -> Any:
        """Return the output as probabilities; takes what calling the model takes.

        Raises
        ------
        ValueError
            If the model neither ends in Sigmoid or Softmax nor was trained with a loss that takes logits.
        """
        output = self.predict(x, **options)
        if self.link is not None:
            link = LINKS[self.link]
            return [link(one) for one in output] if isinstance(output, list) else np.asarray(link(output), output.dtype)
        if isinstance(self.ends_in(), (Sigmoid, Softmax)):
            return output
        raise ValueError(
            'predict_proba: this model gives no probabilities; train it with loss="bce" or "cross_entropy", '
            "or end it in Sigmoid or Softmax"
        )

    # ---- files, copies and description ----

    def save(self, path: str | PathLike[str], metadata: dict[str, str] | None = None) -> None:
        """Write the model to a safetensors file, whole or not at all; see `fastrnn.load`.

        Raises
        ------
        ValueError
            If it is neither a `Sequential` nor an `EncoderDecoder` of fastrnn's own layers.
        """
        from fastrnn.serialization import save  # noqa: PLC0415 - serialization builds on the layers

        save(self, path, metadata)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an independent copy; what layers share they share in the copy too."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update({name: deepcopy(value, memo) for name, value in vars(self).items()})
        return copy

    def __repr__(self) -> str:
        """Return the model's name and its layers."""
        return f"{type(self).__name__}({', '.join(f'{name}={layer!r}' for name, layer in self.children().items())})"

"""Rows looked up in a table, handed on without writing them out.

Where a layer of ids stands right before a recurrent layer, what goes from one to the other is a `Picked`: the table and
which of its rows is where. The recurrent layer multiplies each distinct row once, instead of one for each step of each
sequence, and gives back the gradient of the table's rows. R rows of F features, of which V ids may name some.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn.layers.base import Array, Gradients, Layer, State, Tape


class Picked(NamedTuple):
    """Stands for ``rows[ids]``, (…, F); or for its gradient, of which ``rows`` are the sums for each row."""

    rows: Array | None  # (R, F); None: the identity's, so that what is picked is one-hot
    ids: NDArray[np.int64]  # (…): which row of these
    features: int  # F

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what this stands for."""
        return (*self.ids.shape, self.features)


def with_rows_of(change: Callable[[Array], Array], x: Array | Picked) -> Any:
    """Return ``change(x)`` for a function that moves rows, or leaves them out; of what is picked its ids move."""
    return x._replace(ids=change(x.ids[..., None])[..., 0]) if isinstance(x, Picked) else change(x)


MOST = 0.75  # distinct vectors, of those that there are: with more, writing them out takes no longer


def those_used(ids: NDArray[Any], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of ``count`` ids occur (R,), and for each of the ids which of these it is (…)."""
    if ids.size < count:
        used, places = np.unique(ids.reshape(-1), return_inverse=True)
        return used, places.reshape(ids.shape)
    seen = np.zeros(count, bool)
    seen[ids] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[ids]


class Picks(Protocol):
    """What a layer of ids offers that can stand before a recurrent one; its class says ``picks = True``."""

    def pick(self, x: ArrayLike) -> tuple[Picked, Any] | None:
        """Return what stands for the output, which owns its ids, and what `backward_picked` needs.

        None: the vectors that occur are so many that they may as well be written out.
        """
        ...

    def backward_picked(self, saved: Any, grad_rows: Array | None) -> Gradients:
        """Return the gradients, given what `pick` returned and the gradient of ``Picked.rows``."""
        ...


class Picker(Layer):
    """A layer of ids at work before a recurrent one: its output is `Picked`, and so is what `backward` takes."""

    takes_ids = True

    def __init__(self, layer: Any) -> None:
        self._layer = layer  # a Layer that Picks

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Any, None]:  # noqa: ARG002
        """Return ``(picked, None)``."""
        found = self._layer.pick(x)
        return self._layer.forward(x) if found is None else (found[0], None)

    def record(self, x: ArrayLike, state: State = None) -> tuple[Any, None, Tape]:  # noqa: ARG002
        """Return ``(picked, None, tape)``."""
        found = self._layer.pick(x)
        return self._layer.record(x) if found is None else (found[0], None, self._layer._tape(found[1]))

    def backward(self, tape: Tape, grad_output: Any, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """Return the gradients, given that of the table's rows."""
        layer = self._layer
        gradients: Gradients = (
            layer.backward_picked(layer._open(tape), grad_output.rows)
            if isinstance(grad_output, Picked)
            else layer.backward(tape, grad_output)
        )
        return gradients


def at_work(layers: Sequence[Layer]) -> Sequence[Layer]:
    """Return what runs for the layers of a chain: a `Picker` for the first where the second takes `Picked`.

    Both say so in their own class (``picks``, ``takes_picked``): one derived from it may do something else.
    """

    def says(i: int, word: str) -> Any:
        return len(layers) > i and vars(type(layers[i])).get(word)

    first: Any = layers[0]
    return (Picker(first), *layers[1:]) if says(0, "picks") and says(1, "takes_picked") else layers

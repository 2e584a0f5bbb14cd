"""What a chain of layers is, and its axes: where there is time, and how a batch gets in and out.

Outside, samples come first; inside, time does. A ragged batch goes through the chain as packed rows (S, F), so that
layers that do not mix over time never see padding. T steps, N sequences, S rows of all their steps, F features.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_shape, expect_features, shown
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Layer, input_features
from fastrnn.layers.ragged import Ragged, lengths_of_one, packing


class Packed(NamedTuple):
    """How a ragged batch is packed."""

    batch: Ragged
    source: NDArray[np.int64]  # (S,): which of the rows that users pass, sequence after sequence, each packed row is


def is_list(x: Any, ndim: int) -> TypeGuard[Sequence[Array]]:
    """Whether x is a list of sequences, each an array with so many axes."""
    if not isinstance(x, (list, tuple)) or not x:
        return False
    return all(isinstance(one, np.ndarray) and one.ndim == ndim for one in x)


def rectangular(x: ArrayLike) -> ArrayLike:
    """Return x; raise ValueError if it is lists of different lengths, of which no array can be made."""
    try:
        np.asarray(x)
    except ValueError:
        raise ValueError(
            "x: expected one rectangular array, or a list of ndarrays, one for each sequence; "
            "got a list whose parts have different shapes"
        ) from None
    return x


class Axes:
    """What a chain of layers does to the axes of a batch.

    Attributes
    ----------
    timed : list of bool
        Of the input and of each layer's output: whether there is an axis of time.

    Raises
    ------
    ValueError
        If a layer takes time where there is none, or adds it where there is.
    """

    def __init__(self, layers: Sequence[Layer], features: int) -> None:
        self.timed = _timed(layers)
        self._features, self._ids = features, layers[0].takes_ids
        self._mixes = [layer.recurrent or layer.pools for layer in layers]
        self._pool = next((i for i, layer in enumerate(layers) if layer.pools), len(layers))
        leading = [("N", "T"), ("T",)] if self.timed[0] else [("N",), ()] if any(self.timed) else [("...",)]
        last = () if self._ids else ("F",)
        self._ndims = [len(axes) + len(last) for axes in leading] if any(self.timed) else range(len(last), 65)
        self._expected = " or ".join(as_shape((*axes, *last)) for axes in leading)

    def check(self, x: Array, name: str = "x") -> Array:
        """Return a batch, or one sample, if it has the axes that users pass."""
        if not self._ids:
            expect_features(name, x, self._features, self._ndims, self._expected)
        elif x.ndim not in self._ndims:
            raise ValueError(f"{name}: expected ids of shape {self._expected}, got {x.shape}")
        return x

    # ---- in and out ----

    def enter(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Packed | None]:
        """Return what the first layer gets, time-major or packed, and how it is packed."""
        array = self.check(x)
        if lengths is None:
            return self._swap(array, 0), None
        if not self.timed[0]:
            raise ValueError("lengths: expected None, as the input of this model has no axis of time")
        if array.ndim + self._ids < 3:
            raise lengths_of_one(array.shape)
        N, T = array.shape[:2]
        batch = packing(lengths, T, N)
        if not isinstance(batch, Ragged):
            return self._swap(array, 0), None
        packed = _packed(batch, T * np.arange(N))
        return self._pack(array, 0, packed), packed

    def rows(self, x: Array, packed: Packed | None) -> int | None:
        """Return N of what `enter` gave; None if it has no batch axis."""
        if packed is not None:
            return packed.batch.rows
        batched = x.ndim + self._ids == 2 + self.timed[0]
        return x.shape[int(self.timed[0])] if batched else None

    def enter_list(self, sequences: Sequence[Array]) -> tuple[Array, Packed]:
        """Return the packed rows of sequences (T_i, F), or of ids (T_i,), and how they are packed."""
        if not self.timed[0]:
            raise ValueError("x: expected an array, got a list; the input of this model has no axis of time")
        for i, one in enumerate(sequences):
            if len(self.check(one, f"x[{i}]")) == 0:
                raise ValueError(f"x[{i}]: expected at least one step, got T = 0 in shape {one.shape}")
        lengths = np.array([len(one) for one in sequences])
        packed = _packed(Ragged(int(lengths.max()), lengths), np.cumsum(lengths) - lengths)
        return np.concatenate(sequences)[packed.source], packed

    def leave(self, y: Array, packed: Packed | None) -> Array:
        """Return the last layer's output in the axes that users get, zero in the padding."""
        return self._unpack(y, -1, packed)

    def leave_list(self, y: Array, packed: Packed) -> list[Array] | Array:
        """Return the last layer's output as a list of sequences, or as it is if there is no time any more."""
        if not self._is_packed(-1, packed):
            return self._swap(y, -1)
        rows = np.empty_like(y)
        rows[packed.source] = y
        return np.split(rows, np.cumsum(packed.batch.lengths)[:-1])

    def enter_back(self, dy: Array, packed: Packed | None) -> Array:
        """Return dE/dy, as users pass it, as the last layer gets it."""
        return self._pack(dy, -1, packed)

    def leave_back(self, dx: Array | None, packed: Packed | None) -> Array | None:
        """Return dE/dx in the axes that x came in, zero in the padding; None for ids."""
        return None if dx is None else self._unpack(dx, 0, packed)

    # ---- from layer to layer ----

    def takes_padded(self, i: int, packed: Packed | None) -> bool:
        """Whether packed rows are unpacked for layer i, which also gets their lengths then."""
        return packed is not None and self._mixes[i] and i <= self._pool

    def gives_padded(self, i: int, packed: Packed | None) -> bool:
        """Whether what layer i gives is padded, and is to be packed again."""
        return packed is not None and self._mixes[i] and i < self._pool

    def spread(self, y: Array, i: int, packed: Packed | None) -> Array:
        """Return what layer i gives in the axes that users get, zero in the padding."""
        if not self.timed[i + 1]:
            return y
        if packed is not None and y.ndim == 2:
            y = packed.batch.unpack(y)
        return y.swapaxes(0, 1) if y.ndim == 3 else y

    # ---- at one place of the chain: 0, the input, or -1, the last layer's output ----

    def _is_packed(self, place: int, packed: Packed | None) -> bool:
        return packed is not None and (place == 0 or self._pool == len(self._mixes))

    def _swap(self, array: Array, place: int) -> Array:
        """Exchange samples and time, where there are both."""
        batched = array.ndim + (self._ids and place == 0) == 3
        return array.swapaxes(0, 1) if self.timed[place] and batched else array

    def _pack(self, array: Array, place: int, packed: Packed | None) -> Array:
        if packed is None or not self._is_packed(place, packed):
            return self._swap(array, place)
        return np.take(array.reshape(-1, *array.shape[2:]), packed.source, axis=0)

    def _unpack(self, array: Array, place: int, packed: Packed | None) -> Array:
        if packed is None or not self._is_packed(place, packed):
            return self._swap(array, place)
        padded = np.zeros((packed.batch.rows * packed.batch.steps, *array.shape[1:]), array.dtype)
        padded[packed.source] = array
        return padded.reshape(packed.batch.rows, packed.batch.steps, *array.shape[1:])


def _packed(batch: Ragged, starts: NDArray[np.int64]) -> Packed:
    """Return how a batch is packed whose sequences begin at these rows (N,)."""
    step, place = batch.places()
    return Packed(batch, starts[batch.order[place]] + step)


def _timed(layers: Sequence[Layer]) -> list[bool]:
    """Return of the input and of each layer's output whether there is an axis of time."""
    first = next((layer for layer in layers if layer.recurrent or layer.pools or layer.repeats), None)
    timed = [first is not None and not first.repeats]
    for i, layer in enumerate(layers):
        if layer.repeats and timed[-1]:
            raise ValueError(f"layers: at position {i} {layer!r} adds an axis of time, but there is one already")
        if (layer.recurrent or layer.pools) and not timed[-1]:
            raise ValueError(f"layers: at position {i} {layer!r} takes sequences, but what it gets has no axis of time")
        timed.append(layer.repeats or (timed[-1] and not layer.pools))
    return timed


# ---- which layers make a chain ----


def common_dtype(layers: Sequence[Layer]) -> np.dtype[Any]:
    """Return the dtype of layers that can stand in a chain.

    Raises
    ------
    ValueError, TypeError
        If there is none, one is no layer or takes samples first by itself, there twice, or of another dtype.
    """
    if not layers:
        raise ValueError("layers: expected at least one layer, got none")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layers: expected a Layer at position {i}, got {shown(layer)}")
        if isinstance(layer, OverTime) and layer.batch_first:
            raise ValueError(f"layers: {layer!r} at position {i} has batch_first=True; leave it out here")
    owners = [layer for layer in layers if layer.parameters()]
    if len(set(map(id, owners))) < len(owners):
        raise ValueError("layers: got one layer twice; two places can't share parameters")
    dtypes = {layer.dtype for layer in layers if layer.dtype is not None} or {np.dtype(np.float32)}
    if len(dtypes) > 1:
        raise ValueError(f"layers: expected one dtype, got {', '.join(sorted(d.name for d in dtypes))}")
    return dtypes.pop()


def sizes_of(layers: Sequence[Layer]) -> list[int]:
    """Return the features before and after each layer; raise ValueError if they do not fit together."""
    first = next((size for layer in layers if (size := input_features(layer)) is not None), None)
    if first is None:
        raise ValueError("layers: expected at least one layer with parameters, to tell the number of features")
    sizes = [first]
    for i, layer in enumerate(layers):
        if i and layer.takes_ids:
            raise ValueError(f"layers: {layer!r} at position {i} takes ids; it has to be the first")
        try:
            sizes.append(layer.output_size(sizes[-1]))
        except ValueError as error:
            raise ValueError(f"layers: at position {i} {error}") from None
    return sizes

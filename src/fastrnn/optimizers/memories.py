"""What an optimiser remembers of each parameter, Adam's m and v for instance."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn._memory import empty

Array = NDArray[Any]
Layout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # shape and dtype of each parameter, by name
Kinds = tuple[str | None, str | None, str | None]  # names of the memories; None: the rule needs none

ALIGNED = 16  # elements: in a large memory each parameter's part begins at a cache line


def layout_of(parameters: Mapping[str, Array]) -> Layout:
    """Return the shapes and dtypes of some parameters."""
    return {name: (w.shape, w.dtype) for name, w in parameters.items()}


class Memories:
    """Memories of some parameters, all of them of one kind and dtype in one flat array; zero at first.

    The parameters themselves are not moved to a flat array. They are the layers' own: users hold them, and views of one
    array would drag all of it along when one of them is pickled or copied.

    Parameters
    ----------
    kinds : tuple of (str or None)
        Which memories there are, at their places in C's ``memory``.
    layout : dict
        Of the parameters.
    """

    def __init__(self, kinds: Kinds, layout: Layout) -> None:
        self.kinds = kinds
        self.layout = layout
        self.offsets: dict[str, int] = {}
        sizes: dict[np.dtype[Any], int] = {np.dtype(np.float32): 0, np.dtype(np.float64): 0}
        for name, (shape, dtype) in layout.items():
            self.offsets[name] = sizes[dtype]
            sizes[dtype] += -(-int(np.prod(shape)) // ALIGNED) * ALIGNED
        self._flat = {dtype: [_zeros(size, dtype) if kind else None for kind in kinds] for dtype, size in sizes.items()}

    def flat(self, dtype: Any) -> list[Array | None]:
        """Return the flat arrays of one dtype, in the order of the kinds."""
        return self._flat[np.dtype(dtype)]

    def of(self, name: str) -> dict[str, Array]:
        """Return the memories of one parameter, by kind: views."""
        shape, dtype = self.layout[name]
        start = self.offsets[name]
        end = start + int(np.prod(shape))
        return {
            kind: flat[start:end].reshape(shape)
            for kind, flat in zip(self.kinds, self._flat[dtype], strict=True)
            if kind is not None and flat is not None
        }

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all memories, as ``m.<name>`` and so on."""
        return {f"{kind}.{name}": view.copy() for name in self.layout for kind, view in self.of(name).items()}


def _zeros(size: int, dtype: np.dtype[Any]) -> Array:
    array = empty((size,), dtype)
    array[...] = 0
    return array


def memories_from(kinds: Kinds, arrays: Mapping[str, Array], layout: Layout | None) -> Memories:
    """Return memories that were stored by `Memories.state_dict`; with ``layout``, of just those parameters.

    Raises
    ------
    ValueError, TypeError
        If an array is missing, too much, not of the right shape or dtype, or has values that no memory has.
    """
    names = [kind for kind in kinds if kind]
    found = layout_of({key.partition(".")[2]: array for key, array in arrays.items()}) if layout is None else layout
    expected = {f"{kind}.{name}" for kind in names for name in found}
    if arrays.keys() != expected:
        missing, strange = sorted(expected - arrays.keys()), sorted(arrays.keys() - expected)
        raise ValueError(f"state: expected {names} of each parameter; missing {missing}, not expected {strange}")
    for key, array in arrays.items():
        _check(key, array, *found[key.partition(".")[2]])
    memories = Memories(kinds, found)
    for name in found:
        for kind, view in memories.of(name).items():
            view[...] = arrays[f"{kind}.{name}"]
    return memories


def _check(key: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)) or array.dtype != dtype:
        raise TypeError(f"{key}: expected {'float32 or float64' if array.dtype == dtype else dtype}, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"{key}: expected shape {shape}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{key}: expected finite numbers, got NaN or infinity")
    if key.startswith(("v.", "square.")) and array.size and array.min() < 0:
        raise ValueError(f"{key}: expected a mean of squares, which is >= 0, got {array.min()}")

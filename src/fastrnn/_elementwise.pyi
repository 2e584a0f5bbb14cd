"""Types of the compiled module _elementwise; what the functions do is documented in _elementwise.pyx."""

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

FUNCTIONS: dict[str, int]

def apply(function: str, x: Array, out: Array, *, isa: str | None = None) -> None: ...
def drop(x: Array, out: Array, rate: float, seed: int, *, isa: str | None = None) -> None: ...
def softmax(
    z: Array, scale: Array | None, out: Array, largest: Array, sums: Array, *, isa: str | None = None
) -> None: ...
def fingerprint(arrays: Iterable[Array]) -> int: ...
def multiply_adds(rounds: int, dtype: str, *, isa: str | None = None) -> int: ...

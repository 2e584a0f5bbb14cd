"""Types of the compiled module _rows; what the functions do is documented in _rows.pyx."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def pack_rows(padded: Array, rows: Array, counts: Array, order: Array) -> None: ...
def unpack_rows(rows: Array, padded: Array, counts: Array, order: Array) -> None: ...
def reversed_rows(states: Array, rows: Array, counts: Array) -> None: ...

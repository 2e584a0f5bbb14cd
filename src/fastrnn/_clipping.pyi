"""Types of the compiled module _clipping; what the functions do is documented in _clipping.pyx."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def norm(arrays: list[Array], *, threads: int | None = None, isa: str | None = None) -> float: ...
def scale(arrays: list[Array], factor: float, *, threads: int | None = None, isa: str | None = None) -> None: ...
def clamp(arrays: list[Array], limit: float, *, threads: int | None = None, isa: str | None = None) -> None: ...

"""Types of the compiled module _dense; what the functions do is documented in _dense.pyx."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

def forward(
    x: Array, weight: Array, bias: Array | None, *, isa: str | None = None, threads: int | None = None
) -> Array: ...
def backward(
    x: Array, weight: Array, bias: bool, grad_y: Array, *, isa: str | None = None, threads: int | None = None
) -> tuple[Array, Array, Array | None]: ...

FORWARD: dict[np.dtype[Any], Callable[..., Array]]
BACKWARD: dict[np.dtype[Any], Callable[..., tuple[Array, Array, Array | None]]]

class Packed:
    def __init__(self, weight: Array, bias: Array | None, *, isa: str | None = None) -> None: ...
    def run(self, x: Array, out: Array) -> None: ...

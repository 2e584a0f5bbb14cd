"""Types of the compiled module _memory; what the functions do is documented in _memory.pyx."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

class Block:
    size: int
    def __init__(self, size: int) -> None: ...

def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]: ...
def kept_bytes() -> int: ...

"""Types of the compiled module _sampling; what the functions do is documented in _sampling.pyx."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

def draw(logits: Array, temperature: float, top_k: int | None, uniform: Array, classes: Array) -> None: ...

DRAW: dict[np.dtype[Any], Callable[[Array, float, int | None, Array, Array], None]]

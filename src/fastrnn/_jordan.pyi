"""Types of the compiled module _jordan; what the functions do is documented in _jordan.pyx."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PHI: dict[str, int]
PSI: dict[str, int]

def forward(
    phi: str,
    psi: str,
    x: Array,
    y_0: Array,
    fed: Array | None,
    w_ih: Array | None,
    w_hh: Array | None,
    w_ho: Array | None,
    b_ih: Array | None,
    b_hh: Array | None,
    b_ho: Array | None,
    *,
    record: bool,
    counts: Array | None = None,
    reuse: tuple[Array | None, Array | None] = ...,
    isa: str | None = None,
    threads: int | None = None,
) -> tuple[Array, Array | None]: ...
def backward(
    phi: str,
    psi: str,
    x: Array,
    y: Array,
    fed: Array | None,
    h: Array,
    w_ih: Array,
    w_hh: Array,
    w_ho: Array,
    bias: bool,
    grad_output: Array,
    grad_y_n: Array,
    *,
    counts: Array | None = None,
    isa: str | None = None,
    threads: int | None = None,
) -> tuple[Array, Array, Array, Array, Array, Array | None, Array | None, Array | None]: ...

FORWARD: dict[np.dtype[Any], Callable[..., tuple[Array, Array | None]]]
BACKWARD: dict[
    np.dtype[Any], Callable[..., tuple[Array, Array, Array, Array, Array, Array | None, Array | None, Array | None]]
]

class JordanStream:
    def __init__(
        self,
        phi: str,
        psi: str,
        y_0: Array,
        w_ih: Array | None,
        w_hh: Array | None,
        w_ho: Array | None,
        b_ih: Array | None,
        b_hh: Array | None,
        b_ho: Array | None,
        *,
        isa: str | None = None,
    ) -> None: ...
    def run(self, x: Array, out: Array) -> None: ...
    @property
    def state(self) -> Array: ...

"""Types of the compiled module _kernels; what the functions do is documented in _kernels.pyx."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

class CellInfo(NamedTuple):
    number: int
    gates: int
    states: int
    saves: int

class Zoneout(NamedTuple):
    h: float
    c: float
    seed: int | None

CELLS: dict[str, CellInfo]
COMPILED_ISAS: tuple[str, ...]
ISAS: tuple[str, ...]
ISA: str

def use_team(parallel: int, number: int, count: int) -> None: ...
def forward(
    cell: str,
    x: Array | None,
    h_0: Array,
    c_0: Array | None,
    w_ih: Array | None,
    w_hh: Array | None,
    b_ih: Array | None,
    b_hh: Array | None,
    *,
    record: bool,
    x_row: Array | None = None,
    counts: Array | None = None,
    reverse: bool = False,
    keep: Array | None = None,
    zoneout: Zoneout | None = None,
    reuse: tuple[Array | None, Array | None, Array | None, Array | None] = ...,
    isa: str | None = None,
    threads: int | None = None,
) -> tuple[Array, Array | None, Array | None, Array | None]: ...
def backward(
    cell: str,
    x: Array | None,
    h: Array,
    c: Array | None,
    saved: Array | None,
    fed: Array | None,
    w_ih: Array | None,
    w_hh: Array | None,
    bias: bool,
    grad_output: Array,
    grad_h_n: Array,
    grad_c_n: Array | None,
    *,
    x_row: Array | None = None,
    counts: Array | None = None,
    reverse: bool = False,
    keep: Array | None = None,
    zoneout: Zoneout | None = None,
    add_to: Array | None = None,
    want_x: bool = True,
    bounds: tuple[float, float] | None = None,
    norms: tuple[Array | None, Array | None] | None = None,
    isa: str | None = None,
    threads: int | None = None,
) -> tuple[Array | None, Array, Array | None, Array, Array, Array | None, Array | None]: ...

FORWARD: dict[np.dtype[Any], Callable[..., tuple[Array, Array | None, Array | None, Array | None]]]
BACKWARD: dict[
    np.dtype[Any], Callable[..., tuple[Array | None, Array, Array | None, Array, Array, Array | None, Array | None]]
]

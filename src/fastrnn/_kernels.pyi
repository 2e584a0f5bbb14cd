"""Types of the compiled module _kernels; what the functions do is documented in _kernels.pyx."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]

class CellInfo(NamedTuple):
    number: int
    gates: int
    states: int
    saves_gates: bool

CELLS: dict[str, CellInfo]
FUNCTIONS: dict[str, int]
MULTIPLIES: dict[str, int]
COMPILED_ISAS: tuple[str, ...]
ISAS: tuple[str, ...]
ISA: str

def forward(
    cell: str,
    x: Array,
    h_0: Array,
    c_0: Array | None,
    w_ih: Array | None,
    w_hh: Array | None,
    b_ih: Array | None,
    b_hh: Array | None,
    *,
    record: bool,
    isa: str | None = None,
    multiply: str = "auto",
) -> tuple[Array, Array | None, Array | None]: ...
def backward(
    cell: str,
    x: Array,
    h: Array,
    c: Array | None,
    gates: Array | None,
    w_ih: Array | None,
    w_hh: Array | None,
    bias: bool,
    grad_output: Array,
    grad_h_n: Array,
    grad_c_n: Array | None,
    *,
    isa: str | None = None,
    multiply: str = "auto",
) -> tuple[Array, Array, Array | None, Array, Array, Array | None, Array | None]: ...

class Stream:
    def __init__(
        self,
        cell: str,
        h_0: Array,
        c_0: Array | None,
        w_ih: Array | None,
        w_hh: Array | None,
        b_ih: Array | None,
        b_hh: Array | None,
        *,
        block: int = 64,
        isa: str | None = None,
    ) -> None: ...
    def run(self, x: Array, out: Array) -> None: ...
    @property
    def state(self) -> tuple[Array, Array | None]: ...

def apply(function: str, x: Array, out: Array, *, isa: str | None = None) -> None: ...
def fingerprint(arrays: Iterable[Array]) -> int: ...

"""Types of the compiled module _blas; what the functions do is documented in _blas.pyx."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

INTEGER_BITS: int

def gemm(
    a: Array,
    b: Array,
    *,
    trans_a: bool = False,
    trans_b: bool = False,
    out: Array | None = None,
    accumulate: bool = False,
) -> Array: ...

"""Types of the compiled module _streams; what the functions do is documented in _streams.pyx."""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastrnn._kernels import Zoneout

Array = NDArray[Any]

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
        zoneout: Zoneout | None = None,
        isa: str | None = None,
    ) -> None: ...
    def run(self, x: Array, out: Array) -> None: ...
    @property
    def state(self) -> tuple[Array, Array | None]: ...

class Steps:
    steps: int
    def _connect(self, streams: list[Stream], out: Array) -> None: ...
    def step(self, x: ArrayLike, out: Array | None = None) -> Array: ...

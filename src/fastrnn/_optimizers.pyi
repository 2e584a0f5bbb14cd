"""Types of the compiled module _optimizers; what the functions do is documented in _optimizers.pyx."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

RULES: dict[str, int]

class Table:
    names: list[str]
    arrays: list[Array]
    def __init__(
        self,
        names: list[str],
        arrays: list[Array],
        decayed: list[bool],
        offsets: list[int],
        single: list[Array | None],
        double: list[Array | None],
    ) -> None: ...
    def holds(self, parameters: Mapping[str, Array]) -> bool: ...
    def step(
        self,
        gradients: Mapping[str, Array],
        rule: str,
        *,
        rate: float,
        l2: float = 0,
        shrink: float = 1,
        momentum: float = 0,
        nesterov: bool = False,
        beta1: float = 0,
        beta2: float = 0,
        root: float = 1,
        eps: float = 0,
        threads: int | None = None,
        isa: str | None = None,
    ) -> None: ...

"""What optimisers have in common: `Optimizer`, which the trainer asks for, and the base of those that run in C."""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastrnn._optimizers import Table
from fastrnn._validation import a_bool, natural, positive_float, shown
from fastrnn.optimizers.memories import Kinds, Memories, layout_of, memories_from

Array = NDArray[Any]


class Optimizer(Protocol):
    """What `Trainer` asks of an optimiser."""

    learning_rate: float

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Change the parameters in place by one step."""
        ...


class FusedOptimizer(ABC):
    """An optimiser whose step is one call into C for all parameters.

    Parameters
    ----------
    learning_rate : float
        May be set at any time.
    weight_decay : float
    decay_biases : bool
        See `Adam`.
    """

    _rule: ClassVar[str]  # of _optimizers.RULES

    def __init__(self, learning_rate: float, weight_decay: float, decay_biases: bool) -> None:
        self._learning_rate = positive_float("learning_rate", learning_rate)
        self.weight_decay = positive_float("weight_decay", weight_decay, zero=True)
        self.decay_biases = a_bool("decay_biases", decay_biases)
        self._step = 0
        self._memories: Memories | None = None
        self._table: Table | None = None

    @property
    def learning_rate(self) -> float:
        """The step's size, α; a schedule may bring it down to 0."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = positive_float("learning_rate", value, zero=True)

    @abstractmethod
    def _kinds(self) -> Kinds:
        """Return which memories the rule has, at their places in C's ``memory``."""

    @abstractmethod
    def _numbers(self, t: int) -> dict[str, Any]:
        """Return the coefficients of step t, counted from 1, as `Table.step` takes them."""

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Change the parameters in place by one step.

        Parameters
        ----------
        parameters : mapping of str to ndarray
            float32 or float64, of any shapes; the same names and shapes at every step.
        gradients : mapping of str to ndarray
            One of the same shape and dtype for each parameter. They are not changed and not kept.

        Raises
        ------
        ValueError, TypeError
            If a gradient is missing or does not fit, or the parameters are not those of the steps before; nothing has
            been changed then.
        """
        table = self._table
        if table is None or not table.holds(parameters):
            table = self._table = self._make_table(parameters)
        if self._memories is None or self._memories.kinds != self._kinds():
            raise ValueError(f"{self!r}: what it remembers was set by other arguments; build a new optimizer")
        table.step(gradients, self._rule, **self._numbers(self._step + 1))
        self._step += 1

    def fits(self, parameters: Mapping[str, Array]) -> bool:
        """Return whether these may be updated next: any before the first step, then the same arrays."""
        return self._table is None or self._table.holds(parameters)

    def _make_table(self, parameters: Mapping[str, Array]) -> Table:
        """Return the table of parameters that have not been seen, or not as these arrays."""
        _expect_parameters(parameters)
        layout = layout_of(parameters)
        if self._memories is None or self._step == 0 or not any(self._memories.kinds):
            self._memories = Memories(self._kinds(), layout)
        elif self._memories.layout != layout:
            raise ValueError(f"parameters: expected those of the steps before, {_difference(self._memories, layout)}")
        memories = self._memories
        names = sorted(layout, key=lambda name: layout[name][1].itemsize)
        return Table(
            names,
            [parameters[name] for name in names],
            [self.decay_biases or parameters[name].ndim > 1 for name in names],
            [memories.offsets[name] for name in names],
            memories.flat(np.float32),
            memories.flat(np.float64),
        )

    def settings(self) -> dict[str, Any]:
        """Return the arguments that would build this optimiser, of kinds that JSON has."""
        values = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return how far the optimiser is: ``step``, and copies of what it remembers, as ``m.<name>`` and so on."""
        remembered = {} if self._memories is None or self._step == 0 else self._memories.state_dict()
        return {"step": self._step} | remembered

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where another optimiser of the same kind was.

        Raises
        ------
        ValueError, TypeError
            If the state is not one of this kind of optimiser, or not of the parameters that this one has seen; it is
            as it was then.
        """
        saved: Any = state.get("step")
        step = natural("step", saved)
        arrays = {key: np.asarray(value) for key, value in state.items() if key != "step"}
        if step == 0 and arrays:
            raise ValueError(f"state: expected step alone before the first one, got {sorted(arrays)}")
        layout = self._memories.layout if self._memories is not None else None
        self._memories = memories_from(self._kinds(), arrays, layout) if step else None
        self._step = step
        self._table = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle takes along; it finds its own parameters at its next step."""
        return self.__dict__ | {"_table": None}

    def __repr__(self) -> str:
        """Return the call that would build this optimiser."""
        defaults = {name: p.default for name, p in inspect.signature(type(self)).parameters.items()}
        given = [f"{name}={getattr(self, name)!r}" for name in defaults if getattr(self, name) != defaults[name]]
        rate = f"learning_rate={self.learning_rate!r}"
        return f"{type(self).__name__}({', '.join([repr(self.learning_rate), *[g for g in given if g != rate]])})"


def _expect_parameters(parameters: Mapping[str, Array]) -> None:
    for name, w in parameters.items():
        if not isinstance(w, np.ndarray) or w.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            kind = w.dtype if isinstance(w, np.ndarray) else type(w).__name__
            raise TypeError(f"parameters: expected a float32 or float64 array for {name!r}, got {kind}")
        if not w.flags.writeable:
            raise ValueError(f"parameters: expected arrays that can be written, got a read-only one for {name!r}")


def _difference(memories: Memories, layout: dict[str, Any]) -> str:
    """Return the first difference between the parameters that are remembered and others, in words."""
    for name, (shape, dtype) in memories.layout.items():
        if name not in layout:
            return f"but {name!r} is missing"
        if layout[name] != (shape, dtype):
            return f"{dtype} {shape} for {name!r}, got {layout[name][1]} {layout[name][0]}"
    return f"got {next(name for name in layout if name not in memories.layout)!r} besides"


def two_betas(betas: tuple[float, float]) -> tuple[float, float]:
    """Return two numbers from 0 to below 1."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas: expected two numbers, got {shown(betas)}")
    first, second = (positive_float("betas", beta, below=1.0, zero=True) for beta in betas)
    return first, second


def corrected(rate: float, betas: tuple[float, float], t: int) -> dict[str, float]:
    """Return Adam's corrections of the bias towards 0 of m and v at step t: α/(1-β₁ᵗ) and 1/√(1-β₂ᵗ)."""
    beta1, beta2 = betas
    return {"rate": rate / (1 - beta1**t), "root": 1 / math.sqrt(1 - beta2**t)}

"""What every contestant is: something that runs a case, and says what it can't run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Contestant(ABC):
    """One library, given one case.

    Parameters
    ----------
    case : Case, Epoch, Step or Fitting
    given : Data, Lesson, Updates or Exercise
        What it works on.
    threads : int
        How many it may use.

    Attributes
    ----------
    name : str
        What reports call it.
    needs : tuple of str
        Modules that must be installed.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    case: Any

    @abstractmethod
    def __init__(self, case: Any, given: Any, threads: int) -> None: ...

    @classmethod
    def missing(cls) -> str | None:
        """Return why it can't take part at all, or None."""
        absent = [module for module in cls.needs if find_spec(module) is None]
        return f"{', '.join(absent)} not installed" if absent else None

    @classmethod
    def refuses(cls, case: Any) -> str | None:  # noqa: ARG003 - most take everything
        """Return why it can't run a case, or None."""
        return None

    @abstractmethod
    def call(self) -> Any:
        """Do what is timed: all of a sequence, one step of a stream or of an optimiser, an update, an epoch, a fit."""

    @abstractmethod
    def arrays(self) -> Mapping[str, Array]:
        """Run the case from its start and return what is compared.

        For inference ``output`` and ``h_n`` (and ``c_n``); for training the gradients of ``x``, ``h_0`` (``c_0``) and
        every parameter by its name; for a stream the ``output`` of T steps; for an epoch its first ``losses``; for an
        optimiser the parameters after some steps, for a fit those after all of it. A result may be left out if the
        contestant does not have it.
        """

    @classmethod
    def version(cls) -> str | None:
        """Return the installed version, None if there is none."""
        try:
            return version(cls.needs[0]) if cls.needs else None
        except PackageNotFoundError:
            return None


class Slow(Contestant):
    """NumPy, in float64: what it finds is what the others are compared with."""

    name = "reference"

    def call(self) -> Any:
        """Run the case."""
        return self.arrays()

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        found, tape = self.forward()
        return self.backward(tape) if self.case.kind == "train" else found

    @abstractmethod
    def forward(self) -> tuple[dict[str, Array], Any]:
        """Return what is compared for inference, and a tape."""

    @abstractmethod
    def backward(self, tape: Any) -> dict[str, Array]:
        """Return the gradients that are compared for training."""


def states(arrays: Any, form: str) -> dict[str, Array]:
    """Return arrays of h (and c) by name; ``form`` is "{}_0" or "{}_n"."""
    return {form.format(name): np.asarray(array) for name, array in zip("hc", arrays, strict=False)}

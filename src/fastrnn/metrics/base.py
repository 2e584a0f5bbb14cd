"""Metric: the protocol; and what all of fastrnn's own have in common. R rows, K features or classes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import real_array
from fastrnn.losses.base import as_prediction, sample_weights

Array = NDArray[Any]


@runtime_checkable
class Metric(Protocol):
    """What `Trainer` asks of a metric.

    With ``state_dict`` and ``load_state_dict`` besides, it goes on in the middle of an epoch where training resumes.

    Attributes
    ----------
    name : str
        Under which its values are kept.
    """

    name: str

    def start(self) -> None:
        """Forget everything: an epoch begins."""
        ...

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch: what the loss takes, with the same sample weights."""
        ...

    def result(self) -> float:
        """Return the value over all batches since the start; NaN if there is nothing to tell it from."""
        ...


class BoundMetric(ABC):
    """Base of metrics that have to know what predictions and targets are.

    Attributes
    ----------
    name : str
        Under which its values are kept.
    links : tuple
        The links of a loss for which it is defined.
    link : {"sigmoid", "softmax"} or None
        What turns predictions into probabilities.
    ignore : float or None
        The value of targets that do not count.
    """

    name: str
    links: tuple[str | None, ...]
    link: str | None = None
    ignore: float | None = None

    def bound(self, link: str | None, ignore: float | None = None) -> Self:
        """Return a copy for predictions of this link, started.

        Raises
        ------
        ValueError
            If the metric is not defined for them.
        """
        if link not in self.links:
            wanted = " or ".join(map(repr, self.links))
            raise ValueError(f"metrics: {self.name!r} is for losses whose link is {wanted}, got {link!r}")
        new = copy(self)
        new.link, new.ignore = link, ignore
        new.start()
        return new

    @abstractmethod
    def start(self) -> None:
        """Forget everything: an epoch begins."""

    @abstractmethod
    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Take in a batch.

        Parameters
        ----------
        prediction : array_like (..., K)
        target : array_like
            Shaped like the prediction, or without its last axis for class numbers.
        weight : array_like, optional
            Sample weights, in the shape (...) or the first of these axes.
        """

    @abstractmethod
    def result(self) -> float:
        """Return the value over all batches since the start; NaN if there is nothing to tell it from."""

    def counts(self, target: Array) -> Array:
        """Return which targets count: not the ignored ones, and among classes not the negative ones."""
        ignored = np.isnan(target) if self.ignore != self.ignore else target == self.ignore
        return ~ignored if self.link is None else ~ignored & (target >= 0)

    def state_dict(self) -> dict[str, Any]:
        """Return what has been taken in since the start, for a checkpoint in the middle of an epoch."""
        return {name: value for name, value in vars(self).items() if name.startswith("_")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        ValueError
            If it is another metric's.
        """
        self.start()
        if state.keys() != self.state_dict().keys():
            raise ValueError(f"metrics: expected what {self.name!r} has gathered, got {list(state)}")
        vars(self).update(state)

    def __repr__(self) -> str:
        """Return the class and the name."""
        return f"{type(self).__name__}(name={self.name!r})"


class Rows(NamedTuple):
    """A batch without the axes in front."""

    prediction: Array  # (R, K)
    target: Array  # (R, K), or (R,) class numbers
    weight: Array  # (R,) float64


def as_rows(prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None, *, numbers: bool = False) -> Rows:
    """Return a batch as rows; ``numbers``: targets without the last axis are welcome.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    y, d = as_prediction(prediction), real_array("target", target)
    if d.shape != y.shape and not (numbers and d.shape == y.shape[:-1]):
        other = f" or {y.shape[:-1]}" if numbers else ""
        raise ValueError(f"target: expected shape {y.shape}{other}, got {d.shape}")
    rows, features = y.size // y.shape[-1], y.shape[-1]
    w = np.ones(rows) if weight is None else sample_weights(weight, y.shape, np.dtype(np.float64)).reshape(rows)
    return Rows(y.reshape(rows, features), d.reshape((rows, features) if d.ndim == y.ndim else rows), w)


def ratio(above: float, below: float) -> float:
    """Return a quotient, NaN where nothing was counted."""
    return above / below if below else float("nan")

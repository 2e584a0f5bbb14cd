"""Any function of (y_true, y_pred), such as scikit-learn's, as a metric: rows are kept until the epoch ends."""

from collections.abc import Callable
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import one_of, shown
from fastrnn.layers.model import LINKS
from fastrnn.metrics.base import BoundMetric, as_rows

Array = NDArray[Any]
NEEDS = ("class", "probability", "prediction")


class Scored(BoundMetric):
    """A function ``f(y_true, y_pred) -> float``, called once with all rows of the epoch.

    y_true is class numbers where the loss's link is "softmax", 0 or 1 where it is "sigmoid", else the targets. Rows of
    one feature come as (R,), others as (R, K). Sample weights, where there are any, are handed on as
    ``sample_weight=``. A row of which any target is ignored is left out.

    Parameters
    ----------
    function : callable
    needs : {"class", "probability", "prediction"}, optional
        What y_pred is. "class": class numbers with "softmax", 0 or 1 (above ½) with "sigmoid". "probability": (R, K)
        with "softmax", but (R,) of the class 1 if there are two. "prediction": what the loss gets. Not given: "class"
        where the loss has a link, else "prediction".
    name : str, optional
        The function's own if not given.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.metrics import Scored
    >>> metric = Scored(lambda y_true, y_pred: np.abs(y_true - y_pred).max(), name="worst").bound(None)
    >>> metric.update([[1.0], [5.0]], [[1.5], [2.0]])
    >>> metric.result()
    3.0
    """

    links = (None, "sigmoid", "softmax")

    def __init__(self, function: Callable[..., Any], needs: str | None = None, name: str | None = None) -> None:
        if not callable(function):
            raise TypeError(f"function: expected a function of (y_true, y_pred), got {shown(function)}")
        self.function = function
        self.needs = None if needs is None else one_of("needs", needs, NEEDS)
        self.name = name or str(getattr(function, "__name__", type(function).__name__))

    def bound(self, link: str | None, ignore: float | None = None) -> Self:
        """Return a copy for predictions of this link, started.

        Raises
        ------
        ValueError
            If it needs classes or probabilities, and the loss has no link.
        """
        if link is None and self.needs in ("class", "probability"):
            raise ValueError(f"metrics: {self.name!r} needs {self.needs!r}, but the loss gives none: its link is None")
        new = super().bound(link, ignore)
        new.needs = self.needs or ("prediction" if link is None else "class")
        return new

    def start(self) -> None:
        """Forget everything."""
        self._true: list[Array] = []
        self._predicted: list[Array] = []
        self._weights: list[Array] = []
        self._weighted = False

    def update(self, prediction: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None) -> None:
        """Keep a batch; see `BoundMetric.update`.

        Raises
        ------
        TypeError
            If there are weights and the function takes none.
        """
        if weight is not None and not _takes_weights(self.function):
            raise TypeError(f"metrics: {self.name!r} takes no sample_weight, but there are weights")
        y, d, w = as_rows(prediction, target, weight, numbers=self.link == "softmax")
        if self.link == "softmax" and d.ndim == 2:
            d = d.argmax(axis=1)
        counted = self.counts(d)
        kept = counted if d.ndim == 1 else counted.all(axis=1)
        # What is picked by truth values is a copy: the caller may use its buffers again.
        self._true.append(_flat(self._as_true(d[kept])))
        self._predicted.append(_flat(self._as_predicted(y[kept])))
        self._weights.append(w[kept])
        self._weighted |= weight is not None

    def result(self) -> float:
        """Return what the function makes of all rows; NaN if there are none."""
        if not sum(map(len, self._true)):
            return float("nan")
        options = {"sample_weight": np.concatenate(self._weights)} if self._weighted else {}
        return float(self.function(np.concatenate(self._true), np.concatenate(self._predicted), **options))

    def _as_true(self, target: Array) -> Array:
        return (target > 0.5).astype(np.intp) if self.link == "sigmoid" else target

    def _as_predicted(self, y: Array) -> Array:
        if self.needs == "prediction" or self.link is None:
            return y
        if self.needs == "class":
            return y.argmax(axis=1) if self.link == "softmax" else (y > 0).astype(np.intp)
        p = np.asarray(LINKS[self.link](y), y.dtype)
        return p[:, 1] if self.link == "softmax" and p.shape[1] == 2 else p

    def __repr__(self) -> str:
        """Return the call that builds this metric."""
        return f"Scored({self.function!r}, needs={self.needs!r}, name={self.name!r})"


def _flat(rows: Array) -> Array:
    """Return rows of one feature as (R,)."""
    return rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows


def _takes_weights(function: Callable[..., Any]) -> bool:
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # compiled functions may not tell
        return True
    return any(p.name == "sample_weight" or p.kind == p.VAR_KEYWORD for p in parameters)

"""Metrics: what predictions are worth over an epoch, gathered batch by batch.

A metric has a ``name``, ``start()``, ``update(prediction, target, weight)`` and ``result()``. Any function
``f(y_true, y_pred) -> float``, such as scikit-learn's, is one too; `Scored` says what it wants to see.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fastrnn._validation import one_of, shown
from fastrnn.metrics.base import BoundMetric, Metric
from fastrnn.metrics.classes import Accuracy, Precision, Recall
from fastrnn.metrics.means import R2, BitsPerCharacter, MeanAbsoluteError, MeanSquaredError
from fastrnn.metrics.scored import Scored

__all__ = [
    "METRICS",
    "R2",
    "Accuracy",
    "BitsPerCharacter",
    "BoundMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "Scored",
    "as_metric",
]

METRICS: dict[str, Callable[[], BoundMetric]] = {
    "accuracy": Accuracy,
    "precision": Precision,
    "recall": Recall,
    "bits_per_character": BitsPerCharacter,
    "r2": R2,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
}


TAKEN = ("loss", "validation_loss", "learning_rate", "seconds", "epoch")  # what else a training writes down


def as_metrics(metrics: Sequence[Any], link: str | None, ignore: float | None = None) -> list[Metric]:
    """Return metrics that are ready for a loss, each of a name of its own; see `as_metric`.

    Raises
    ------
    TypeError, ValueError
        If they are no list, one is no metric, or a name is taken.
    """
    if isinstance(metrics, (str, bytes)) or not isinstance(metrics, Sequence):
        raise TypeError(f"metrics: expected a list, got {shown(metrics)}")
    found = [as_metric(metric, link, ignore) for metric in metrics]
    names = [metric.name for metric in found]
    for i, name in enumerate(names):
        if name in TAKEN or name in names[:i]:
            raise ValueError(f"metrics: the name {name!r} is taken; Scored(function, name=...) gives another")
    return found


def as_metric(metric: str | Metric | Callable[..., Any], link: str | None, ignore: float | None = None) -> Metric:
    """Return a metric that is ready for a loss.

    Parameters
    ----------
    metric : str, Metric or callable
        One of `METRICS`, a metric, or a function ``f(y_true, y_pred) -> float``.
    link : {"sigmoid", "softmax"} or None
        The loss's: what turns predictions into probabilities.
    ignore : float or None
        The loss's: the value of targets that do not count.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If there is no metric of that name, or it says nothing about predictions of this link.
    """
    if isinstance(metric, str):
        metric = METRICS[one_of("metrics", metric, tuple(METRICS))]()
    if isinstance(metric, BoundMetric):
        return metric.bound(link, ignore)
    if isinstance(metric, type):
        raise TypeError(f"metrics: expected a metric such as {metric.__name__}(), got the class itself")
    if isinstance(metric, Metric):
        return metric
    if callable(metric):
        return Scored(metric).bound(link, ignore)
    raise TypeError(f"metrics: expected a name, a metric or a function of (y_true, y_pred), got {shown(metric)}")

"""History: what happened in training, as numbers."""

import os
from dataclasses import dataclass, field
from typing import Any

INTERRUPTED = "interrupted"


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    loss : list of float
        Of every epoch: the mean over its samples or steps, each under the weights of its turn.
    validation_loss : list of float
        Under the weights at the end of the epoch; empty without validation.
    seconds : list of float
        Wall time of every epoch.
    batch_loss : list of float
        Of every batch of all epochs, and with ``tbptt`` of every part of one, from before its update.
    metrics, validation_metrics : dict of str to list of float
        The metrics of every epoch, by name: in training under the weights of each batch's turn, in validation under
        those at the end of the epoch.
    learning_rate : list of float
        With which every epoch ended.
    gradient_norm : list of float
        The global norm at every update, before clipping.
    stopped : str
        Why training ended before its last epoch; empty if it did not.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> x, model = np.ones((64, 2)), fastrnn.Sequential(fastrnn.Linear(2, 1))
    >>> history = fastrnn.Trainer(model, "mse", metrics=["mae"]).fit(x, x[:, :1], epochs=3, validation=0.25, verbose=0)
    >>> len(history.loss), len(history.validation_metrics["mae"]), len(history.gradient_norm)
    (3, 3, 6)
    >>> list(history.latest())
    ['loss', 'mae', 'validation_loss', 'validation_mae']
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    batch_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    validation_metrics: dict[str, list[float]] = field(default_factory=dict)
    learning_rate: list[float] = field(default_factory=list)
    gradient_norm: list[float] = field(default_factory=list)
    stopped: str = ""

    def latest(self) -> dict[str, float]:
        """Return the newest number of each kind, by name; those of validation have ``validation_`` in front."""
        series = {"loss": self.loss, **self.metrics, "validation_loss": self.validation_loss}
        series |= {f"validation_{name}": values for name, values in self.validation_metrics.items()}
        return {name: values[-1] for name, values in series.items() if values}

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw losses, metrics and learning rate; see `fastrnn.plots.training`."""
        from fastrnn.plots import training  # noqa: PLC0415 - an edge, and Matplotlib an extra

        return training(self, path)

    def __repr__(self) -> str:
        """Return a short description."""
        if not self.loss:
            return "History(no epoch)"
        numbers = "".join(f", {name}={value:.4g}" for name, value in self.latest().items())
        return f"History(epochs={len(self.loss)}{numbers}, seconds={sum(self.seconds):.1f})"

"""Callbacks: what a training calls while it runs, to watch it, end it or write about it."""

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrnn._files import TEMPORARY, write_whole
from fastrnn._validation import a_bool, positive_float, positive_int, shown
from fastrnn.layers.base import Array
from fastrnn.trainer.history import History

if TYPE_CHECKING:
    from fastrnn.trainer.trainer import Trainer


class Callback:
    """Base of callbacks; each method does nothing unless it is defined.

    What has to survive in a checkpoint goes through `state_dict` and `load_state_dict`.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> class Updates(fastrnn.Callback):
    ...     count = 0
    ...     def on_update(self, trainer, history):
    ...         self.count += 1
    >>> x, model = np.ones((64, 2)), fastrnn.Sequential(fastrnn.Linear(2, 1))
    >>> updates = Updates()
    >>> history = fastrnn.Trainer(model, "mse").fit(x, x[:, :1], epochs=3, callbacks=[updates], verbose=0)
    >>> updates.count  # two batches of 32 an epoch
    6
    """

    def on_start(self, trainer: "Trainer", history: History) -> None:
        """Before the first batch; after `load_state_dict` where training resumes. Bad arguments are refused here."""

    def on_update(self, trainer: "Trainer", history: History) -> None:
        """After every update of the parameters."""

    def on_epoch(self, trainer: "Trainer", history: History) -> bool | None:
        """After every epoch; True ends the training."""

    def on_end(self, trainer: "Trainer", history: History) -> None:
        """After the last epoch, however training came to its end, also by an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what has to survive: numbers, texts, None, arrays, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""


class _Function(Callback):
    """A plain function, called after every epoch."""

    def __init__(self, function: Callable[["Trainer", History], bool | None]) -> None:
        self.function = function

    def on_epoch(self, trainer: "Trainer", history: History) -> bool | None:
        return self.function(trainer, history)


def as_callbacks(callbacks: Sequence[Any]) -> list[Callback]:
    """Return callbacks, plain functions among them wrapped.

    Raises
    ------
    TypeError
        If one is neither.
    """
    if not isinstance(callbacks, Sequence) or isinstance(callbacks, str):
        raise TypeError(f"callbacks: expected a list of callbacks, got {shown(callbacks)}")
    for one in callbacks:
        if isinstance(one, type) or not (isinstance(one, Callback) or callable(one)):
            raise TypeError(f"callbacks: expected fastrnn.Callback objects or functions, got {shown(one)}")
    return [one if isinstance(one, Callback) else _Function(one) for one in callbacks]


def expect_monitored(monitor: str, numbers: Sequence[str]) -> None:
    """Raise ValueError unless a number of this name is known after every epoch."""
    if monitor not in numbers:
        hint = "; pass validation= to fit" if f"{monitor}".startswith("validation_") else ""
        raise ValueError(f"monitor: expected one of {', '.join(numbers)}, got {monitor!r}{hint}")


class EarlyStopping(Callback):
    """Ends the training when a number has stopped improving, and brings back the best parameters.

    Parameters
    ----------
    patience : int
        After how many epochs without improvement.
    min_change : float
        What counts as an improvement must be larger than this.
    monitor : str
        ``"validation_loss"``, ``"loss"``, or a metric, that of the validation data with ``validation_`` in front.
    maximize : bool
        Whether larger is better.
    restore_best : bool
        Whether parameters go back to those of the best epoch, however training ends.

    Attributes
    ----------
    best : float
        The best number so far.
    best_epoch : int
        When that was, counted from 1; 0 before there is one.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> x, model = np.ones((64, 2)), fastrnn.Sequential(fastrnn.Linear(2, 1))
    >>> stop = fastrnn.EarlyStopping(patience=2, min_change=10.0)  # nothing gets so much better
    >>> trainer = fastrnn.Trainer(model, "mse")
    >>> history = trainer.fit(x, x[:, :1], epochs=100, validation=0.25, callbacks=[stop], verbose=0)
    >>> len(history.loss), stop.best_epoch, history.stopped
    (3, 1, 'no improvement of validation_loss for 2 epochs')
    """

    def __init__(
        self,
        patience: int = 5,
        *,
        min_change: float = 0.0,
        monitor: str = "validation_loss",
        maximize: bool = False,
        restore_best: bool = True,
    ) -> None:
        self.patience = positive_int("patience", patience)
        self.min_change = positive_float("min_change", min_change, zero=True)
        self.monitor = monitor
        self.maximize = a_bool("maximize", maximize)
        self.restore_best = a_bool("restore_best", restore_best)
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch = math.nan, 0
        self._parameters: dict[str, Array] = {}

    def on_start(self, trainer: "Trainer", history: History) -> None:
        """Refuse what can't be monitored; forget an earlier training, but go on with one that resumes."""
        expect_monitored(self.monitor, trainer.numbers)
        if not history.loss:
            self._forget()

    def on_epoch(self, trainer: "Trainer", history: History) -> bool:
        """Keep the parameters if they are the best; True if there were none such for too long."""
        value, epoch = history.latest()[self.monitor], len(history.loss)
        sign = -1.0 if self.maximize else 1.0
        first = not self.best_epoch or (math.isnan(self.best) and not math.isnan(value))
        if first or sign * value < sign * self.best - self.min_change:
            self.best, self.best_epoch = value, epoch
            if self.restore_best:
                self._parameters = trainer.model.state_dict()
        if epoch - self.best_epoch < self.patience:
            return False
        history.stopped = f"no improvement of {self.monitor} for {self.patience} epochs"
        return True

    def on_end(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Bring back the best parameters."""
        if self._parameters:
            trainer.model.load_state_dict(self._parameters)

    def state_dict(self) -> dict[str, Any]:
        """Return the best number, when it was, and its parameters."""
        return {"best": self.best, "best_epoch": self.best_epoch, "parameters": dict(self._parameters)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self._parameters = dict(state["parameters"])


class CSVLog(Callback):
    """Writes a table, one line an epoch: losses, metrics, learning rate, seconds.

    The file is whole after every epoch.

    Parameters
    ----------
    path : path
        Replaced if it is there already.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> x, model = np.ones((64, 2)), fastrnn.Sequential(fastrnn.Linear(2, 1))
    >>> log = fastrnn.CSVLog("log.csv")
    >>> history = fastrnn.Trainer(model, "mse").fit(x, x[:, :1], epochs=2, callbacks=[log], verbose=0)
    >>> print(log.path.read_text().splitlines()[0])
    epoch,loss,learning_rate,seconds
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def on_start(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Refuse a place that can't be written."""
        expect_writable("path", self.path.parent)
        if self.path.is_dir():
            raise IsADirectoryError(f"path: expected a file to write, got the directory {self.path}")

    def on_epoch(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Write the table."""
        columns = {
            "epoch": range(1, len(history.loss) + 1),
            "loss": history.loss,
            **history.metrics,
            "validation_loss": history.validation_loss,
            **{f"validation_{name}": values for name, values in history.validation_metrics.items()},
            "learning_rate": history.learning_rate,
            "seconds": history.seconds,
        }
        columns = {name: values for name, values in columns.items() if values}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        write_whole(self.path, text.getvalue().encode())


class TensorBoard(Callback):
    """Writes losses, metrics and the learning rate for TensorBoard; needs the extra ``tensorboard``.

    Parameters
    ----------
    directory : path
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = os.fspath(directory)
        self._writer: Any = None

    def on_start(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Open the log."""
        try:
            from tensorboardX import SummaryWriter  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ImportError("TensorBoard needs tensorboardX: pip install 'fastrnn[tensorboard]'") from error
        self._writer = SummaryWriter(self.directory)

    def on_epoch(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Write the newest numbers."""
        numbers = {**history.latest(), "learning_rate": history.learning_rate[-1]}
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, len(history.loss))
        self._writer.flush()

    def on_end(self, trainer: "Trainer", history: History) -> None:  # noqa: ARG002
        """Close the log."""
        self._writer.close()


def expect_writable(name: str, directory: Path) -> None:
    """Raise OSError unless files can be made in a directory that is there."""
    if not directory.is_dir():
        raise FileNotFoundError(f"{name}: there is no directory {directory}")
    probe = directory / TEMPORARY.format(f"probe-{os.getpid()}")
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise type(error)(f"{name}: can't write into {directory} ({error.strerror})") from None

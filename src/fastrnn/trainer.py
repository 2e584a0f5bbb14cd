"""Trainer: mini-batch training of a model, and the history of it."""

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from fastrnn._validation import Seed, as_generator, positive_float, positive_int, shown
from fastrnn.layers import Model, Sigmoid, Softmax, Tape
from fastrnn.losses import Loss, as_loss
from fastrnn.optimizers import Adam, Optimizer, clip_by_global_norm

Array = NDArray[Any]
Batch = tuple[Array, Array]


@dataclass
class History:
    """What happened in training.

    Attributes
    ----------
    loss : list of float
        Of every epoch: the mean over its samples, each under the weights of its turn.
    validation_loss : list of float
        Under the weights at the end of the epoch; empty without validation.
    seconds : list of float
        Wall time of every epoch.
    batch_loss : list of float
        Of every batch of all epochs, from before its update.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    batch_loss: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        """Return a short description."""
        if not self.loss:
            return "History(no epoch)"
        validation = f", validation_loss={self.validation_loss[-1]:.4g}" if self.validation_loss else ""
        return (
            f"History(epochs={len(self.loss)}, loss={self.loss[-1]:.4g}{validation}, seconds={sum(self.seconds):.1f})"
        )


Callback = Callable[["Trainer", History], bool | None]


class Trainer:
    """Fits a model to data.

    Parameters
    ----------
    model : Model
        A `Sequential`, or a model of one's own; its input has the samples first.
    loss : {"squared_error", "mse", "bce", "cross_entropy"} or Loss
        "bce" and "cross_entropy" take logits: the model must not end in Sigmoid or Softmax.
    optimizer : Optimizer, optional
        Adam() if not given.
    clip_norm : float or None
        Largest global norm of the gradient; a larger one is scaled back. None: no clipping.
    seed : int or numpy.random.Generator, optional
        Of shuffling and of the validation share.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> x = np.random.default_rng(0).normal(size=(64, 10, 1))
    >>> y = np.cumsum(x, axis=1)
    >>> model = fastrnn.Sequential(fastrnn.RNN(1, 8, seed=0), fastrnn.Linear(8, 1, seed=0))
    >>> trainer = fastrnn.Trainer(model, loss="mse", optimizer=fastrnn.Adam(1e-2), seed=0)
    >>> history = trainer.fit(x, y, epochs=30, verbose=0)
    >>> history.loss[-1] < history.loss[0] / 5
    True
    """

    def __init__(
        self,
        model: Model,
        loss: str | Loss,
        optimizer: Optimizer | None = None,
        *,
        clip_norm: float | None = 1.0,
        seed: Seed = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model: expected a Sequential or another Model, got {type(model).__name__}")
        self.model = model
        self.loss = as_loss(loss)
        self.optimizer = Adam() if optimizer is None else optimizer
        if isinstance(self.optimizer, type) or not callable(getattr(self.optimizer, "update", None)):
            raise TypeError(f"optimizer: expected one such as fastrnn.Adam(1e-3), got {shown(optimizer)}")
        self.clip_norm = None if clip_norm is None else positive_float("clip_norm", clip_norm)
        self.rng = as_generator(seed)
        self._tape: Tape | None = None
        if self.loss.link and isinstance(model.ends_in(), (Sigmoid, Softmax)):
            raise ValueError(
                f"loss: {loss!r} takes logits, but the model ends in {model.ends_in()!r}; leave that layer out "
                "(predict_proba applies it)"
            )
        if self.loss.link:
            model.link = self.loss.link

    def step(self, x: ArrayLike, y: ArrayLike) -> float:
        """Update the parameters once, for one batch, and return its loss from before.

        Raises
        ------
        FloatingPointError
            If the loss or the gradient is not finite; the parameters are left as they were.
        """
        self.model.link = self.loss.link  # what turns its output into probabilities from now on
        spare, self._tape = self._tape, None  # memory of the step before
        options: dict[str, Any] = {"reuse": spare} if self.model.recycles else {}
        if self.model.random:
            options["seed"] = self.rng
        output, _, tape = self.model.record(x, **options)
        value, grad_output = self.loss(output, y)
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss is {value}; check the data, or lower the learning rate")
        gradients = self.model.backward(tape, grad_output).parameters
        self._tape = tape
        norm = clip_by_global_norm(gradients, math.inf if self.clip_norm is None else self.clip_norm)
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient's norm is {norm}; check the data, or lower the learning rate")
        self.optimizer.update(self.model.parameters(), gradients)
        return value

    def evaluate(self, x: ArrayLike, y: ArrayLike, *, batch_size: int = 256) -> float:
        """Return the mean loss over some data, without training."""
        batch_size = positive_int("batch_size", batch_size)
        x, y = self._data(x, y)
        total, count = 0.0, 0
        for x_part, y_part in _slices(x, y, np.arange(len(x)), batch_size):
            total += self.loss(self.model(x_part), y_part)[0] * len(x_part)
            count += len(x_part)
        return total / count

    def fit(
        self,
        x: ArrayLike | Iterable[Batch],
        y: ArrayLike | None = None,
        *,
        epochs: int = 20,
        batch_size: int = 32,
        validation: float | tuple[ArrayLike, ArrayLike] | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: int = 1,
        file: TextIO | None = None,
    ) -> History:
        """Train.

        Parameters
        ----------
        x, y : array_like
            Samples first: x (N, T, F), or ids (N, T), and y (N, T, K), or y (N, T) class numbers for "cross_entropy";
            y is without T where the output is. Or, with y left out, x is an iterable of batches ``(x, y)`` that can be
            gone through once an epoch.
        epochs : int
            How often to go through the data.
        batch_size : int
            Samples whose gradients are averaged for one update.
        validation : float in (0, 1), or tuple (x, y), optional
            A share of the samples, drawn by the seed and kept out of training; or data of its own.
        callbacks : sequence of callable
            Each is called after every epoch as ``callback(trainer, history)``; True ends the training.
        verbose : {0, 1}
            Whether to show a progress bar.
        file : text file, optional
            Where the bar goes; standard error if not given.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            If the data do not fit the model, before any training.
        FloatingPointError
            If the loss is no longer finite.
        """
        epochs, batch_size = positive_int("epochs", epochs), positive_int("batch_size", batch_size)
        if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
            raise TypeError(f"callbacks: expected a list of callables, got {shown(callbacks)}")
        batches, steps, held_out = self._batches(x, y, batch_size, validation)
        history = History()
        with _progress_bar(None if steps is None else epochs * steps, verbose, file) as bar:
            for epoch in range(epochs):
                bar.set_description(f"epoch {epoch + 1}/{epochs}", refresh=False)
                began = time.perf_counter()
                history.loss.append(self._epoch(batches(), history, bar))
                if held_out is not None:
                    history.validation_loss.append(self.evaluate(*held_out))
                history.seconds.append(time.perf_counter() - began)
                bar.set_postfix(_last(history))
                verdicts = [callback(self, history) for callback in callbacks]
                if any(verdicts):
                    break
        return history

    def _epoch(self, batches: Iterable[Batch], history: History, bar: Any) -> float:
        """Go through the batches once and return the mean loss."""
        total, count = 0.0, 0
        for x, y in batches:
            history.batch_loss.append(self.step(x, y))
            total += history.batch_loss[-1] * len(y)
            count += len(y)
            bar.update()
        if count == 0:
            raise ValueError("x: expected at least one batch an epoch, got none; an iterator can be used only once")
        return total / count

    def _batches(
        self, x: Any, y: Any, batch_size: int, validation: float | tuple[ArrayLike, ArrayLike] | None
    ) -> tuple[Callable[[], Iterable[Batch]], int | None, Batch | None]:
        """Return a function that gives the batches of one epoch, their number if known, and the validation data."""
        if isinstance(validation, tuple) and len(validation) != 2:
            raise ValueError(f"validation: expected a share, or a tuple (x, y), got {len(validation)} parts")
        held_out = self._data(*validation) if isinstance(validation, tuple) else None
        if y is None:
            if not isinstance(x, Iterable):
                raise TypeError(f"x: expected arrays x and y, or an iterable of batches (x, y), got {shown(x)}")
            if validation is not None and held_out is None:
                raise ValueError("validation: expected a tuple (x, y) where training data are batches, got a share")
            return lambda: x, len(x) if isinstance(x, Sized) else None, held_out
        x, y = self._data(x, y)
        rows = np.arange(len(x))
        if validation is not None and not isinstance(validation, tuple):
            share = positive_float("validation", validation, below=1.0)
            rows = self.rng.permutation(len(x))
            size = max(1, round(share * len(x)))
            if size >= len(x):
                raise ValueError(f"validation: a share of {share:g} leaves nothing of {len(x)} samples to train on")
            held_out, rows = (x[rows[:size]], y[rows[:size]]), np.sort(rows[size:])
        steps = math.ceil(len(rows) / batch_size)
        return lambda: _slices(x, y, self.rng.permutation(rows), batch_size), steps, held_out

    def _data(self, x: ArrayLike, y: ArrayLike) -> Batch:
        """Return x and y as arrays with as many samples each, x as the model takes it."""
        x, y = self.model.as_batch(x), _rectangular(y)
        if x.ndim == 0 or y.ndim == 0 or len(x) == 0 or len(x) != len(y):
            raise ValueError(f"x, y: expected as many samples in both, at least one, got {x.shape} and {y.shape}")
        output = self.model(x[:1])  # whatever the model refuses, it refuses here
        if hasattr(self.loss, "check"):
            self.loss.check(y, (len(y), *output.shape[1:]))
        return x, y


def _slices(x: Array, y: Array, rows: Array, batch_size: int) -> Iterator[Batch]:
    """Yield the rows of x and y, in this order, batch by batch."""
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        yield x[batch], y[batch]


def _rectangular(y: ArrayLike) -> Array:
    try:
        return np.asarray(y)
    except ValueError as error:
        raise ValueError("y: expected one rectangular array, got parts of different shapes") from error


def _last(history: History) -> dict[str, str]:
    """Return the newest losses, for the bar."""
    losses = {"loss": history.loss, "validation": history.validation_loss}
    return {name: f"{values[-1]:.3g}" for name, values in losses.items() if values}


def _progress_bar(total: int | None, verbose: int, file: TextIO | None) -> Any:
    """Return a bar that counts updates; redrawn often on a terminal, seldom in a log."""
    file = sys.stderr if file is None else file
    interval = 0.1 if file is not None and file.isatty() else 10.0
    off = not verbose or file is None  # a process may have no standard error
    return tqdm(total=total, unit="batch", disable=off, file=file, mininterval=interval, dynamic_ncols=True)

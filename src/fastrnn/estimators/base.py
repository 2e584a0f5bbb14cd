"""What all estimators share: their parameters, the model that these describe, and its training by `Trainer`."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

from fastrnn._validation import a_bool, a_rate, as_dtype, one_of, positive_float, positive_int
from fastrnn.data import Dataset
from fastrnn.layers import GRU, LSTM, RNN, Dropout, Layer, Linear, Sequential
from fastrnn.losses import Loss
from fastrnn.optimizers import Adam
from fastrnn.trainer import EarlyStopping, History, Trainer
from fastrnn.trainer.history import INTERRUPTED

CELLS: dict[str, type[LSTM | GRU | RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}


class Lesson(NamedTuple):
    """What a model is trained on, and what tells when to stop; each X, y and weights, as `Dataset` has them."""

    samples: Dataset
    held_out: Dataset | None = None


class RecurrentEstimator(BaseEstimator):
    """Base of estimators: stores the parameters, builds the model, trains it.

    Parameters
    ----------
    **parameters
        All of them. scikit-learn reads their names and defaults from the signature of each class that is derived from
        this one, which describes them.
    """

    cell: str
    hidden_size: int
    num_layers: int
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float
    clip_norm: float | None
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    dtype: str
    random_state: Any
    verbose: bool
    model_: Sequential
    loss_curve_: list[float]
    validation_scores_: list[float] | None

    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    def _check_parameters(self) -> None:
        """Raise ValueError or TypeError that names the parameter unless all are possible."""
        one_of("cell", self.cell, tuple(CELLS))
        for name in ("hidden_size", "num_layers", "epochs", "batch_size", "n_iter_no_change"):
            positive_int(name, getattr(self, name))
        a_rate("dropout", self.dropout)
        positive_float("learning_rate", self.learning_rate)
        if self.clip_norm is not None:
            positive_float("clip_norm", self.clip_norm)
        positive_float("validation_fraction", self.validation_fraction, below=1.0)
        for name in ("early_stopping", "warm_start"):
            a_bool(name, getattr(self, name))
        as_dtype(self.dtype)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether a training has come to its end."""
        return hasattr(self, "n_iter_")

    @contextmanager
    def _unchanged_if_refused(self) -> Iterator[None]:
        """Take back what was set within the ``with`` block if it ends in an error: a model that was there stays."""
        before = vars(self).copy()
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _continues(self, incremental: bool) -> bool:
        """Return whether training goes on with the model that is there, and from its classes and scales.

        Parameters
        ----------
        incremental : bool
            Whether it is `partial_fit` that asks.

        Raises
        ------
        ValueError
            If parameters that the model was built by have changed since.
        """
        if not self.__sklearn_is_fitted__() or not (incremental or self.warm_start):
            return False
        changed = [name for name, value in self._built.items() if getattr(self, name) != value]
        if changed:
            raise ValueError(
                f"{', '.join(changed)}: expected what the model was built with, which trains on, got "
                f"{', '.join(repr(getattr(self, name)) for name in changed)}; set warm_start=False, or clone"
            )
        return True

    # ---- the model ----

    _architecture: tuple[str, ...] = ("cell", "hidden_size", "num_layers", "dropout", "dtype")

    def _build(self, inputs: int, outputs: int, *, readout: Layer | None = None, bidirectional: bool = False) -> None:
        """Make a new model, ``model_``: recurrent layers, what takes time away if anything does, a linear layer.

        Parameters
        ----------
        inputs, outputs : int
            Features of a step, and what is told of it or of the sequence.
        readout : Layer, optional
            From (T, N, H) to (N, H).
        bidirectional : bool
        """
        self.__dict__.pop("n_iter_", None)  # until this model has been trained
        self._rng = self._generator()
        self._built = {name: getattr(self, name) for name in self._architecture}
        between = self.dropout if self.num_layers > 1 else 0.0
        recurrent = CELLS[self.cell](
            inputs,
            self.hidden_size,
            self.num_layers,
            dropout=between,
            bidirectional=bidirectional,
            dtype=self.dtype,
            seed=self._rng,
        )
        head = Linear(recurrent.outputs, outputs, dtype=self.dtype, seed=self._rng)
        drop = Dropout(self.dropout) if self.dropout else None
        self.model_ = Sequential(*(layer for layer in (recurrent, readout, drop, head) if layer is not None))

    def _generator(self) -> np.random.Generator:
        """Return a new generator, the same one for the same ``random_state``."""
        return np.random.default_rng(check_random_state(self.random_state).randint(2**31 - 1))

    # ---- training ----

    def _train(self, lesson: Lesson, loss: str | Loss, metric: str, *, incremental: bool, goes_on: bool) -> None:
        """Train ``model_``, and set what is known of the training.

        Parameters
        ----------
        lesson : Lesson
        loss : str or Loss
        metric : str
            Of `Trainer`: what early stopping makes large, a score.
        incremental : bool
            Whether it is one epoch of `partial_fit`: then the optimiser goes on as well.
        goes_on : bool
            Whether there was training of this model before.
        """
        if not incremental or not goes_on:
            self._optimizer = Adam(self.learning_rate)
            self._rng = self._generator() if goes_on else self._rng
        self._optimizer.learning_rate = self.learning_rate
        watched = lesson.held_out is not None
        stop = EarlyStopping(self.n_iter_no_change, monitor=f"validation_{metric}", maximize=True)
        trainer = Trainer(
            self.model_,
            loss,
            self._optimizer,
            clip_norm=self.clip_norm,
            metrics=[metric] if watched else [],
            seed=self._rng,
        )
        history = trainer.fit(
            lesson.samples,
            epochs=1 if incremental else self.epochs,
            batch_size=self.batch_size,
            validation=lesson.held_out,
            callbacks=[stop] if watched else [],
            verbose=int(bool(self.verbose)),
        )
        self._note(history, history.validation_metrics.get(metric, []), goes_on=goes_on)
        if history.stopped == INTERRUPTED:
            warnings.warn("fit: interrupted; what had been learnt is kept", stacklevel=3)

    def _note(self, history: History, scores: list[float], *, goes_on: bool) -> None:
        """Set the attributes that tell of training; those of a model that goes on are continued."""
        watched = bool(history.validation_loss)
        losses = self.loss_curve_ if goes_on else []
        before = self.validation_scores_ if goes_on else None
        self.history_ = history
        self.loss_curve_ = [*losses, *history.loss]
        self.n_iter_ = len(self.loss_curve_)
        self.validation_scores_ = found = [*(before or ()), *scores] if watched else before
        self.best_loss_ = None if watched else min(self.loss_curve_, default=math.inf)
        self.best_validation_score_ = max(found, default=math.nan) if watched and found else None


def scaler_of(name: str, rows: Any, weight: Any = None) -> StandardScaler:
    """Return what standardises rows (S, F); raise ValueError if they are too large for that."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(rows, sample_weight=weight)
    if not np.isfinite(scaler.var_).all():
        raise ValueError(f"{name}: expected numbers whose squares float64 can hold, got up to {np.abs(rows).max():g}")
    return scaler

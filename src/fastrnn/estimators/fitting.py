"""Fitting of those estimators that take sequences: from X, y and weights to a trained model, and X through it."""

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_array, check_is_fitted

from fastrnn._validation import a_bool, as_real
from fastrnn.data import Dataset
from fastrnn.estimators.base import Lesson, RecurrentEstimator, scaler_of
from fastrnn.estimators.sequences import (
    FLOATS,
    Array,
    Sequences,
    as_list,
    axes_of,
    pieces_of,
    read_sequences,
    read_table,
    rows_of,
    with_rows,
)
from fastrnn.estimators.targets import Weights, expect_shares, read_weight, weight_of_rows
from fastrnn.layers import Layer
from fastrnn.losses import Loss
from fastrnn.trainer.sources import EVALUATED


class SequenceEstimator(RecurrentEstimator):
    """Base of estimators whose X is sequences; each says what its targets are and what loss they have."""

    _architecture = (*RecurrentEstimator._architecture, "bidirectional", "standardize")
    _metric: str  # of `Trainer`: what early stopping makes large
    _least_held_out = 1  # sequences of which there is such a score
    bidirectional: bool
    standardize: bool

    @abstractmethod
    def _read_targets(self, y: Any, x: Sequences, *, goes_on: bool, classes: Any) -> Any:
        """Return y as the model's targets, once for each sequence or step, before any scaling."""

    @abstractmethod
    def _loss(self, targets: Any, weight: Weights) -> Loss:
        """Return the loss of these targets."""

    @abstractmethod
    def _outputs(self, targets: Any) -> int:
        """Return how many outputs the model needs."""

    def _readout(self) -> Layer | None:
        """Return what takes time away, or None."""
        return None

    def _strata(self, targets: Any) -> Any:  # noqa: ARG002 - of those that have some
        """Return of which each part has the same share when some samples are held out, or None."""
        return None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("bidirectional", "standardize"):
            a_bool(name, getattr(self, name))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn wants to know: X may have three axes."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    # ---- fitting ----

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool, classes: Any = None) -> Self:
        self._check_parameters()
        if incremental and self.early_stopping:
            raise ValueError("early_stopping: expected False for partial_fit, whose data have no share to hold out")
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        goes_on = self._continues(incremental)
        with self._unchanged_if_refused():
            x = self._read_first(X, y) if not goes_on else self._read(X)
            targets = self._read_targets(y, x, goes_on=goes_on, classes=classes)
            weight = self._read_weight(sample_weight, x)
            loss = self._loss(targets, weight)
            if not goes_on:
                self._begin(x, targets, weight)
            lesson = self._lesson(self._scaled(x), self._scaled_targets(targets), weight, self._strata(targets))
        self._train(lesson, loss, self._metric, incremental=incremental, goes_on=goes_on)
        return self

    def _begin(self, x: Sequences, targets: Any, weight: Weights) -> None:
        """Take the scales from the data, and make a new model."""
        self._fit_scales(x, targets, weight)
        self.n_outputs_ = self._outputs(targets)
        self._build(x[0].shape[1], self.n_outputs_, readout=self._readout(), bidirectional=bool(self.bidirectional))

    def _lesson(self, x: Sequences, targets: Any, weight: Weights, strata: Any) -> Lesson:
        """Return what is trained on, and a share held out for early stopping."""
        samples = Dataset(x, targets, weight=weight)
        if not self.early_stopping:
            return Lesson(samples)
        if len(samples) < 2:
            raise ValueError("early_stopping: expected several sequences, of which a share is held out, got one")
        try:
            train, held_out = train_test_split(
                np.arange(len(samples)),
                test_size=self.validation_fraction,
                random_state=int(self._rng.integers(2**31)),
                stratify=strata,
            )
        except ValueError as error:  # a class of one sequence, for example
            raise ValueError(f"early_stopping: a share of each class can't be held out. {error}") from None
        if weight is not None:
            expect_shares(*(np.concatenate([np.ravel(weight[i]) for i in part]) for part in (train, held_out)))
        if len(held_out) < self._least_held_out:
            raise ValueError(
                f"early_stopping: expected {self._least_held_out} sequences held out, of which there is a score, "
                f"got {len(held_out)}; give more, or raise validation_fraction, or set it to False"
            )
        return Lesson(samples.subset(np.sort(train)), samples.subset(held_out))

    # ---- X ----

    def _read_first(self, X: Any, y: Any) -> Sequences:  # noqa: ARG002 - whoever has steps asks it
        """Return the X of a first fit as sequences, and remember in what form it came."""
        self._form = "sequences" if as_list(X) is not None or axes_of(X) > 2 else "table"
        if self._form == "sequences":
            return read_sequences(self, X, reset=True)
        return read_table(self, X, reset=True)[:, :, None]

    def _read(self, X: Any) -> Sequences:
        """Return X as sequences, of as many features as the model has."""
        features = self.model_.sizes[0]
        if as_list(X) is not None or axes_of(X) > 2:
            if self._form == "table":
                return read_sequences(self, X, reset=False, features=features)
            return read_sequences(self, X, reset=False)
        if self._form == "table":
            return read_table(self, X, reset=False)[:, :, None]
        table: Array = check_array(X, dtype=FLOATS, input_name="X")
        if features != 1:
            raise ValueError(
                f"X: expected shape (N, T, {features}), or a list of arrays (T_i, {features}), as in fit, "
                f"got {table.shape}"
            )
        return table[:, :, None]

    def _predicted(self, X: Any) -> Any:
        """Return the model's output, an array or, where there are steps and X is a list, a list of arrays."""
        check_is_fitted(self)
        return self._run(self._read(X))

    def _run(self, x: Sequences) -> Any:
        """Return the model's output of sequences that have been read, some of them at a time."""
        found = [self.model_(self._scaled(piece)) for piece in pieces_of(x, EVALUATED)]
        if isinstance(found[0], list):
            return [one for piece in found for one in piece]
        return np.concatenate(found)

    # ---- weights and scales ----

    def _read_weight(self, sample_weight: Any, x: Sequences) -> Weights:
        """Return weights, one for each sequence."""
        if sample_weight is None:
            return None
        return read_weight(sample_weight, x, "sequence")

    def _fit_scales(self, x: Sequences, targets: Any, weight: Weights) -> None:  # noqa: ARG002 - values may be scaled
        """Take mean and standard deviation of the features from all steps that count."""
        self.scaler_ = None
        if self.standardize:
            self.scaler_ = scaler_of("X", rows_of(x), weight_of_rows(weight, x))

    def _scaled(self, x: Sequences) -> Sequences:
        """Return X as the model takes it."""
        rows = rows_of(x)
        if self.scaler_ is not None:
            rows = self.scaler_.transform(rows)
        return with_rows(x, as_real("X", rows, self.dtype))

    def _scaled_targets(self, targets: Any) -> Any:
        """Return targets as the loss takes them."""
        return targets

"""SequenceTagger: one label a step."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from fastrnn.estimators.classes import Classifying, log_probabilities, probabilities, read_labels
from fastrnn.estimators.sequences import Array, Sequences, as_list, axes_of, read_table, rows_of, with_rows
from fastrnn.estimators.targets import Weights, expect_weights, weight_of_rows
from fastrnn.losses import Loss


class SequenceTagger(ClassifierMixin, Classifying):
    """A recurrent network that tells the class of every step of a sequence.

    Recurrent layers read the sequence, a linear layer gives the logits of the classes at every step, and Adam makes the
    cross-entropy small, every step counting alike. Where a step can't be told before those behind it have been seen,
    set ``bidirectional``.

    What X may be is the same as for `SequenceClassifier`, and y has a label for each of its steps: (N, T), or a list of
    arrays (T_i,). Besides, X may be one sequence (T, F) with the labels (T,), as a DataFrame has it whose rows are
    steps; what was fitted so takes one sequence in `predict`. An epoch is then a single update.

    Parameters
    ----------
    cell, hidden_size, num_layers, bidirectional, dropout, epochs, batch_size, learning_rate, clip_norm, standardize
        As for `SequenceClassifier`.
    class_weight : dict or "balanced", optional
        How much the steps of each class count in the loss, by label, 1 if not named. "balanced": as if all were
        equally frequent.
    early_stopping : bool
        Whether a share of the sequences is held out, training ends when the accuracy of their steps has not improved
        for ``n_iter_no_change`` epochs, and the parameters of the best epoch are kept.
    validation_fraction, n_iter_no_change, warm_start, dtype, random_state, verbose
        As for `SequenceClassifier`.

    Attributes
    ----------
    classes_ : ndarray (K,)
        The labels, sorted.
    model_ : fastrnn.Sequential
        The network; it takes standardised X and gives logits (N, T, K).
    validation_scores_ : list of float, or None
        The accuracy over the steps of the share held out after every epoch, if there is one.
    scaler_, loss_curve_, best_loss_, best_validation_score_, n_iter_, history_
        As for `SequenceClassifier`.
    n_features_in_, feature_names_in_, n_outputs_
        Likewise.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.estimators import SequenceTagger
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(steps, 1)) for steps in rng.integers(5, 20, 200)]
    >>> y = [np.where(one[:, 0].cumsum() > 0, "above", "below") for one in X]
    >>> model = SequenceTagger(epochs=20, random_state=0).fit(X[:150], y[:150])
    >>> model.score(X[150:], y[150:]) > 0.9
    True
    >>> labels = model.predict(X[150:])
    >>> [len(one) for one in labels] == [len(one) for one in X[150:]]
    True
    """

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        clip_norm: float | None = 1.0,
        standardize: bool = True,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            cell=cell,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            clip_norm=clip_norm,
            standardize=standardize,
            class_weight=class_weight,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
        )

    # ---- training ----

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : array_like (N, T, F) or (N, T), list of arrays (T_i, F), or one sequence (T, F)
        y : array_like (N, T), list of arrays (T_i,), or (T,)
            Labels of any kind.
        sample_weight : array_like (N,) or (N, T), or list of arrays (T_i,), optional
            How much each sequence, or each step, counts in the loss, and in the score of those held out; (T,) for one
            sequence.

        Returns
        -------
        SequenceTagger
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not what they have to be; nothing has changed then.
        FloatingPointError
            If the loss or a gradient is no longer finite.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Go once through some data, after those before; takes what `fit` takes.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`. Means and standard deviations are those of the first call.
        classes : array_like (K,)
            All labels that there will be; needed in the first call.

        Returns
        -------
        SequenceTagger
            Itself.
        """
        self._expect_stream(classes)
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    # ---- what comes in ----

    def _is_one(self, X: Any) -> bool:
        """Return whether X is one sequence (T, F)."""
        return self._form == "steps" and as_list(X) is None and axes_of(X) == 2

    def _read_first(self, X: Any, y: Any) -> Sequences:
        if as_list(X) is None and as_list(y) is None and axes_of(X) == 2 and _is_column(y, X):
            self._form = "steps"
            return read_table(self, X, reset=True)[None]
        return super()._read_first(X, y)

    def _read(self, X: Any) -> Sequences:
        return read_table(self, X, reset=False)[None] if self._is_one(X) else super()._read(X)

    def _read_targets(self, y: Any, x: Sequences, *, goes_on: bool, classes: Any) -> Any:
        labels = self._read_labels(y, x)
        numbers = self._numbers(read_labels(rows_of(labels)), goes_on=goes_on, classes=classes)
        return with_rows(labels, numbers)

    def _read_labels(self, y: Any, x: Sequences) -> Sequences:
        """Return y with one label for each step of x."""
        parts = as_list(y)
        if parts is not None:
            labels: Sequences = [np.asarray(one) for one in parts]
        else:
            labels = read_labels(y)
            if len(x) == 1 and self._form == "steps" and _is_column(labels, x[0]):
                labels = column_or_1d(labels, warn=True)[None]
        expect_steps("y", labels, x)
        return labels

    def _read_weight(self, sample_weight: Any, x: Sequences) -> Weights:
        """Return weights, one for each sequence or for each step."""
        parts = as_list(sample_weight)
        if parts is None and sample_weight is not None:
            weight = np.asarray(sample_weight)
            one = self._form == "steps" and weight.shape == (len(x[0]),) and len(x) == 1
            parts = [weight] if one else list(weight) if weight.ndim > 1 else None
        if parts is None:
            return super()._read_weight(sample_weight, x)
        expect_steps("sample_weight", parts, x)
        rows = check_array(np.concatenate(parts), dtype=np.float64, ensure_2d=False, input_name="sample_weight")
        expect_weights(rows)
        return with_rows(x, rows)

    def _outputs(self, targets: Any) -> int:  # noqa: ARG002 - classes may come that are not among them
        return len(self.classes_)

    def _loss(self, targets: Sequences, weight: Weights) -> Loss:
        return self._loss_of(rows_of(targets), weight_of_rows(weight, targets))

    # ---- prediction ----

    def _each(self, function: Callable[[Array], Array], X: Any) -> Any:
        """Return a function of the logits of all steps, in the form of X."""
        logits = self._predicted(X)
        if isinstance(logits, list):
            return [function(one) for one in logits]
        return function(logits[0] if self._is_one(X) else logits)

    def predict(self, X: Any) -> Any:
        """Return the likeliest class of each step: (N, T), a list of arrays (T_i,) if X is one, or (T,)."""
        return self._each(lambda logits: np.asarray(self.classes_[logits.argmax(axis=-1)]), X)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class at each step: (N, T, K), a list of (T_i, K) if X is one, or (T, K)."""
        return self._each(probabilities, X)

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of each class's probability, in the form of `predict_proba`."""
        return self._each(log_probabilities, X)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy over all steps; takes what `fit` takes, and counts unknown labels as missed."""
        check_is_fitted(self)
        x = self._read(X)
        labels = self._read_labels(y, x)
        weight = weight_of_rows(self._read_weight(sample_weight, x), labels)
        right = self.classes_[rows_of(self._run(x)).argmax(axis=-1)] == read_labels(rows_of(labels))
        return float(np.average(right, weights=weight))


def _is_column(y: Any, X: Any) -> bool:
    """Return whether y is (T,), or (T, 1) where X has F > 1 columns."""
    return axes_of(y) == 1 or (np.asarray(y).shape == (len(X), 1) and np.shape(X)[1] != 1)


def expect_steps(name: str, values: Sequences, x: Sequences) -> None:
    """Raise ValueError unless there is one value for each step of each sequence."""
    if len(values) != len(x):
        raise ValueError(f"{name}: expected values for {len(x)} sequences, as X has, got {len(values)}")
    for i, (own, one) in enumerate(zip(values, x, strict=True)):
        if np.shape(own) != (len(one),):
            raise ValueError(f"{name}[{i}]: expected one for each of {len(one)} steps, got shape {np.shape(own)}")

"""SequenceClassifier: one label a sequence."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_consistent_length, column_or_1d

from fastrnn.estimators.classes import Classifying, log_probabilities, probabilities, read_labels
from fastrnn.estimators.pooling import Pooling
from fastrnn.estimators.sequences import Array, Sequences
from fastrnn.estimators.targets import Weights
from fastrnn.losses import Loss


class SequenceClassifier(ClassifierMixin, Pooling, Classifying):
    """A recurrent network that tells the class of a sequence.

    Recurrent layers read the sequence, a linear layer gives the logits of the classes from their last state, and Adam
    makes the cross-entropy small.

    X is (N, T, F), or a list or an object array of N arrays (T_i, F) where sequences have lengths of their own, or a
    table (N, T), also a DataFrame, whose columns are the steps of one feature. What `fit` got as a table has as many
    columns in `predict`; otherwise T is free.

    Parameters
    ----------
    cell : {"lstm", "gru", "rnn"}
        The recurrent layers: `fastrnn.LSTM`, `fastrnn.GRU` or `fastrnn.RNN`.
    hidden_size : int
        Units of each layer and direction.
    num_layers : int
        Layers, each fed by the one below.
    bidirectional : bool
        Whether each layer also runs from the last step to the first.
    dropout : float
        Probability with which an element of a layer's output is dropped in training, between layers and before the
        linear one.
    pooling : {"last", "mean", "max"}
        What of the topmost layer is read: the state in which each direction has ended, or the mean or the maximum over
        all steps, which long sequences may need.
    epochs : int
        How often to go through the data, at most. All of them are gone through unless ``early_stopping`` is set.
    batch_size : int
        Sequences whose gradients are averaged for one update.
    learning_rate : float
        Adam's.
    clip_norm : float or None
        Largest norm of the gradient; a larger one is scaled back.
    standardize : bool
        Whether features are brought to mean 0 and standard deviation 1, as in the first call of `fit` or
        `partial_fit`, over all steps of all sequences; scikit-learn's scalers do not take three axes.
    class_weight : dict or "balanced", optional
        How much each class counts in the loss, by label, 1 if not named. "balanced": as if all were equally frequent.
    early_stopping : bool
        Whether a share of the sequences, stratified by class, is held out, training ends when their accuracy has not
        improved for ``n_iter_no_change`` epochs, and the parameters of the best epoch are kept.
    validation_fraction : float
        That share.
    n_iter_no_change : int
        That number of epochs.
    warm_start : bool
        Whether `fit` goes on with the model that is there, its classes and scales, instead of a new one.
    dtype : {"float32", "float64"}
        Of the model.
    random_state : int, RandomState or None
        Of the first weights, the order of sequences, dropout and the share held out. The same int gives the same
        model, bit for bit, whatever the number of threads or processes.
    verbose : bool
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray (K,)
        The labels, sorted.
    model_ : fastrnn.Sequential
        The network; it takes standardised X and gives logits (N, K).
    scaler_ : StandardScaler or None
        What standardises the rows of X.
    loss_curve_ : list of float
        The loss of every epoch, in `warm_start` and `partial_fit` of all calls.
    validation_scores_ : list of float, or None
        The accuracy of the share held out after every epoch, if there is one.
    best_loss_, best_validation_score_ : float or None
        The least of the former, or the largest of the latter where a share was held out.
    n_iter_ : int
        How many epochs there were.
    history_ : fastrnn.History
        All that is known of the last training.
    n_features_in_ : int
        F, or the columns of a table.
    feature_names_in_ : ndarray of str
        The names of a DataFrame's columns, if X was one, or a list of such.
    n_outputs_ : int
        K.

    Notes
    -----
    Ctrl-C ends `fit` after the update that it is at, with a warning, and keeps what was learnt.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.estimators import SequenceClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(steps, 2)) for steps in rng.integers(5, 20, 200)]
    >>> y = np.where([one[:, 0].mean() > 0 for one in X], "up", "down")
    >>> model = SequenceClassifier(epochs=30, random_state=0).fit(X[:150], y[:150])
    >>> model.score(X[150:], y[150:]) > 0.8
    True
    >>> model.predict(X[150:153]).tolist(), model.predict_proba(X[150:153]).shape
    (['up', 'down', 'down'], (3, 2))
    """

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
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
            pooling=pooling,
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
        X : array_like (N, T, F) or (N, T), or list of arrays (T_i, F)
        y : array_like (N,)
            Labels of any kind.
        sample_weight : array_like (N,), optional
            How much each sequence counts in the loss, and in the score of those held out.

        Returns
        -------
        SequenceClassifier
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
        SequenceClassifier
            Itself.
        """
        self._expect_stream(classes)
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _read_targets(self, y: Any, x: Sequences, *, goes_on: bool, classes: Any) -> Array:
        labels = column_or_1d(read_labels(y), warn=True)
        check_consistent_length(x, labels)
        return self._numbers(labels, goes_on=goes_on, classes=classes)

    def _outputs(self, targets: Array) -> int:  # noqa: ARG002 - classes may come that are not among them
        return len(self.classes_)

    def _strata(self, targets: Array) -> Array:
        return targets

    def _loss(self, targets: Array, weight: Weights) -> Loss:
        return self._loss_of(targets, None if weight is None else np.asarray(weight))

    # ---- prediction ----

    def predict(self, X: Any) -> Array:
        """Return the likeliest class of each sequence, (N,)."""
        numbers = self._predicted(X).argmax(axis=-1)
        return np.asarray(self.classes_[numbers])

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (N, K), in the order of ``classes_``."""
        return probabilities(self._predicted(X))

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of each class's probability, (N, K)."""
        return log_probabilities(self._predicted(X))

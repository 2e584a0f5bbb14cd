"""SequenceRegressor: one number, or several, a sequence."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from fastrnn.estimators.base import scaler_of
from fastrnn.estimators.pooling import Pooling
from fastrnn.estimators.sequences import Array, Sequences, axes_of
from fastrnn.estimators.targets import Weights, read_columns
from fastrnn.losses import MSE, Loss


class SequenceRegressor(RegressorMixin, Pooling):
    """A recurrent network that tells one number, or several, of a sequence.

    Recurrent layers read the sequence, a linear layer gives the numbers from their last state, and Adam makes the mean
    squared error small. What X may be is the same as for `SequenceClassifier`.

    Parameters
    ----------
    cell, hidden_size, num_layers, bidirectional, dropout, pooling, epochs, batch_size, learning_rate, clip_norm
        As for `SequenceClassifier`.
    standardize : bool
        Whether features and targets are brought to mean 0 and standard deviation 1, as in the first call of `fit` or
        `partial_fit`. Predictions are in y's own unit all the same; losses are in that of the standardised y.
    early_stopping : bool
        Whether a share of the sequences is held out, training ends when their R² has not improved for
        ``n_iter_no_change`` epochs, and the parameters of the best epoch are kept.
    validation_fraction, n_iter_no_change, warm_start, dtype, random_state, verbose
        As for `SequenceClassifier`.

    Attributes
    ----------
    model_ : fastrnn.Sequential
        The network; it takes standardised X and gives standardised y (N, K).
    scaler_, target_scaler_ : StandardScaler or None
        What standardises the rows of X, and y.
    validation_scores_ : list of float, or None
        R² of the share held out after every epoch, if there is one.
    n_outputs_ : int
        K, how many numbers y has for a sequence.
    loss_curve_, best_loss_, best_validation_score_, n_iter_, history_, n_features_in_, feature_names_in_
        As for `SequenceClassifier`.

    Notes
    -----
    There is no ``class_weight``, for there are no classes; ``sample_weight`` says what counts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.estimators import SequenceRegressor
    >>> X = np.random.default_rng(0).normal(size=(300, 12))  # 12 steps of one feature
    >>> y = 1000 + 50 * X.sum(axis=1)
    >>> model = SequenceRegressor(cell="gru", epochs=30, random_state=0).fit(X[:250], y[:250])
    >>> model.score(X[250:], y[250:]) > 0.9
    True
    """

    _metric = "r2"
    _least_held_out = 2

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
        y : array_like (N,) or (N, K)
        sample_weight : array_like (N,), optional
            How much each sequence counts in the loss, and in the score of those held out.

        Returns
        -------
        SequenceRegressor
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not what they have to be; nothing has changed then.
        FloatingPointError
            If the loss or a gradient is no longer finite.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go once through some data, after those before; takes what `fit` takes.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`. Means and standard deviations are those of the first call.

        Returns
        -------
        SequenceRegressor
            Itself.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn wants to know: y may have two axes."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _read_targets(self, y: Any, x: Sequences, *, goes_on: bool, classes: Any) -> Array:  # noqa: ARG002 - of those that tell classes
        columns = read_columns(y, x, self.n_outputs_ if goes_on else None, "sequence")
        self._flat = axes_of(y) == 1
        return columns

    def _outputs(self, targets: Array) -> int:
        return int(targets.shape[1])

    def _loss(self, targets: Array, weight: Weights) -> Loss:  # noqa: ARG002 - it weighs all alike
        return MSE()

    def _fit_scales(self, x: Sequences, targets: Array, weight: Weights) -> None:
        super()._fit_scales(x, targets, weight)
        self.target_scaler_ = scaler_of("y", targets, weight) if self.standardize else None

    def _scaled_targets(self, targets: Array) -> Array:
        return targets if self.target_scaler_ is None else np.asarray(self.target_scaler_.transform(targets))

    # ---- prediction ----

    def predict(self, X: Any) -> Array:
        """Return what is told of each sequence, in the form of y: (N,) or (N, K)."""
        values = self._predicted(X).astype(np.float64)
        if self.target_scaler_ is not None:
            values = self.target_scaler_.inverse_transform(values)
        return np.asarray(values[:, 0] if self._flat else values)

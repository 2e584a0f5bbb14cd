"""Forecaster: the values that follow the rows of one series."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from fastrnn._validation import positive_int
from fastrnn.estimators.labels import following, follows, labels_of
from fastrnn.estimators.sequences import Array
from fastrnn.estimators.series import SeriesEstimator


class Forecaster(RegressorMixin, SeriesEstimator):
    """A linear part and a recurrent network that tell how one series goes on.

    The rows of X are consecutive steps of one series. From the last ``window`` of them the next ``horizon`` values are
    told at once:

        (ŷ_{t+1}, …, ŷ_{t+H}) = b + A (x_{t-L+1}, …, x_t) + network(x_{t-L+1}, …, x_t)

    on standardised values. Ridge regression fits A and b, with the penalty that tells rows left out best; then the
    network, which at first tells nothing, learns what that leaves over. (A linear part beside a recurrent one:
    G. Lai et al., "Modeling long- and short-term temporal patterns with deep neural networks", 2018.)

    Parameters
    ----------
    window : int
        L, rows that a forecast looks back on.
    horizon : int
        H, steps that are told at once. `predict` tells each row from what was known ``horizon`` steps before.
    cell : {"lstm", "gru", "rnn"}
        The recurrent layers: `fastrnn.LSTM`, `fastrnn.GRU` or `fastrnn.RNN`. They read a window forwards;
        there is no ``bidirectional``, as the last state, which tells what follows, is the forward one's.
    hidden_size, num_layers, dropout, epochs, batch_size, learning_rate, clip_norm
        As for `SequenceClassifier`; a batch is of windows.
    early_stopping : bool
        Whether the end of the series is held out, training ends when its R² has not improved for ``n_iter_no_change``
        epochs, and the network of the best epoch is kept. The linear part is then fitted again to all rows.
    validation_fraction : float
        What share that end is.
    n_iter_no_change : int
        That number of epochs.
    warm_start : bool
        Whether `fit` goes on with the network and the scales that are there instead of new ones.
    dtype, random_state, verbose
        As for `SequenceClassifier`.

    Attributes
    ----------
    model_ : fastrnn.Sequential
        The network: (N, L, F), standardised, to (N, H·K), what the linear part leaves over by ``rest_scale_``. X
        is what is to be told, each window is relative to its last row.
    linear_ : sklearn.linear_model.RidgeCV
        The linear part: (N, L·F) to (N, H·K), both standardised.
    scaler_, target_scaler_ : StandardScaler
        What standardises X and y.
    rest_scale_ : ndarray (H·K,)
        Root mean square of what the linear part leaves over of the rows trained on.
    validation_scores_ : list of float, or None
        R² of what the linear part leaves over of the end held out, after every epoch, if there is one.
    n_outputs_ : int
        K, values told of a row.
    loss_curve_, best_loss_, best_validation_score_, n_iter_, history_, n_features_in_, feature_names_in_
        As for `SequenceClassifier`.

    See Also
    --------
    fastrnn.forecasting.train : Chooses transform, differences, season and window by itself, trains an ensemble, and
        gives intervals: for one column of numbers, when there is time for that. `Forecaster` is for several features,
        targets of their own, pipelines, and searches of one's own.

    Notes
    -----
    Order matters, so ``cross_val_score`` and ``GridSearchCV`` need ``cv=TimeSeriesSplit()``.

    There is no ``class_weight``, for there are no classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit, cross_val_score
    >>> from fastrnn.estimators import Forecaster
    >>> t = np.arange(300)
    >>> series = 20 + 0.1 * t + 5 * np.sin(t / 4)
    >>> model = Forecaster(window=12, epochs=5, random_state=0).fit(series)
    >>> ahead = model.forecast(3)
    >>> bool(np.abs(ahead - [20 + 0.1 * t + 5 * np.sin(t / 4) for t in (300, 301, 302)]).max() < 0.1)
    True
    >>> bool(cross_val_score(model, series, series, cv=TimeSeriesSplit(3))[-1] > 0.9)
    True
    """

    def __init__(
        self,
        *,
        window: int = 24,
        horizon: int = 1,
        cell: str = "gru",
        hidden_size: int = 32,
        num_layers: int = 1,
        dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        clip_norm: float | None = 1.0,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        dtype: str = "float32",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(
            window=window,
            horizon=horizon,
            cell=cell,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            clip_norm=clip_norm,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            dtype=dtype,
            random_state=random_state,
            verbose=verbose,
        )

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn wants to know: y may be left out, or have two axes; no row is told from itself."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True
        return tags

    # ---- fitting ----

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train.

        Parameters
        ----------
        X : array_like (T,) or (T, F), or pandas Series or DataFrame
            At least horizon + 2 rows, in order.
        y : array_like (T,) or (T, K), optional
            What is to be told of each row; X itself if not given.
        sample_weight : array_like (T,), optional
            How much the error of what is told of each row counts.

        Returns
        -------
        Forecaster
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a parameter or the data are not what they have to be; nothing has changed then.
        FloatingPointError
            If the loss or a gradient is no longer finite.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Take in the rows that follow those before: the linear part is that of all rows, the network sees them once.

        The linear part's penalty and the scales stay as they were at first, and nothing is held out. The first call, if
        there was no `fit`, is a `fit` of one epoch.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`; one row is enough.

        Returns
        -------
        Forecaster
            Itself.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    # ---- forecasts ----

    def predict(self, X: Any) -> Array:
        """Return what was to be expected of each row ``horizon`` steps before, in the form of y: (T,) or (T, K).

        Row t is told from the rows up to t - horizon, so that it can be compared with y_t. Of the first ``horizon``
        rows nothing is known: they are the mean of what was trained on. The next ones have a short history, their first
        row standing for what was before. But where X is a pandas object whose index goes on where that of the training
        ended, the rows trained on are its history.

        Parameters
        ----------
        X : array_like (T,) or (T, F), or pandas Series or DataFrame

        Returns
        -------
        ndarray (T,) or (T, K)
            Never a pandas object, as of all regressors of scikit-learn, so that ``TransformedTargetRegressor`` and the
            like can use it.
        """
        check_is_fitted(self)
        x, H = self._read(X, reset=False), self._built["horizon"]
        before = self._end[0] if follows(self._labels, X) else x[:0]
        u = self.scaler_.transform(np.concatenate([before, x]))
        told = np.zeros((len(u), self.n_outputs_))
        if len(u) > H:
            told[H:] = self._ahead(self._histories(u)[: len(u) - H])[:, -1]
        return self._restored(told[len(before) :])

    def forecast(self, steps: int, X: Any = None) -> Any:
        """Return the values that follow a series.

        The first ``horizon`` of them are told at once. Beyond, what was told is taken for known, which is possible
        where X is what is told.

        Parameters
        ----------
        steps : int
        X : as for `predict`, optional
            The series, or its end; what was trained on if not given.

        Returns
        -------
        ndarray, pandas Series or pandas DataFrame, (steps,) or (steps, K)
            Of pandas where the series is: with the dates, periods or numbers that follow.

        Raises
        ------
        ValueError, TypeError
            If there are more steps than can be told, or the dates of X follow no rhythm.
        FloatingPointError
            If a forecast is not finite.
        """
        check_is_fitted(self)
        steps, horizon, window = positive_int("steps", steps), self._built["horizon"], self._built["window"]
        if steps > horizon and not self._tells_itself:
            raise ValueError(
                f"steps: expected at most {horizon}, the horizon, as X beyond its end is not known, got {steps}"
            )
        x, labels = (self._end[0], self._labels) if X is None else (self._read(X, reset=False), labels_of(X))
        index = None if labels is None else following(labels, steps)
        if labels is not None and index is None:
            raise ValueError(f"X: expected an index of dates or whole numbers at even steps, got {labels[-3:]!r}")
        u = self.scaler_.transform(x)
        parts: list[Array] = []
        with np.errstate(over="ignore", invalid="ignore"):  # seen below
            for _ in range(0, steps, horizon):
                parts.append(self._ahead(self._histories(u)[-1:])[0])
                if not np.isfinite(parts[-1].astype(self.dtype)).all():
                    raise FloatingPointError(f"the forecast is no longer finite within {steps} steps; use fewer")
                u = np.concatenate([u, parts[-1]])[-window:] if self._tells_itself else u
        found = self._restored(np.concatenate(parts)[:steps])
        return found if index is None else self._labelled(found, index)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return R² of `predict`; of X itself if y is not given.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        float
        """
        return float(super().score(X, X if y is None else y, sample_weight))

    def _labelled(self, values: Array, index: Any) -> Any:
        """Return values with labels."""
        import pandas as pd  # noqa: PLC0415 - it is there if there is an index

        if self._flat:
            return pd.Series(values, index, name=self._names)
        return pd.DataFrame(values, index, columns=self._names)

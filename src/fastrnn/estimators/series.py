"""What `Forecaster` is made of: windows of a series, a linear part and a network on what that leaves over.

T rows, F features, K values to be told of a row, L the window, H the horizon, N windows.
"""

from typing import Any, Self

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from fastrnn._validation import as_real, positive_int
from fastrnn.data import Dataset, windows
from fastrnn.estimators.base import Lesson, RecurrentEstimator, scaler_of
from fastrnn.estimators.labels import labels_of
from fastrnn.estimators.sequences import Array, axes_of, read_table
from fastrnn.estimators.targets import expect_shares, read_columns, read_weight
from fastrnn.forecasting.regression import Regression
from fastrnn.layers import Last
from fastrnn.losses import MSE
from fastrnn.trainer.sources import EVALUATED

PENALTIES = np.logspace(-3, 4, 15)  # of the linear part, for standardised rows


class SeriesEstimator(RecurrentEstimator):
    """Base of `Forecaster`: everything between what a person passes and what is told, on standardised rows."""

    _architecture = (*RecurrentEstimator._architecture, "window", "horizon")
    window: int
    horizon: int
    scaler_: StandardScaler
    target_scaler_: StandardScaler
    linear_: RidgeCV
    rest_scale_: Array
    n_outputs_: int
    _tells_itself: bool
    _end: tuple[Array, Array, Array]  # the last rows of X, of y and of the weights
    _labels: Any
    _sums: Regression

    def _check_parameters(self) -> None:
        super()._check_parameters()
        positive_int("window", self.window)
        positive_int("horizon", self.horizon)

    # ---- training ----

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> Self:
        self._check_parameters()
        goes_on = self._continues(incremental)
        with self._unchanged_if_refused():
            x = self._read(X, reset=not goes_on)
            values = self._read_targets(X, y, x, goes_on=goes_on)
            weight = np.ones(len(x)) if sample_weight is None else read_weight(sample_weight, x, "row")
            if incremental and goes_on:
                new = len(x)  # windows whose targets are all there, and were not before
                x, values, weight = (np.concatenate(pair) for pair in zip(self._end, (x, values, weight), strict=True))
            else:
                new = self._enough(len(x)) - self.horizon
            train = self._trained_on(new, hold_out=self.early_stopping and not incremental)
            if not goes_on:
                self._begin(x, values, weight)
            last = slice(1 - self.window - self.horizon, None)
            self._end, self._labels = (x[last], values[last], weight[last]), labels_of(X, y)
            samples = self._windows(self.scaler_.transform(x), self.target_scaler_.transform(values), weight, new)
            expect_shares(samples[2][train], samples[2][train.stop + self.horizon - 1 :])
        self._train_on_windows(*samples, train, incremental=incremental, goes_on=goes_on)
        return self

    def _begin(self, x: Array, values: Array, weight: Array) -> None:
        """Take the scales from the data, and make a new model."""
        self.scaler_ = scaler_of("X", x)
        self.target_scaler_ = scaler_of("y", values, weight)
        self._tells_itself = np.array_equal(x, values)
        self._build(x.shape[1], self.horizon * values.shape[1], readout=Last())
        silence(self.model_.layers[-1])

    def _enough(self, rows: int) -> int:
        """Return how many rows there are, if some of them follow others."""
        if rows < self.horizon + 2:
            got = "1 sample" if rows == 1 else f"{rows}"
            raise ValueError(f"X: expected at least {self.horizon + 2} rows, horizon + 2, got {got}")
        return rows

    def _trained_on(self, count: int, *, hold_out: bool) -> slice:
        """Return which of so many windows are trained on; between them and those held out none shares a target."""
        if not hold_out:
            return slice(0, count)
        held_out = max(2, round(self.validation_fraction * count))
        stop = count - held_out - (self.horizon - 1)
        if stop < 2:
            raise ValueError(
                f"early_stopping: expected rows enough to hold out some, with horizon={self.horizon} and "
                f"validation_fraction={self.validation_fraction:g}, got {count + self.horizon}; "
                "give more, or set it to False"
            )
        return slice(0, stop)

    def _windows(self, u: Array, v: Array, weight: Array, count: int) -> tuple[Array, Array, Array]:
        """Return the last windows that have targets, x (N, L, F), these, (N, H·K), and weights (N,), of such rows."""
        H, N = self.horizon, len(u) - self.horizon
        x, follow = self._histories(u)[:N], windows(v[1:], H).reshape(N, -1)
        return x[N - count :], follow[N - count :], windows(weight[1:], H).mean(axis=(1, 2))[N - count :]

    def _train_on_windows(
        self, x: Array, follow: Array, weight: Array, train: slice, *, incremental: bool, goes_on: bool
    ) -> None:
        """Fit the linear part to windows, and train the network on what it leaves over."""
        end = np.arange(train.stop + self.horizon - 1, len(x))  # held out; without that train has all windows
        if incremental and goes_on:
            self._sums.add(_flat(x), follow, weight)
            beta = self._sums.solve(np.full(len(self._sums.center), self.linear_.alpha_))
            self.linear_.coef_, self.linear_.intercept_ = beta.T, self._sums.offset(beta)
        else:
            self.linear_ = _ridge(x[train], follow[train], weight[train])
        rest = follow - self._linear(x)
        if not goes_on:
            scale = np.sqrt(np.average(rest[train] ** 2, axis=0, weights=weight[train]))
            self.rest_scale_ = np.where(scale > 0, scale, 1.0)
        samples = Dataset(self._seen(x), as_real("y", rest / self.rest_scale_, self.dtype), weight=weight)
        lesson = Lesson(samples.subset(np.arange(train.stop)), samples.subset(end) if len(end) else None)
        self._train(lesson, MSE(), "r2", incremental=incremental, goes_on=goes_on)
        if len(end):
            self.linear_ = _ridge(x, follow, weight)
        if not (incremental and goes_on):
            self._sums = Regression(_flat(x), follow, weight)

    # ---- what comes in ----

    def _read(self, X: Any, *, reset: bool) -> Array:
        """Return X as float64 (T, F)."""
        if axes_of(X) == 1 and (reset or self.n_features_in_ == 1):
            X = np.asarray(X).reshape(-1, 1)  # the name of a pandas Series is none of a feature
        return read_table(self, X, reset=reset).astype(np.float64)

    def _read_targets(self, X: Any, y: Any, x: Array, *, goes_on: bool) -> Array:
        """Return what is to be told as float64 (T, K), and remember in what form it came."""
        columns = read_columns(x if y is None else y, x, self.n_outputs_ if goes_on else None, "row")
        if goes_on and self._tells_itself and not np.array_equal(x, columns):
            raise ValueError("y: expected X itself, as before, got other values; set warm_start=False, or clone")
        told = X if y is None else y
        self.n_outputs_ = columns.shape[1]
        self._flat = axes_of(told) == 1
        self._names = getattr(told, "name" if self._flat else "columns", None)
        return columns

    def _histories(self, u: Array) -> Array:
        """Return the window that ends with each row, (T, L, F); the first row stands for what was before it."""
        window = self._built["window"]
        return windows(np.concatenate([np.repeat(u[:1], window - 1, axis=0), u]), window)

    def _seen(self, x: Array) -> Array:
        """Return what the network sees of windows (N, L, F).

        Where they are what is told, they are relative to their last row, so that a trend does not lead out of what was
        seen in training.
        """
        return as_real("X", x - x[:, -1:] if self._tells_itself else x, self.dtype)

    def _linear(self, x: Array) -> Array:
        """Return what the linear part tells of windows (N, L, F): (N, H·K)."""
        return np.asarray(_flat(x) @ np.atleast_2d(self.linear_.coef_).T + self.linear_.intercept_)

    # ---- what is told ----

    def _ahead(self, x: Array) -> Array:
        """Return what follows windows (N, L, F), all of it standardised: (N, H, K)."""
        found = []
        for start in range(0, len(x), EVALUATED):
            piece = x[start : start + EVALUATED]
            found.append(self._linear(piece) + self.rest_scale_ * self.model_(self._seen(piece)))
        return np.concatenate(found).reshape(len(x), self._built["horizon"], -1)

    def _restored(self, told: Array) -> Array:
        """Return values in their own unit and form."""
        values = self.target_scaler_.inverse_transform(told)
        return np.asarray(values[:, 0] if self._flat else values)


def _flat(x: Array) -> Array:
    """Return windows (N, L, F) as the linear part sees them: (N, L·F)."""
    return x.reshape(len(x), -1)


def _ridge(x: Array, y: Array, weight: Array) -> RidgeCV:
    """Return the linear part fitted to windows (N, L, F) and what follows them."""
    return RidgeCV(PENALTIES).fit(_flat(x), y, sample_weight=weight)


def silence(layer: Any) -> None:
    """Let a linear layer tell nothing, until it learns."""
    layer.load_state_dict({name: np.zeros_like(value) for name, value in layer.parameters().items()})

"""What `Forecaster` is made of: windows of a series, a linear part and a network on what that leaves over.

T rows, F features, K values to be told of a row, L the window, H the horizon, N windows.
"""

from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_array, check_consistent_length

from fastrnn._validation import as_real, positive_int
from fastrnn.data import Dataset, windows
from fastrnn.estimators.base import Lesson, RecurrentEstimator
from fastrnn.estimators.sequences import Array, axes_of, read_table
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

    def _check_parameters(self) -> None:
        super()._check_parameters()
        positive_int("window", self.window)
        positive_int("horizon", self.horizon)

    # ---- training ----

    def _trained_on(self, count: int) -> slice:
        """Return which of so many windows are trained on; between them and those held out none shares a target."""
        if count < 2:
            got = "1 sample" if count + self.horizon == 1 else f"{count + self.horizon}"
            raise ValueError(f"X: expected at least {self.horizon + 2} rows, horizon + 2, got {got}")
        if not self.early_stopping:
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

    def _train_on_series(self, u: Array, v: Array, weight: Array | None, train: slice, goes_on: bool) -> None:
        """Fit the linear part, and train the network on what it leaves over, of standardised rows (T, F) and (T, K)."""
        H, N = self.horizon, len(u) - self.horizon
        x = self._histories(u)[:N]
        follow = windows(v[1:], H).reshape(N, -1)
        if weight is not None:
            weight = windows(weight[1:], H).mean(axis=(1, 2))
        own = None if weight is None else weight[train]
        self.linear_ = _ridge(x[train], follow[train], own)
        rest = follow - self._linear(x)
        if not goes_on:
            scale = np.sqrt(np.average(rest[train] ** 2, axis=0, weights=own))
            self.rest_scale_ = np.where(scale > 0, scale, 1.0)
        samples = Dataset(self._seen(x), as_real("y", rest / self.rest_scale_, self.dtype), weight=weight)
        held_out = samples.subset(np.arange(train.stop + H - 1, N)) if self.early_stopping else None
        lesson = Lesson(samples.subset(np.arange(train.stop)), held_out)
        self._train(lesson, MSE(), "r2", incremental=False, goes_on=goes_on)
        if self.early_stopping:
            self.linear_ = _ridge(x, follow, weight)

    # ---- what comes in ----

    def _read(self, X: Any, *, reset: bool) -> Array:
        """Return X as float64 (T, F)."""
        if axes_of(X) == 1 and (reset or self.n_features_in_ == 1):
            X = np.asarray(X).reshape(-1, 1)  # the name of a pandas Series is none of a feature
        return read_table(self, X, reset=reset).astype(np.float64)

    def _read_targets(self, X: Any, y: Any, x: Array, *, goes_on: bool) -> Array:
        """Return what is to be told as float64 (T, K), and remember in what form it came."""
        values = x if y is None else check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
        check_consistent_length(x, values)
        columns = values.reshape(len(values), -1)
        if goes_on and columns.shape[1] != self.n_outputs_:
            raise ValueError(f"y: expected {self.n_outputs_} values a row as before, got shape {values.shape}")
        told = X if y is None else y
        self.n_outputs_ = columns.shape[1]
        self._flat = axes_of(told) == 1
        self._names = getattr(told, "name" if self._flat else "columns", None)
        return np.asarray(columns)

    def _read_weight(self, sample_weight: Any, x: Array) -> Array:
        """Return weights as float64 (T,)."""
        weight: Array = check_array(sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight")
        if weight.shape != (len(x),):
            raise ValueError(f"sample_weight: expected shape ({len(x)},), one for each row, got {weight.shape}")
        if weight.min() < 0 or not weight.any():
            raise ValueError("sample_weight: expected numbers from 0 on, at least one that is not zero")
        return weight

    def _histories(self, u: Array) -> Array:
        """Return the window that ends with each row, (T, L, F); the first row stands for what was before it."""
        return windows(np.concatenate([np.repeat(u[:1], self.window - 1, axis=0), u]), self.window)

    def _seen(self, x: Array) -> Array:
        """Return what the network sees of windows (N, L, F).

        Where they are what is told, they are relative to their last row, so that a trend does not lead out of what was
        seen in training.
        """
        return as_real("X", x - x[:, -1:] if self._tells_itself else x, self.dtype)

    def _linear(self, x: Array) -> Array:
        """Return what the linear part tells of windows (N, L, F): (N, H·K)."""
        return np.asarray(x.reshape(len(x), -1) @ np.atleast_2d(self.linear_.coef_).T + self.linear_.intercept_)

    # ---- what is told ----

    def _ahead(self, x: Array) -> Array:
        """Return what follows windows (N, L, F), all of it standardised: (N, H, K)."""
        found = []
        for start in range(0, len(x), EVALUATED):
            piece = x[start : start + EVALUATED]
            found.append(self._linear(piece) + self.rest_scale_ * self.model_(self._seen(piece)))
        return np.concatenate(found).reshape(len(x), self.horizon, -1)

    def _restored(self, told: Array) -> Array:
        """Return values in their own unit and form."""
        values = self.target_scaler_.inverse_transform(told)
        return np.asarray(values[:, 0] if self._flat else values)


def _ridge(x: Array, y: Array, weight: Array | None) -> RidgeCV:
    """Return the linear part fitted to windows (N, L, F) and what follows them."""
    return RidgeCV(PENALTIES).fit(x.reshape(len(x), -1), y, sample_weight=weight)


def silence(layer: Any) -> None:
    """Let a linear layer tell nothing, until it learns."""
    layer.load_state_dict({name: np.zeros_like(value) for name, value in layer.parameters().items()})

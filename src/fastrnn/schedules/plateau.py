"""The schedule that watches how training goes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fastrnn._validation import natural, one_of, positive_float, shown


@dataclass
class ReduceOnPlateau:
    """The rate falls by a factor whenever a value has not become better for some epochs: max(α₀ γ^k, α₁).

    k counts how often. PyTorch's ``ReduceLROnPlateau``, without its ``eps``.

    Parameters
    ----------
    factor : float
        γ, above 0 and below 1.
    patience : int
        More epochs than this without a better value lower the rate.
    mode : {"min", "max"}
        What is better: less or more.
    threshold : float
        By how much, at least: below best · (1 - threshold) or above best · (1 + threshold).
    threshold_mode : {"rel", "abs"}
        "abs": below best - threshold or above best + threshold.
    cooldown : int
        Epochs after each fall that are not counted.
    min_rate : float
        α₁.
    monitor : str, optional
        What the trainer shows it: ``"loss"``, ``"validation_loss"`` or a metric, as in `fastrnn.EarlyStopping`; the
        loss, that of the validation data if there are any, if not given.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range or of another type.

    Examples
    --------
    >>> import fastrnn
    >>> schedule, rates = fastrnn.ReduceOnPlateau(0.5, patience=1), []
    >>> for loss in (3.0, 2.0, 2.0, 2.0):  # `Trainer.fit` does this
    ...     schedule.observe(loss)
    ...     rates.append(schedule.rate(1.0, len(rates)))
    >>> rates
    [1.0, 1.0, 1.0, 0.5]
    """

    factor: float = 0.1
    patience: int = 10
    mode: Literal["min", "max"] = "min"
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_rate: float = 0.0
    monitor: str | None = None
    per: Literal["epoch"] = field(default="epoch", init=False, repr=False)
    _best: float | None = field(default=None, init=False, repr=False)
    _bad: int = field(default=0, init=False, repr=False)  # epochs without a better value
    _cooling: int = field(default=0, init=False, repr=False)  # epochs left that are not counted
    _falls: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the arguments."""
        self.factor = positive_float("factor", self.factor, below=1.0)
        self.patience = natural("patience", self.patience)
        one_of("mode", self.mode, ("min", "max"))
        self.threshold = positive_float("threshold", self.threshold, zero=True)
        one_of("threshold_mode", self.threshold_mode, ("rel", "abs"))
        self.cooldown = natural("cooldown", self.cooldown)
        self.min_rate = positive_float("min_rate", self.min_rate, zero=True)

    def rate(self, initial: float, count: int) -> float:  # noqa: ARG002 - what was observed matters
        """Return the learning rate as of the last value observed."""
        return max(initial * self.factor**self._falls, min(self.min_rate, initial))

    def observe(self, value: float) -> None:
        """Take note of the value of an epoch that has ended; NaN is no better than anything."""
        value = float(value)
        if self._is_better(value):
            self._best, self._bad = value, 0
        else:
            self._bad += 1
        if self._cooling:
            self._cooling, self._bad = self._cooling - 1, 0
        if self._bad > self.patience:
            self._falls, self._bad, self._cooling = self._falls + 1, 0, self.cooldown

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self._best is None:
            return sign * value > -math.inf
        change = sign * self.threshold
        bound = self._best * (1 + change) if self.threshold_mode == "rel" else self._best + change
        return sign * value > sign * bound

    def state_dict(self) -> dict[str, Any]:
        """Return what has been observed, in numbers that JSON has."""
        return {"best": self._best, "bad": self._bad, "cooling": self._cooling, "falls": self._falls}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what another schedule of the same arguments had observed.

        Raises
        ------
        ValueError, TypeError
            If it is not such a state; nothing has changed then.
        """
        if state.keys() != self.state_dict().keys():
            raise ValueError(f"state: expected {', '.join(self.state_dict())}, got {', '.join(map(str, state))}")
        best = state["best"]
        if best is not None and (isinstance(best, bool) or not isinstance(best, (int, float)) or math.isnan(best)):
            raise ValueError(f"best: expected a number or None, got {shown(best)}")
        bad, cooling, falls = (natural(name, state[name]) for name in ("bad", "cooling", "falls"))
        self._best, self._bad, self._cooling, self._falls = best, bad, cooling, falls

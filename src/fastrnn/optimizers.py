"""Optimisers: SGD with momentum, and Adam. They change parameters in place, in PyTorch's arithmetic."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import positive_float

Array = NDArray[Any]


class Optimizer(Protocol):
    """What `Trainer` asks of an optimiser."""

    learning_rate: float

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Change the parameters in place by one step."""
        ...


class SGD:
    """Gradient descent: v ← μ v + g,  W ← W - α v.

    Parameters
    ----------
    learning_rate : float
        α.
    momentum : float
        μ, in [0, 1).
    """

    def __init__(self, learning_rate: float = 0.1, *, momentum: float = 0.0) -> None:
        self.learning_rate = positive_float("learning_rate", learning_rate)
        self.momentum = positive_float("momentum", momentum, below=1.0, zero=True)
        self._velocity: dict[str, Array] = {}

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Change the parameters in place by one step."""
        _expect_all(parameters, gradients)
        for name, w in parameters.items():
            step = gradients[name]
            if self.momentum:
                v = self._velocity.setdefault(name, np.zeros_like(w))
                v *= self.momentum
                v += step
                step = v
            w -= self.learning_rate * step

    def __repr__(self) -> str:
        """Return the call that would build this optimiser."""
        return f"SGD({self.learning_rate}, momentum={self.momentum})"


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1).

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,  W ← W - α m̂ / (√v̂ + ε),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)

    Parameters
    ----------
    learning_rate : float
        α.
    betas : (float, float)
        β₁ and β₂, in [0, 1).
    eps : float
        ε.
    """

    def __init__(
        self, learning_rate: float = 1e-3, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.learning_rate = positive_float("learning_rate", learning_rate)
        beta1, beta2 = betas
        self.betas = (
            positive_float("betas", beta1, below=1.0, zero=True),
            positive_float("betas", beta2, below=1.0, zero=True),
        )
        self.eps = positive_float("eps", eps)
        self._steps = 0
        self._moments: dict[str, tuple[Array, Array]] = {}

    def update(self, parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Change the parameters in place by one step."""
        _expect_all(parameters, gradients)
        self._steps += 1
        beta1, beta2 = self.betas
        rate = self.learning_rate / (1 - beta1**self._steps)
        root = np.sqrt(1 - beta2**self._steps)
        for name, w in parameters.items():
            g = gradients[name]
            m, v = self._moments.setdefault(name, (np.zeros_like(w), np.zeros_like(w)))
            m += (1 - beta1) * (g - m)
            v *= beta2
            v += (1 - beta2) * (g * g)
            w -= rate * m / (np.sqrt(v) / w.dtype.type(root) + self.eps)

    def __repr__(self) -> str:
        """Return the call that would build this optimiser."""
        return f"Adam({self.learning_rate}, betas={self.betas}, eps={self.eps})"


def _expect_all(parameters: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
    """Raise unless there is a gradient for each parameter."""
    missing = [name for name in parameters if name not in gradients]
    if missing:
        raise ValueError(f"backward: expected a gradient for each of {list(parameters)}, got none for {missing}")


def clip_by_global_norm(gradients: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients in place so that their joint Euclidean norm is at most ``limit``; return it from before."""
    norm = _norm(gradients.values())
    if not np.isfinite(norm):  # squares overflow long before the gradients themselves do
        norm = _norm(g.astype(np.float64) for g in gradients.values())
    if norm > limit:
        for g in gradients.values():
            g *= limit / norm
    return norm


def _norm(arrays: Iterable[Array]) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(sum(float(np.vdot(array, array)) for array in arrays)))

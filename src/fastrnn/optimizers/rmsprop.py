"""RMSprop."""

from typing import Any

from fastrnn._validation import a_bool, positive_float
from fastrnn.optimizers.base import FusedOptimizer
from fastrnn.optimizers.memories import Kinds


class RMSprop(FusedOptimizer):
    """RMSprop (Hinton 2012, lecture 6e), as PyTorch has it.

    g ← g + λ W,  s ← ρ s + (1-ρ) g²,  W ← W - α g / (√s + ε);  centred (Graves 2013) with s - m² in place of s, where
    m ← ρ m + (1-ρ) g;  with momentum  v ← μ v + g / (√s + ε),  W ← W - α v.

    Where rounding makes s - m² negative it counts as 0; PyTorch's parameter is NaN from there on.

    Parameters
    ----------
    learning_rate : float
        α.
    alpha : float
        ρ, in [0, 1): how long squares are remembered. PyTorch's name.
    eps : float
        ε.
    momentum : float
        μ, in [0, 1).
    centered : bool
        Whether the gradient is divided by its standard deviation instead of its root mean square.
    weight_decay : float
        λ.
    decay_biases : bool
        Whether biases and gains decay too; see `Adam`.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or of another type.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> w, g = np.array([1.0, 2.0]), np.array([1.0, -1000.0])
    >>> fastrnn.RMSprop(0.1, alpha=0.75).update({"w": w}, {"w": g})  # s = g²/4, so a step is twice the rate
    >>> w.round(3)
    array([0.8, 2.2])
    """

    _rule = "rmsprop"

    def __init__(
        self,
        learning_rate: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        decay_biases: bool = False,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay_biases)
        self.alpha = positive_float("alpha", alpha, below=1.0, zero=True)
        self.eps = positive_float("eps", eps)
        self.momentum = positive_float("momentum", momentum, below=1.0, zero=True)
        self.centered = a_bool("centered", centered)

    def _kinds(self) -> Kinds:
        return "square", ("mean" if self.centered else None), ("velocity" if self.momentum else None)

    def _numbers(self, t: int) -> dict[str, Any]:  # noqa: ARG002 - every step is alike
        return {
            "rate": self.learning_rate,
            "l2": self.weight_decay,
            "beta2": self.alpha,
            "eps": self.eps,
            "momentum": self.momentum,
        }

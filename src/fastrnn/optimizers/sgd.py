"""Gradient descent."""

from typing import Any

from fastrnn._validation import a_bool, positive_float
from fastrnn.optimizers.base import FusedOptimizer
from fastrnn.optimizers.memories import Kinds


class SGD(FusedOptimizer):
    """Gradient descent, with momentum as PyTorch has it.

    g ← g + λ W,  v ← μ v + g,  W ← W - α v,  with Nesterov's momentum W ← W - α (g + μ v).

    Parameters
    ----------
    learning_rate : float
        α.
    momentum : float
        μ, in [0, 1).
    nesterov : bool
        Whether the step looks ahead (Sutskever, Martens, Dahl & Hinton 2013); needs momentum.
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
    >>> w, g = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    >>> fastrnn.SGD(0.5).update({"w": w}, {"w": g})  # in place
    >>> w
    array([0.5, 2.5])
    """

    _rule = "sgd"

    def __init__(
        self,
        learning_rate: float = 0.1,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        decay_biases: bool = False,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay_biases)
        self.momentum = positive_float("momentum", momentum, below=1.0, zero=True)
        self.nesterov = a_bool("nesterov", nesterov)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov: expected a momentum > 0 with it, got momentum=0")

    def _kinds(self) -> Kinds:
        return ("velocity" if self.momentum else None), None, None

    def _numbers(self, t: int) -> dict[str, Any]:  # noqa: ARG002 - every step is alike
        return {
            "rate": self.learning_rate,
            "l2": self.weight_decay,
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }

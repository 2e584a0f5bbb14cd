"""Adam and AdamW."""

from typing import Any

from fastrnn._validation import positive_float
from fastrnn.optimizers.base import FusedOptimizer, corrected, two_betas
from fastrnn.optimizers.memories import Kinds


class Adam(FusedOptimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

    g ← g + λ W,  m ← m + (1-β₁) (g - m),  v ← β₂ v + (1-β₂) g²,  W ← W - α m̂ / (√v̂ + ε),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)

    Parameters
    ----------
    learning_rate : float
        α.
    betas : (float, float)
        β₁ and β₂, in [0, 1).
    eps : float
        ε.
    weight_decay : float
        λ. Here it is a part of the gradient, as in PyTorch's Adam, and then divided by √v̂ like the rest of it, so that
        weights with large gradients hardly decay; `AdamW` has what is usually meant by weight decay.
    decay_biases : bool
        Whether parameters with fewer than two axes decay too: biases, and the gains of LayerNorm. The default is no,
        unlike PyTorch's: they do not make a function steeper, and to draw them to 0 takes from an LSTM the forget bias
        of 1 that lets it remember. True gives PyTorch's numbers.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or of another type.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> w, g = np.array([1.0, 2.0]), np.array([1.0, -1000.0])
    >>> fastrnn.Adam(0.1).update({"w": w}, {"w": g})  # the first step is as long as the rate, whatever the gradient
    >>> w.round(3)
    array([0.9, 2.1])
    """

    _rule = "adam"

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decay_biases: bool = False,
    ) -> None:
        super().__init__(learning_rate, weight_decay, decay_biases)
        self.betas = two_betas(betas)
        self.eps = positive_float("eps", eps)

    def _kinds(self) -> Kinds:
        return "m", "v", None

    def _numbers(self, t: int) -> dict[str, Any]:
        beta1, beta2 = self.betas
        numbers = {"beta1": beta1, "beta2": beta2, "eps": self.eps, **corrected(self.learning_rate, self.betas, t)}
        return numbers | self._decay()

    def _decay(self) -> dict[str, float]:
        return {"l2": self.weight_decay}


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter 2019, algorithm 2, as in PyTorch).

    W ← (1 - α λ) W,  then Adam's step.

    Parameters
    ----------
    learning_rate, betas, eps, decay_biases
        As in `Adam`.
    weight_decay : float
        λ: each step takes this share of the learning rate from every weight.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range or of another type.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> w, b = np.ones((1, 2)), np.ones(2)
    >>> optimizer = fastrnn.AdamW(0.1, weight_decay=0.5)
    >>> optimizer.update({"w": w, "b": b}, {"w": 0 * w, "b": 0 * b})  # no gradient: what is left is decay
    >>> w, b
    (array([[0.95, 0.95]]), array([1., 1.]))
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        decay_biases: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas=betas, eps=eps, weight_decay=weight_decay, decay_biases=decay_biases)

    def _decay(self) -> dict[str, float]:
        return {"shrink": 1 - self.learning_rate * self.weight_decay}

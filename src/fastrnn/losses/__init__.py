"""Losses: how far predictions are from targets, and the gradient by the predictions.

Write your own by deriving from `Loss`, or as a callable ``(prediction, target) -> (value, gradient)`` with the
attribute ``link``: what turns predictions into probabilities ("sigmoid", "softmax") where it takes logits, else None.
"""

from fastrnn._validation import one_of
from fastrnn.losses.base import Loss, LossFunction, OwnLoss, Sums
from fastrnn.losses.cross_entropy import CrossEntropy
from fastrnn.losses.elementwise import BCE, MAE, MSE, Elementwise, Huber, SquaredError

__all__ = [
    "BCE",
    "LOSSES",
    "MAE",
    "MSE",
    "CrossEntropy",
    "Elementwise",
    "Huber",
    "Loss",
    "LossFunction",
    "OwnLoss",
    "SquaredError",
    "Sums",
    "as_loss",
]

LOSSES: dict[str, type[Loss]] = {
    "squared_error": SquaredError,
    "mse": MSE,
    "mae": MAE,
    "huber": Huber,
    "bce": BCE,
    "cross_entropy": CrossEntropy,
}


def as_loss(loss: str | Loss | LossFunction) -> Loss:
    """Return the loss of that name with its defaults, the given one, or an `OwnLoss` of a callable."""
    if isinstance(loss, Loss):
        return loss
    if callable(loss):
        if isinstance(loss, type):
            raise TypeError(f"loss: expected a loss such as {loss.__name__}(), got the class itself")
        return OwnLoss(loss)
    return LOSSES[one_of("loss", loss, tuple(LOSSES))]()

"""Which layer made numbers that are not finite, once a loss or a gradient is not."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastrnn._validation import first_not_finite
from fastrnn.data import Batch
from fastrnn.layers import Model, Sequential
from fastrnn.layers.base import Array


def of_loss(model: Model, batch: Batch, state: Any) -> str:
    """Return words that name what is not finite in a forward pass: parameters, the data, or a layer's output."""
    for name, array in model.parameters().items():
        if not np.isfinite(array).all():
            return f"parameter {name} is not finite"
    inputs = batch.x if isinstance(batch.x, tuple) else (batch.x,)
    for name, array in (*(("x", x) for x in inputs), ("y", batch.y)):
        bad = first_not_finite(array) if isinstance(array, np.ndarray) else None
        if bad is not None and batch.lengths is None:
            return f"{name} is not finite in sample {bad[0]} of the batch"
    if isinstance(model, Sequential):
        for i, output in enumerate(model.outputs(batch.x, state, lengths=batch.lengths)):
            if not np.isfinite(output).all():
                return f"the output of layer {i}, {model.layers[i]!r}, is the first that is not finite"
    return "the model's output or the target is out of range"


def of_gradient(gradients: Mapping[str, Array]) -> str:
    """Return words that name the gradient, nearest to the loss, that is not finite."""
    names = [name for name, grad in gradients.items() if not np.isfinite(grad).all()]
    return f"the gradient of {names[-1]} is not finite" if names else "their squares add up to more than a float holds"

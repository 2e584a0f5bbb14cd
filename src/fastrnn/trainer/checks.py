"""What is checked of data before training: that they fit the model and the loss, and are finite."""

from typing import Any

import numpy as np

from fastrnn.data import Batch, Dataset
from fastrnn.layers import EncoderDecoder, Model, Sequential
from fastrnn.losses import Loss


def output_lengths(model: Model, lengths: Any) -> Any:
    """Return the lengths of a model's output, given those of its input; None if it has no time or they are all T."""
    if isinstance(model, EncoderDecoder):
        return None if lengths is None else lengths[1]
    if isinstance(model, Sequential) and not model.timed[-1]:
        return None
    return lengths


def checked(model: Model, loss: Loss, dataset: Dataset) -> Dataset:
    """Return a data set that fits a model and a loss.

    Raises
    ------
    ValueError, TypeError
        If it does not, or a number is not finite.
    """
    first = dataset.batch(np.arange(1))
    model.as_batch(first.x)
    dataset.expect_finite()
    shape = _output_shape(model, first)
    dataset.expect_weights(steps=len(shape) > 1)
    timed = output_lengths(model, dataset.lengths) is not None
    for y, lengths in dataset.targets(ragged=timed):
        if lengths is None:
            loss.check(y, (len(y), *shape))
        elif y.ndim < 2:
            raise ValueError(f"y: expected targets for every step, got shape {y.shape}")
        else:
            valid = y[np.arange(y.shape[1]) < lengths[:, None]]
            loss.check(valid, (len(valid), *shape[1:]))
    return dataset


def _output_shape(model: Model, first: Batch) -> tuple[int, ...]:
    """Return the shape of one sample's output; whatever the model refuses, it refuses here."""
    steps = None
    if isinstance(model, Sequential) and all(model.timed):  # a text may be one very long sequence: one step will do
        steps = first.x.shape[1]
        first = first._replace(x=first.x[:, :1], lengths=None)
    options = {} if first.lengths is None else {"lengths": first.lengths}
    shape = np.shape(model(first.x, **options))[1:]
    return shape if steps is None else (steps, *shape[1:])


def expect_carries(model: Model, what: str) -> None:
    """Raise ValueError unless a model's state after one part of a sequence is that before the next."""
    if isinstance(model, EncoderDecoder):
        raise ValueError(f"{what}: expected None for an EncoderDecoder; its state can't be carried on")
    if not isinstance(model, Sequential):
        return
    for i, layer in enumerate(model.layers):
        if getattr(layer, "bidirectional", False):
            raise ValueError(
                f"{what}: layer {i} is bidirectional: it needs whole sequences, so no state can be carried on"
            )
    if not (model.timed[0] and model.timed[-1]):
        raise ValueError(f"{what}: expected a model with an output at every step, got {model!r}")

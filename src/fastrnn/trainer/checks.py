"""What is checked of data before training: that they fit the model and the loss, and are finite."""

from typing import Any

import numpy as np

from fastrnn.data import Dataset
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
    first = _first(dataset)
    model.as_batch(first)
    dataset.expect_finite()
    parts = (model.encoder, model.decoder) if isinstance(model, EncoderDecoder) else (model,)
    dataset.expect_ids([part.sizes[0] if isinstance(part, Sequential) and part.takes_ids else None for part in parts])
    shape = _output_shape(model, first)
    dataset.expect_weights(steps=len(shape) > 1)
    timed = output_lengths(model, dataset.lengths) is not None
    if timed:
        dataset.expect_targets_of_steps()
    for y, lengths in dataset.targets(ragged=timed):
        if lengths is None:
            loss.check(y, (len(y), *shape))
        else:
            valid = y[np.arange(y.shape[1]) < lengths[:, None]]
            loss.check(valid, (len(valid), *shape[1:]))
    return dataset


def _first(dataset: Dataset) -> Any:
    """Return the input of the first sample, or its inputs, without padding, which may be anything."""
    x, _, lengths, _ = dataset.batch(np.arange(1))
    if lengths is None:
        return x
    if not isinstance(x, tuple):
        return x[:, : lengths[0]]
    return tuple(part if own is None else part[:, : own[0]] for part, own in zip(x, lengths, strict=True))


def _output_shape(model: Model, x: Any) -> tuple[int, ...]:
    """Return the shape of one sample's output; whatever the model refuses, it refuses here."""
    if isinstance(model, Sequential) and all(model.timed):  # a text may be one very long sequence: one step will do
        return (int(x.shape[1]), *np.shape(model(x[:, :1]))[2:])
    shape: tuple[int, ...] = np.shape(model(x))
    return shape[1:]


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

"""Where the batches of an epoch come from: a data set, or an iterable of the user's own."""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Protocol

import numpy as np

from fastrnn._validation import positive_float, shown
from fastrnn.data import Batch, Dataset
from fastrnn.layers import EncoderDecoder, Model
from fastrnn.losses import Loss
from fastrnn.trainer.checks import checked

EVALUATED = 256  # samples at a time, where nothing is trained


class Source(Protocol):
    """What training goes through, epoch by epoch.

    Attributes
    ----------
    steps : int or None
        Batches in an epoch, if that is known.
    """

    steps: int | None

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Return the batches of one epoch without the first few; random numbers are drawn before this returns."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what a resumed training must find the same, for JSON."""
        ...


class FromDataset:
    """Samples cut into batches anew in every epoch."""

    def __init__(self, dataset: Dataset, batch_size: int, *, shuffle: bool, bucket: bool) -> None:
        self.dataset, self.batch_size, self.shuffle, self.bucket = dataset, batch_size, shuffle, bucket
        self.steps: int | None = dataset.steps(batch_size)

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Return the batches of one epoch without the first few."""
        shuffled = self.shuffle and self.batch_size < len(self.dataset)  # one batch has no order
        order = self.dataset.order(self.batch_size, rng if shuffled else None, bucket=self.bucket)
        return (self.dataset.batch(rows) for rows in order[skip:])

    def split(self, share: float, rng: np.random.Generator) -> tuple["FromDataset", "FromDataset"]:
        """Return a part to train on, cut in the same way, and one held out; see `Dataset.split`."""
        train, held_out = self.dataset.split(share, rng)
        return (
            FromDataset(train, self.batch_size, shuffle=self.shuffle, bucket=self.bucket),
            FromDataset(held_out, EVALUATED, shuffle=False, bucket=False),
        )

    def describe(self) -> dict[str, Any]:
        """Return the number of samples and how they are cut."""
        return {
            "samples": len(self.dataset),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "bucket": self.bucket,
        }


class FromIterable:
    """An iterable of batches that can be gone through once an epoch, or a function that returns one."""

    def __init__(self, batches: Iterable[Any] | Callable[[], Iterable[Any]]) -> None:
        if not isinstance(batches, Iterable) and not callable(batches):
            raise TypeError(f"x: expected arrays x and y, or an iterable of batches (x, y), got {shown(batches)}")
        self.batches = batches
        self.steps: int | None = len(batches) if isinstance(batches, Sized) else None

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        """Return the batches of one epoch without the first few, which are made and thrown away."""
        found = self.batches if isinstance(self.batches, Iterable) else self.batches()
        return (_as_batch(item) for item in islice(iter(found), skip, None))

    def describe(self) -> dict[str, Any]:
        """Return how many batches there are."""
        return {"batches": self.steps}


def _as_batch(item: Any) -> Batch:
    if isinstance(item, Batch):
        return item
    if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= len(Batch._fields):
        raise TypeError(f"x: expected batches (x, y), (x, y, lengths) or (x, y, lengths, weight), got {shown(item)}")
    return Batch(*item)


def source_of(
    model: Model,
    loss: Loss,
    x: Any,
    y: Any,
    lengths: Any,
    weight: Any,
    batch_size: int,
    *,
    shuffle: bool,
    bucket: bool = False,
) -> Source:
    """Return the batches of what users pass, having seen that the data fit the model and the loss.

    Raises
    ------
    ValueError, TypeError
        If they do not.
    """
    if isinstance(x, Dataset):
        if not (y is None and lengths is None and weight is None):
            raise ValueError("y, lengths, sample_weight: expected None with a Dataset, which has its own")
        dataset = x
    elif y is None:
        if lengths is not None or weight is not None:
            raise ValueError("lengths, sample_weight: expected None where x is batches, which have their own")
        return FromIterable(x)
    else:
        several = isinstance(model, EncoderDecoder)
        dataset = Dataset(list(x) if isinstance(x, tuple) and not several else x, y, lengths=lengths, weight=weight)
    return FromDataset(checked(model, loss, dataset), batch_size, shuffle=shuffle, bucket=bucket)


def held_out_of(model: Model, loss: Loss, validation: Any, source: Source) -> Source | None:
    """Return validation data of their own; None where there are none, or a share is to be carved off later.

    Raises
    ------
    ValueError, TypeError
        If they do not fit, or there is nothing to take a share of.
    """
    if validation is None:
        return None
    if isinstance(validation, Dataset):
        return source_of(model, loss, validation, None, None, None, EVALUATED, shuffle=False)
    if isinstance(validation, (tuple, list)):
        if len(validation) not in (2, 3):
            raise ValueError(f"validation: expected a share, or a tuple (x, y), got {len(validation)} parts")
        x, y, lengths = (*validation, None)[:3]
        return source_of(model, loss, x, y, lengths, None, EVALUATED, shuffle=False)
    positive_float("validation", validation, below=1.0)
    if isinstance(source, FromIterable):
        raise ValueError("validation: expected a tuple (x, y) where training data are batches, got a share")
    return None

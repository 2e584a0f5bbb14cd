"""Where the batches of an epoch come from: a data set, or an iterable of the user's own."""

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Protocol

import numpy as np

from fastrnn._validation import shown
from fastrnn.data import Batch, Dataset

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

"""Dataset: samples that are there before training begins; Batch: what one update sees of them."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import checked_lengths, positive_int, real_array, shown
from fastrnn.data.columns import Array, Column, Rows, Sequences, Whole, column, expect_finite, expect_from_0

POOL = 50  # batches among which sequences of like length are looked for


class Batch(NamedTuple):
    """Some samples, n of them.

    Attributes
    ----------
    x : ndarray (n, T, F), or whatever else the model takes, samples first
        A tuple of such where the model takes several inputs.
    y : ndarray
        Targets, samples first.
    lengths : ndarray of int (n,), or a tuple of such, or None
        How many steps of each sequence count; all of them if None.
    weight : ndarray (n,) or (n, T), or None
        How much each sample or step counts in the loss; alike if None.
    """

    x: Any
    y: Any
    lengths: Any = None
    weight: Any = None


class Dataset:
    """Samples and their targets, which `fastrnn.Trainer` cuts into batches.

    Nothing is copied before a batch is wanted, so arrays may be memory-mapped and larger than memory.

    Parameters
    ----------
    x : array_like, samples first, or a list of N arrays (T_i, F) or (T_i,)
        A tuple of such where the model takes several inputs, as `fastrnn.EncoderDecoder` does.
    y : array_like, samples first, or a list of N arrays
    lengths : array_like of int (N,), optional
        How many steps of each padded sequence count; a tuple where x is one. Lists have their own.
    weight : array_like (N,) or (N, T), or a list of N arrays (T_i,), optional
        How much each sample, or each step, counts in the loss.
    overlap : int, optional
        Set where samples are windows of one series in its order: how many samples after one still share values with
        it. A share for validation is then the end, and so many samples before it are left out. None: samples are
        independent, and the share is drawn at random.

    Raises
    ------
    ValueError, TypeError
        If there is no sample, not as many of each, or a length does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.data import Dataset
    >>> ids = [np.array([1, 2, 3]), np.array([4, 5]), np.array([6])]
    >>> data = Dataset(ids, [0, 1, 0])  # three sequences, a class for each
    >>> data.lengths
    array([3, 2, 1])
    >>> for x, y, lengths, weight in data.batches(2):  # padded to the longest of the batch
    ...     print(x.tolist(), y, lengths)
    [[1, 2, 3], [4, 5, 0]] [0 1] [3 2]
    [[6]] [0] [1]
    """

    def __init__(self, x: Any, y: Any, *, lengths: Any = None, weight: Any = None, overlap: int | None = None) -> None:
        several = isinstance(x, tuple)
        parts = x if several else (x,)
        self._x = tuple(column(f"x[{i}]" if several else "x", part) for i, part in enumerate(parts))
        self._y = column("y", y)
        self._weight = None if weight is None else column("weight", weight)
        self._several = several
        counts = {len(part) for part in (*self._x, self._y)}
        if len(counts) > 1 or counts == {0}:
            got = " and ".join(part.description for part in (*self._x, self._y))
            raise ValueError(f"x, y: expected as many samples in both, at least one, got {got}")
        self._rows: NDArray[np.intp] = np.arange(counts.pop())
        if self._weight is not None and len(self._weight) != len(self):
            raise ValueError(f"weight: expected one for each of {len(self)} samples, got {self._weight.description}")
        if overlap is not None and (isinstance(overlap, bool) or not isinstance(overlap, int) or overlap < 0):
            raise ValueError(f"overlap: expected None or an int of at least 0, got {shown(overlap)}")
        self.overlap = overlap
        given = lengths if several and lengths is not None else [lengths] * len(parts)
        if not isinstance(given, (list, tuple)) or len(given) != len(parts):
            raise TypeError(f"lengths: expected a tuple, one for each of {len(parts)} inputs, got {shown(lengths)}")
        self._lengths = tuple(_lengths(part, own) for part, own in zip(self._x, given, strict=True))
        self._check_steps()
        self._check_weight()

    def _check_steps(self) -> None:
        """Raise unless lists of targets and weights have as many steps as the sequences that they belong to."""
        for other in (self._y, self._weight):
            steps = self.lengths
            if other is None or other.lengths is None:
                continue
            if steps is None and isinstance(self._x[-1], Whole) and self._x[-1].array.ndim > 1:
                steps = np.full(len(self), self._x[-1].array.shape[1])
            if steps is None or not np.array_equal(steps, other.lengths):
                i = 0 if steps is None else int(np.argmax(steps != other.lengths))
                expected = "an array without time" if steps is None else f"{steps[i]} steps as {self._x[-1].name}[{i}]"
                raise ValueError(f"{other.name}[{i}]: expected {expected}, got {other.lengths[i]} steps")

    def _check_weight(self) -> None:
        """Raise unless weights are real numbers, one for each sample, or for each step in the form of the targets."""
        w, y = self._weight, self._y
        if w is None:
            return
        if isinstance(w, Whole):
            axes = real_array("weight", w.array).ndim
            fits = axes == 1 or (axes == 2 and isinstance(self._x[-1], Whole))
            if fits and axes == 2 and isinstance(y, Whole):
                fits = w.array.shape == y.array.shape[:2]
        else:
            fits = w.arrays[0].ndim == 1
        if not fits:
            raise ValueError(
                f"weight: expected one for each sample, or for each step in the form of y, {y.description}, "
                f"got {w.description}"
            )

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """Of the sequences that targets belong to, (N,); None if all have as many steps as their array."""
        own = self._lengths[-1]
        return None if own is None else own[self._rows]

    def __len__(self) -> int:
        """Return N."""
        return len(self._rows)

    def __repr__(self) -> str:
        """Return what it holds."""
        shapes = ", ".join(part.description for part in (*self._x, self._y))
        return f"Dataset({len(self)} of {len(self._y)} samples: {shapes})"

    def subset(self, rows: NDArray[np.intp]) -> Self:
        """Return some of the samples, in this order; the arrays are shared."""
        part = type(self).__new__(type(self))
        part.__dict__.update(self.__dict__)
        part._rows = self._rows[rows]
        return part

    def batch(self, rows: NDArray[np.intp]) -> Batch:
        """Return some of the samples, by their numbers."""
        chosen = self._rows[rows]
        index = _as_slice(chosen)
        x = tuple(part.take(index) for part in self._x)
        lengths = tuple(None if own is None else own[chosen] for own in self._lengths)
        steps = None if self._lengths[-1] is None else self._x[-1].steps  # what belongs to x is padded as x is
        weight = None if self._weight is None else self._weight.take(index, steps)
        several = any(own is not None for own in lengths)
        given = None if not several else lengths if self._several else lengths[0]
        return Batch(x if self._several else x[0], self._y.take(index, steps), given, weight)

    def expect_finite(self) -> None:
        """Raise ValueError that names the sample if an input or a weight is not finite.

        Memory-mapped arrays are not read. Targets are the loss's to check: some have NaN for what does not count.
        """
        for part, lengths in zip(self._x, self._lengths, strict=True):
            expect_finite(part, lengths)
        if self._weight is not None:
            expect_finite(self._weight, self._lengths[-1])

    def expect_ids(self, counts: Sequence[int | None]) -> None:
        """Raise ValueError that names the sample if an id is unknown; ``counts``: of each input, None where no ids are.

        Memory-mapped arrays are not read.
        """
        for part, lengths, count in zip(self._x, self._lengths, counts, strict=True):
            if count is not None:
                expect_from_0(part, lengths, count, f"ids from 0 to {count - 1}")

    def expect_targets_of_steps(self) -> None:
        """Raise ValueError unless targets are lists where sequences are, or of as many steps where both are arrays."""
        x, y = self._x[-1], self._y
        if isinstance(y, Sequences):
            return  # _check_steps has compared them
        if isinstance(x, Sequences):
            raise ValueError(f"y: expected a list with targets for every step, as x is one, got shape {y.description}")
        if y.array.shape[:2] != x.array.shape[:2]:
            raise ValueError(f"y: expected targets for every step, {x.array.shape[:2]}, got shape {y.description}")

    def expect_weights(self, *, steps: bool) -> None:
        """Raise ValueError if a weight is negative, or one for a step though targets have no steps."""
        if self._weight is None:
            return
        axes = self._weight.array.ndim if isinstance(self._weight, Whole) else 2
        if axes > 1 and not steps:
            raise ValueError(f"weight: expected one for each sample, got {self._weight.description}")
        expect_from_0(self._weight, self._lengths[-1], math.inf, "numbers >= 0")

    def targets(self, *, ragged: bool) -> Iterator[tuple[Array, NDArray[np.int64] | None]]:
        """Yield targets, some at a time, and their lengths if these matter."""
        lengths = self._lengths[-1] if ragged else None
        for start, block in self._y.blocks():
            yield block, None if lengths is None else lengths[start : start + len(block)]

    def order(
        self, batch_size: int, rng: np.random.Generator | None = None, *, bucket: bool = False
    ) -> list[NDArray[np.intp]]:
        """Return which samples each batch of an epoch has, all of them once.

        Parameters
        ----------
        batch_size : int
            Samples in a batch; the last one may have fewer.
        rng : numpy.random.Generator, optional
            Shuffles; in their own order if not given.
        bucket : bool
            Whether batches are made of sequences of like length, drawn from 50 batches at a time.
        """
        batch_size = positive_int("batch_size", batch_size)
        rows = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        lengths = self.lengths
        if not bucket or lengths is None:
            return [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        batches = []
        for start in range(0, len(rows), POOL * batch_size):
            pool = rows[start : start + POOL * batch_size]
            pool = pool[np.argsort(-lengths[pool], kind="stable")]
            batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
        return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield all samples, batch by batch, in their order."""
        for rows in self.order(batch_size):
            yield self.batch(rows)

    def split(self, share: float, rng: np.random.Generator) -> tuple[Self, Self]:
        """Return a part to train on and one held out.

        Parameters
        ----------
        share : float
            Of the samples, in (0, 1), rounded, at least one sample. Drawn at random; the end where `overlap` is set.
        rng : numpy.random.Generator

        Raises
        ------
        ValueError
            If nothing is left to train on.
        """
        held = max(1, round(share * len(self)))
        last = len(self) - held - (self.overlap or 0)
        if last < 1:
            between = f" and {self.overlap} between" if self.overlap else ""
            raise ValueError(
                f"validation: a share of {share:g}{between} leaves nothing of {len(self)} samples to train on"
            )
        if self.overlap is not None:
            return self.subset(np.arange(last)), self.subset(np.arange(len(self) - held, len(self)))
        rows = rng.permutation(len(self))
        return self.subset(np.sort(rows[held:])), self.subset(rows[:held])

    def steps(self, batch_size: int) -> int:
        """Return how many batches an epoch has."""
        return math.ceil(len(self) / batch_size)


def _lengths(part: Column, given: ArrayLike | None) -> NDArray[np.int64] | None:
    """Return the lengths of sequences, their own or those given; None if all have as many steps as their array."""
    if part.lengths is not None:
        if given is not None:
            raise ValueError("lengths: expected None with a list, whose sequences have their own")
        return part.lengths
    if given is None:
        return None
    if not isinstance(part, Whole) or part.array.ndim < 2:
        raise ValueError(f"lengths: expected None with {part.name} of shape {part.description}, which has no time")
    return checked_lengths(given, part.array.shape[1], len(part), part.name)


def _as_slice(rows: NDArray[np.intp]) -> Rows:
    """Return rows that lie side by side as a slice, which copies nothing."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows

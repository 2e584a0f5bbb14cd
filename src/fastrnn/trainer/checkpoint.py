"""Checkpoints: all that a training needs to go on where it was, in one file, written whole or not at all.

A checkpoint is a tree of dicts, lists, tuples, numbers, texts and arrays. In the file, which is safetensors, the
arrays are tensors and the rest is JSON in the header's metadata. Never pickle.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from fastrnn._files import TEMPORARY, write_whole
from fastrnn._validation import positive_float, positive_int, shown
from fastrnn.trainer.callbacks import expect_writable

FORMAT = 1
NAME = "checkpoint.safetensors"
LEFT = 60.0  # seconds after which a file that is half written is taken for left behind
ENTRY = "fastrnn_checkpoint"
Tree = Any
Arrays = dict[str, NDArray[Any]]


class CheckpointError(ValueError):
    """A file that is no checkpoint, a damaged one, or one of another training."""


class Checkpoint:
    """Where and how often a training is written down, so that it can go on after it was killed.

    Parameters
    ----------
    directory : path
        Made if it is not there. The checkpoint is the file ``checkpoint.safetensors`` in it.
    every : int, optional
        After so many updates.
    minutes : float, optional
        After so many minutes, at the next update; 1 if neither is given. The end of a training is always written.

    Raises
    ------
    ValueError, TypeError
        If a number is not positive.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> def train(epochs):
    ...     model = fastrnn.Sequential(fastrnn.Linear(2, 1, seed=0))
    ...     trainer, x = fastrnn.Trainer(model, "mse", seed=0), np.ones((64, 2))
    ...     checkpoint = fastrnn.Checkpoint("run", every=100)
    ...     return trainer.fit(x, x[:, :1], epochs=epochs, checkpoint=checkpoint, resume=True, verbose=0)
    >>> train(2)
    History(epochs=2, ...)
    >>> train(5)  # goes on behind the second epoch
    History(epochs=5, ...)
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, every: int | None = None, minutes: float | None = None
    ) -> None:
        if not isinstance(directory, (str, os.PathLike)):
            raise TypeError(f"checkpoint: expected a directory, got {shown(directory)}")
        self.path = Path(directory) / NAME
        self.every = None if every is None else positive_int("every", every)
        self.minutes = None if minutes is None else positive_float("minutes", minutes)
        if every is None and minutes is None:
            self.minutes = 1.0
        self._written, self._at = 0, time.monotonic()

    def prepare(self, *, resume: bool) -> Tree | None:
        """Make the directory, and return the tree to go on from, if there is one.

        Raises
        ------
        FileExistsError
            If there is one although training is not to resume.
        CheckpointError
            If it can't be read.
        OSError
            If nothing can be written there.
        """
        if self.path.parent.exists() and not self.path.parent.is_dir():
            raise NotADirectoryError(f"checkpoint: expected a directory, got the file {self.path.parent}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        expect_writable("checkpoint", self.path.parent)
        self._tidy()
        self._written, self._at = 0, time.monotonic()
        if not self.path.exists():
            return None
        if not resume:
            raise FileExistsError(
                f"checkpoint: {self.path} is that of an earlier training; pass resume=True to go on with it, "
                "or another directory"
            )
        return read(self.path)

    def _tidy(self) -> None:
        """Remove what trainings left that were killed while they wrote; a file of late may be one that still writes."""
        for part in self.path.parent.glob(TEMPORARY.format("*")):
            with suppress(FileNotFoundError):  # gone in the meantime
                if time.time() - part.stat().st_mtime > LEFT:
                    part.unlink()

    def due(self, updates: int) -> bool:
        """Return whether it is time to write, after so many updates."""
        if self.every is not None and updates - self._written >= self.every:
            return True
        return self.minutes is not None and time.monotonic() - self._at >= 60 * self.minutes

    def save(self, tree: Tree, updates: int) -> None:
        """Write, after so many updates."""
        write(self.path, tree)
        self._written, self._at = updates, time.monotonic()


def write(path: Path, tree: Tree) -> None:
    """Write a tree, whole or not at all."""
    arrays: Arrays = {}
    text = json.dumps({"format": FORMAT, "tree": _flatten(tree, "", arrays)})
    write_whole(path, to_bytes(arrays, metadata={ENTRY: text}))


def read(path: Path) -> Tree:
    """Read a tree that `write` wrote.

    Raises
    ------
    CheckpointError
        If the file is something else, or damaged.
    """
    with open(path, "rb"):  # says IsADirectoryError, PermissionError as Python does
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(ENTRY)
            if text is None:
                raise CheckpointError(f"{path}: not a checkpoint of fastrnn's")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        own = json.loads(text)
        if not isinstance(own, dict) or own.get("format") != FORMAT:
            raise CheckpointError(f"{path}: expected a checkpoint of format {FORMAT}; a newer fastrnn may read it")
        return _unflatten(own["tree"], arrays)
    except CheckpointError:
        raise
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one ({str(error)[:200]})") from None


def _flatten(tree: Tree, name: str, arrays: Arrays) -> Tree:
    """Return what JSON can hold of a tree, the arrays by their names."""
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "biuf" and tree.itemsize <= 8:
        name = f"{len(arrays)}.{name}"  # keys may have dots
        arrays[name] = np.ascontiguousarray(tree).reshape(tree.shape)
        return {"array": name}
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            raise TypeError(f"checkpoint: {name} has keys that are not text: {shown(list(tree))}")
        return {"dict": {key: _flatten(value, f"{name}.{key}" if name else key, arrays) for key, value in tree.items()}}
    if isinstance(tree, (list, tuple)):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [_flatten(value, f"{name}.{i}", arrays) for i, value in enumerate(tree)]}
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    kind = f"an array of {tree.dtype}" if isinstance(tree, np.ndarray) else f"of type {type(tree).__name__}"
    raise TypeError(f"checkpoint: {name} is {kind}, which can't be written")


def _unflatten(tree: Tree, arrays: Arrays) -> Tree:
    """Undo `_flatten`."""
    if not isinstance(tree, dict):
        if isinstance(tree, list):
            raise ValueError("a bare list")
        return tree
    ((kind, value),) = tree.items()
    if kind == "array":
        return arrays[value]
    if kind == "dict":
        return {key: _unflatten(part, arrays) for key, part in value.items()}
    if kind in {"list", "tuple"}:
        return (list if kind == "list" else tuple)(_unflatten(part, arrays) for part in value)
    raise ValueError(f"unknown kind {kind!r}")

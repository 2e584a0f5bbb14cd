"""Train a detector for a word, through `fastrnn.Trainer`, until it makes no mistake on fresh letters."""

import json
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from fastrnn._validation import Seed, as_generator, one_of, shown
from fastrnn.detector.letters import Letters
from fastrnn.detector.pieces import SCORING_COUNTS, scoring_stream, training_codes
from fastrnn.layers import LSTM, RNN, Linear, Model, Sequential
from fastrnn.optimizers import Adam
from fastrnn.serialization import ModelFileError, load_with_metadata
from fastrnn.trainer import History, Trainer
from fastrnn.trainer.history import INTERRUPTED

# Found by trying: clipping far below the usual 1 keeps long words from unlearning in sudden steps.
LEARNING_RATE = {"lstm": 2e-2, "rnn": 5e-3}  # at the start
FINAL_RATE = 1e-4  # at the end, after a cosine over all epochs
CLIP_NORM = 0.03
HIDDEN_SIZE = 32
BATCH = 32  # sequences
BATCHES = 250  # an epoch
CHECK_LETTERS = 100_000  # random letters after each epoch
MARGIN = 2.0  # by how much the logits must clear the threshold
THRESHOLD = 0.9


def epochs_for(letters: Letters) -> int:
    """Return how many epochs a word may take: 1,000 updates, and 300 more for each letter."""
    return math.ceil((1000 + 300 * len(letters.target)) / BATCHES)


class Detector(NamedTuple):
    """A network and the letters that it reads."""

    model: Sequential
    letters: Letters

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file that knows its word; raises as `Sequential.save` does."""
        self.model.save(path, metadata={"detector": json.dumps({"word": self.letters.word})})


def load(path: str | os.PathLike[str]) -> Detector:
    """Read a detector that `Detector.save` wrote.

    Raises
    ------
    ModelFileError
        If the file is no model, a damaged one, or no detector's.
    OSError
        If it can't be read.
    """
    model, metadata = load_with_metadata(path)
    try:
        letters = Letters(json.loads(metadata["detector"])["word"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ModelFileError(f"{path}: a model, but not a word detector's") from None
    if not isinstance(model, Sequential):
        raise ModelFileError(f"{path}: not a network that detects {letters.word!r}")
    if model.sizes[0] != letters.size or model.sizes[-1] != 1 or model.link != "sigmoid" or not model.recurrent:
        raise ModelFileError(f"{path}: not a network that detects {letters.word!r}")
    return Detector(model, letters)


class Batches:
    """Fresh training batches, a number of them each time that one goes through them.

    Yields x (N, T, size), one-hot, and y (N, T, 1), 1 where the last letter of the word arrives.
    """

    def __init__(self, letters: Letters, rng: np.random.Generator) -> None:
        self.letters, self.rng = letters, rng
        self.shape = BATCH, max(64, 4 * len(letters.target))

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        return BATCHES

    def __iter__(self) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Make them."""
        for _ in range(BATCHES):
            codes = training_codes(self.letters, self.shape, self.rng)
            yield self.letters.one_hot(codes), self.letters.ends(codes)[..., None].astype(np.float32)


class _Schedule:
    """After each epoch: lower the learning rate, and stop once two checks in a row found no mistake.

    A check is a fresh stream like the one on which detectors are scored, but shorter; no mistake means that
    every output clears the threshold by a margin.
    """

    def __init__(self, letters: Letters, rng: np.random.Generator, start: float) -> None:
        self.letters, self.rng, self.start = letters, rng, start
        self.flawless = 0

    def __call__(self, trainer: Trainer, history: History) -> bool:
        done = len(history.loss) / epochs_for(self.letters)
        cosine = (1 + math.cos(math.pi * done)) / 2
        trainer.optimizer.learning_rate = FINAL_RATE + (self.start - FINAL_RATE) * cosine
        self.flawless = self.flawless + 1 if self._check(trainer.model) else 0
        return self.flawless >= 2

    def _check(self, model: Model) -> bool:
        share = CHECK_LETTERS / 1_000_000
        counts = {kind: math.ceil(share * count) for kind, count in SCORING_COUNTS.items()}
        codes = scoring_stream(self.letters, self.rng, CHECK_LETTERS, counts)
        outputs = model(self.letters.one_hot(codes))[:, 0]
        ends = self.letters.ends(codes)
        limit = logit(THRESHOLD)
        return bool(outputs[~ends].max() < limit - MARGIN and outputs[ends].min() > limit + MARGIN)


def train(
    letters: Letters, *, cell: str = "lstm", seed: Seed = None, verbose: int = 1, file: TextIO | None = None
) -> tuple[Detector, History]:
    """Train a network, from random weights, to output 1 when the word's last letter arrives and 0 otherwise.

    Parameters
    ----------
    letters : Letters
        Of the word.
    cell : {"lstm", "rnn"}
    seed : int or numpy.random.Generator, optional
        Of weights and letters.
    verbose, file
        As in `Trainer.fit`.

    Returns
    -------
    Detector, History

    Raises
    ------
    KeyboardInterrupt
        If there was one.
    """
    if not isinstance(letters, Letters):
        raise TypeError(f"letters: expected Letters(word), got {shown(letters)}")
    rate = LEARNING_RATE[one_of("cell", cell, tuple(LEARNING_RATE))]
    rng = as_generator(seed)
    layer = LSTM if cell == "lstm" else RNN
    model = Sequential(layer(letters.size, HIDDEN_SIZE, seed=rng), Linear(HIDDEN_SIZE, 1, seed=rng))
    trainer = Trainer(model, loss="bce", optimizer=Adam(rate), clip_norm=CLIP_NORM, seed=rng)
    history = trainer.fit(
        Batches(letters, rng),
        epochs=epochs_for(letters),
        callbacks=[_Schedule(letters, rng, rate)],
        verbose=verbose,
        file=file,
    )
    if history.stopped == INTERRUPTED:
        raise KeyboardInterrupt  # half a detector is none
    return Detector(model, letters), history

"""Train a detector for a word, through `fastrnn.Trainer`, until it makes no mistake on fresh letters."""

import json
import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from fastrnn._validation import Seed, as_generator, one_of
from fastrnn.detector.letters import Letters
from fastrnn.detector.pieces import SCORING_COUNTS, scoring_stream, training_codes
from fastrnn.layers import LSTM, RNN, Linear, Sequential
from fastrnn.optimizers import Adam
from fastrnn.serialization import ModelFileError, load_with_metadata
from fastrnn.trainer import History, Trainer


class Recipe(NamedTuple):
    """How a cell is trained."""

    hidden_size: int
    learning_rate: float  # at the start
    final_rate: float  # at the end, after a cosine over the second half
    epochs: int  # at most


RECIPES = {
    "lstm": Recipe(hidden_size=32, learning_rate=1e-2, final_rate=1e-4, epochs=40),
    "rnn": Recipe(hidden_size=64, learning_rate=3e-3, final_rate=1e-5, epochs=80),
}
BATCH = 32  # sequences
BATCHES = 100  # an epoch
CHECK_LETTERS = 40_000  # random letters after each epoch
MARGIN = 2.0  # by how much the logits must clear the threshold
THRESHOLD = 0.9


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

    def __init__(self, letters: Letters, recipe: Recipe, rng: np.random.Generator) -> None:
        self.letters, self.recipe, self.rng = letters, recipe, rng
        self.flawless = 0

    def __call__(self, trainer: Trainer, history: History) -> bool:
        start, end, epochs = self.recipe.learning_rate, self.recipe.final_rate, self.recipe.epochs
        late = max(0.0, 2 * len(history.loss) / epochs - 1)  # 0 in the first half, then rising to 1
        trainer.optimizer.learning_rate = end + (start - end) * (1 + math.cos(math.pi * late)) / 2
        self.flawless = self.flawless + 1 if self._check(trainer.model) else 0
        return self.flawless >= 2

    def _check(self, model: Sequential) -> bool:
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
    """
    recipe = RECIPES[one_of("cell", cell, tuple(RECIPES))]
    rng = as_generator(seed)
    recurrent = (LSTM if cell == "lstm" else RNN)(letters.size, recipe.hidden_size, seed=rng)
    model = Sequential(recurrent, Linear(recipe.hidden_size, 1, seed=rng))
    trainer = Trainer(model, loss="bce", optimizer=Adam(recipe.learning_rate), clip_norm=1.0, seed=rng)
    schedule = _Schedule(letters, recipe, rng)
    history = trainer.fit(Batches(letters, rng), epochs=recipe.epochs, callbacks=[schedule], verbose=verbose, file=file)
    return Detector(model, letters), history

"""Fit a model of characters to a text, through `fastrnn.Trainer`, and measure it on the end of the text."""

import hashlib
import math
from collections.abc import Mapping
from os import PathLike
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import Seed, as_generator, one_of, positive_int
from fastrnn.data import Batch, Dataset, Vocabulary, streams
from fastrnn.language.model import WINDOW, CharacterModel
from fastrnn.layers import GRU, LSTM, RNN, Dropout, Embedding, Linear, Sequential
from fastrnn.optimizers import Adam
from fastrnn.schedules import OneCycle
from fastrnn.trainer import Callback, Checkpoint, CheckpointError, EarlyStopping, History, Trainer

CELLS = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
PEAK = {"lstm": 8e-3, "gru": 5e-3, "rnn": 3e-3}  # the highest learning rate of one cycle; found by trying
DROPOUT = 0.2  # between layers, and before the output
HELD_OUT = 10  # a tenth of the text
NEEDED = 1_000  # characters: of fewer there is nothing to learn, and nothing to measure by
STREAMS = 16  # pieces of the text side by side, at most
STREAM_LENGTH = 16_384  # a shorter text has fewer pieces, so that an epoch has enough updates


def expect_text(text: str) -> str:
    """Return a text that is long enough to learn from.

    Raises
    ------
    ValueError, TypeError
        If it is not.
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected a str, got {type(text).__name__}")
    if len(text) < NEEDED:
        raise ValueError(f"text: expected at least {NEEDED:,} characters to learn from, got {len(text):,}")
    return text


def train(
    text: str,
    *,
    cell: str = "lstm",
    hidden_size: int = 256,
    num_layers: int = 1,
    epochs: int = 10,
    seed: Seed = None,
    checkpoint: str | PathLike[str] | Checkpoint | None = None,
    resume: bool = False,
    verbose: int = 1,
    file: TextIO | None = None,
) -> tuple[CharacterModel, History]:
    """Train a network, from random weights, to tell the next character.

    The last tenth of the text is held out. The parameters that come back are those of the epoch that was best there,
    also after an interrupt.

    Parameters
    ----------
    text : str
        At least 1,000 characters.
    cell : {"lstm", "gru", "rnn"}
    hidden_size, num_layers : int
        Of the recurrent layer.
    epochs : int
    seed : int or numpy.random.Generator, optional
        Of weights and dropout.
    checkpoint, resume, verbose, file
        As in `Trainer.fit`.

    Returns
    -------
    CharacterModel, History
        ``history.validation_metrics["bits_per_character"]`` has what each epoch came to on the end held out.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong.
    CheckpointError, FileExistsError, OSError
        As of `Trainer.fit`; also if the checkpoint is that of another text.
    """
    layer = CELLS[one_of("cell", cell, tuple(CELLS))]
    hidden_size, epochs = positive_int("hidden_size", hidden_size), positive_int("epochs", epochs)
    rng = as_generator(seed)
    vocabulary = Vocabulary.of_characters(expect_text(text), unknown=None)
    windows, held_out = _cut(vocabulary.encode(text))
    network = Sequential(
        Embedding(len(vocabulary), hidden_size, seed=rng),
        layer(hidden_size, hidden_size, num_layers, dropout=DROPOUT if num_layers > 1 else 0.0, seed=rng),
        Dropout(DROPOUT),
        Linear(hidden_size, len(vocabulary), seed=rng),
    )
    trainer = Trainer(
        network,
        loss="cross_entropy",
        optimizer=Adam(PEAK[cell]),
        tbptt=WINDOW,
        schedule=OneCycle(PEAK[cell], epochs * len(windows)),
        metrics=["bits_per_character"],
        seed=rng,
    )
    history = trainer.fit(
        windows,
        epochs=epochs,
        stateful=True,
        validation=held_out,
        callbacks=[_SameText(text), EarlyStopping(epochs)],
        checkpoint=checkpoint,
        resume=resume,
        verbose=verbose,
        file=file,
    )
    return CharacterModel(network, vocabulary), history


def _cut(ids: NDArray[np.int32]) -> tuple[list[Batch], Dataset]:
    """Return the windows of what is learnt from, each the continuation of the one before, and the end held out."""
    end = len(ids) - len(ids) // HELD_OUT
    pieces = min(STREAMS, math.ceil(end / STREAM_LENGTH))
    x, y = streams(ids[:end], pieces)  # (N, L)
    places = [slice(start, start + WINDOW) for start in range(0, x.shape[1], WINDOW)]
    return [Batch(x[:, place], y[:, place]) for place in places], Dataset(*streams(ids[end:], pieces))


class _SameText(Callback):
    """Refuses to go on from a checkpoint of another text."""

    def __init__(self, text: str) -> None:
        self.digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        self.found = self.digest

    def on_start(self, trainer: Trainer, history: History) -> None:  # noqa: ARG002
        """Compare."""
        if self.found != self.digest:
            raise CheckpointError("checkpoint: that of a training on another text")

    def state_dict(self) -> dict[str, Any]:
        """Return what tells this text from others."""
        return {"text": self.digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.found = str(state["text"])

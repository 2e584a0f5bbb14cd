"""A network that gives every next character a probability, and the vocabulary that it speaks."""

import os
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import Seed, shown
from fastrnn.data import Vocabulary
from fastrnn.layers import Sequential
from fastrnn.serialization import ModelFileError, load_with_metadata
from fastrnn.trainer import Trainer

WINDOW = 64  # steps through which errors flow back, and that are measured at a time


class CharacterModel(NamedTuple):
    """A network and the characters whose ids it takes and gives; by `train` or `load`.

    Attributes
    ----------
    model : Sequential
        From ids (N, T) to logits (N, T, V).
    vocabulary : Vocabulary
        Of V characters.

    Examples
    --------
    >>> import fastrnn
    >>> from fastrnn.data import Vocabulary
    >>> from fastrnn.language import CharacterModel
    >>> layers = fastrnn.Embedding(3, 4, seed=0), fastrnn.LSTM(4, 8, seed=0), fastrnn.Linear(8, 3, seed=0)
    >>> one = CharacterModel(fastrnn.Sequential(*layers), Vocabulary("abc"))
    >>> len(one.generate("ab", 10, seed=0))
    10
    """

    model: Sequential
    vocabulary: Vocabulary

    def bits_per_character(self, text: str) -> float:
        """Return the mean of -log₂ of the probability that each character of a text but the first was given.

        Raises
        ------
        ValueError
            If there are fewer than two characters, or some that are not in the vocabulary.
        """
        if len(text) < 2:
            raise ValueError(f"text: expected at least two characters, got {text!r}")
        ids = self._encode("text", text)
        trainer = Trainer(self.model, "cross_entropy", tbptt=WINDOW, metrics=["bits_per_character"])
        return trainer.score(ids[None, :-1], ids[None, 1:])["bits_per_character"]

    def generate(
        self, prompt: str, length: int, *, temperature: float = 1.0, top_k: int | None = None, seed: Seed = None
    ) -> str:
        """Return what comes after a prompt.

        Parameters
        ----------
        prompt : str
            At least one character.
        length : int
            How many characters to write.
        temperature, top_k, seed
            As for `Sequential.generate`.

        Raises
        ------
        ValueError, TypeError
            If the prompt is empty or has characters that are not in the vocabulary, or a number is out of range.
        """
        if not prompt:
            raise ValueError("prompt: expected at least one character, got none")
        ids = self._encode("prompt", prompt)
        return self.vocabulary.decode(self.model.generate(ids, length, temperature=temperature, top_k=top_k, seed=seed))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file that has the vocabulary too; raises as `Sequential.save` does."""
        self.model.save(path, metadata={"vocabulary": self.vocabulary.to_json()})

    def _encode(self, name: str, text: str) -> NDArray[np.int32]:
        """Return the ids of a text (L,) of known characters."""
        expect_known(name, text, self.vocabulary)
        return self.vocabulary.encode(text)


def expect_known(name: str, text: str, known: Iterable[str]) -> None:
    """Raise ValueError unless all characters of a text are known; it names those that are not."""
    absent = sorted(set(text) - set(known))
    if absent:
        raise ValueError(f"{name}: expected characters that are in the training text, got {shown(''.join(absent))}")


def load(path: str | os.PathLike[str]) -> CharacterModel:
    """Read a model that `CharacterModel.save` wrote.

    Raises
    ------
    ModelFileError
        If the file is no model, a damaged one, or none of text.
    OSError
        If it can't be read.
    """
    model, metadata = load_with_metadata(path)
    try:
        vocabulary = Vocabulary.from_json(metadata["vocabulary"])
    except (KeyError, ValueError):
        raise ModelFileError(f"{path}: a model, but not one of text: it has no vocabulary") from None
    size = len(vocabulary)
    if (
        vocabulary.kind != "characters"
        or not isinstance(model, Sequential)
        or not (model.takes_ids and model.recurrent and model.link == "softmax")
        or (model.sizes[0], model.sizes[-1]) != (size, size)
    ):
        raise ModelFileError(f"{path}: not a network that tells the next of {size} characters")
    try:
        model.stream()
    except ValueError as error:
        raise ModelFileError(f"{path}: not a network that tells the next character ({error})") from None
    return CharacterModel(model, vocabulary)

"""From text to what the network sees: each letter of the word is a one-hot vector, all else the zero vector."""

import re
import sys
from functools import cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int16]


@cache
def _cased() -> str:
    """Return all characters below U+20000; every letter of Unicode that has another case is among them."""
    return "".join(map(chr, range(0x20000)))


class Letters:
    """The distinct letters of a word, without regard to case, in ascending order.

    A character's code is the place of its letter, 0 … size - 1, or ``size`` for anything else. Case is folded
    just as the regular expression ``(?i)`` folds it: k is also the Kelvin sign, s also the long s.

    Parameters
    ----------
    word : str
        One or more letters.

    Raises
    ------
    TypeError
        If the word is not a str.
    ValueError
        If it is empty, or holds anything but letters.
    """

    def __init__(self, word: str) -> None:
        if not isinstance(word, str):
            raise TypeError(f"word: expected a str, got {word!r}")
        if not word:
            raise ValueError("word: expected at least one letter, got an empty word")
        if not word.isalpha():
            other = next(character for character in word if not character.isalpha())
            raise ValueError(f"word: expected letters only, got {other!r} in {word!r}")
        self.word = "".join(map(_canonical, word))
        self.letters = sorted(set(self.word))
        self._table = np.full(sys.maxunicode + 1, self.size, dtype=np.int16)
        for code, letter in enumerate(self.letters):
            self._table[[ord(variant) for variant in _variants(letter)]] = code
        self.target = self.encode(self.word)

    @property
    def size(self) -> int:
        """How many distinct letters there are: the number of inputs of the network."""
        return len(self.letters)

    def encode(self, text: str) -> Codes:
        """Return the code of each character, (len(text),)."""
        return self._table[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)]

    def one_hot(self, codes: Codes) -> NDArray[np.float32]:
        """Return the vectors of the codes, (..., size)."""
        return np.eye(self.size + 1, self.size, dtype=np.float32)[codes]

    def ends(self, codes: Codes) -> NDArray[np.bool_]:
        """Return where along the last axis the word's last letter arrives; every occurrence, overlaps too."""
        found = np.zeros(codes.shape, dtype=np.bool_)
        width = codes.shape[-1] - len(self.target) + 1
        if width > 0:
            tail = found[..., len(self.target) - 1 :]
            tail[...] = True
            for offset, code in enumerate(self.target):
                tail &= codes[..., offset : offset + width] == code
        return found

    def __eq__(self, other: object) -> bool:
        """Return whether the other's word is the same, without regard to case."""
        return isinstance(other, Letters) and self.word == other.word

    def __hash__(self) -> int:
        """Return the hash of the word."""
        return hash(self.word)

    def __repr__(self) -> str:
        """Return the call that would build this."""
        return f"Letters({self.word!r})"


@cache
def _variants(letter: str) -> frozenset[str]:
    """Return all characters that ``(?i)`` takes for this letter."""
    return frozenset({letter, *re.findall(letter, _cased(), re.IGNORECASE)})


def _canonical(letter: str) -> str:
    """Return the variant that stands for all of them: the first lower-case one, where there is one."""
    variants = _variants(letter)
    return min((variant for variant in variants if variant.islower()), default=min(variants))

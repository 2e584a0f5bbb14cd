"""Vocabularies of characters and of words: text as ids, and back."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_ids, one_of, positive_int, shown

Ids = NDArray[np.int32]
FORMAT = 1
ABSENT = -1  # the id of what a vocabulary without an unknown token does not have

# numbers (3.14, 1,000), words (don't, x_1), and any other character that is not white space
WORD = re.compile(r"\d+(?:[.,]\d+)*(?!\w)|\w+(?:['’]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Return the words, numbers and punctuation marks of a text, in order.

    A word is letters, digits and underscores, also with apostrophes between them (``don't``); a number may have points
    and commas between its digits (``1,000.5``); of everything else but white space each character is by itself. Case
    and Unicode's form are left alone.

    Examples
    --------
    >>> from fastrnn.data import split_words
    >>> split_words("Don't pay $1,000.50!")
    ["Don't", 'pay', '$', '1,000.50', '!']
    """
    return WORD.findall(text)


class _Kind(NamedTuple):
    """How a text becomes tokens and tokens become a text, and what stands for a token that is unknown."""

    split: Callable[[str], Iterable[str]]
    between: str
    unknown: str


KINDS = {
    "characters": _Kind(iter, "", "\N{REPLACEMENT CHARACTER}"),
    "words": _Kind(split_words, " ", "<unk>"),
}
DEFAULT: Any = object()  # the kind's own token


class Vocabulary:
    """The tokens that a text is made of, and a number for each of them.

    Parameters
    ----------
    tokens : iterable of str
        All different, in the order of their ids; characters must be single.
    kind : {"characters", "words"}
        What `encode` cuts a text into: code points, or what `split_words` returns.
    unknown : str or None
        Which of the tokens stands for everything that is not among them. None: such has the id -1, of which `one_hot`
        makes the zero vector, and which `Embedding` refuses.

    Attributes
    ----------
    tokens : tuple of str
    kind : str
    unknown : str or None

    Notes
    -----
    Text is taken as it is: neither case nor Unicode's form is changed. "é" can be one code point or two; put texts from
    different sources into one form first, by ``unicodedata.normalize("NFC", text)``.

    Examples
    --------
    >>> from fastrnn.data import Vocabulary
    >>> vocabulary = Vocabulary.of_characters("hello")
    >>> vocabulary.encode("hole")
    array([3, 4, 1, 2], dtype=int32)
    >>> vocabulary.decode(vocabulary.encode("hole!"))
    'hole\ufffd'
    """

    def __init__(self, tokens: Iterable[str], *, kind: str = "characters", unknown: str | None = None) -> None:
        self.kind, self.unknown = one_of("kind", kind, tuple(KINDS)), unknown
        self.tokens = tuple(tokens)
        self._ids: dict[str, int] = {}
        for i, token in enumerate(self.tokens):
            _check_token(token, single=kind == "characters" and token != unknown)
            if self._ids.setdefault(token, i) != i:
                raise ValueError(f"tokens: expected each of them once, got {token!r} twice")
        if not self.tokens:
            raise ValueError("tokens: expected at least one")
        if unknown is not None and unknown not in self._ids:
            raise ValueError(f"unknown: expected one of the tokens, got {shown(unknown)}")
        self._absent = ABSENT if unknown is None else self._ids[unknown]
        self._table = _table_of(self._ids, self._absent) if kind == "characters" else None

    @classmethod
    def of_characters(
        cls,
        text: str | Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        unknown: str | None = DEFAULT,
    ) -> Self:
        """Return the characters (code points) of a text, the most frequent ones first.

        Parameters
        ----------
        text : str or iterable of str
            One text, or several, or the lines of a file.
        min_count : int
            How often a character has to occur.
        max_size : int, optional
            How many ids there may be, the unknown token's included; the most frequent characters stay.
        unknown : str or None
            The token with the id 0, which stands for all others; "\ufffd" if not given. None: they have the id -1.

        Raises
        ------
        ValueError, TypeError
            If nothing is left, or an argument is wrong.
        """
        return cls._of("characters", text, min_count, max_size, unknown)

    @classmethod
    def of_words(
        cls,
        text: str | Iterable[str],
        *,
        min_count: int = 1,
        max_size: int | None = None,
        unknown: str | None = DEFAULT,
    ) -> Self:
        """Return the words of a text, the most frequent ones first; see `split_words`.

        Parameters
        ----------
        text, min_count, max_size, unknown
            As for `of_characters`; the unknown token is "<unk>" if not given.
        """
        return cls._of("words", text, min_count, max_size, unknown)

    @classmethod
    def _of(
        cls, kind: str, text: str | Iterable[str], min_count: int, max_size: int | None, unknown: str | None
    ) -> Self:
        min_count = positive_int("min_count", min_count)
        unknown = KINDS[kind].unknown if unknown is DEFAULT else unknown
        counts: Counter[str] = Counter()
        for part in [text] if isinstance(text, str) else _strings(text, "strings"):
            counts.update(KINDS[kind].split(part))
        first = [] if unknown is None else [unknown]
        common = [token for token, count in counts.items() if count >= min_count and token != unknown]
        common.sort(key=lambda token: (-counts[token], token))
        if max_size is not None:
            common = common[: max(0, positive_int("max_size", max_size) - len(first))]
        if not common:
            raise ValueError(f"text: expected at least one of the {kind} to stay in the vocabulary, got none")
        return cls([*first, *common], kind=kind, unknown=unknown)

    # ---- text and ids ----

    def encode(self, text: str | Iterable[str]) -> Ids:
        """Return the ids of a text.

        Parameters
        ----------
        text : str or iterable of str
            A text, which is cut into tokens; or tokens, which are taken as they are.

        Returns
        -------
        ndarray (L,) of int32
        """
        if isinstance(text, str):
            if self._table is not None:
                return self._table[np.minimum(_code_points(text), len(self._table) - 1)]
            tokens = KINDS[self.kind].split(text)
        else:
            tokens = _strings(text, "tokens")
        return np.fromiter((self._ids.get(token, self._absent) for token in tokens), np.int32)

    def decode(self, ids: ArrayLike) -> str:
        """Return the text of ids (L,), words with a space between them.

        Raises
        ------
        ValueError, TypeError
            If there are unknown ids, or ids are not integers (L,).
        """
        array = as_ids("ids", ids, len(self))
        if array.ndim != 1:
            raise ValueError(f"ids: expected shape (L,), got {array.shape}; decode one row at a time")
        return KINDS[self.kind].between.join(map(self.tokens.__getitem__, array.tolist()))

    def __len__(self) -> int:
        """Return how many ids there are."""
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        """Return the tokens in the order of their ids."""
        return iter(self.tokens)

    def __contains__(self, token: object) -> bool:
        """Return whether the token has an id of its own."""
        return token in self._ids

    # ---- description and files ----

    def to_json(self) -> str:
        """Return all of it as JSON in ASCII, fit for an entry in a model file's metadata."""
        return json.dumps({"format": FORMAT, "kind": self.kind, "unknown": self.unknown, "tokens": self.tokens})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` described; raise ValueError if the text is anything else."""
        try:
            entries = json.loads(text)
            if entries["format"] != FORMAT:
                raise ValueError(f"expected format {FORMAT}, got {shown(entries['format'])}")
            return cls(entries["tokens"], kind=entries["kind"], unknown=entries["unknown"])
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise ValueError(f"text: expected the JSON of a Vocabulary ({type(error).__name__}: {error})") from None

    def __eq__(self, other: object) -> bool:
        """Return whether the other gives the same ids to the same tokens."""
        return isinstance(other, Vocabulary) and self._key() == other._key()

    def __hash__(self) -> int:
        """Return a hash of the tokens."""
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.tokens, self.kind, self.unknown

    def __repr__(self) -> str:
        """Return how many tokens of which kind there are."""
        return f"Vocabulary({len(self)} {self.kind}, unknown={self.unknown!r})"


def _strings(text: Iterable[str], what: str) -> Iterator[str]:
    """Yield what has to be strings."""
    if isinstance(text, bytes) or not isinstance(text, Iterable):
        raise TypeError(f"text: expected a str, or {what}, got {shown(text)}")
    for i, part in enumerate(text):
        if not isinstance(part, str):
            raise TypeError(f"text: expected a str, or {what}, got {shown(part)} at {i}")
        yield part


def _check_token(token: object, *, single: bool) -> None:
    if not isinstance(token, str):
        raise TypeError(f"tokens: expected strings, got {shown(token)}")
    if not token or (single and len(token) > 1):
        raise ValueError(f"tokens: expected {'single characters' if single else 'no empty string'}, got {token!r}")


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _table_of(ids: dict[str, int], absent: int) -> Ids:
    """Return the id of each code point up to the largest in the vocabulary, and at the end that of all beyond."""
    characters = {ord(token): i for token, i in ids.items() if len(token) == 1}
    table = np.full(max(characters, default=-1) + 2, absent, np.int32)
    table[list(characters)] = list(characters.values())
    return table

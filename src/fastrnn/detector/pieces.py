"""Random text with a word and its near misses in it, as letter codes: for training and for scoring.

Text is made of *pieces*: the word, something that nearly is the word, or a run of random letters. A batch of
pieces is an integer array (count, width) whose rows are padded with ``PAD``; joined end to end without the
padding, they are a stream.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fastrnn._validation import steps_that_count
from fastrnn.detector.letters import Letters

Codes = NDArray[np.int16]
Rng = np.random.Generator

PAD = -1
ALPHABET = 26  # random letters are uniform over so many, whichever the word has
RUN = 10  # longest run of random letters, unless the word is longer

# Share of each kind of piece in training. Nearly a third are words, so that there is enough to learn from.
TRAINING_SHARES: Mapping[str, float] = {
    "word": 0.30,
    "missing": 0.07,
    "doubled": 0.07,
    "swapped": 0.07,
    "replaced": 0.10,
    "broken": 0.12,
    "spliced": 0.07,
    "own letters": 0.08,
    "any letters": 0.08,
    "others": 0.04,
}

# How many of each kind are inserted into the letters on which a detector is scored.
SCORING_COUNTS: Mapping[str, int] = {
    "word": 10_000,
    "missing": 5_000,
    "doubled": 5_000,
    "swapped": 5_000,
    "replaced": 5_000,
    "broken": 5_000,
    "restarted": 5_000,
}


# ---- makers of pieces: (count, width) codes, padded ----


def _word(word: Codes, count: int, rng: Rng) -> Codes:  # noqa: ARG001 - all makers are called alike
    return np.tile(word, (count, 1))


def _missing(word: Codes, count: int, rng: Rng) -> Codes:
    """One letter missing."""
    at = rng.integers(len(word), size=(count, 1))
    index = np.arange(len(word) - 1)
    return word[index + (index >= at)]


def _doubled(word: Codes, count: int, rng: Rng) -> Codes:
    """One letter twice."""
    at = rng.integers(len(word), size=(count, 1))
    index = np.arange(len(word) + 1)
    return word[index - (index > at)]


def _swapped(word: Codes, count: int, rng: Rng) -> Codes:
    """Two neighbours exchanged."""
    pieces, places = _word(word, count, rng), np.flatnonzero(word[:-1] != word[1:])
    if len(places):  # else all letters are the same, and nothing changes
        rows, at = np.arange(count), rng.choice(places, size=count)
        pieces[rows, at], pieces[rows, at + 1] = word[at + 1], word[at]
    return pieces


def _replaced(word: Codes, count: int, rng: Rng) -> Codes:
    """One letter replaced by another, half the time by one of the word's, if it has others."""
    pieces, size = _word(word, count, rng), int(word.max()) + 1
    rows, at = np.arange(count), rng.integers(len(word), size=count)
    before = pieces[rows, at]
    own = (before + 1 + rng.integers(max(size - 1, 1), size=count)) % size
    random = _random(rng, (count,), size)
    after = np.where(rng.random(count) < 0.5, own, random)
    pieces[rows, at] = np.where(after == before, size, after)
    return pieces


def _broken(word: Codes, count: int, rng: Rng) -> Codes:
    """Broken off: the first letters only."""
    return _cut(_word(word, count, rng), rng.integers(min(1, len(word) - 1), len(word), size=count))


def _restarted(word: Codes, count: int, rng: Rng) -> Codes:
    """Broken off and begun anew; what follows is the word or, half the time, another near miss."""
    makers = [_word, _word, _word, _word, _missing, _doubled, _swapped, _replaced]
    parts = [maker(word, (count + i) // len(makers), rng) for i, maker in enumerate(makers)]
    return np.hstack([_broken(word, count, rng), _stack(parts)])


def _spliced(word: Codes, count: int, rng: Rng) -> Codes:
    """First letters, then last letters, with any gap or overlap between."""
    start = rng.integers(len(word), size=(count, 1))
    ending = np.where(np.arange(len(word)) >= start, word, PAD)
    return np.hstack([_broken(word, count, rng), ending])


def _own_letters(word: Codes, count: int, rng: Rng) -> Codes:
    """Random letters of the word."""
    return _run(rng.integers(int(word.max()) + 1, size=(count, max(len(word), RUN))), rng)


def _any_letters(word: Codes, count: int, rng: Rng) -> Codes:
    """Random letters of the alphabet."""
    return _run(_random(rng, (count, max(len(word), RUN)), int(word.max()) + 1), rng)


def _others(word: Codes, count: int, rng: Rng) -> Codes:
    """Long runs of what the word does not hold, as the blanks and letters between words are."""
    return _run(np.full((count, 3 * max(len(word), RUN)), int(word.max()) + 1), rng)


MAKERS: Mapping[str, Callable[[Codes, int, Rng], Codes]] = {
    "word": _word,
    "missing": _missing,
    "doubled": _doubled,
    "swapped": _swapped,
    "replaced": _replaced,
    "broken": _broken,
    "restarted": _restarted,
    "spliced": _spliced,
    "own letters": _own_letters,
    "any letters": _any_letters,
    "others": _others,
}


# ---- what the makers share ----


def _random(rng: Rng, shape: tuple[int, ...], size: int) -> Codes:
    """Return uniform letters of an alphabet of which the word has ``size``; all others share one code."""
    return np.minimum(rng.integers(max(ALPHABET, size), size=shape), size).astype(np.int16)


def _cut(pieces: Codes, lengths: NDArray[np.int64]) -> Codes:
    """Pad each piece from its length on."""
    return np.where(steps_that_count(lengths, pieces.shape[1]), pieces, PAD).astype(np.int16)


def _run(pieces: NDArray[np.integer], rng: Rng) -> Codes:
    """Cut pieces to random lengths of at least one."""
    return _cut(pieces.astype(np.int16), rng.integers(1, pieces.shape[1] + 1, size=len(pieces)))


def _stack(parts: list[Codes]) -> Codes:
    """Return one array of pieces from several of different widths."""
    stacked = np.full((sum(map(len, parts)), max(part.shape[1] for part in parts)), PAD, dtype=np.int16)
    row = 0
    for part in parts:
        stacked[row : row + len(part), : part.shape[1]] = part
        row += len(part)
    return stacked


def _shuffled(word: Codes, counts: Mapping[str, int], rng: Rng) -> Codes:
    """Return so many pieces of each kind, in random order."""
    pieces = _stack([MAKERS[kind](word, int(count), rng) for kind, count in counts.items()])
    return pieces[rng.permutation(len(pieces))]


# ---- the two kinds of text ----


def training_codes(letters: Letters, shape: tuple[int, int], rng: Rng) -> Codes:
    """Return N sequences of T letter codes, (N, T), cut from one stream of shuffled pieces."""
    steps = shape[0] * shape[1]
    total = 1 + int(1.5 * steps / len(letters.target))  # pieces are about as long as the word
    counts = dict(zip(TRAINING_SHARES, rng.multinomial(total, list(TRAINING_SHARES.values())), strict=True))
    pieces = _shuffled(letters.target, counts, rng)
    return np.resize(pieces[pieces != PAD], shape)


def scoring_stream(letters: Letters, rng: Rng, length: int, counts: Mapping[str, int]) -> Codes:
    """Return one stream: ``length`` random letters, with so many pieces of each kind inserted anywhere."""
    background = _random(rng, (length,), letters.size)
    pieces = _shuffled(letters.target, counts, rng)
    kept = pieces != PAD
    places = np.sort(rng.integers(length + 1, size=len(pieces)))
    return np.insert(background, np.repeat(places, kept.sum(axis=1)), pieces[kept])

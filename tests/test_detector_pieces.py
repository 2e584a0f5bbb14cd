"""Pieces of text: each maker makes what it says, and the two streams hold what they promise."""

import re

import numpy as np
import pytest

from fastrnn.detector import Letters, pieces
from fastrnn.detector.pieces import ALPHABET, MAKERS, PAD, RUN, SCORING_COUNTS, TRAINING_SHARES

WORDS = ["a", "ab", "aa", "aba", "aaa", "happy", "udacity", "mississippi"]
NEAR_MISSES = ["missing", "doubled", "swapped", "replaced", "broken", "restarted"]
COUNT = 4000  # enough for each variant of these words to turn up: none is rarer than 1 in 200


def made(kind, word, count=COUNT):
    """Return the pieces of a kind as strings, a point for any letter that is not of the word."""
    letters = Letters(word)
    codes = MAKERS[kind](letters.target, count, np.random.default_rng(0))
    assert codes.dtype == np.int16
    assert codes.ndim == 2
    assert codes.min(initial=0) >= PAD
    assert codes.max(initial=0) <= letters.size
    return text(codes, letters)


def text(rows, letters):
    """Return rows of codes as strings, without the padding."""
    names = dict(enumerate([*letters.letters, "."]))
    return ["".join(names[code] for code in row[row != PAD].tolist()) for row in rows]


# ---- what each kind may be ----


def missing(word):
    return {word[:i] + word[i + 1 :] for i in range(len(word))}


def doubled(word):
    return {word[:i] + word[i] + word[i:] for i in range(len(word))}


def swapped(word):
    """A swap of two equal letters would be no near miss, but the word; where all are equal, nothing else is left."""
    swaps = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return swaps - {word} or {word}


def replaced(word):
    """A letter replaced by itself would be no near miss, but the word."""
    return {word[:i] + c + word[i + 1 :] for i in range(len(word)) for c in {*word, "."}} - {word}


def broken(word):
    return {word[:i] for i in range(1, len(word))} or {""}


def spliced(word):
    return {first + word[j:] for first in broken(word) for j in range(len(word))}


def restarted(word):
    follows = {word} | missing(word) | doubled(word) | swapped(word) | replaced(word)
    return {first + other for first in broken(word) for other in follows}


EXACT = {f.__name__: f for f in (missing, doubled, swapped, replaced, broken, spliced)}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("kind", EXACT)
def test_near_misses_are_just_these(kind, word):
    assert set(made(kind, word)) == EXACT[kind](word)


@pytest.mark.parametrize("word", WORDS)
def test_the_word_is_the_word(word):
    assert made("word", word) == [word] * COUNT


@pytest.mark.parametrize("word", WORDS)
def test_restarted_is_broken_off_and_begun_anew(word):
    rows = made("restarted", word)
    assert set(rows) <= restarted(word)
    whole = [first + word for first in broken(word)]
    assert sum(row in whole for row in rows) >= COUNT // 2  # "half the time another near miss"
    assert set(whole) <= set(rows)


@pytest.mark.parametrize("word", [*WORDS, "internationalization"])
def test_runs_have_every_length_and_the_right_letters(word):
    longest = max(len(word), RUN)
    own, any_letters, others = (made(kind, word) for kind in ("own letters", "any letters", "others"))
    assert {len(row) for row in own} == {len(row) for row in any_letters} == {*range(1, longest + 1)}
    assert {len(row) for row in others} == {*range(1, 3 * longest + 1)}
    assert set("".join(own)) == set(word)
    assert set("".join(others)) == {"."}
    joined = "".join(any_letters)
    for letter in set(word):  # each is one of 26; five standard deviations
        assert abs(joined.count(letter) - len(joined) / ALPHABET) < 5 * np.sqrt(len(joined) / ALPHABET)
    assert set(joined) == {*word, "."}


@pytest.mark.parametrize("count", [0, 1, 7])
@pytest.mark.parametrize("kind", MAKERS)
def test_there_are_as_many_pieces_as_asked_for(kind, count):
    for word in WORDS:
        assert len(made(kind, word, count)) == count


def test_letters_beyond_the_alphabet_are_drawn_too():
    """A word of more than 26 different letters makes a larger alphabet, without any others."""
    letters = Letters("абвгдежзийклмнопрстуфхцчшщъыьэюя")
    drawn = MAKERS["any letters"](letters.target, 5000, np.random.default_rng(0))
    assert set(drawn.ravel().tolist()) == {PAD, *range(letters.size)}


# ---- training ----


def test_the_shares_sum_to_one_and_name_makers():
    assert sum(TRAINING_SHARES.values()) == pytest.approx(1, abs=1e-12)
    assert TRAINING_SHARES.keys() <= MAKERS.keys()
    assert SCORING_COUNTS.keys() <= MAKERS.keys()


@pytest.mark.parametrize("word", [*WORDS, "internationalization"])
def test_training_codes_fill_their_shape_with_words_and_more(word):
    letters = Letters(word)
    codes = pieces.training_codes(letters, (16, 80), np.random.default_rng(0))
    assert codes.shape == (16, 80)
    assert codes.min() >= 0  # no padding left
    assert codes.max() == letters.size
    joined = text(codes.reshape(1, -1), letters)[0]
    assert joined.count(word) * len(word) > 0.1 * len(joined)
    assert joined.count(word) * len(word) < 0.9 * len(joined)


def test_training_codes_follow_the_seed():
    letters, shape = Letters("happy"), (4, 100)
    one, same, other = (pieces.training_codes(letters, shape, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


# ---- scoring ----


def scored_on(word, counts=SCORING_COUNTS, length=1_000_000, seed=0):
    return pieces.scoring_stream(Letters(word), np.random.default_rng(seed), length, counts)


def test_what_is_inserted_for_scoring():
    assert SCORING_COUNTS["word"] >= 10_000
    assert all(SCORING_COUNTS[kind] >= 5_000 for kind in NEAR_MISSES)


def test_every_piece_is_inserted_whole_among_a_million_letters(monkeypatch):
    """Makers that only sign their name (a run of 100 + i) leave it in the stream as often as they were asked to."""
    kinds = list(SCORING_COUNTS)
    for i, kind in enumerate(kinds):
        monkeypatch.setitem(MAKERS, kind, lambda _, count, rng, i=i: np.full((count, 3), 100 + i, np.int16))  # noqa: ARG005
    stream = scored_on("happy")
    signed = stream >= 100
    assert (~signed).sum() == 1_000_000
    for i, kind in enumerate(kinds):
        assert (stream == 100 + i).sum() == 3 * SCORING_COUNTS[kind]
    starts = np.flatnonzero(np.diff(signed.astype(int), prepend=0) == 1)
    lengths = np.flatnonzero(np.diff(signed.astype(int), append=0) == -1) - starts + 1
    assert set(lengths.tolist()) <= {3, 6, 9, 12, 15}  # whole; where two meet, one after the other
    tenths, _ = np.histogram(starts, bins=10, range=(0, len(stream)))
    mean = len(starts) / 10
    assert np.all(np.abs(tenths - mean) < 5 * np.sqrt(mean))  # anywhere: uniform, within five standard deviations


def test_the_million_letters_are_uniform():
    letters, length = Letters("happy"), 1_000_000
    stream = scored_on("happy", counts={"word": 0}, length=length)
    assert len(stream) == length
    counts = np.bincount(stream)
    expected = length / ALPHABET * np.array([1, 1, 1, 1, ALPHABET - letters.size])
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_the_stream_holds_what_was_promised_by_count():
    """Kinds whose pieces the word itself does not hold; a few more of them arise where pieces meet other letters."""
    word = "udacity"
    stream = text(scored_on(word)[None], Letters(word))[0]
    assert stream.count(word) >= 10_000
    for variants in (doubled(word), swapped(word), replaced(word)):
        pattern = "|".join(map(re.escape, variants))
        assert len(re.findall(f"(?=({pattern}))", stream)) >= 5_000


def test_the_stream_follows_the_seed():
    one, same, other = (scored_on("happy", length=1000, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one[:1000], other[:1000])

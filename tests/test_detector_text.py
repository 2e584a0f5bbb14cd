"""Letters: what the network sees of a text, case folded as regular expressions fold it, and where the word ends."""

import re
import sys
from re import _casefix

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn.detector import Letters

UNICODE = "".join(map(chr, range(sys.maxunicode + 1)))  # lone surrogates too

# Those with more than two forms in a case-blind match (k and the Kelvin sign, s and the long s, i without its dot, …).
# `re` lists them under their lower-case forms.
MANY_CASES = sorted(filter(str.isalpha, map(chr, {*_casefix._EXTRA_CASES, *sum(_casefix._EXTRA_CASES.values(), ())})))

WORDS = ["k", "s", "i", "ß", "ω", "µ", "straße", "привет", "Mississippi", "udacity", "K", "ſ", "İ", "Å", "ﬁﬆ", "日本"]


@pytest.mark.parametrize("word", WORDS)
def test_case_is_folded_as_the_regular_expression_folds_it(word):
    letters = Letters(word)
    codes = letters.encode(UNICODE)
    for letter in set(word):
        same = np.flatnonzero(codes == letters.encode(letter))
        assert {chr(i) for i in same} == set(re.findall(letter, UNICODE, re.IGNORECASE))
    known = np.flatnonzero(codes < letters.size)
    assert {chr(i) for i in known} == set(re.findall(f"[{word}]", UNICODE, re.IGNORECASE))
    assert codes.min() == 0
    assert codes.max() == letters.size


def test_letters_with_many_cases_are_all_one_letter():
    together = "".join(MANY_CASES)
    for letter in MANY_CASES:
        letters = Letters(letter)
        same = set(re.findall(letter, together, re.IGNORECASE))
        assert {other for other in together if letters.encode(other) == 0} == same
        assert {other for other in together if Letters(other) == letters} == same


@pytest.mark.parametrize(
    ("word", "ascending", "target"),
    [
        ("udacity", "acdituy", [5, 2, 0, 1, 3, 4, 6]),  # the lesson's example
        ("HapPy", "ahpy", [1, 0, 2, 2, 3]),
        ("aaa", "a", [0, 0, 0]),
        ("Яблоко", "бклоя", [4, 0, 2, 3, 1, 3]),
    ],
)
def test_codes_are_places_in_ascending_order(word, ascending, target):
    letters = Letters(word)
    assert letters.letters == list(ascending)
    assert letters.word == word.lower()
    assert letters.size == len(ascending)
    assert letters.target.tolist() == target
    assert letters.encode(ascending + ascending.upper()).tolist() == [*range(letters.size)] * 2


def test_every_character_has_one_code():
    """Astral characters, combining ones and lone surrogates are one each, and none of the word."""
    text = "hé\u0301\U0001f600\udc80\U0010ffff\u2028\0y"
    assert Letters("happy").encode(text).tolist() == [1, 4, 4, 4, 4, 4, 4, 4, 3]
    assert Letters("happy").encode("").shape == (0,)


def test_one_hot_letters_and_zeros_for_all_else():
    letters = Letters("udacity")
    x = letters.one_hot(letters.encode("A!cé"))
    assert x.dtype == np.float32
    assert x.tolist() == [[1, 0, 0, 0, 0, 0, 0], [0] * 7, [0, 1, 0, 0, 0, 0, 0], [0] * 7]
    batch = letters.one_hot(np.arange(8).reshape(2, 4))
    assert batch.reshape(8, 7).tolist() == [*np.eye(7).tolist(), [0] * 7]
    assert letters.one_hot(letters.encode("")).shape == (0, 7)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text("abiİısſSk", min_size=1, max_size=4), st.text("aAbBiIİısſSkKK \n", max_size=30))
def test_ends_are_where_the_regular_expression_matches(word, text):
    letters = Letters(word)
    ends = np.flatnonzero(letters.ends(letters.encode(text)))
    assert ends.tolist() == [match.start() + len(word) - 1 for match in re.finditer(f"(?i)(?={word})", text)]


def test_ends_overlap_and_go_row_by_row():
    letters = Letters("aba")
    rows = ["ababab", "aaabax", "xxxxxx", "ABAaba"]
    ends = letters.ends(np.stack([letters.encode(row) for row in rows]))
    assert ends.astype(int).tolist() == [[0, 0, 1, 0, 1, 0], [0, 0, 0, 0, 1, 0], [0] * 6, [0, 0, 1, 0, 0, 1]]
    assert not letters.ends(letters.encode("ab")).any()  # shorter than the word
    assert letters.ends(letters.encode("")).shape == (0,)


@pytest.mark.parametrize("other", ["HAPPY", "hApPy"])
def test_words_that_differ_in_case_alone_are_equal(other):
    assert Letters("happy") == Letters(other)
    assert hash(Letters("happy")) == hash(Letters(other))
    assert Letters("straße") == Letters("STRAẞE")


@pytest.mark.parametrize("other", ["happ", "yppah", "happyhappy", "sad"])
def test_other_words_differ(other):
    assert Letters("happy") != Letters(other)


def test_letters_are_no_string_but_show_themselves():
    assert Letters("happy") != "happy"
    assert repr(Letters("HAPPY")) == "Letters('happy')"


@pytest.mark.parametrize(
    ("word", "culprit"),
    [("two words", "' '"), ("it's", '"\'"'), ("mp3", "'3'"), ("e\u0301", "\u0301"), ("-x", "'-'"), ("²", "'²'")],
)
def test_a_word_of_more_than_letters_is_refused(word, culprit):
    with pytest.raises(ValueError, match=f"^word: expected letters only, got .*{re.escape(culprit)}.* in "):
        Letters(word)


@pytest.mark.parametrize("word", ["\udcff", "\n", "\0", "a\n"])
def test_what_cannot_be_printed_is_refused_in_one_line(word):
    with pytest.raises(ValueError, match=r"^word: expected letters only") as error:
        Letters(word)
    assert str(error.value).isprintable()


def test_an_empty_word_is_refused():
    with pytest.raises(ValueError, match=r"^word: expected at least one letter, got an empty word$"):
        Letters("")


@pytest.mark.parametrize("word", [None, 3, b"happy", ["happy"], ("a",)])
def test_a_word_is_a_str(word):
    with pytest.raises(TypeError, match=f"^word: expected a str, got {re.escape(repr(word))}$"):
        Letters(word)

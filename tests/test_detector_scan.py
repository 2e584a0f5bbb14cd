"""scan: line, column, context and probability of what a detector finds, however the text is cut, in constant memory.

The detector is an oracle that makes no mistakes, so whatever is wrong here is the scanner's.
"""

import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from detector_oracle import Scripted, matches, oracle
from fastrnn.detector import Detector, Letters, scan

WORDS = ["a", "aa", "aba", "happy", "straße", "internationalization"]
DETECTORS = {word: oracle(word) for word in WORDS}


def found(detector, chunks, **options):
    return [(hit.line, hit.column, hit.context) for hit in scan(detector, chunks, **options)]


@st.composite
def word_and_text(draw):
    """Text in which the word, near misses, ends of lines and what only looks like one come close together."""
    word = draw(st.sampled_from(WORDS))
    pieces = [word, word.swapcase(), word[:-1], word[1:], word[0], " ", "\n", "\n\n", "." * 39, "." * 41, "é", "😀"]
    no_line_ends = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\ufeff", "\t"]
    text = "".join(draw(st.lists(st.sampled_from(pieces + no_line_ends), max_size=25)))
    return word, text


def cut(text, sizes):
    """Yield the text in chunks of these sizes, over and over; 0 gives an empty chunk."""
    at = 0
    while at < len(text):
        for size in sizes:
            yield text[at : at + size]
            at += size


@settings(max_examples=400, deadline=None, derandomize=True)
@given(word_and_text(), st.lists(st.integers(0, 50), min_size=1, max_size=4).filter(any))
def test_it_finds_what_the_regular_expression_finds_however_the_text_is_cut(word_and_text, sizes):
    word, text = word_and_text
    assert found(DETECTORS[word], cut(text, sizes)) == matches(word, text)
    assert found(DETECTORS[word], [text]) == matches(word, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("happy", [(1, 1, "happy")]),  # the whole text
        ("happy\n", [(1, 1, "happy")]),
        ("\nhappy", [(2, 1, "happy")]),
        ("so happy\n\n\nunhappy", [(1, 4, "so happy"), (4, 3, "unhappy")]),
        ("happyhappy", [(1, 1, "happyhappy"), (1, 6, "happyhappy")]),
        ("hap\npy", []),  # not over the end of a line
        ("hap-py happ yhappY", [(1, 14, "hap-py happ yhappY")]),
        ("😀é\u2028happy", [(1, 4, "😀é\u2028happy")]),  # columns count characters
        ("." * 41 + "happy" + "." * 41, [(1, 42, "." * 40 + "happy" + "." * 40)]),
        ("." * 40 + "\nhappy\n" + "." * 40, [(2, 1, "happy")]),
    ],
)
def test_places_and_contexts_by_hand(text, expected):
    assert found(DETECTORS["happy"], [text]) == expected
    assert found(DETECTORS["happy"], list(text)) == expected  # a character at a time


def test_overlaps_count():
    hits = found(DETECTORS["aa"], ["aaAA"])
    assert hits == [(1, 1, "aaAA"), (1, 2, "aaAA"), (1, 3, "aaAA")]
    assert [hit[1] for hit in found(DETECTORS["aba"], ["abababa"])] == [1, 3, 5]


def test_no_text_no_detection():
    assert found(DETECTORS["a"], []) == []
    assert found(DETECTORS["a"], ["", ""]) == []


# ---- as soon as the context is complete ----


def and_no_more(*chunks):
    """Yield chunks; asking for another is an error."""
    yield from chunks
    raise AssertionError("asked for more text, though the context was complete")


@pytest.mark.parametrize(
    "chunks",
    [
        ["so happy\n"],
        ["so happy", "\n"],
        ["so happy and sad\nmore"],
        ["happy" + "." * 40],
        ["happy" + "." * 20, "." * 20],
    ],
)
def test_a_detection_comes_as_soon_as_its_context_is_complete(chunks):
    (expected,) = matches("happy", "".join(chunks))
    hit = next(scan(DETECTORS["happy"], and_no_more(*chunks)))
    assert (hit.line, hit.column, hit.context) == expected


def test_a_detection_waits_for_its_context():
    with pytest.raises(AssertionError, match="asked for more"):
        next(scan(DETECTORS["happy"], and_no_more("happy" + "." * 39)))


# ---- probability and threshold; a detector's mistakes ----


def scripted(word, outputs):
    return Detector(Scripted(outputs), Letters(word))


def test_the_probability_is_the_sigmoid_of_the_output():
    outputs = [-50.0, 3.0, 2.5, 60.0]
    hits = list(scan(scripted("a", outputs), ["ab", "cd"]))
    assert [hit.probability for hit in hits] == pytest.approx(expit([3.0, 2.5, 60.0]), rel=1e-6)  # float32
    assert [hit.column for hit in hits] == [2, 3, 4]
    assert all(type(hit.probability) is float for hit in hits)


@pytest.mark.parametrize("threshold", [0.001, 0.5, 0.9, 0.999])
def test_the_output_must_be_above_the_threshold(threshold):
    limit = np.float32(logit(threshold))
    outputs = [limit - 1e-3, limit + 1e-3, -100, 100]
    assert [hit.column for hit in scan(scripted("a", outputs), ["abcd"], threshold=threshold)] == [2, 4]


def test_the_threshold_itself_is_not_above_it():
    assert [hit.column for hit in scan(scripted("a", [0.0, 1e-30]), ["ab"], threshold=0.5)] == [2]


def test_the_threshold_is_0_9_by_default():
    assert [hit.column for hit in scan(scripted("a", logit([0.89, 0.91])), ["ab"])] == [2]


@pytest.mark.parametrize(
    ("text", "fires_at", "expected"),
    [
        ("abc", 0, (1, 1, "abc")),  # earlier than a word could end: the start of the line stands for that of the word
        ("ab\ncdefgh", 4, (2, 1, "cdefgh")),
        ("ab\ncdefgh", 8, (2, 2, "cdefgh")),
        ("ab\ncd", 2, (1, 1, "ab")),  # at the newline, which ends its line
        ("." * 50 + "\n" + "x" * 10, 50, (1, 47, "." * 44)),
    ],
)
def test_a_false_alarm_stays_within_its_line(text, fires_at, expected):
    outputs = np.full(len(text), -9.0)
    outputs[fires_at] = 9.0
    assert found(scripted("happy", outputs), [text]) == [expected]
    assert found(scripted("happy", outputs), list(text)) == [expected]


@pytest.mark.parametrize("threshold", [0, 1, 2, -0.5, float("nan"), "high", None])
def test_a_threshold_is_a_number_between_0_and_1(threshold):
    with pytest.raises((ValueError, TypeError), match=r"^threshold: expected"):
        list(scan(DETECTORS["a"], ["a"], threshold=threshold))


# ---- constant memory ----


def endless_line(characters, chunk=4096):
    """Yield one long line with words in it, in chunks."""
    part = "".join(random.Random(0).choices("hapy .", k=chunk - 5)) + "happy"
    for _ in range(characters // chunk):
        yield part


def peak_while_scanning(characters):
    """Return the most memory in use, in bytes, and the number of detections."""
    tracemalloc.start()
    try:
        detections = sum(1 for _ in scan(DETECTORS["happy"], endless_line(characters)))
        return tracemalloc.get_traced_memory()[1], detections
    finally:
        tracemalloc.stop()


def test_a_long_line_is_read_in_constant_memory():
    peak_while_scanning(1 << 14)  # whatever is made once
    few, _ = peak_while_scanning(1 << 15)
    many, detections = peak_while_scanning(1 << 20)
    assert detections >= (1 << 20) // 4096
    assert many < few + (1 << 15)  # a line kept whole would add a million

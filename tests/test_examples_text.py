"""What the examples about text stand on: the text itself, n-gram models, and files of labelled sentences."""

import numpy as np
import pytest

from common import DATA
from english.corpus import corpus
from english.ngrams import ngram_bits
from fastrnn.data import split_words
from sentiment import SHOWN, read, with_pairs

IDS = np.random.default_rng(0).choice(5, 400, p=[0, 0.5, 0.3, 0.15, 0.05]).astype(np.int32)  # 0 never occurs


def total_bits(ids):
    """Return the bits of all ids but the first, by models of 1, 2 and 3."""
    return ngram_bits(IDS, [np.array(ids)], 5, 3)[:, 0] * (len(ids) - 1)


@pytest.mark.parametrize("history", [[1, 2], [2, 1, 1, 3], [4, 4, 4], [0, 0]], ids=str)
def test_the_probabilities_of_n_grams_sum_to_one(history):
    """Also of the symbol that never occurs, and after a history that never occurs."""
    before = total_bits(history)
    probabilities = np.array([2 ** -(total_bits([*history, symbol]) - before) for symbol in range(5)])  # (5, 3)
    assert probabilities.sum(axis=0) == pytest.approx(1)
    assert (probabilities > 0).all()


def test_n_grams_know_what_they_have_seen():
    """Of a cycle of three symbols, each follows from the one before: no model of one symbol can know."""
    cycle = np.tile([0, 1, 2], 200)
    one, two, three = ngram_bits(cycle, [cycle[:100]], 3, 3)[:, 0]
    assert one == pytest.approx(np.log2(3))
    assert max(two, three) < 0.05


@pytest.mark.parametrize("size", [5, 10**6])  # of which the n-th power is no number of 64 bits
def test_n_grams_look_back_as_far_as_they_say(size):
    """After 0 1 comes 2, after 3 1 comes 4, at random: two bits in three symbols, or one where two before are seen."""
    ids = np.concatenate([[[0, 1, 2], [3, 1, 4]][i] for i in np.random.default_rng(0).integers(2, size=200)])
    one, two, *longer = ngram_bits(ids + size - 5, [ids[:300] + size - 5], size, 5)[:, 0] * 3
    assert one > 5
    assert two > 1.9
    assert max(longer) < 1.5


def test_one_symbol_s_share_is_its_count_less_a_discount():
    """c(w) = 3, 5, 7 of 15, all above two: the discounts are 3 - 4 y c_4/c_3 with c_1 = 0, so 3 but for y = 0."""
    ids = np.repeat([0, 1, 2], [3, 5, 7])
    bits = [ngram_bits(ids, [np.array([0, symbol])], 3, 1)[0, 0] for symbol in range(3)]
    assert 2 ** -np.array(bits) == pytest.approx([(c - 3) / 15 + 9 / 15 / 3 for c in (3, 5, 7)])


def test_no_paragraph_of_the_text_comes_twice():
    parts = corpus()
    paragraphs = "".join(parts).split("\n\n")
    assert len(paragraphs) == len(set(paragraphs)) > 1000
    assert len(parts.train) == 8 * len(parts.validation)
    assert 0 <= len(parts.test) - len(parts.validation) < 10
    assert sum(map(len, corpus(1000))) == 1000


def test_the_sentences_are_half_positive_and_not_those_of_the_picture():
    sentences, y, label = read(DATA / "sentences.tsv")
    assert (len(sentences), y.mean(), label) == (562, 0.5, "positive")
    assert len(set(sentences)) == len(sentences)
    assert y[:4, 0].tolist() == [1, 0, 1, 0]  # neighbours are opposites
    shown = {sentence.lower().replace(" ,", ",").replace(" .", ".") for sentence in SHOWN}
    assert not shown & set(sentences)


def test_pairs_of_words_are_words():
    assert split_words(with_pairs("It was not good")) == ["It", "was", "not", "good", "It_was", "was_not", "not_good"]


TEN = "good\tfine\nbad\tawful\n" * 5


def test_a_file_of_other_labels(tmp_path):
    (tmp_path / "mine.tsv").write_text(TEN)
    sentences, y, label = read(tmp_path / "mine.tsv")
    assert (sentences[:2], y[:2, 0].tolist(), label) == (["fine", "awful"], [1, 0], "good")


@pytest.mark.parametrize(
    "text",
    ["", "good\tfine\nbad\tawful\n", f"{TEN}bad\t\n", f"{TEN}so-so\tneither\n", "good\tfine\n" * 10, "no tab\n" * 10],
)
def test_a_file_that_is_none_of_labelled_sentences_is_refused(tmp_path, text):
    (tmp_path / "mine.tsv").write_text(text)
    with pytest.raises(ValueError, match=r"mine\.tsv: expected 10 or more lines LABEL<tab>SENTENCE with two labels"):
        read(tmp_path / "mine.tsv")

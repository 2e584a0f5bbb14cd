"""Vocabularies, one-hot vectors and streams: text to ids and back, whatever Unicode it is written in."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastrnn
from fastrnn.data import Vocabulary, one_hot, split_words, streams

UNKNOWN = "\N{REPLACEMENT CHARACTER}"
any_text = st.text(st.characters(exclude_categories=[]))  # surrogates too
KINDS = {"characters": Vocabulary.of_characters, "words": Vocabulary.of_words}


# ---- vocabularies ----


def test_characters_by_hand():
    vocabulary = Vocabulary.of_characters("banana")
    assert list(vocabulary) == [UNKNOWN, "a", "n", "b"]  # the most frequent first
    ids = vocabulary.encode("band")
    assert ids.tolist() == [3, 1, 2, 0]
    assert ids.dtype == np.int32
    assert vocabulary.decode(ids) == "ban" + UNKNOWN
    assert len(vocabulary) == 4
    assert "n" in vocabulary
    assert "d" not in vocabulary
    assert 1 not in vocabulary


def test_words_by_hand():
    vocabulary = Vocabulary.of_words("the cat, the dog")
    assert list(vocabulary) == ["<unk>", "the", ",", "cat", "dog"]  # equal counts in the order of code points
    assert vocabulary.encode("the  dog\nThe end").tolist() == [1, 4, 0, 0]
    assert vocabulary.decode([1, 3, 0]) == "the cat <unk>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t", []),
        ("a b", ["a", "b"]),
        ("Don't, she said: ’tis", ["Don't", ",", "she", "said", ":", "’", "tis"]),
        ("it’s rock'n'roll'", ["it’s", "rock'n'roll", "'"]),
        ("pi is 3.14159; 1,000.5!", ["pi", "is", "3.14159", ";", "1,000.5", "!"]),
        ("3rd x_1 v2.0 1.", ["3rd", "x_1", "v2", ".", "0", "1", "."]),
        ("well-known...", ["well", "-", "known", ".", ".", "."]),
        ("Größe 東京", ["Größe", "東京"]),
    ],
)
def test_what_words_are(text, words):
    assert split_words(text) == words


@given(any_text)
def test_words_leave_out_white_space_alone(text):
    assert "".join(split_words(text)) == "".join(text.split())


@given(any_text.filter(bool))
def test_decode_undoes_encode_of_characters(text):
    vocabulary = Vocabulary.of_characters(text)
    ids = vocabulary.encode(text)
    assert len(ids) == len(text)
    assert vocabulary.decode(ids) == text
    assert vocabulary.encode(list(text)).tolist() == ids.tolist()


@given(any_text.filter(str.strip))
def test_decode_undoes_encode_of_words_but_for_white_space(text):
    vocabulary = Vocabulary.of_words(text)
    assert vocabulary.decode(vocabulary.encode(text)) == " ".join(split_words(text))


@given(any_text.filter(bool), any_text, st.sampled_from(["characters", "words"]), st.booleans())
def test_each_token_has_its_id_and_others_the_unknown_one(text, other, kind, with_unknown):
    try:
        vocabulary = KINDS[kind](text) if with_unknown else KINDS[kind](text, unknown=None)
    except ValueError:  # nothing but white space, or the unknown character itself
        assert not set(text if kind == "characters" else split_words(text)) - {UNKNOWN}
        return
    ids = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
    tokens = list(other) if kind == "characters" else split_words(other)
    expected = [ids.get(token, 0 if with_unknown else -1) for token in tokens]
    assert vocabulary.encode(other).tolist() == expected
    assert vocabulary.encode(tokens).tolist() == expected


@given(st.text("abcdef", min_size=1), st.integers(1, 4), st.none() | st.integers(2, 5), st.booleans())
def test_rare_tokens_are_left_out(text, min_count, max_size, with_unknown):
    options = {} if with_unknown else {"unknown": None}
    ordered = sorted(Counter(text).items(), key=lambda item: (-item[1], item[0]))
    expected = [UNKNOWN] * with_unknown + [token for token, count in ordered if count >= min_count]
    if len(expected) == with_unknown:
        with pytest.raises(ValueError, match=r"^text: expected at least one of the characters to stay"):
            Vocabulary.of_characters(text, min_count=min_count, max_size=max_size, **options)
        return
    vocabulary = Vocabulary.of_characters(text, min_count=min_count, max_size=max_size, **options)
    assert list(vocabulary) == expected[:max_size]


def test_several_texts_and_files(tmp_path):
    (tmp_path / "text.txt").write_text("one two\ntwo three\n", encoding="utf-8")
    with open(tmp_path / "text.txt", encoding="utf-8") as file:
        assert list(Vocabulary.of_words(file)) == ["<unk>", "two", "one", "three"]
    assert Vocabulary.of_characters(["ab", "", "b"]) == Vocabulary.of_characters("abb")


def test_an_unknown_token_of_ones_own_and_none():
    vocabulary = Vocabulary.of_characters("aab", unknown="<other>")
    assert list(vocabulary) == ["<other>", "a", "b"]
    assert vocabulary.decode(vocabulary.encode("cab")) == "<other>ab"
    assert list(Vocabulary.of_characters("aab", unknown="b")) == ["b", "a"]
    strict = Vocabulary.of_characters("aab", unknown=None)
    assert strict.encode("cab\U0010ffff").tolist() == [-1, 0, 1, -1]
    labels = Vocabulary(["NOUN", "VERB", "<start>"], kind="words")
    assert labels.encode(["<start>", "VERB", "ADJ"]).tolist() == [2, 1, -1]


def test_unicode_is_left_as_it_is():
    composed, apart = "é", "e\u0301"
    assert len(Vocabulary.of_characters(composed + apart)) == 1 + 3
    assert list(Vocabulary.of_characters("Aa", unknown=None)) == ["A", "a"]


def test_empty_text_is_no_ids():
    vocabulary = Vocabulary.of_characters("a")
    assert vocabulary.encode("").shape == vocabulary.encode([]).shape == (0,)
    assert vocabulary.decode([]) == vocabulary.decode(np.zeros(0, int)) == ""


# ---- files ----


@given(any_text.filter(str.strip), st.sampled_from(["characters", "words"]), st.sampled_from([None, "<x>"]))
def test_json_gives_the_same_vocabulary(text, kind, unknown):
    vocabulary = KINDS[kind](text, unknown=unknown)
    written = vocabulary.to_json()
    assert written.isascii()
    copy = Vocabulary.from_json(written)
    assert copy == vocabulary
    assert hash(copy) == hash(vocabulary)
    assert copy.encode(text).tolist() == vocabulary.encode(text).tolist()


def test_it_travels_in_a_model_file(tmp_path):
    vocabulary = Vocabulary.of_characters("héllo 𝕏")
    model = fastrnn.Sequential(fastrnn.Embedding(len(vocabulary), 2, seed=0), fastrnn.RNN(2, 2, seed=0))
    model.save(tmp_path / "m.safetensors", {"vocabulary": vocabulary.to_json()})
    _, metadata = fastrnn.serialization.load_with_metadata(tmp_path / "m.safetensors")
    assert Vocabulary.from_json(metadata["vocabulary"]) == vocabulary


GOOD = json.loads(Vocabulary.of_characters("ab").to_json())


@pytest.mark.parametrize(
    "entries",
    [
        {"format": 2},
        {"kind": "letters"},
        {"kind": None},
        {"unknown": "c"},
        {"unknown": 3},
        {"unknown": ["a"]},
        {"tokens": []},
        {"tokens": None},
        {"tokens": ["a", "a", UNKNOWN]},
        {"tokens": ["ab", UNKNOWN]},
        {"tokens": ["", UNKNOWN]},
        {"tokens": [1, UNKNOWN]},
        {"tokens": [["a"], UNKNOWN]},
    ],
    ids=str,
)
def test_bad_json_is_one_clear_error(entries):
    Vocabulary.from_json(json.dumps(GOOD))
    with pytest.raises(ValueError, match=r"^text: expected the JSON of a Vocabulary \("):
        Vocabulary.from_json(json.dumps({**GOOD, **entries}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 100000, '{"format": 1}'])
def test_what_is_no_json_of_a_vocabulary(text):
    with pytest.raises(ValueError, match=r"^text: expected the JSON of a Vocabulary \("):
        Vocabulary.from_json(text)


def test_equality_and_repr():
    vocabulary = Vocabulary.of_characters("ab")
    assert vocabulary != Vocabulary.of_characters("ba", unknown=None)
    assert vocabulary != Vocabulary(vocabulary, kind="words", unknown=UNKNOWN)
    assert vocabulary != Vocabulary([*vocabulary], kind="characters")
    assert vocabulary != "ab"
    assert repr(vocabulary) == f"Vocabulary(3 characters, unknown={UNKNOWN!r})"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Vocabulary.of_characters(""), ValueError, "^text: expected at least one of the characters to stay"),
        (lambda: Vocabulary.of_words(" "), ValueError, "^text: expected at least one of the words to stay"),
        (lambda: Vocabulary.of_words([b"a"]), TypeError, "^text: expected a str, or strings, got b'a' at 0"),
        (lambda: Vocabulary.of_words(["a", 3]), TypeError, "^text: .* got 3 at 1"),
        (lambda: Vocabulary.of_characters(b"ab"), TypeError, "^text: expected a str, or strings, got b'ab'"),
        (lambda: Vocabulary.of_characters(None), TypeError, "^text: expected a str, or strings, got None"),
        (lambda: Vocabulary.of_characters("a", min_count=0), ValueError, "^min_count: expected at least 1"),
        (lambda: Vocabulary.of_characters("a", max_size=0), ValueError, "^max_size: expected at least 1"),
        (lambda: Vocabulary.of_characters("a", max_size=1), ValueError, "^text: expected at least one of the char"),
        (lambda: Vocabulary.of_characters("a", unknown=""), ValueError, "^tokens: expected no empty string"),
        (lambda: Vocabulary.of_characters("a", unknown=3), TypeError, "^tokens: expected strings, got 3"),
        (lambda: Vocabulary("a", kind="letters"), ValueError, "^kind: expected one of 'characters', 'words'"),
        (lambda: Vocabulary("a", unknown="b"), ValueError, "^unknown: expected one of the tokens, got 'b'"),
        (lambda: Vocabulary("aba"), ValueError, "^tokens: expected each of them once, got 'a' twice"),
        (lambda: Vocabulary(["ab"]), ValueError, "^tokens: expected single characters, got 'ab'"),
        (lambda: Vocabulary([]), ValueError, "^tokens: expected at least one"),
        (lambda: Vocabulary("ab").decode([0, 2]), ValueError, "^ids: expected ids from 0 to 1, got 2"),
        (lambda: Vocabulary("ab").decode([-1]), ValueError, "^ids: expected ids from 0 to 1, got -1"),
        (lambda: Vocabulary("ab").decode([[0]]), ValueError, r"^ids: expected shape \(L,\), got \(1, 1\)"),
        (lambda: Vocabulary("ab").decode([0.0]), TypeError, "^ids: expected ids, which are integers"),
        (lambda: Vocabulary("ab").encode(3), TypeError, "^text: expected a str, or tokens, got 3"),
        (lambda: Vocabulary("ab").encode([3]), TypeError, "^text: expected a str, or tokens, got 3 at 0"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ---- one-hot vectors ----


@given(st.lists(st.integers(-1, 4)), st.sampled_from(["float32", "float64"]))
def test_one_hot_is_a_row_of_the_identity_or_zero(ids, dtype):
    found = one_hot(ids, 5, dtype)
    assert found.dtype == dtype
    assert found.shape == (len(ids), 5)
    np.testing.assert_array_equal(found, np.vstack([np.eye(5), np.zeros(5)])[np.array(ids, int)])


def test_one_hot_of_any_shape():
    ids = np.array([[0, 2, -1], [1, 1, 2]], np.int32)
    np.testing.assert_array_equal(one_hot(ids[:, ::-1], 3), [one_hot(row, 3) for row in ids[:, ::-1].tolist()])
    assert one_hot(2, 3).tolist() == [0, 0, 1]
    assert one_hot(np.zeros((2, 0), int), 3).shape == (2, 0, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"ids": [3]}, ValueError, "^ids: expected ids from 0 to 2, or -1, got 3"),
        ({"ids": [0, -2]}, ValueError, "^ids: expected ids from 0 to 2, or -1, got -2"),
        ({"ids": [0.0]}, TypeError, "^ids: expected ids, which are integers"),
        ({"ids": np.array([2**64 - 1], np.uint64)}, ValueError, "^ids: expected ids from 0 to 2"),
        ({"size": 0}, ValueError, "^size: expected at least 1"),
        ({"dtype": "int32"}, ValueError, "^dtype: expected 'float32' or 'float64'"),
    ],
)
def test_bad_one_hot(arguments, error, message):
    with pytest.raises(error, match=message):
        one_hot(**{"ids": [0], "size": 3, **arguments})


# ---- streams ----


@given(st.integers(0, 60), st.integers(1, 8))
def test_streams_are_the_text_cut_up(S, N):
    ids = np.arange(S)
    if S < N + 1:
        with pytest.raises(ValueError, match=rf"^ids: expected at least batch_size \+ 1 = {N + 1} of them, got {S}"):
            streams(ids, N)
        return
    x, y = streams(ids, N)
    L = (S - 1) // N
    assert x.shape == y.shape == (N, L)
    np.testing.assert_array_equal(x.ravel(), np.arange(N * L))
    np.testing.assert_array_equal(y, x + 1)  # what follows, also from one stream into the next
    assert S - (N * L + 1) < N  # hardly anything is left out


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8])
def test_streams_are_views(tmp_path, dtype):
    np.save(tmp_path / "ids.npy", np.arange(50, dtype=dtype))
    for ids in (np.load(tmp_path / "ids.npy", mmap_mode="r"), np.arange(100, dtype=dtype)[::2], np.arange(50, 0, -1)):
        x, y = streams(ids, 4)
        assert np.shares_memory(x, ids)
        assert np.shares_memory(y, ids)
        assert x.dtype == ids.dtype
        np.testing.assert_array_equal(x[1], ids[12:24])
        np.testing.assert_array_equal(y[3], ids[37:49])


@pytest.mark.parametrize(
    ("ids", "batch_size", "error", "message"),
    [
        ([[0, 1, 2]], 1, ValueError, r"^ids: expected shape \(S,\), got \(1, 3\)"),
        ([0.0, 1.0, 2.0], 1, TypeError, "^ids: expected ids, which are integers"),
        ("text", 1, TypeError, "^ids: expected ids, which are integers"),
        ([0, 1, 2], 0, ValueError, "^batch_size: expected at least 1"),
        ([0, 1, 2], 1.0, TypeError, "^batch_size: expected an int"),
        ([], 1, ValueError, "^ids: expected at least batch_size"),
    ],
)
def test_bad_streams(ids, batch_size, error, message):
    with pytest.raises(error, match=message):
        streams(ids, batch_size)

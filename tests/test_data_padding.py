"""Padding: every sequence where it was, the rest filled; and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastrnn
from fastrnn.data import pad, unpad


def test_by_hand():
    x, lengths = pad([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], value=-1)
    np.testing.assert_array_equal(x, [[[1, 2], [-1, -1]], [[3, 4], [5, 6]]])
    assert lengths.tolist() == [1, 2]
    assert lengths.dtype == np.int64


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.booleans(), st.sampled_from([0, 3]))
def test_there_and_back(lengths, of_ids, value):
    inner = () if of_ids else (2,)
    sequences = [100 * i + np.arange(T * (1 if of_ids else 2)).reshape(T, *inner) for i, T in enumerate(lengths)]
    x, found = pad(sequences, value)
    assert x.shape == (len(lengths), max(lengths), *inner)
    assert found.tolist() == lengths
    for one, sequence, row in zip(unpad(x, found), sequences, x, strict=True):
        np.testing.assert_array_equal(one, sequence)
        assert np.shares_memory(one, x)
        assert (row[len(sequence) :] == value).all()


def test_types():
    assert pad([np.float32([1])])[0].dtype == np.float32
    assert pad([np.float32([1]), np.float64([1])])[0].dtype == np.float64
    assert pad([np.int32([1])], value=-100)[0].dtype == np.int32
    assert np.isnan(pad([np.float32([1]), np.float32([1, 2])], value=np.nan)[0][0, 1])


def test_models_take_it():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(T, 2)).astype(np.float32) for T in (3, 5, 1)]
    model = fastrnn.Sequential(fastrnn.GRU(2, 3, seed=0))
    x, lengths = pad(sequences, value=np.nan)
    for one, expected in zip(unpad(model(x, lengths=lengths), lengths), model(sequences), strict=True):
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    ("sequences", "value", "error", "message"),
    [
        ([], 0, ValueError, r"^sequences: expected a list of at least one sequence, got \[\]"),
        (np.zeros((2, 3)), 0, ValueError, "^sequences: expected a list"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], 0, ValueError, r"^sequences\[1\]: expected shape \(T, 3\)"),
        ([np.zeros((2, 3)), np.zeros(2)], 0, ValueError, r"^sequences\[1\]: expected shape \(T, 3\)"),
        ([np.zeros((2, 3)), np.zeros((0, 3))], 0, ValueError, r"^sequences\[1\]: expected at least one step"),
        ([[1, 2], 3], 0, ValueError, r"^sequences\[1\]: expected shape"),
        ([[1, 2], ["a"]], 0, TypeError, r"^sequences\[1\]: expected real numbers"),
        ([[1, 2], [3]], 0.5, ValueError, r"^value: expected a number of int64, got 0\.5"),
        ([[1, 2], [3]], np.nan, ValueError, "^value: expected a number of int64, got nan"),
        ([[1, 2], [3]], [0], ValueError, r"^value: expected a number of int64, got \[0\]"),
        ([[1, 2], [3]], "0", TypeError, "^value: expected real numbers"),
    ],
)
def test_bad_sequences(sequences, value, error, message):
    with pytest.raises(error, match=message):
        pad(sequences, value)


@pytest.mark.parametrize(
    ("x", "lengths", "error", "message"),
    [
        (np.zeros(3), [1], ValueError, r"^x: expected shape \(N, T, F\) or \(N, T\), got \(3,\)"),
        (np.zeros((2, 3)), [1], ValueError, "^lengths: expected one for each of 2 sequences"),
        (np.zeros((2, 3)), [0, 1], ValueError, "^lengths: expected 1 to 3, the steps of x, got 0 to 1"),
        (np.zeros((2, 3)), [1, 4], ValueError, "^lengths: expected 1 to 3"),
        (np.zeros((2, 3)), [1.0, 2.0], TypeError, "^lengths: expected whole numbers"),
    ],
)
def test_bad_lengths(x, lengths, error, message):
    with pytest.raises(error, match=message):
        unpad(x, lengths)


def test_no_sequences_give_none():
    assert unpad(np.zeros((0, 3, 2)), []) == []

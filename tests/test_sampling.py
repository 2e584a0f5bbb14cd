"""Drawing classes from logits: with the probabilities of the softmax, and by the given random numbers alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from fastrnn._sampling import draw

DTYPES = ("float32", "float64")


def drawn(logits, uniform, temperature=1.0, top_k=None, dtype="float64"):
    classes = np.empty(len(logits), np.int64)
    draw(np.asarray(logits, dtype), temperature, top_k, np.asarray(uniform, float), classes)
    return classes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("top_k", [None, 1, 2, 4, 6, 9])
def test_probabilities_are_those_of_the_softmax(top_k, temperature, dtype):
    logits = np.array([0.3, -1.2, 2.0, 0.9, -0.4, 1.1])
    n = 20_000
    uniform = (np.arange(n) + 0.5) / n  # every probability to within 1/n
    found = drawn(np.tile(logits, (n, 1)), uniform, temperature, top_k, dtype)
    kept = np.argsort(-logits)[: top_k or 6]
    expected = np.zeros(6)
    expected[kept] = softmax(logits[kept] / temperature)
    np.testing.assert_allclose(np.bincount(found, minlength=6) / n, expected, atol=1.5 / n)


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_zero_takes_the_first_of_the_largest(dtype):
    assert drawn([[1, 3, 3, 2], [5, 1, 1, 5]], [0.9, 0.9], temperature=0, dtype=dtype).tolist() == [1, 0]


def test_of_equal_logits_the_first_k_take_part():
    n = 300
    found = drawn(np.tile([1.0, 2.0, 1.0, 1.0], (n, 1)), (np.arange(n) + 0.5) / n, top_k=3)
    assert set(found.tolist()) == {0, 1, 2}


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40), st.floats(0, 1, exclude_max=True), st.integers(1, 45))
def test_only_the_largest_k_are_ever_drawn(logits, uniform, top_k):
    (found,) = drawn([logits], [uniform], temperature=0.7, top_k=top_k)
    assert sorted(logits, reverse=True)[min(top_k, len(logits)) - 1] <= logits[found]


@pytest.mark.parametrize("logits", [[1e30, -1e30], [0.0, -np.inf], [np.inf, 0.0]])
def test_far_apart_logits(logits):
    assert drawn([logits] * 2, [0, 0.999999]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, r"temperature: expected a finite number >= 0, got -1.0"),
        ({"temperature": np.inf}, "temperature: expected a finite number"),
        ({"temperature": np.nan}, "temperature: expected a finite number"),
        ({"top_k": 0}, "top_k: expected at least 1, got 0"),
        ({"logits": [[0.0, np.nan]]}, "logits: .* in row 0"),
        ({"logits": [[-np.inf, -np.inf]]}, "logits: .* in row 0"),
        ({"logits": np.empty((1, 0))}, r"logits: expected shape \(1, K\) with K >= 1"),
        ({"uniform": [0.5, 0.5]}, r"logits: expected shape \(2, K\)"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        drawn(**{"logits": [[0.0, 1.0]], "uniform": [0.5], **options})

"""score: precision and recall by hand, on one stream of random letters, words and near misses."""

import math

import numpy as np
import pytest

from detector_oracle import Scripted, oracle
from fastrnn.detector import Detector, Letters, Score, score, scoring


@pytest.mark.parametrize(
    ("words", "detected", "right", "precision", "recall"),
    [(8, 10, 6, 0.6, 0.75), (8, 8, 8, 1, 1), (8, 0, 0, 0, 0), (0, 5, 0, 0, 0), (0, 0, 0, 0, 0), (4, 1, 1, 1, 0.25)],
)
def test_precision_and_recall(words, detected, right, precision, recall):
    result = Score(1000, words, detected, right)
    assert (result.precision, result.recall) == (precision, recall)
    worse = min(precision, recall)
    assert result.reaches(worse)
    assert not result.reaches(worse + 1e-9)


def test_a_score_is_one_line():
    assert str(Score(1_234_567, 8000, 10_000, 6000)) == (
        "precision 0.60000, recall 0.75000 (6,000 of 8,000 words found, 4,000 false alarms, in 1,234,567 letters)"
    )


@pytest.fixture
def little(monkeypatch):
    """Score on a few thousand letters, in blocks that divide nothing evenly."""
    monkeypatch.setattr(scoring, "SCORING_COUNTS", dict.fromkeys(scoring.SCORING_COUNTS, 50))
    monkeypatch.setattr(scoring, "BLOCK", 1013)


@pytest.mark.usefixtures("little")
def test_scores_by_hand():
    letters, n = Letters("aba"), 20_000  # longer than any stream of this test
    right = score(oracle("aba"), letters=5000, seed=0)
    assert right.words == right.detected == right.right >= 50
    silent = score(Detector(Scripted(np.full(n, -9.0)), letters), letters=5000, seed=0)
    assert silent == Score(right.letters, right.words, 0, 0)
    always = score(Detector(Scripted(np.full(n, 9.0)), letters), letters=5000, seed=0)
    assert always == Score(right.letters, right.words, right.letters, right.words)
    assert always.recall == 1
    once = np.full(n, -9.0)
    once[0] = 9.0  # no word can end at the first letter
    assert score(Detector(Scripted(once), letters), letters=5000, seed=0) == Score(right.letters, right.words, 1, 0)


@pytest.mark.usefixtures("little")
def test_the_stream_is_one_whatever_the_blocks(monkeypatch):
    scores = set()
    for block in (1, 7, 1013, 1 << 16):
        monkeypatch.setattr(scoring, "BLOCK", block)
        scores.add(score(oracle("aaa"), letters=500, seed=0))
    assert len(scores) == 1
    assert scores.pop().precision == 1


@pytest.mark.usefixtures("little")
def test_scores_follow_seed_and_threshold():
    detector = oracle("aba", high=1.0)  # a probability of 0.73
    assert score(detector, threshold=0.7, letters=500, seed=0).recall == 1
    assert score(detector, threshold=0.75, letters=500, seed=0).recall == 0
    assert score(detector, letters=500, seed=0).recall == 0  # 0.9 by default
    one, same, other = (score(detector, letters=5000, seed=seed) for seed in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("threshold", [0, 1, 2, -0.5, math.nan, "high"])
def test_scoring_refuses_what_is_no_probability(threshold):
    with pytest.raises((ValueError, TypeError), match=r"^threshold: expected "):
        score(oracle("a"), threshold=threshold)


@pytest.mark.parametrize("letters", [-5, 2.5, "many"])
def test_scoring_refuses_what_is_no_number_of_letters(letters):
    with pytest.raises((ValueError, TypeError), match=r"^letters: expected "):
        score(oracle("a"), letters=letters)

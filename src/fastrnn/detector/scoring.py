"""Measure a detector on a fresh stream of random letters, words and near misses."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from fastrnn._validation import Seed, as_generator, positive_float, positive_int
from fastrnn.detector.pieces import SCORING_COUNTS, scoring_stream
from fastrnn.detector.training import Detector

BLOCK = 1 << 16  # letters run at a time


@dataclass(frozen=True)
class Score:
    """How well a detector found the word.

    Attributes
    ----------
    letters : int
        Length of the stream.
    words : int
        How often the word is in it, by string matching: every occurrence, overlaps too.
    detected, right : int
        How often the detector fired, and how often at the last letter of a word.
    """

    letters: int
    words: int
    detected: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the detections that are right; 0 where there is none."""
        return self.right / self.detected if self.detected else 0.0

    @property
    def recall(self) -> float:
        """Share of the words that were detected; 0 where there is none."""
        return self.right / self.words if self.words else 0.0

    def reaches(self, target: float) -> bool:
        """Return whether precision and recall are both at least this."""
        return min(self.precision, self.recall) >= target

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"precision {self.precision:.5f}, recall {self.recall:.5f} "
            f"({self.right:,} of {self.words:,} words found, {self.detected - self.right:,} false alarms, "
            f"in {self.letters:,} letters)"
        )


def score(detector: Detector, *, threshold: float = 0.9, letters: int = 1_000_000, seed: Seed = None) -> Score:
    """Run a detector as one stream over random letters into which words and near misses are inserted.

    Parameters
    ----------
    detector : Detector
    threshold : float
        The output above which the word counts as detected.
    letters : int
        Random letters; the insertions come on top.
    seed : int or numpy.random.Generator, optional
        Of the stream; use another than in training.
    """
    limit = logit(positive_float("threshold", threshold, below=1.0))
    letters = positive_int("letters", letters)
    codes = scoring_stream(detector.letters, as_generator(seed), letters, SCORING_COUNTS)
    truth = detector.letters.ends(codes)
    stream = detector.model.stream()
    blocks = (codes[start : start + BLOCK] for start in range(0, len(codes), BLOCK))
    outputs = np.concatenate([stream.run(detector.letters.one_hot(block))[:, 0] for block in blocks])
    fired = outputs > limit
    return Score(len(codes), int(truth.sum()), int(fired.sum()), int((fired & truth).sum()))

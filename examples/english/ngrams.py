"""N-gram models, interpolated by modified Kneser-Ney smoothing (Chen & Goodman 1999).

p_n(w | h) = (c(hw) - D) / c(h) + γ(h) p_{n-1}(w | h'), where h' is h without its oldest symbol, D depends on whether
c(hw) is 1, 2 or more, and γ(h) is what the discounts have left over. c counts occurrences in the longest n-grams, and
in shorter ones how many different symbols come before them.
"""

import numpy as np


def ngram_bits(train: np.ndarray, texts: list[np.ndarray], size: int, longest: int) -> np.ndarray:
    """Return -log₂ p of every id but the first of each text, by models of 1 to `longest` symbols.

    Parameters
    ----------
    train : ndarray of int (S,)
    texts : list of ndarray of int (S_i,)
    size : int
        How many ids there are.
    longest : int

    Returns
    -------
    ndarray (longest, len(texts))
        The mean bits of each text.
    """
    grams = _grams([train, *texts], size, longest)
    lower = [np.full(len(text), 1 / size) for text in texts]
    found: list[list[float]] = []
    for n, (learnt, *asked) in enumerate(grams, 1):
        raw = _Model(*np.unique(learnt[n - 1 :], return_counts=True), size)
        pairs = list(zip(asked, lower, strict=True))
        found.append([-np.log2(raw(own, p))[1:].mean() for own, p in pairs])
        if n < longest:
            _, places = np.unique(grams[n][0][n:], return_index=True)  # where each longer one is first seen
            kinds = _Model(*np.unique(learnt[n:][places], return_counts=True), size)
            lower = [kinds(own, p) for own, p in pairs]
    return np.array(found)


def _grams(texts: list[np.ndarray], size: int, longest: int) -> list[list[np.ndarray]]:
    """Return the n symbols that end at each place of each text (S_i,), for n = 1 to `longest`, as one number each.

    The same symbols have the same number in all texts: that of the n - 1 before, times size, plus the last one's id.
    Numbers of histories are counted anew for each n, so that they stay small; that of a text's start is -1.
    """
    found = [[text.astype(np.int64) for text in texts]]
    ends = np.cumsum([len(text) for text in texts])[:-1]
    for _ in range(1, longest):
        _, numbers = np.unique(np.concatenate(found[-1]), return_inverse=True)
        before = [np.concatenate([[-1], part[:-1]]) for part in np.split(numbers, ends)]
        found.append([history * size + text for history, text in zip(before, texts, strict=True)])
    return found


class _Model:
    """Counts and discounts of one length; called, it returns p of n-grams' last symbols, given p by shorter ones."""

    def __init__(self, grams: np.ndarray, counts: np.ndarray, size: int) -> None:
        self.grams, self.counts, self.size = grams, counts, size
        of = np.bincount(np.minimum(counts, 4), minlength=5)  # n-grams that occur once, twice, three times …
        y = of[1] / max(of[1] + 2 * of[2], 1)
        discounts = [0, *(k - (k + 1) * y * of[k + 1] / max(of[k], 1) for k in (1, 2, 3))]
        self.discounts = np.clip(discounts, [0, 0.1, 0.1, 0.1], [0, 1, 2, 3])
        self.histories, first = np.unique(grams // size, return_index=True)
        self.total = np.add.reduceat(counts, first)
        self.left = np.add.reduceat(self.discounts[np.minimum(counts, 3)], first)

    def __call__(self, grams: np.ndarray, lower: np.ndarray) -> np.ndarray:
        at = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        counts = np.where(self.grams[at] == grams, self.counts[at], 0)
        history = np.minimum(np.searchsorted(self.histories, grams // self.size), len(self.histories) - 1)
        own = (counts - self.discounts[np.minimum(counts, 3)] + self.left[history] * lower) / self.total[history]
        return np.where(self.histories[history] == grams // self.size, own, lower)

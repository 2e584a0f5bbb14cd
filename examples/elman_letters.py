"""Elman's letters.

Random consonants b, d and g, each followed by its vowels: b by a, d by ii, g by uuu. At every step the network is
asked for the next letter, as six bits. It is wrong where a consonant begins and right at the vowels, whose number it
has to count; and even where it cannot know which consonant comes it knows that it is one: the error of the bit
Consonant stays below that of High (Elman 1990, "Finding Structure in Time", figures 4 and 5: 1,000 consonants, 6-20-6,
200 passes; tested on 1,000 others).
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.plots import figure

FEATURES = ["Consonant", "Vowel", "Interrupted", "High", "Back", "Voiced"]
CODES = {  # Elman's table 1
    "b": [1, 0, 1, 0, 0, 1],
    "d": [1, 0, 1, 1, 0, 1],
    "g": [1, 0, 1, 0, 1, 1],
    "a": [0, 1, 0, 0, 1, 1],
    "i": [0, 1, 0, 1, 0, 1],
    "u": [0, 1, 0, 1, 1, 1],
}
SYLLABLES = ["ba", "dii", "guuu"]


def letters(consonants: int, rng: np.random.Generator) -> str:
    """Return syllables that follow each other at random."""
    return "".join(SYLLABLES[i] for i in rng.integers(3, size=consonants))


def encode(text: str) -> np.ndarray:
    """Return the letters' bits, (T, 6)."""
    return np.array([CODES[letter] for letter in text], np.float32)


def learn(seed: int, passes: int, fresh: str) -> np.ndarray:
    """Train on 1,000 consonants; return the squared error of each bit of other letters, from the second, (T-1, 6)."""
    rng = np.random.default_rng(seed)
    bits = encode(letters(1000, rng))
    model = fastrnn.Sequential(fastrnn.Elman(6, 20, seed=rng), fastrnn.Linear(20, 6, seed=rng), fastrnn.Sigmoid())
    trainer = fastrnn.Trainer(model, "mse", fastrnn.Adam(5e-3), tbptt=100, seed=rng)
    trainer.fit(bits[None, :-1], bits[None, 1:], epochs=passes, shuffle=False, verbose=0)
    seen = encode(fresh)
    return (model.predict(seen[None, :-1])[0] - seen[1:]) ** 2


def main(options: Options) -> None:
    """Train once a seed; compare the errors at vowels and at consonants, and those of two bits."""
    fresh = letters(1000, np.random.default_rng([0, 1]))  # no seed's own
    runs, seconds = each_seed(learn, options, 60 if options.quick else 200, fresh)
    errors = np.stack(runs)  # (seeds, T-1, 6)
    consonant = np.isin(list(fresh[1:]), list("bdg"))
    of_letters = np.sqrt(errors.mean(axis=2))
    vowels, consonants = of_letters[:, ~consonant].mean(axis=1), of_letters[:, consonant].mean(axis=1)
    of_bits = errors[:, consonant].mean(axis=1)
    share = of_bits[:, FEATURES.index("Consonant")] / of_bits[:, FEATURES.index("High")]
    measure = "root mean squared error of a letter"
    target = "worst ≤ a tenth of the least at consonants"
    met = max(vowels) <= min(consonants) / 10
    rows = [
        Row("letters, Elman 6-20-6: vowels", measure, vowels, target, met, seconds=seconds),
        Row("consonants", measure, consonants),
        Row("the same", "error of the bit Consonant / of High", share, "worst < 0.1", max(share) < 0.1),
    ]
    report("elman_letters", rows, draw(fresh[1:], errors), options)


def draw(text: str, errors: np.ndarray) -> Any:
    """Draw the error letter by letter: of all bits, and of two, as in figures 4, 5a and 5b."""
    drawing = figure(figsize=(9, 6.5))
    parts = drawing.subplots(3, 1, sharex=True, sharey=True)
    shown = slice(100, 136)
    for axes, title, bits in zip(parts, ("all six bits", "Consonant", "High"), (range(6), [0], [3]), strict=True):
        lines = np.sqrt(errors[:, shown, bits].mean(axis=2)).T  # (letters, seeds)
        axes.plot(lines, color="0.75", linewidth=0.8)
        axes.plot(lines.mean(axis=1), marker=".", color="C0")
        axes.set(ylabel="error", ylim=(-0.03, 1))
        axes.set_title(title)
    parts[-1].set_xticks(range(len(lines)), text[shown])
    parts[-1].set_xlabel("the letter to be told (grey: each seed; blue: their mean; root mean squared error)")
    return drawing


if __name__ == "__main__":
    main(read_options())

"""Elman's letters.

Random consonants b, d and g, each followed by its vowels: b by a, d by ii, g by uuu. At every step the network is
asked for the next letter, as six bits. It is wrong where a consonant begins and right at the vowels, whose number it
has to count; and even where it cannot know which consonant comes it knows that it is one: the error of the bit
Consonant stays below that of High (Elman 1990, "Finding Structure in Time", figures 4 and 5: 1,000 consonants, 6-20-6,
200 passes).
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


def learn(seed: int, passes: int) -> tuple[str, np.ndarray]:
    """Train on 1,000 consonants; return letters never seen and the squared error of their bits, (letters, 6)."""
    rng = np.random.default_rng(seed)
    bits = encode(letters(1000, rng))
    model = fastrnn.Sequential(fastrnn.Elman(6, 20, seed=rng), fastrnn.Linear(20, 6, seed=rng), fastrnn.Sigmoid())
    trainer = fastrnn.Trainer(model, "mse", fastrnn.Adam(5e-3), tbptt=100, seed=rng)
    trainer.fit(bits[None, :-1], bits[None, 1:], epochs=passes, shuffle=False, verbose=0)
    fresh = letters(1000, rng)
    seen = encode(fresh)
    return fresh[1:], (model.predict(seen[None, :-1])[0] - seen[1:]) ** 2


def main(options: Options) -> None:
    """Train once a seed; compare the errors at vowels and at consonants, and those of two bits."""
    runs, seconds = each_seed(learn, options, 60 if options.quick else 200)
    consonant = [np.isin(list(text), list("bdg")) for text, _ in runs]
    rms = [np.sqrt(error.mean(axis=1)) for _, error in runs]  # of each letter, as Elman draws it
    vowels = [one[~at].mean() for one, at in zip(rms, consonant, strict=True)]
    consonants = [one[at].mean() for one, at in zip(rms, consonant, strict=True)]
    rows = [
        Row(
            "letters, Elman 6-20-6: vowels",
            "root mean squared error of a letter",
            vowels,
            target="worst ≤ a tenth of the least at consonants",
            met=max(vowels) <= min(consonants) / 10,
            seconds=seconds,
        ),
        Row("consonants", "root mean squared error of a letter", consonants, worst=min),
    ]
    at_consonants = np.array([error[at].mean(axis=0) for (_, error), at in zip(runs, consonant, strict=True)])
    share = at_consonants[:, 0] / at_consonants[:, 3]
    met = max(share) < 0.1
    rows.append(Row("", "error of the bit Consonant / error of High", share, "worst < 0.1", met))
    report("elman_letters", rows, draw(runs), options)


def draw(runs: list[tuple[str, np.ndarray]]) -> Any:
    """Draw the error letter by letter: of all bits, and of two, as in figures 4, 5a and 5b."""
    drawing = figure(figsize=(9, 7))
    parts = drawing.subplots(3, 1, sharex=True)
    titles = ["all six bits", "Consonant", "High"]
    for axes, title, bits in zip(parts, titles, ([0, 1, 2, 3, 4, 5], [0], [3]), strict=True):
        text, errors = runs[0][0][:30], np.sqrt(runs[0][1][:30][:, bits].mean(axis=1))
        axes.plot(errors, marker=".", color="C0")
        for place, letter in enumerate(text):
            axes.annotate(letter, (place, errors[place]), (0, 5), textcoords="offset points", ha="center")
        axes.set(ylabel="root mean squared error", ylim=(-0.05, 1))
        axes.set_title(title)
    parts[-1].set_xlabel("letter")
    return drawing


if __name__ == "__main__":
    main(read_options())

"""The word detector.

Letters arrive one at a time; the network says 1 when the last letter of a word has just arrived, and 0 otherwise. Each
letter of the word is a one-hot vector, all others are the zero vector. It is trained on random letters with the word
and near misses put in (a letter missing, doubled, swapped, replaced; the word broken off) until it makes no mistake,
and scored on a million fresh letters with 10,000 words and 30,000 near misses among them. Above 0.9 counts as detected.

With words as arguments, `python examples/word_detector.py --out DIRECTORY WORD …`, it is about those.
"""

from typing import Any

import numpy as np

from common import Options, Row, each_seed, read_options, report
from fastrnn.detector import Letters, Score, score, train
from fastrnn.plots import figure

WORDS = ("udacity", "happy")
THRESHOLD = 0.9


def text_of(word: str) -> str:
    """Return a text to look at, with the word three times and near misses of it."""
    swapped = word[:-2] + word[:-3:-1]
    return f"not {word[:-1]} nor {word[1:]} nor {swapped}: {word}, but {word[: len(word) // 2]}{word}{word}"


def learn(seed: int, word: str, letters: int) -> tuple[Score, np.ndarray]:
    """Train a detector; return its score, and its outputs over the text, (T,)."""
    detector, _ = train(Letters(word), seed=seed, verbose=0)
    codes = detector.letters.encode(text_of(word))
    outputs = detector.model.predict_proba(detector.letters.one_hot(codes)[None])[0, :, 0]
    return score(detector, threshold=THRESHOLD, letters=letters, seed=np.random.default_rng([seed, 1])), outputs


def main(options: Options) -> None:
    """Train detectors of each word, one a seed."""
    words = options.arguments or (WORDS[1:] if options.quick else WORDS)
    rows, found = [], {}
    for word in words:
        outcomes, seconds = each_seed(learn, options, word, 100_000 if options.quick else 1_000_000)
        scores, found[word] = zip(*outcomes, strict=True)
        for measure in ("precision", "recall"):
            values = [getattr(one, measure) for one in scores]
            title, took = (f"{word}, LSTM 32", seconds) if measure == "precision" else ("", ())
            rows.append(Row(title, measure, values, "≥ 0.999", min(values) >= 0.999, worst=min, seconds=took))
    report("word_detector", rows, draw(found), options)


def draw(found: dict[str, tuple[np.ndarray, ...]]) -> Any:
    """Draw, for each word, the outputs of all seeds over a text, and the letters of the word in colour."""
    drawing = figure(figsize=(10, 2.8 * len(found)))
    for axes, (word, outputs) in zip(drawing.subplots(len(found), 1, squeeze=False)[:, 0], found.items(), strict=True):
        text = text_of(word)
        steps = np.arange(len(text))
        axes.plot(steps, np.transpose(outputs), color="C0", linewidth=1, alpha=0.5, marker=".", markersize=4)
        axes.axhline(THRESHOLD, color="C3", linestyle="--", linewidth=1)
        axes.set(xlim=(-1, len(text)), ylim=(-0.03, 1.06), ylabel="output", xticks=steps, xticklabels=list(text))
        axes.set_title(f"A detector of “{word}” reads a text (one line a seed; the word in red)")
        labels = axes.get_xticklabels()
        for end in np.flatnonzero(Letters(word).ends(Letters(word).encode(text))):
            axes.axvspan(end + 0.5 - len(word), end + 0.5, color="C3", alpha=0.1, linewidth=0)
            for label in labels[end + 1 - len(word) : end + 1]:
                label.set(color="C3", fontweight="bold")
        axes.tick_params(axis="x", length=0, labelsize=11)
        for label in labels:
            label.set_fontfamily("monospace")
    return drawing


if __name__ == "__main__":
    main(read_options(arguments="WORD"))

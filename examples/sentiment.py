"""What a sentence thinks of something.

Many to one: an LSTM reads a sentence word by word, and its last state says whether the sentence is positive or
negative. The sentences are given as lines of a file: a label, a tab and a sentence, of any two labels
(`python examples/sentiment.py FILE --out DIRECTORY`). Shown on `examples/data/sentences.tsv`: 562 short sentences from
imagined reviews, written for this repository, half of them positive. Neighbouring lines speak of the same matter with
opposite verdicts, often with the same words; many have a negation ("not bad at all", "never boring", "not worth the
money").

- Accuracy is cross-validated in five parts, drawn anew for every seed; neighbouring lines stay together, so that no
  sentence is judged by its counterpart. Every sentence is tested once a seed. Settings were chosen on other divisions
  of the same sentences.
- The baseline is logistic regression on a bag of words: the mean of one vector a word, and a linear layer. It does not
  know which word a "not" stands before. A second one has a vector for each pair of neighbours too, "not good" among
  them. Both are regularised by dropout.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn
from common import DATA, Options, Row, each_seed, read_options, report
from fastrnn.data import Vocabulary, split_words
from fastrnn.plots import figure

PARTS, SIZE = 5, 32
BAG, PAIRS = "bag of words", "bag of words and pairs"
SHOWN = (  # none of them is in the file
    "The soup was not good , it was excellent .",
    "I did not like the hotel , it was dirty .",
    "The film was never boring .",
    "The film was boring .",
    "I would not recommend this phone to anyone .",
    "There was nothing bad about the service .",
)


def read(path: Path) -> tuple[list[str], np.ndarray, str]:
    """Return the sentences in lower case, whether each has the later one of the two labels, (N, 1), and that label."""
    lines = [line.partition("\t") for line in path.read_text(encoding="utf-8").splitlines() if line]
    labels = sorted({label for label, _, _ in lines})
    if len(lines) < 2 * PARTS or len(labels) != 2 or not all(sentence.strip() for _, _, sentence in lines):
        raise ValueError(
            f"{path}: expected {2 * PARTS} or more lines LABEL<tab>SENTENCE with two labels, "
            f"got {len(lines)} with the labels {labels[:5]}"
        )
    y = np.array([[label == labels[1]] for label, _, _ in lines], np.float32)
    return [sentence.lower() for _, _, sentence in lines], y, labels[1]


def network(kind: str, words: int, rng: np.random.Generator) -> fastrnn.Sequential:
    """Return a network that takes the ids of words (N, T) and gives one logit (N, 1)."""
    embedding = fastrnn.Embedding(words, SIZE, seed=rng)
    if kind != "LSTM":
        return fastrnn.Sequential(
            embedding, fastrnn.Dropout(0.7), fastrnn.MeanOverTime(), fastrnn.Linear(SIZE, 1, seed=rng)
        )
    return fastrnn.Sequential(
        embedding,
        fastrnn.Dropout(0.5),
        fastrnn.LSTM(SIZE, SIZE, seed=rng),
        fastrnn.Last(),
        fastrnn.Dropout(0.3),
        fastrnn.Linear(SIZE, 1, seed=rng),
    )


def with_pairs(sentence: str) -> str:
    """Return the words of a sentence, and each two neighbours as one word more."""
    words = split_words(sentence)
    return " ".join([*words, *map("_".join, pairwise(words))])


def fitted(
    kind: str, sentences: list[str], y: np.ndarray, epochs: int, rng: np.random.Generator
) -> tuple[Any, Vocabulary]:
    """Return a trainer whose model has learnt from these sentences, and the words that it knows."""
    vocabulary = Vocabulary.of_words(sentences)
    model = network(kind, len(vocabulary), rng)
    trainer = fastrnn.Trainer(model, "bce", fastrnn.Adam(1e-2), metrics=["accuracy"], seed=rng)
    x = [vocabulary.encode(sentence) for sentence in sentences]
    trainer.fit(x, y, epochs=epochs, batch_size=32, bucket=True, verbose=0)
    return trainer, vocabulary


def learn(seed: int, kind: str, sentences: list[str], y: np.ndarray, epochs: int) -> float:
    """Return the accuracy over all sentences, each judged by a network that has not seen it."""
    rng = np.random.default_rng(seed)
    part = np.repeat(rng.permutation(-(-len(y) // 2)) % PARTS, 2)[: len(y)]  # of each sentence
    right = 0.0
    for one in range(PARTS):
        known, new = np.flatnonzero(part != one), np.flatnonzero(part == one)
        trainer, vocabulary = fitted(kind, [sentences[i] for i in known], y[known], epochs, rng)
        x = [vocabulary.encode(sentences[i]) for i in new]
        right += trainer.score(x, y[new])["accuracy"] * len(new)
    return right / len(y)


def read_aloud(seed: int, sentences: list[str], y: np.ndarray, epochs: int) -> list[np.ndarray]:
    """Return what a network thinks of each of `SHOWN` after each word, (T,)."""
    trainer, vocabulary = fitted("LSTM", sentences, y, epochs, np.random.default_rng(seed))
    found = []
    for sentence in SHOWN:
        ids = vocabulary.encode(sentence.lower())
        beginnings = [ids[: t + 1] for t in range(len(ids))]
        found.append(trainer.model.predict_proba(beginnings)[:, 0])
    return found


def main(options: Options) -> None:
    """Train five times a seed, and once on everything for the picture."""
    sentences, y, label = read(Path(options.arguments[0]) if options.arguments else DATA / "sentences.tsv")
    epochs = 20 if options.quick else 40
    lstm, seconds = each_seed(learn, options, "LSTM", sentences, y, epochs)
    bag, bag_seconds = each_seed(learn, options, BAG, sentences, y, epochs)
    pairs, pairs_seconds = each_seed(learn, options, PAIRS, list(map(with_pairs, sentences)), y, epochs)
    steps, _ = each_seed(read_aloud, options, sentences, y, epochs)

    name, least, more = f"{len(y)} sentences", 0.6 if options.quick else 0.7, np.subtract(lstm, bag)
    beaten = None if options.quick else min(more) > 0  # one seed, trained for half as long, says little
    rows = [
        Row(f"{name}, LSTM {SIZE}", "accuracy", lstm, f"mean ≥ {least}", np.mean(lstm) >= least, min, seconds),
        Row("", f"less that of the {BAG}", more, "> 0 at every seed" if beaten is not None else "", beaten, min),
        Row("", f"less that of the {PAIRS}", np.subtract(lstm, pairs), worst=min),
        Row(f"{name}, {BAG}", "accuracy", bag, worst=min, seconds=bag_seconds),
        Row(f"{name}, {PAIRS}", "accuracy", pairs, worst=min, seconds=pairs_seconds),
    ]
    report("sentiment", rows, draw(steps, [lstm, bag, pairs], label), options)


def draw(steps: list[list[np.ndarray]], accuracies: list[list[float]], label: str) -> Any:
    """Draw sentences lit up word by word, in the mean over the seeds, and the accuracies."""
    drawing = figure(figsize=(10, 4.2))
    left, right = drawing.subplots(1, 2, width_ratios=[4.6, 1])
    words = [split_words(sentence) for sentence in SHOWN]
    grid = np.full((len(SHOWN), max(map(len, words))), np.nan)
    for i, found in enumerate(zip(*steps, strict=True)):
        grid[i, : len(words[i])] = np.mean(found, axis=0)
    picture = left.imshow(grid, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto")
    for i, sentence in enumerate(words):
        for t, word in enumerate(sentence):
            colour = "black" if 0.15 < grid[i, t] < 0.85 else "white"
            left.text(t, i, f"{word}\n{grid[i, t]:.0%}", color=colour, ha="center", va="center", fontsize=8)
    left.set(xlabel="word", yticks=[], title=f"How {label} is it so far? (mean of the seeds)")
    left.set_xticks(range(grid.shape[1]), range(1, grid.shape[1] + 1))
    drawing.colorbar(picture, ax=left, label=f"probability of {label}", fraction=0.04)
    for place, values in enumerate(accuracies):
        right.plot(np.full(len(values), place), values, "o", color=f"C{place}", alpha=0.6)
    right.set_xticks([0, 1, 2], ["LSTM", "words", "pairs\ntoo"])
    right.set(xlim=(-0.6, 2.6), ylim=(0.5, 1), ylabel="accuracy", title="Every seed")
    right.grid(axis="y", alpha=0.3)
    return drawing


if __name__ == "__main__":
    main(read_options(arguments="FILE"))

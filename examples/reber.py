"""The embedded Reber grammar.

A string is drawn from a small graph, letter by letter (Reber 1967); around it stand T … T or P … P. The network reads
the string and says what comes next. Most of it follows from the last few letters, but the last but one does not: it is
the letter with which the string began, and known only to a network that has kept it.

The task is that of Hochreiter & Schmidhuber 1997 (section 5.1, table 1), where an Elman network never learnt it. With
32 units, Adam and clipped gradients it does, though later than gated cells: most strings are shorter than 15 letters.
It is solved here when in each of 1,000 fresh strings, and at every step, all letters that may follow rank above all
others. That is looked at after every 200 training strings, drawn as they are needed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

import fastrnn
from common import Options, each_seed, read_options, report
from fastrnn.plots import figure
from solving import Run, draw_runs, rows_of

LETTERS = "BTSXPVE"
# At each node: a letter, and the node to which it leads.
GRAPH = [
    [("T", 1), ("P", 2)],
    [("S", 1), ("X", 3)],
    [("T", 2), ("V", 4)],
    [("X", 2), ("S", 5)],
    [("P", 3), ("V", 5)],
]
EPOCH, BATCH, CHECKED, TESTED = 200, 2, 1000, 10_000
LIMIT, MEAN = 8000, 4000
PUBLISHED = 8440
CELLS = {
    "LSTM": "8,440 (3 blocks of 2, 276 weights): Hochreiter & Schmidhuber 1997",
    "GRU": "",
    "Elman": "never in 200,000 (15 units): Hochreiter & Schmidhuber 1997",
}


def string(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of a string, (T,), and which letters could have stood at each place, (T, 7)."""
    around = "TP"[rng.integers(2)]
    text, could, node = f"B{around}B", ["B", "TP", "B"], 0
    while node < len(GRAPH):
        edges = GRAPH[node]
        could.append("".join(letter for letter, _ in edges))
        letter, node = edges[rng.integers(len(edges))]
        text += letter
    ids = np.array([LETTERS.index(letter) for letter in f"{text}E{around}E"])
    return ids, np.array([[letter in place for letter in LETTERS] for place in [*could, "E", around, "E"]])


def batches(rng: np.random.Generator) -> Iterator[Any]:
    """Make training strings as they are needed: what is read, and what comes next."""
    for _ in range(EPOCH // BATCH):
        strings = [string(rng)[0] for _ in range(BATCH)]
        yield [ids[:-1] for ids in strings], [ids[1:] for ids in strings]


def count_right(model: fastrnn.Sequential, count: int, rng: np.random.Generator) -> int:
    """Return in how many fresh strings every letter that may follow ranks above every other, at every step."""
    strings = [string(rng) for _ in range(count)]
    logits = np.concatenate(model([ids[:-1] for ids, _ in strings]))  # (all steps of all strings, 7)
    may = np.concatenate([could[1:] for _, could in strings])
    right = np.where(may, logits, np.inf).min(axis=1) > np.where(may, -np.inf, logits).max(axis=1)
    starts = np.cumsum([0] + [len(ids) - 1 for ids, _ in strings[:-1]])
    return int(np.logical_and.reduceat(right, starts).sum())


def example() -> tuple[np.ndarray, np.ndarray]:
    """Return a long string to look at, and which letters could have stood at each place."""
    rng = np.random.default_rng(10**6)
    return max((string(rng) for _ in range(20)), key=lambda one: len(one[0]))


def learn(seed: int, cell: str) -> tuple[Run, np.ndarray]:
    """Train until the task is solved, or up to the limit; return also what is expected in the example, (T - 1, 7)."""
    rng = np.random.default_rng(seed)
    layer = getattr(fastrnn, cell)(len(LETTERS), 32, seed=rng)
    model = fastrnn.Sequential(fastrnn.OneHot(len(LETTERS)), layer, fastrnn.Linear(32, len(LETTERS), seed=rng))
    trainer = fastrnn.Trainer(model, loss="cross_entropy", optimizer=fastrnn.Adam(1e-2), seed=rng)
    right: list[float] = []

    def solved(*_: Any) -> bool:
        right.append(count_right(model, CHECKED, rng) / CHECKED)
        return right[-1] == 1

    trainer.fit(lambda: batches(rng), epochs=LIMIT // EPOCH, callbacks=[solved], verbose=0)
    wrong = TESTED - count_right(model, TESTED, rng)
    expected = model.predict_proba(example()[0][None, :-1])[0]
    return Run(right, EPOCH, right[-1] == 1, wrong, TESTED), expected


def main(options: Options) -> None:
    """Train once a seed for each cell."""
    rows, found, expected = [], {}, {}
    for cell in ["LSTM"] if options.quick else CELLS:
        outcomes, seconds = each_seed(learn, options, cell)
        found[cell], (expected[cell], *_) = zip(*outcomes, strict=True)
        task = f"embedded Reber grammar, {cell}"
        rows += rows_of(task, found[cell], seconds, limit=LIMIT, mean=MEAN, published=CELLS[cell])
    report("reber", rows, draw(found, expected["LSTM"]), options)


def draw(found: dict[str, tuple[Run, ...]], expected: np.ndarray) -> Any:
    """Draw the strings that each network has right over those it has seen, and what one expects in a fresh string."""
    drawing = figure(figsize=(10, 7))
    upper, lower = drawing.subfigures(2, 1, height_ratios=[3, 2.5])
    panels = upper.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (cell, runs) in zip(panels, found.items(), strict=True):
        draw_runs(axes, runs, PUBLISHED)
        axes.set(title=cell, ylim=(0, 1.03))
    panels[0].set(ylabel="right of 1,000 fresh strings")
    upper.suptitle("The embedded Reber grammar: every seed, until it is solved (dot)")
    draw_string(lower.subplots(), *example(), expected)
    return drawing


def draw_string(axes: Any, ids: np.ndarray, could: np.ndarray, expected: np.ndarray) -> None:
    """Draw what a network expects at each step of a string, a frame around the letters that may follow."""
    picture = axes.imshow(expected.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.scatter(*np.nonzero(could[1:]), s=150, marker="s", facecolors="none", edgecolors="C1", linewidths=1.5)
    axes.set(title="What the LSTM of seed 0 expects in a fresh string (frames: letters that may follow)")
    axes.set(xlabel="letter just read", xticks=range(len(ids) - 1), xticklabels=[LETTERS[i] for i in ids[:-1]])
    axes.set(ylabel="next letter", yticks=range(len(LETTERS)), yticklabels=list(LETTERS))
    axes.figure.colorbar(picture, ax=axes, label="probability")


if __name__ == "__main__":
    main(read_options())

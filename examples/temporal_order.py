"""The order of symbols far apart.

A sequence of 100 to 110 symbols, most of them distractors. Two of them (or three), at random places around the 15th and
the 55th step (or the 15th, 38th and 71st), are X or Y; at the end the network has to say which came in which order: one
of four classes (or eight). The tasks are 6a and 6b of Hochreiter & Schmidhuber 1997 (section 5.6, table 9).

They stopped once the mean error was below 0.1 and the 2,000 most recent sequences were classified right. Here, so that
rare sequences are right too, the 4,000 most recent have to be, and the mean cross-entropy of the last 2,000 below
0.002. That is looked at after every 2,000 sequences, all different and none seen before.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, each_seed, read_options, report
from fastrnn.plots import figure
from solving import Run, draw_runs, rows_of

# By how many X or Y there are: training sequences, and how many of 2,560 were wrong.
PUBLISHED = {2: (31_390, 1), 3: (571_100, 2)}
PAPER = "Hochreiter & Schmidhuber 1997"
PLACES = {2: [10, 50], 3: [10, 33, 66]}  # each X or Y is at one of eleven steps, from here on
EPOCH, BATCH, TESTED = 2000, 20, 10_000
START, END, X, SYMBOLS = 0, 5, 6, 8  # the ids of E; a, b, c, d; B; X, Y


def sequences(count: int, asked: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ids (N, 110); classes (N,); and how many steps of each count, (N,)."""
    lengths = rng.integers(100, 111, size=count)
    rows, ids = np.arange(count), rng.integers(START + 1, END, size=(count, 110))
    ids[:, 0], ids[rows, lengths - 1] = START, END
    which = rng.integers(2, size=(count, asked))
    for place, symbols in zip(PLACES[asked], X + which.T, strict=True):
        ids[rows, rng.integers(place, place + 11, size=count)] = symbols
    return ids, which @ (1 << np.arange(asked)), lengths


def solved(_: fastrnn.Trainer, history: fastrnn.History) -> bool:
    """Return whether the last 4,000 training sequences came out right, each before it was learnt from."""
    return history.loss[-1] < 0.002 and history.metrics["accuracy"][-2:] == [1, 1]


def learn(seed: int, asked: int, limit: int) -> Run:
    """Train on fresh sequences until the task is solved, or up to a limit; then test on others."""
    rng = np.random.default_rng(seed)
    lstm = fastrnn.LSTM(SYMBOLS, 16, init=fastrnn.Chrono(100), seed=rng)
    trainer = fastrnn.Trainer(
        fastrnn.Sequential(fastrnn.OneHot(SYMBOLS), lstm, fastrnn.Last(), fastrnn.Linear(16, 2**asked, seed=rng)),
        loss="cross_entropy",
        optimizer=fastrnn.Adam(2e-2),
        schedule=fastrnn.StepDecay(1, 0.9),
        metrics=["accuracy"],
        seed=rng,
    )
    history = trainer.fit(
        lambda: (sequences(BATCH, asked, rng) for _ in range(EPOCH // BATCH)),
        epochs=limit // EPOCH,
        callbacks=[solved],
        verbose=0,
    )
    ids, classes, lengths = sequences(TESTED, asked, rng)
    wrong = int((trainer.model(ids, lengths=lengths).argmax(axis=-1) != classes).sum())
    return Run(history.metrics["accuracy"], EPOCH, solved(trainer, history), wrong, TESTED)


def main(options: Options) -> None:
    """Train once a seed for two symbols and for three."""
    rows, found = [], {}
    for asked in [2] if options.quick else PUBLISHED:
        limit, wrong = PUBLISHED[asked]
        runs, seconds = each_seed(learn, options, asked, limit)
        rows += rows_of(
            f"order of {asked} symbols, LSTM 16",
            runs,
            seconds,
            limit=limit,
            wrong=0.1,
            published=f"{limit:,}: {PAPER}",
            published_wrong=f"{wrong} of 2,560: {PAPER}",
        )
        found[asked] = runs
    report("temporal_order", rows, draw(found), options)


def draw(found: dict[int, list[Run]]) -> Any:
    """Draw each training's accuracy over the sequences it has seen, one panel a task."""
    drawing = figure(figsize=(9, 3.8))
    panels = drawing.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (asked, runs) in zip(panels, found.items(), strict=True):
        draw_runs(axes, runs, PUBLISHED[asked][0])
        axes.axhline(0.5**asked, color="0.6", linestyle=":")
        axes.set(title=f"{asked} symbols: one in {2**asked} by guessing (dotted)", ylim=(0, 1.03))
    panels[0].set(ylabel="right of the last 2,000")
    drawing.suptitle("The order of symbols: every seed, until all of the last 4,000 sequences are right (dot)")
    return drawing


if __name__ == "__main__":
    main(read_options())

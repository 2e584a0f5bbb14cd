"""The adding problem.

A sequence of pairs: a random number in [-1, 1] and a mark. Two of the numbers are marked, one among the first ten
pairs, the other in the first half; after the last pair, the network has to say their sum, so the lag grows with the
length T. The task is that of Hochreiter & Schmidhuber 1997 (section 5.4, table 7), to the letter: lengths between T and
1.1 T, marks 1, the first and last pair marked -1, a marked first number counts 0, target ½ + (X₁ + X₂)/4. A sequence is
right if the error at its end is below 0.04.

They stopped once the mean error was below 0.01 and the 2,000 most recent sequences were right. Here, so that fresh
sequences are right too, no error among the 2,000 may reach 0.03; it is looked at after every 2,000 sequences, all
different and none seen before. What makes the lag learnable are the initial gate biases (Tallec & Ollivier 2018).
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, each_seed, read_options, report
from fastrnn.plots import figure
from solving import Run, draw_runs, rows_of

# By T: training sequences, and how many of 2,560 were wrong.
PUBLISHED = {100: (74_000, 1), 500: (209_000, 0), 1000: (853_000, 1)}
PAPER = "Hochreiter & Schmidhuber 1997"
EPOCH, BATCH, TESTED = 2000, 20, 2560


def sequences(count: int, steps: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x (N, longest, 2), numbers and marks; y (N, 1); and how many steps of each count, (N,)."""
    lengths = rng.integers(steps, steps + steps // 10 + 1, size=count)
    rows, x = np.arange(count), np.zeros((count, lengths.max(), 2), np.float32)
    x[..., 0] = rng.uniform(-1, 1, x.shape[:2])
    first = rng.integers(10, size=count)
    second = (first + rng.integers(1, steps // 2, size=count)) % (steps // 2)  # any but the first
    x[(first == 0) | (second == 0), 0, 0] = 0
    x[:, 0, 1] = x[rows, lengths - 1, 1] = -1
    x[rows, first, 1] = x[rows, second, 1] = 1
    return x, 0.5 + (x[rows, first, :1] + x[rows, second, :1]) / 4, lengths


def largest_error(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    """Return the largest absolute error; of an epoch, the trainer knows what each batch gave before its update."""
    return float(np.abs(y_true - y_pred).max())


def solved(_: fastrnn.Trainer, history: fastrnn.History) -> bool:
    """Return whether the last 2,000 training sequences came out right."""
    return history.metrics["mae"][-1] < 0.01 and history.metrics["largest_error"][-1] < 0.03


def learn(seed: int, steps: int, limit: int) -> Run:
    """Train on fresh sequences until the task is solved, or up to a limit; then test on others."""
    rng = np.random.default_rng(seed)
    lstm = fastrnn.LSTM(2, 16, init=fastrnn.Chrono(steps), seed=rng)
    trainer = fastrnn.Trainer(
        fastrnn.Sequential(lstm, fastrnn.Last(), fastrnn.Linear(16, 1, seed=rng)),
        loss="mse",
        optimizer=fastrnn.Adam(2e-2),
        schedule=fastrnn.StepDecay(1, 0.95),
        metrics=["mae", largest_error],
        seed=rng,
    )
    history = trainer.fit(
        lambda: (sequences(BATCH, steps, rng) for _ in range(EPOCH // BATCH)),
        epochs=limit // EPOCH,
        callbacks=[solved],
        verbose=0,
    )
    x, y, lengths = sequences(TESTED, steps, rng)
    wrong = int((np.abs(trainer.model(x, lengths=lengths) - y) >= 0.04).sum())
    return Run(history.metrics["mae"], EPOCH, solved(trainer, history), wrong, TESTED)


def main(options: Options) -> None:
    """Train once a seed for each length."""
    rows, found = [], {}
    for steps in [40] if options.quick else PUBLISHED:
        limit, wrong = PUBLISHED.get(steps, (60_000, None))
        runs, seconds = each_seed(learn, options, steps, limit)
        known = {"published": f"{limit:,}: {PAPER}", "published_wrong": f"{wrong} of {TESTED:,}: {PAPER}"}
        task = f"adding, T = {steps:,}, LSTM 16"
        rows += rows_of(task, runs, seconds, limit=limit, wrong=0.1, **(known if steps in PUBLISHED else {}))
        found[steps] = runs
    report("adding", rows, draw(found), options)


def draw(found: dict[int, list[Run]]) -> Any:
    """Draw each training's error over the sequences it has seen, one panel a length."""
    drawing = figure(figsize=(10, 3.8))
    panels = drawing.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (steps, runs) in zip(panels, found.items(), strict=True):
        draw_runs(axes, runs, PUBLISHED[steps][0] if steps in PUBLISHED else None)
        axes.axhline(0.01, color="0.6", linestyle=":")
        axes.set(title=f"T = {steps:,}", yscale="log")
    panels[0].set(ylabel="mean error of the last 2,000")
    drawing.suptitle("The adding problem: every seed, until all of the last 2,000 sequences are right (dot)")
    return drawing


if __name__ == "__main__":
    main(read_options())

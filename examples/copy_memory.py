"""Copying after a long pause.

Ten symbols of eight kinds, 499 blanks, a signal, and then all ten have to be given out in their order: a lag of 500
(Hochreiter & Schmidhuber 1997; in this form Arjovsky, Shah & Bengio 2016; Tallec & Ollivier 2018, figure 4). Without
memory the cross-entropy a step can be 10·ln 8/(T + 20) at best, T = 500: blanks where blanks are due, and a guess for
the symbols. A GRU with 64 units has chrono initialisation. It starts with a lag of five, which grows by half whenever
the loss has fallen to a tenth of the memoryless one, and ends when 20 successive fresh batches at the full lag had a
loss below 0.08 of it. That makes it minutes, not hours: nearly all updates are made at the short lag. The loss of the
table is that of 1,000 fresh sequences at the full lag.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.plots import figure

KINDS, LENGTH = 8, 10
BLANK, SIGNAL = KINDS, KINDS + 1
UPDATES = 20  # in an epoch


def sequences(count: int, lag: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and targets, both (count, lag + 20)."""
    symbols = rng.integers(KINDS, size=(count, LENGTH))
    x, y = np.full((2, count, lag + 2 * LENGTH), BLANK)
    x[:, :LENGTH] = y[:, -LENGTH:] = symbols
    x[:, -LENGTH - 1] = SIGNAL
    return x, y


def memoryless(lag: int) -> float:
    """Return the least cross-entropy a step without memory."""
    return LENGTH * np.log(KINDS) / (lag + 2 * LENGTH)


def learn(seed: int, goal: int, hidden: int, target: float, limit: int) -> tuple[float, list[float], list[int]]:
    """Return the loss at the lag `goal`, and the training's loss and lag of each epoch; 1 is without memory."""
    rng = np.random.default_rng(seed)
    model = fastrnn.Sequential(
        fastrnn.OneHot(KINDS + 2),
        fastrnn.GRU(KINDS + 2, hidden, init=fastrnn.Chrono(500), seed=rng),
        fastrnn.Linear(hidden, KINDS + 1, seed=rng),
    )
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(1e-2), seed=rng)
    lags, losses = [min(5, goal)], []

    def batches() -> Any:
        return (sequences(32, lags[-1], rng) for _ in range(UPDATES))

    def longer(_: Any, history: Any) -> bool:
        lag = lags[-1]
        losses.append(history.loss[-1] / memoryless(lag))
        if lag == goal and losses[-1] < 0.8 * target:
            return True
        lags.append(min(goal, lag + lag // 2) if losses[-1] < target else lag)
        return False

    trainer.fit(batches, epochs=limit // UPDATES, callbacks=[longer], verbose=0)
    return trainer.evaluate(*sequences(1000, goal, rng)) / memoryless(goal), losses, lags[: len(losses)]


def main(options: Options) -> None:
    """Train once a seed; compare the loss with the best that is possible without memory."""
    goal, target, limit = (10, 0.4, 6000) if options.quick else (500, 0.1, 30_000)
    runs, seconds = each_seed(learn, options, goal, 64, target, limit)
    shares, losses, lags = zip(*runs, strict=True)
    rows = [
        Row(
            f"copy, lag {goal}, GRU 64",
            f"loss, as a share of {memoryless(goal):.4f}",
            shares,
            f"≤ {target} in each",
            max(shares) <= target,
            seconds=seconds,
        ),
        Row("", "updates", [UPDATES * len(loss) for loss in losses]),
    ]
    report("copy_memory", rows, draw(losses, lags), options)


def draw(losses: tuple[list[float], ...], lags: tuple[list[int], ...]) -> Any:
    """Draw the loss and the lag over the updates, one line a seed."""
    drawing = figure(figsize=(8, 5.5))
    above, below = drawing.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for loss, lag in zip(losses, lags, strict=True):
        updates = UPDATES * np.arange(1, len(loss) + 1)
        above.plot(updates, loss, linewidth=0.8)
        below.plot(updates, lag, linewidth=0.8)
    above.axhline(1, color="0.5", linestyle="--", label="without memory")
    above.axhline(0.1, color="0.5", linestyle=":", label="a tenth of it")
    above.set(yscale="log", ylabel="loss, as a share of the memoryless")
    above.set_title("The loss at the lag of the moment, one line a seed")
    above.legend()
    below.set(yscale="log", xlabel="updates", ylabel="lag in steps")
    return drawing


if __name__ == "__main__":
    main(read_options())

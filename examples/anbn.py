"""aⁿbⁿ: counting with the cell state.

Strings of n times a and then n times b, between a start and an end: after every symbol the network has to tell which
symbols may follow. During a's that is a or b; but after the first b all is settled, and the end has to come after n of
them. An LSTM of three units, trained on n ≤ 10, counts up and down again in its cell state, and so gets strings right
that are many times longer (Gers & Schmidhuber 2001, "LSTM recurrent networks learn simple context-free and
context-sensitive languages").

A training that gets one of the strings of n ≤ 50 wrong is thrown away, and the next begins, from other weights, five
times at most; strings beyond that are the test.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.plots import figure

A, B, END = range(3)  # END also starts
LONGEST = 10  # in training
CHECKED, ATTEMPTS = 50, 5
SHOWN = 50  # in the picture
H = 3
# The gates start open, and float32 knows no σ(30) but 1: as in the LSTM of 1997, nothing is ever forgotten.
INPUT_BIAS, FORGET_BIAS = 2, 30


def string(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is read, one-hot (2n + 1, 3), and which symbols may follow, (2n + 1, 3)."""
    symbols = np.repeat([END, A, B], [1, n, n])
    follow = np.eye(3)[np.append(symbols[1:], END)]
    follow[1 : n + 1] = [1, 1, 0]
    return np.eye(3)[symbols], follow


def train(updates: int, rng: np.random.Generator) -> fastrnn.Sequential:
    """Return a network trained on n ≤ 10, from random weights."""
    lstm = fastrnn.LSTM(3, H, seed=rng)
    lstm.parameters()["bias_ih_l0"][: 2 * H] = np.repeat([INPUT_BIAS, FORGET_BIAS], H)
    model = fastrnn.Sequential(lstm, fastrnn.Linear(H, 3, seed=rng))
    x, y = zip(*map(string, range(1, LONGEST + 1)), strict=True)
    schedule = fastrnn.Cosine(updates)  # steps up and down must balance, and a large rate keeps them from it
    trainer = fastrnn.Trainer(model, "bce", fastrnn.Adam(5e-2), schedule=schedule, seed=rng)
    trainer.fit(list(x), list(y), epochs=updates, batch_size=LONGEST, verbose=0)
    return model


def learn(seed: int, updates: int, limit: int) -> tuple[int, int, np.ndarray]:
    """Train, again if need be; return up to which n all is right, how many trainings, and c over a long string."""
    rng = np.random.default_rng(seed)
    trainings = reached = 0
    while reached < CHECKED and trainings < ATTEMPTS:
        model = train(updates, rng)
        reached = next((n for n in range(limit) if not right(model, n + 1)), limit)
        trainings += 1
    return reached, trainings, model.layers[0].trace(string(SHOWN)[0][:, None])["c"][0, :, 0]


def right(model: fastrnn.Sequential, n: int) -> bool:
    """Return whether the network tells at every step just which symbols may follow."""
    x, y = string(n)
    return np.array_equal(model.predict_proba(x[None])[0] > 0.5, y == 1)


def main(options: Options) -> None:
    """Train once a seed; count how far each goes."""
    updates, limit, asked = (1000, 100, 50) if options.quick else (3000, 1000, 60)
    runs, seconds = each_seed(learn, options, updates, limit)
    reached = [n for n, _, _ in runs]
    row = Row(
        f"aⁿbⁿ, LSTM {H}, trained on n = 1 … {LONGEST}",
        f"all strings right up to n = (tried: {limit:,})",
        reached,
        target=f"worst ≥ {asked}",
        met=min(reached) >= asked,
        worst=min,
        seconds=seconds,
        published="65 (cybertronai/schmidhuber-problems, NumPy, trained on n ≤ 10)",
    )
    again = Row("", f"trainings until n = {CHECKED} is right", [trainings for _, trainings, _ in runs])
    report("anbn", [row, again], draw(runs, limit), options)


def draw(runs: list[tuple[int, int, np.ndarray]], limit: int) -> Any:
    """Draw the cell states over one long string, for the first seeds, and how far each seed goes."""
    drawing = figure(figsize=(9, 5.5))
    grid = drawing.add_gridspec(2, 4)
    for seed, (_, _, c) in enumerate(runs[:4]):
        axes = drawing.add_subplot(grid[0, seed])
        axes.plot(c)
        axes.axvline(SHOWN, color="0.7", linewidth=0.8)
        axes.set(xlabel="step", ylabel="" if seed else "state of the cells")
        axes.set_title(f"seed {seed}")
    axes = drawing.add_subplot(grid[1, :])
    axes.bar(range(len(runs)), [n for n, _, _ in runs], color="C2")
    axes.axhline(LONGEST, color="C1", linestyle="--", label="longest in training")
    axes.axhline(limit, color="0.4", linestyle="--", label="longest tried")
    axes.set(xlabel="seed", ylabel="right up to n", xticks=range(len(runs)), yscale="log", ylim=(5, 4 * limit))
    axes.legend(loc="upper right", ncols=2)
    drawing.suptitle(f"Three cells read {SHOWN} a's and {SHOWN} b's after training on at most {LONGEST}")
    return drawing


if __name__ == "__main__":
    main(read_options())

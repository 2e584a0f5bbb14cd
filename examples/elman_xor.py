"""Elman's exclusive or in time.

A stream of bits: two random ones, then their exclusive or, then two random ones again. At every step the network is
asked for the next bit. Two in three cannot be known, and an Elman network finds out which:
its squared error falls at every third bit (Elman 1990, "Finding Structure in Time", figure 3: 3,000 bits, 600 passes;
here 150 passes, and 1,201 triples never seen).
"""

import math
from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.plots import figure

WINDOW = 15  # steps between updates


def bits(triples: int, rng: np.random.Generator) -> np.ndarray:
    """Return a stream of bits, (3·triples, 1)."""
    first, second = rng.integers(2, size=(2, triples))
    return np.stack([first, second, first ^ second], axis=1).reshape(-1, 1).astype(np.float32)


def learn(seed: int, passes: int) -> np.ndarray:
    """Train on 3,000 bits; return the mean squared error at each of 12 successive bits never seen, from a first one."""
    rng = np.random.default_rng(seed)
    parts = bits(1000, rng).reshape(4, -1, 1)  # four parts of the stream are read side by side
    model = fastrnn.Sequential(fastrnn.Elman(1, 8, seed=rng), fastrnn.Linear(8, 1, seed=rng), fastrnn.Sigmoid())
    updates = passes * math.ceil((parts.shape[1] - 1) / WINDOW)
    schedule = fastrnn.Cosine(updates)
    trainer = fastrnn.Trainer(model, "mse", fastrnn.Adam(2e-2), schedule=schedule, tbptt=WINDOW, seed=rng)
    trainer.fit(parts[:, :-1], parts[:, 1:], epochs=passes, batch_size=4, shuffle=False, verbose=0)
    fresh = bits(1201, rng)
    errors = (model.predict(fresh[None, :-1])[0] - fresh[1:]) ** 2
    return errors[2:].reshape(-1, 12).mean(axis=0)  # errors[0] is the second bit's


def main(options: Options) -> None:
    """Train once a seed; compare the error at the bits that follow from others with that of the rest."""
    runs, seconds = each_seed(learn, options, 50 if options.quick else 150)
    errors = np.stack(runs)  # (seeds, 12)
    third, others = errors[:, 2::3].mean(axis=1), np.delete(errors, [2, 5, 8, 11], axis=1).mean(axis=1)
    limit = 0.1 if options.quick else 0.02
    rows = [
        Row(
            "exclusive or in time, Elman 8",
            "squared error at every third bit",
            third,
            target=f"worst ≤ {limit} (a guess: 0.25)",
            met=max(third) <= limit,
            seconds=seconds,
        ),
        Row("", "squared error at random bits", others, "≥ 0.24: nothing to know", min(others) >= 0.24, worst=min),
    ]
    report("elman_xor", rows, draw(errors), options)


def draw(errors: np.ndarray) -> Any:
    """Draw the error over twelve successive bits: every seed's, and their mean."""
    drawing = figure(figsize=(7, 3.5))
    axes = drawing.add_subplot()
    place = np.arange(1, 13)
    axes.plot(place, errors.T, color="0.8", linewidth=0.8)
    axes.plot(place, errors.mean(axis=0), marker="o", color="C0", label="mean of the seeds")
    axes.axhline(0.25, color="C1", linestyle="--", label="guessing")
    axes.set(xlabel="bit", ylabel="mean squared error", ylim=(0, 0.34), xticks=place)
    axes.set_title("The third, sixth, ninth and twelfth bit follow from the two before")
    axes.legend(loc="upper right", ncols=2)
    return drawing


if __name__ == "__main__":
    main(read_options())

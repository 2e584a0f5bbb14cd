"""Speakers told apart by a vowel.

Nine men say /ae/. An utterance is 7 to 29 steps, 6.4 ms apart, of 12 cepstral coefficients; whose is it? (Japanese
Vowels: Kudo, Toyama & Shimbo 1999; 270 utterances to learn from, 370 to be tested on.) Two GRU layers in both
directions read each utterance to its own end; the mean over time of what they say decides. In training, noise is added
anew to each utterance in each epoch: at every step, and as an offset. Size, noise, dropout, smoothing and rates were
chosen by cross-validation within the training part: five folds, each a run of successive utterances of every speaker.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from fastrnn.data import Normalizer, pad
from fastrnn.losses import CrossEntropy
from fastrnn.plots import figure
from sequences import class_names, load, noisy

NAME, F, CLASSES = "japanese_vowels", 12, 9
BATCH = 27
SHOWN = 25  # the test utterance in the picture


def learn(seed: int, hidden: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Train; return the test utterances' probabilities, (370, 9), and one utterance's after each of its steps."""
    rng = np.random.default_rng(seed)
    x, labels = load(NAME, "train")
    normalizer = Normalizer().fit(x)
    model = fastrnn.Sequential(
        fastrnn.GRU(F, hidden, num_layers=2, bidirectional=True, dropout=0.3, seed=rng),
        fastrnn.MeanOverTime(),
        fastrnn.Dropout(0.3),
        fastrnn.Linear(2 * hidden, CLASSES, seed=rng),
    )
    schedule = fastrnn.Cosine(epochs * len(x) // BATCH)
    loss = CrossEntropy(label_smoothing=0.1)
    trainer = fastrnn.Trainer(model, loss, fastrnn.Adam(5e-3), schedule=schedule, seed=rng)
    batches = noisy(normalizer.transform(x), labels, rng, batch_size=BATCH, deviation=0.5, offset=0.5)
    trainer.fit(batches, epochs=epochs, verbose=0)
    test = normalizer.transform(load(NAME, "test")[0])
    beginnings = [test[SHOWN][: t + 1] for t in range(len(test[SHOWN]))]
    return probabilities(model, test), probabilities(model, beginnings)


def probabilities(model: fastrnn.Sequential, x: list[np.ndarray]) -> np.ndarray:
    """Return the class probabilities of sequences of any lengths, (N, 9)."""
    padded, lengths = pad(x)
    return model.predict_proba(padded, lengths=lengths)


def main(options: Options) -> None:
    """Train once a seed; count the test utterances that each network gets right, and all of them together."""
    hidden, epochs = (32, 20) if options.quick else (48, 60)
    runs, seconds = each_seed(learn, options, hidden, epochs)
    labels = load(NAME, "test")[1]
    found = np.stack([test for test, _ in runs])  # (seeds, 370, 9)
    accuracy = (found.argmax(axis=-1) == labels).mean(axis=1)
    together = (found.mean(axis=0).argmax(axis=-1) == labels).mean()
    limit = 0.9 if options.quick else 0.975
    rows = [
        Row(
            f"Japanese Vowels, GRU 2 × {hidden} in both directions",
            "share right of 370 test utterances",
            accuracy,
            target=f"mean ≥ {limit}",
            met=accuracy.mean() >= limit,
            worst=min,
            seconds=seconds,
            published="0.949 nearest neighbour by dynamic time warping (UEA archive)",
        ),
        Row(
            f"the mean of the {len(runs)} networks' probabilities",
            "share right",
            [together],
            worst=min,
            published="0.9886, ensemble of 11 LSTMs (postnubilaphoebus/Jap_Speak_Recog, Keras)",
        ),
    ]
    report("speech", rows, draw(labels, found, np.stack([steps for _, steps in runs])), options)


def draw(labels: np.ndarray, found: np.ndarray, steps: np.ndarray) -> Any:
    """Draw the mean confusion matrix, and one utterance: its coefficients and the probabilities step by step."""
    drawing = figure(figsize=(12, 5.5))
    grid = drawing.add_gridspec(2, 2, width_ratios=(1, 1.1))
    names = class_names(NAME)
    confusion = np.zeros((CLASSES, CLASSES))
    np.add.at(confusion, (np.broadcast_to(labels, found.shape[:2]), found.argmax(axis=-1)), 1 / len(found))
    axes = drawing.add_subplot(grid[:, 0])
    share = confusion / confusion.sum(axis=1, keepdims=True)
    axes.imshow(share, cmap="Blues")
    for (i, j), count in np.ndenumerate(confusion):
        if count > 0:
            axes.text(j, i, f"{count:.3g}", ha="center", va="center", color="white" if share[i, j] > 0.5 else "black")
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), xticklabels=names, yticklabels=names)
    axes.set(xlabel="speaker that was named", ylabel="speaker", title=f"Test utterances, mean of {len(found)} seeds")

    utterance, speaker = load(NAME, "test")[0][SHOWN], labels[SHOWN]
    time = np.arange(1, len(utterance) + 1)
    above = drawing.add_subplot(grid[0, 1])
    above.plot(time, utterance, linewidth=1)
    above.set(ylabel="cepstral coefficients", title=f"An utterance of speaker {names[speaker]}, step by step")
    below = drawing.add_subplot(grid[1, 1], sharex=above)
    mean = steps.mean(axis=0)  # (T, 9)
    labelled = ["each seed"] + [None] * (len(steps) - 1)
    below.plot(time, steps[:, :, speaker].T, color="0.75", linewidth=0.8, label=labelled)
    for k in sorted(np.argsort(mean.max(axis=0))[-4:]):
        below.plot(time, mean[:, k], marker=".", color=f"C{k}", label=f"speaker {names[k]}")
    below.set(xlabel="steps heard", ylabel="probability", ylim=(0, 1.03))
    below.legend()
    return drawing


if __name__ == "__main__":
    main(read_options())

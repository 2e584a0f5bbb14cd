"""Addition, learnt from examples.

"12+345" goes in, character by character and backwards, "357" comes out: the encoder's last state is all that the
decoder has. Keras' example `addition_rnn.py` does it with LSTMs of 128 units and reports 99 % of the digits right after
55 passes over 5,000 sums of two digits and 100 passes over 50,000 of three, a tenth of them held out. As there, a pair
of numbers that is tested has been trained in neither order. Here every pair of training is shown in both orders in each
pass, and what counts are whole sums, all of their digits right: 550 fresh ones of two digits, 5,000 of three.
"""

import math
from typing import Any, NamedTuple

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

SYMBOLS = " 0123456789+"  # the first one fills up, and starts the decoder
V = len(SYMBOLS)


class Task(NamedTuple):
    """Sums of some size, and how to learn them."""

    digits: int
    trained: int  # pairs of numbers
    tested: int
    units: int
    passes: int
    batch_size: int
    seeds: int = 10
    published: str = ""


TASKS = [
    Task(2, 4500, 550, 64, 25, 64, published="0.99 of the digits, 55 passes (Keras, LSTM 128)"),
    Task(3, 45_000, 5000, 128, 10, 128, seeds=3, published="0.99 of the digits, 100 passes (Keras, LSTM 128)"),
]
QUICK = [Task(2, 4500, 550, 64, 8, 64)]


def write(texts: list[str], width: int) -> np.ndarray:
    """Return texts, filled up, as ids (N, width)."""
    return np.array([[SYMBOLS.index(symbol) for symbol in text.ljust(width)] for text in texts])


def sums(pairs: np.ndarray, digits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return questions (N, 2·digits + 1), backwards, and answers (N, digits + 1), of pairs of numbers (N, 2)."""
    questions = write([f"{a}+{b}" for a, b in pairs], 2 * digits + 1)[:, ::-1]
    return questions, write([str(a + b) for a, b in pairs], digits + 1)


def draw_pairs(count: int, digits: int, rng: np.random.Generator) -> np.ndarray:
    """Return pairs (count, 2) that differ in more than their order, each in an order of its own."""
    numbers = 10**digits
    a, b = np.triu_indices(numbers)
    chosen = rng.choice(len(a), count, replace=False)
    return rng.permuted(np.stack([a[chosen], b[chosen]], axis=1), axis=1)


class Run(NamedTuple):
    """What came of one training."""

    curve: list[float]  # the share of fresh sums that were right, after every pass
    said: list[str]


def learn(seed: int, task: Task) -> Run:
    """Train on sums of random pairs, and answer fresh ones."""
    rng = np.random.default_rng(seed)
    pairs = draw_pairs(task.trained + task.tested, task.digits, rng)
    fresh, known = np.split(pairs, [task.tested])
    source, target = sums(np.concatenate([known, known[:, ::-1]]), task.digits)
    inputs = np.pad(target[:, :-1], ((0, 0), (1, 0)))  # shifted by a step
    asked, wanted = sums(fresh, task.digits)

    encoder = fastrnn.Sequential(fastrnn.OneHot(V), fastrnn.LSTM(V, task.units, seed=rng))
    decoder = fastrnn.Sequential(
        fastrnn.OneHot(V), fastrnn.LSTM(V, task.units, seed=rng), fastrnn.Linear(task.units, V, seed=rng)
    )
    model = fastrnn.EncoderDecoder(encoder, decoder)
    schedule = fastrnn.OneCycle(1e-2, task.passes * math.ceil(len(source) / task.batch_size))
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(), schedule=schedule, seed=rng)
    curve = []

    def score(*_: Any) -> None:
        answers = np.array(model.decode(asked, start=0, steps=task.digits + 1))
        curve.append(float(np.mean((answers == wanted).all(axis=1))))

    trainer.fit((source, inputs), target, epochs=task.passes, batch_size=task.batch_size, callbacks=[score], verbose=0)
    answers = model.decode(asked[:8], start=0, steps=task.digits + 1)
    return Run(curve, [say(*pair, answer) for pair, answer in zip(fresh[:8], answers, strict=True)])


def say(a: int, b: int, answer: np.ndarray) -> str:
    """Return a sum as the network does it, and the right one where it is wrong."""
    said = "".join(SYMBOLS[i] for i in answer).strip()
    return f"{a} + {b} = {said}" + ("" if said == str(a + b) else f" (wrong: {a + b})")


def main(options: Options) -> None:
    """Train ten times on two digits, three times on three."""
    rows, curves, said = [], {}, []
    limit = 0.6 if options.quick else 0.99
    for task in QUICK if options.quick else TASKS:
        jobs = [(seed, task) for seed in range(min(options.seeds, task.seeds))]
        runs, seconds = each(learn, jobs, options)
        curves[task] = [run.curve for run in runs]
        right = [run.curve[-1] for run in runs]
        said += runs[0].said
        rows.append(
            Row(
                f"{task.digits} digits, {task.trained:,} pairs, LSTM {task.units}, {task.passes} passes",
                f"share of {task.tested:,} fresh sums that are right",
                right,
                target=f"mean ≥ {limit}",
                met=np.mean(right) >= limit,
                worst=min,
                seconds=seconds,
                published=task.published,
            )
        )
    text = "Fresh sums of the first seed:\n\n```text\n" + "\n".join(said) + "\n```"
    report("seq2seq_addition", rows, draw(curves), options, text)


def draw(curves: dict[Task, list[list[float]]]) -> Any:
    """Draw the share of right sums over passes: a line a seed."""
    drawing = figure(figsize=(5 * len(curves), 3.8))
    parts = drawing.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (task, of_seeds) in zip(parts, curves.items(), strict=True):
        for curve in of_seeds:
            axes.plot(range(1, len(curve) + 1), curve, linewidth=1)
        axes.axhline(0.99, color="0.6", linestyle="--", linewidth=0.8, label="0.99")
        axes.set(xlabel="pass", ylim=(0, 1.02))
        axes.set_title(f"{task.digits} digits, seeds: {len(of_seeds)}")
    parts[0].set_ylabel("fresh sums that are right")
    parts[0].legend(loc="lower right")
    return drawing


if __name__ == "__main__":
    main(read_options())

"""The next character of English.

An LSTM reads what Python's `help()` says about the language (`pydoc_data.topics`; paragraphs that come twice count
once), character by character, and says how likely each character is to be the next. The first eight tenths are learnt
from, by truncated backpropagation through time. On one tenth choices were made; the last tenth is the test, read as
one stream.

- The baseline is an n-gram model with interpolated modified Kneser-Ney smoothing (Chen & Goodman 1999), of the length
  that is best on the validation part. The best on the test itself is shown too.
- PyTorch, where it is installed, trains the same network: the same initial weights, batches, optimiser, learning rates
  and clipping, one thread each, epoch by epoch in turn. An epoch's time is everything from the ids to the new weights.
  The two differ by rounding alone, which grows; noise is the standard deviation of PyTorch's own results from seed to
  seed.
- Three seeds.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from english.corpus import SOURCE, corpus
from english.ngrams import ngram_bits
from fastrnn.data import Vocabulary, streams
from fastrnn.plots import figure

STREAMS, WINDOW, PEAK, CLIP = 32, 64, 8e-3, 1.0
TEMPERATURES = (0.5, 0.8, 1.0)


def learn(seed: int, ids: list[np.ndarray], size: int, hidden: int, epochs: int, beside: bool) -> dict[str, Any]:
    """Train on ids, PyTorch in turn if it is to stand beside; return bits per character, seconds and samples."""
    train, validation, test = ids
    rng = np.random.default_rng(seed)
    model = fastrnn.Sequential(
        fastrnn.Embedding(size, hidden, seed=rng),
        fastrnn.LSTM(hidden, hidden, seed=rng),
        fastrnn.Linear(hidden, size, seed=rng),
    )
    x, y = streams(train, STREAMS)
    steps = epochs * -(-x.shape[1] // WINDOW)
    rates = fastrnn.OneCycle(PEAK, steps)
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(PEAK), tbptt=WINDOW, schedule=rates, clip_norm=CLIP)
    trainings: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], float]]] = {
        "fastrnn": (
            lambda: trainer.fit(x, y, epochs=1, batch_size=STREAMS, shuffle=False, verbose=0),
            lambda x, y: trainer.evaluate(x, y) / np.log(2),
        )
    }
    if beside:
        from english.torch_lstm import TorchLSTM  # noqa: PLC0415 - not installed everywhere

        other = TorchLSTM(model.state_dict(), PEAK, steps, CLIP)
        trainings["PyTorch"] = (lambda: other.epoch(x, y, WINDOW), lambda x, y: other.loss(x, y) / np.log(2))
    found: dict[str, Any] = {name: {"seconds": [], "curve": []} for name in trainings}
    for _ in range(epochs):
        for name, (epoch, bits) in trainings.items():
            start = time.perf_counter()
            epoch()
            found[name]["seconds"].append(time.perf_counter() - start)
            found[name]["curve"].append(bits(*streams(validation, STREAMS)))
    for name, (_, bits) in trainings.items():
        found[name]["test"] = bits(test[None, :-1], test[None, 1:])
    found["samples"] = [model.generate(validation[-200:], 400, temperature=t, seed=seed) for t in TEMPERATURES]
    return found


def main(options: Options) -> None:
    """Train once a seed, beside PyTorch where it is installed; compare both with n-grams."""
    size, hidden, epochs, longest = (120_000, 64, 3, 2) if options.quick else (None, 256, 5, 13)
    parts = corpus(size)
    vocabulary = Vocabulary.of_characters(parts.train)
    ids = [vocabulary.encode(part) for part in parts]
    beside = not options.quick and find_spec("torch") is not None
    seeds = replace(options, seeds=min(options.seeds, 3), workers=1)  # time is compared: one training at a time
    runs, _ = each_seed(learn, seeds, ids, len(vocabulary), hidden, epochs, beside)

    ngrams = ngram_bits(ids[0], ids[1:], len(vocabulary), longest)  # (longest, 2): validation, test
    chosen, best = ngrams.argmin(axis=0)
    ours = [run["fastrnn"]["test"] for run in runs]
    name = f"LSTM {hidden}"
    rows = [
        Row(
            f"{name}, {epochs} epochs of {len(ids[0]):,} characters",
            "bits per character",
            ours,
            f"mean below the best n-gram's {ngrams[best, 1]:.3f}",
            np.mean(ours) < ngrams[best, 1],
            seconds=seconds(runs, "fastrnn"),
        ),
        *(beside_rows(name, runs) if beside else []),
        Row(f"{chosen + 1}-grams, chosen on the validation part", "bits per character", ngrams[chosen, 1:]),
        Row(f"{best + 1}-grams, the best on the test itself", "bits per character", ngrams[best, 1:]),
    ]
    report("char_lm", rows, draw(runs, ngrams, name), options, samples(runs[0], vocabulary, beside))


def seconds(runs: list[dict[str, Any]], who: str) -> list[float]:
    """Return what each seed's training took."""
    return [sum(run[who]["seconds"]) for run in runs]


def beside_rows(name: str, runs: list[dict[str, Any]]) -> list[Row]:
    """Return the rows about PyTorch."""
    theirs = [run["PyTorch"]["test"] for run in runs]
    difference = np.subtract([run["fastrnn"]["test"] for run in runs], theirs)
    noise = np.std(theirs, ddof=1) if len(theirs) > 1 else 0.0
    times = np.divide(seconds(runs, "PyTorch"), seconds(runs, "fastrnn"))
    who, close = f"PyTorch {version('torch')}", difference.mean() <= noise
    return [
        Row(f"{name}, {who}", "bits per character", theirs, seconds=seconds(runs, "PyTorch")),
        Row("", "fastrnn's bits less PyTorch's", difference, f"mean ≤ 0 within noise, {noise:.4f}", close),
        Row("", "PyTorch's time over fastrnn's", times, "≥ 1.5 at every seed", min(times) >= 1.5, worst=min),
    ]


def samples(run: dict[str, Any], vocabulary: Vocabulary, beside: bool) -> str:
    """Return what the first network wrote, in Markdown, and on what it was trained."""
    without = "" if beside else " PyTorch's rows are left out: it is not installed, or this is the reduced form."
    parts = [f"The text is that of {SOURCE}.{without} Seed 0 goes on from the end of the validation part."]
    for temperature, ids in zip(TEMPERATURES, run["samples"], strict=True):
        written = vocabulary.decode(ids).replace("`" * 3, "'" * 3)
        parts.append(f"At temperature {temperature}:\n\n```text\n{written}\n```")
    return "\n\n".join(parts)


def draw(runs: list[dict[str, Any]], ngrams: np.ndarray, name: str) -> Any:
    """Draw bits per character on the validation part over time, and those of n-grams over their length."""
    drawing = figure(figsize=(9.5, 4))
    left, right = drawing.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    for colour, who in zip(("C0", "C1"), [who for who in runs[0] if who != "samples"], strict=False):
        for i, run in enumerate(runs):
            label = f"{name}, {who}, {len(runs)} seeds" if i == 0 else None
            left.plot(np.cumsum(run[who]["seconds"]), run[who]["curve"], "o-", color=colour, markersize=4, label=label)
    left.axhline(ngrams[:, 0].min(), color="0.4", linestyle="--", label="best n-gram")
    left.set(xlabel="seconds of training, one thread", ylabel="bits per character, validation", xlim=(0, None))
    least = min(min(run["fastrnn"]["curve"]) for run in runs)
    left.set(title="The same network learns the same, in less time", ylim=(least - 0.1, 1.7 * least))
    left.legend()
    right.plot(np.arange(1, len(ngrams) + 1), ngrams[:, 0], "s-", color="0.4", label="n-grams, Kneser-Ney")
    right.axhline(np.mean([run["fastrnn"]["curve"][-1] for run in runs]), color="C0", label=name)
    right.set(xlabel="n", title="n-grams stop gaining")
    right.legend()
    return drawing


if __name__ == "__main__":
    main(read_options(seeds=3))

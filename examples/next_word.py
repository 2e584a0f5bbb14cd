"""The next word of English.

The text of `char_lm`, read word by word: lower case, punctuation marks count as words, and words that occur once in the
training part are one unknown word. An LSTM with dropout says how likely each word is to follow. Perplexity is 2 to the
mean bits per word, as if the choice were among so many words alike.

- The baselines are n-gram models with interpolated modified Kneser-Ney smoothing (Chen & Goodman 1999) of one, two and
  three words, and of the length that is best on the test itself.
- The first eight tenths of the text are learnt from; on one tenth choices were made, and the last tenth is the test.
- Three seeds.
"""

from dataclasses import replace
from itertools import islice
from textwrap import fill
from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each_seed, read_options, report
from english.corpus import SOURCE, corpus
from english.ngrams import ngram_bits
from fastrnn.data import Vocabulary, streams
from fastrnn.plots import figure

STREAMS, WINDOW, PEAK = 16, 32, 5e-3
TEMPERATURES = (0.5, 0.8, 1.0)
PROMPTS = ("the name of the", "if the object is", "raises an", "a list of", "the type of", "must be an", "returns the")


def learn(seed: int, ids: list[np.ndarray], vocabulary: Vocabulary, hidden: int, epochs: int) -> dict[str, Any]:
    """Train on ids; return perplexities, what is likeliest to follow each prompt, and a text at each temperature."""
    train, validation, test = ids
    rng = np.random.default_rng(seed)
    size = len(vocabulary)
    model = fastrnn.Sequential(
        fastrnn.Embedding(size, hidden, seed=rng),
        fastrnn.Dropout(0.3),
        fastrnn.LSTM(hidden, hidden, seed=rng),
        fastrnn.Dropout(0.5),
        fastrnn.Linear(hidden, size, seed=rng),
    )
    x, y = streams(train, STREAMS)
    rates = fastrnn.OneCycle(PEAK, epochs * -(-x.shape[1] // WINDOW))
    trainer = fastrnn.Trainer(model, "cross_entropy", fastrnn.Adam(), tbptt=WINDOW, schedule=rates, seed=rng)
    held_out = streams(validation, STREAMS)
    history = trainer.fit(x, y, epochs=epochs, batch_size=STREAMS, shuffle=False, validation=held_out, verbose=0)
    follow = {}
    for prompt in PROMPTS:
        shares = model.predict_proba(vocabulary.encode(prompt)[None])[0, -1]  # (size,)
        ranked = ((vocabulary.tokens[i], float(shares[i])) for i in np.argsort(-shares))
        follow[prompt] = list(islice((pair for pair in ranked if pair[0].isalpha()), 3))
    begin = vocabulary.encode("if the")
    return {
        "curve": np.exp(history.validation_loss),
        "test": np.exp(trainer.evaluate(test[None, :-1], test[None, 1:])),
        "follow": follow,
        "written": {t: vocabulary.decode(model.generate(begin, 80, temperature=t, seed=seed)) for t in TEMPERATURES},
    }


def main(options: Options) -> None:
    """Train once a seed and compare with n-grams."""
    size, hidden, epochs, longest = (120_000, 64, 3, 1) if options.quick else (None, 200, 8, 12)
    parts = [part.lower() for part in corpus(size)]
    vocabulary = Vocabulary.of_words(parts[0], min_count=2)
    ids = [vocabulary.encode(part) for part in parts]
    seeds = replace(options, seeds=min(options.seeds, 3))
    runs, seconds = each_seed(learn, seeds, ids, vocabulary, hidden, epochs)

    ngrams = 2 ** ngram_bits(ids[0], ids[1:], len(vocabulary), longest)  # (longest, 2): validation, test
    best = min(ngrams[:, 1])
    ours = [run["test"] for run in runs]
    rows = [
        Row(
            f"LSTM {hidden}, {epochs} epochs of {len(ids[0]):,} words, {len(vocabulary):,} of them different",
            "perplexity",
            ours,
            f"mean below the best n-gram's {best:.1f}",
            np.mean(ours) < best,
            seconds=seconds,
        ),
        *(Row(f"{n}-gram", "perplexity", value[1:]) for n, value in enumerate(ngrams, 1) if n <= 3),
        Row(f"{ngrams[:, 1].argmin() + 1}-gram, the best on the test itself", "perplexity", [best]),
    ]
    report("next_word", rows, draw(runs, ngrams), options, text(runs[0]))


def text(run: dict[str, Any]) -> str:
    """Return what the first network suggests and writes, in Markdown."""
    table = "| after | suggested |\n|---|---|\n" + "\n".join(
        f"| {prompt} | {', '.join(f'`{word}` {share:.0%}' for word, share in words)} |"
        for prompt, words in run["follow"].items()
    )
    head = f"The text is that of {SOURCE}. What seed 0 holds for likeliest, punctuation left out:"
    written = [f"At temperature {t}:\n\n```text\n{fill(words, 100)}\n```" for t, words in run["written"].items()]
    return "\n\n".join([head, table, "It goes on from “if the”.", *written])


def draw(runs: list[dict[str, Any]], ngrams: np.ndarray) -> Any:
    """Draw perplexity over the epochs, and what is likeliest to follow some words."""
    drawing = figure(figsize=(10, 4.5))
    left, right = drawing.subplots(1, 2)
    for i, run in enumerate(runs):
        epochs = np.arange(1, len(run["curve"]) + 1)
        left.plot(epochs, run["curve"], "o-", color="C0", markersize=4, label=None if i else f"LSTM, {len(runs)} seeds")
    for n, value in enumerate(ngrams[1:4, 0], 2):
        left.axhline(value, color="0.4", linestyle=["", "", ":", "-.", "--"][n], label=f"{n}-gram, Kneser-Ney")
    left.set(xlabel="epoch", ylabel="perplexity, validation", ylim=(0, None))
    left.set_title("The network passes the n-grams")
    left.legend()
    bars = [(prompt, *pair) for prompt, words in runs[0]["follow"].items() for pair in words][::-1]
    right.barh(np.arange(len(bars)), [share for *_, share in bars], color=["C0", "C9", "0.8"][::-1] * (len(bars) // 3))
    for place, (prompt, word, share) in enumerate(bars):
        right.text(share, place, f" {word}", va="center", fontsize=8)
        if place % 3 == 1:
            right.text(-0.01, place, f"{prompt} …", va="center", ha="right", fontsize=9)
    right.set(xlabel="probability", yticks=[], xlim=(0, 1.15 * max(share for *_, share in bars)))
    right.set_title("What follows? (seed 0)")
    return drawing


if __name__ == "__main__":
    main(read_options(seeds=3))

"""``fastrnn detect WORD [FILE…]``: train a detector for a word, score it, and let it read files.

Each helper is one stage of the command and says nothing but what its stage is about; `detect` puts them in order.
"""

import sys
from importlib.resources import files as resources
from typing import TextIO

import click
import numpy as np

from fastrnn._validation import positive_float
from fastrnn.cli.files import (
    check_encoding,
    check_paths,
    check_picture,
    check_readable,
    check_writable,
    json_line,
    named,
    or_nowhere,
    shown,
    text_of,
)
from fastrnn.detector import Detection, Detector, Letters, load, scan, score, train

NEEDED = 0.99  # precision and recall that a detector must reach


@click.command()
@click.argument("word")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--cell", type=click.Choice(["lstm", "rnn"]), default="lstm", show_default=True, help="Recurrent cell.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Output above which the word counts as detected.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and training letters.")
@click.option("--json", "as_json", is_flag=True, help="Print detections as JSON lines.")
@click.option("--save", metavar="PATH", help="Keep the trained model in this file.")
@click.option("--model", metavar="PATH", help="Use the model in this file instead of training one.")
@click.option("--plot", metavar="PICTURE", help="Draw the loss curve of the training.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of the files.")
def detect(
    word: str,
    files: tuple[str, ...],
    cell: str,
    threshold: float,
    seed: int,
    as_json: bool,
    save: str | None,
    model: str | None,
    plot: str | None,
    encoding: str,
) -> int:
    """Train a network to notice WORD as letters go by, score it, then let it read each FILE.

    Prints a line FILE:LINE:COLUMN: context for each detection; FILE may be - for standard input. Without FILE it
    reads a short text of its own. Scores and progress go to standard error, or to standard output without FILE.
    """
    letters = Letters(word)
    _check_options(files, model, save, plot, encoding, threshold)
    for name in files:
        check_readable(name, encoding)
    report = or_nowhere(sys.stderr if files else sys.stdout)

    detector = _load(model, letters) if model else _train(letters, cell, seed, plot, report)
    result = score(detector, threshold=threshold, seed=np.random.default_rng([seed, 1]))
    print(f"{word}: {result} at threshold {threshold:g}", file=report, flush=True)
    if not result.reaches(NEEDED):
        unsaved = " (not saved)" if save else ""
        print(f"fastrnn: the detector is below {NEEDED}{unsaved}; try another --seed or --threshold", file=sys.stderr)
        return 1
    if save:
        detector.save(save)
        print(f"saved to {save}", file=report)

    if not files:
        _show(detector, threshold, as_json)
    for name in files:
        for detection in scan(detector, text_of(name, encoding), threshold=threshold):
            _print(detection, shown(name), as_json)
    return 0


# ---- before any work ----


def _check_options(
    files: tuple[str, ...], model: str | None, save: str | None, plot: str | None, encoding: str, threshold: float
) -> None:
    """Find what would fail after the training."""
    check_paths(model=model)
    check_writable(*files, save=save, plot=plot)
    positive_float("--threshold", threshold, below=1.0)  # NaN is in no range
    if plot and model:
        raise click.UsageError("--plot draws the training, and --model does without: leave one of them out")
    check_picture("--plot", plot)
    check_encoding("--encoding", encoding)


# ---- the detector ----


def _load(path: str, letters: Letters) -> Detector:
    """Read a detector and see that it is for this word."""
    with named(path):
        detector = load(path)
    if detector.letters != letters:
        raise click.UsageError(f"--model: {path} detects {detector.letters.word!r}, not {letters.word!r}")
    return detector


def _train(letters: Letters, cell: str, seed: int, plot: str | None, report: TextIO) -> Detector:
    """Train a detector and say what it took."""
    detector, history = train(letters, cell=cell, seed=np.random.default_rng([seed, 0]), file=report)
    print(f"trained a detector for {letters.word!r} in {sum(history.seconds):.1f} s", file=report)
    print(detector.model.summary(), file=report, flush=True)
    if plot:
        from fastrnn.plots import loss_curve  # noqa: PLC0415 - an extra

        loss_curve(history, plot, title=f"Training a detector for “{letters.word}”")
        print(f"loss curve drawn to {plot}", file=report)
    return detector


# ---- what it finds ----


def _show(detector: Detector, threshold: float, as_json: bool) -> None:
    """Let the detector read the text that ships with the package, made of the word itself."""
    word = detector.letters.word
    half = len(word) // 2
    at = next((i for i in range(len(word) - 1) if word[i] != word[i + 1]), 0)  # two letters to swap
    template = resources("fastrnn.detector").joinpath("sample.txt").read_text(encoding="utf-8")
    text = template.format(
        word=word,
        title=_variant(detector.letters, word.title()),
        upper=_variant(detector.letters, word.upper()),
        short=word[:-1],
        spaced=" ".join(word),
        swapped=word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
        head=word[:half],
        tail=word[half:],
    )
    if not as_json:
        print(f"\n{text}\nwhere it found {word!r}:")
    for detection in scan(detector, [text], threshold=threshold):
        _print(detection, "sample.txt", as_json)


def _variant(letters: Letters, word: str) -> str:
    """Return the word in another case, where that is the same word still (straße is not STRASSE)."""
    return word if word.isalpha() and Letters(word) == letters else letters.word


def _print(detection: Detection, name: str, as_json: bool) -> None:
    """Print one detection."""
    line = f"{name}:{detection.line}:{detection.column}: {detection.context}"
    print(json_line({"file": name, **detection._asdict()}) if as_json else line, flush=True)

"""``fastrnn generate``: train a model of characters on text, or take one from a file, and let it write.

What it writes goes to standard output, all else to standard error.
"""

import sys
from typing import Any, TextIO

import click
import numpy as np
from click.core import ParameterSource

from fastrnn._validation import positive_float
from fastrnn.cli.files import check_encoding, check_writable, json_line, named, or_nowhere, text_of
from fastrnn.language import CharacterModel, load, train
from fastrnn.language.model import expect_known
from fastrnn.language.training import expect_text
from fastrnn.trainer import Checkpoint, History
from fastrnn.trainer.history import INTERRUPTED

TRAINING = ("cell", "hidden", "layers", "epochs", "checkpoint", "resume", "encoding", "save")


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--train", "text", metavar="FILE", help="Learn from this text, and from each further FILE.")
@click.option("--model", metavar="PATH", help="Use the model in this file instead of training one.")
@click.option("--prompt", help="What the text begins with.  [default: an empty line]")
@click.option("--length", type=click.IntRange(1), default=500, show_default=True, help="Characters to write.")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, show_default=True, help="0: the likeliest ones.")
@click.option("--top-k", type=click.IntRange(1), help="How many of the likeliest characters may follow.")
@click.option(
    "--cell", type=click.Choice(["lstm", "gru", "rnn"]), default="lstm", show_default=True, help="Recurrent cell."
)
@click.option("--hidden", type=click.IntRange(1), default=256, show_default=True, help="Units of a layer.")
@click.option("--layers", type=click.IntRange(1), default=1, show_default=True, help="Recurrent layers.")
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True, help="Times through the text.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights, and of what is written."
)
@click.option("--save", metavar="PATH", help="Keep the trained model in this file.")
@click.option("--checkpoint", metavar="DIRECTORY", help="Write the training down there every minute.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint, if there is one.")
@click.option("--json", "as_json", is_flag=True, help="Print the text and how it came about as JSON.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of the files.")
@click.pass_context
def generate(
    context: click.Context,
    files: tuple[str, ...],
    text: str | None,
    model: str | None,
    prompt: str | None,
    length: int,
    temperature: float,
    top_k: int | None,
    cell: str,
    hidden: int,
    layers: int,
    epochs: int,
    seed: int,
    save: str | None,
    checkpoint: str | None,
    resume: bool,
    as_json: bool,
    encoding: str,
) -> None:
    """Train a network on text, character by character, and let it go on from a prompt.

    Either --train or --model is needed. FILE may be - for standard input. The last tenth of the text is held out, to
    measure what has been learnt in bits per character. Ctrl-C ends the training; --save keeps what there is by then,
    and --checkpoint with --resume goes on with it.
    """
    _check_options(context, text, model, files, encoding)
    check_writable(save=save)
    _check_checkpoint(checkpoint, resume=resume)
    positive_float("--temperature", temperature, zero=True)  # NaN and infinity are in every range
    if prompt == "":
        raise click.UsageError("--prompt: expected at least one character, got none")
    report = or_nowhere(sys.stderr)

    bits = None
    if text is None:
        writer = _load(str(model), prompt)
    else:
        learnt = _read((text, *files), encoding)
        expect_known("--prompt", prompt or "", learnt)
        writer, history = train(
            learnt,
            cell=cell,
            hidden_size=hidden,
            num_layers=layers,
            epochs=epochs,
            seed=np.random.default_rng([seed, 0]),
            checkpoint=checkpoint,
            resume=resume,
            file=report,
        )
        bits = _tell(writer, history, learnt, report)
        if save:
            writer.save(save)
            print(f"saved to {save}", file=report, flush=True)
        if history.stopped == INTERRUPTED:
            raise KeyboardInterrupt

    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k}
    written = writer.generate(prompt or _start(writer), length, **options, seed=np.random.default_rng([seed, 1]))
    found = {"prompt": prompt or "", "text": written, **options, "seed": seed, "bits_per_character": bits}
    print(json_line(found) if as_json else f"{prompt or ''}{written}", flush=True)


# ---- before any work ----


def _check_options(
    context: click.Context, text: str | None, model: str | None, files: tuple[str, ...], encoding: str
) -> None:
    """See that there is one thing to write with, and that the options are of use with it."""
    if (text is None) == (model is None):
        raise click.UsageError("expected --train FILE or --model PATH, and not both")
    for option, path in (("train", text), ("model", model)):
        if path == "":
            raise click.UsageError(f"--{option}: expected a path, got nothing")
    if text is not None:
        check_encoding("--encoding", encoding)
        return
    for name in TRAINING:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is for training, and --model does without: leave one of them out")
    if files:
        raise click.UsageError(f"{files[0]}: a file is for training, and --model does without: leave one of them out")


def _check_checkpoint(directory: str | None, *, resume: bool) -> None:
    """See that there is a place for checkpoints, and none of an earlier training unless that is to go on."""
    if directory is None:
        if resume:
            raise click.UsageError("--resume: expected --checkpoint DIRECTORY too, to go on from")
        return
    if directory == "":
        raise click.UsageError("--checkpoint: expected a directory, got nothing")
    if not resume and Checkpoint(directory).path.exists():
        raise click.UsageError(f"--checkpoint: {directory} has that of an earlier training; --resume goes on with it")


def _read(names: tuple[str, ...], encoding: str) -> str:
    """Return the text of all files, one after another."""
    return expect_text("\n".join("".join(text_of(name, encoding)) for name in names))


# ---- the model ----


def _load(path: str, prompt: str | None) -> CharacterModel:
    """Read a model and see that it knows the prompt's characters."""
    with named(path):
        writer = load(path)
    expect_known("--prompt", prompt or "", writer.vocabulary)
    return writer


def _tell(writer: CharacterModel, history: History, text: str, report: TextIO) -> float | None:
    """Say what the training came to; return the bits per character, None where no epoch has ended."""
    found = history.validation_metrics.get("bits_per_character", [])
    print(writer.model.summary(), file=report)
    print(f"read {len(text):,} characters, {len(writer.vocabulary)} different ones", end=", ", file=report)
    print(f"{len(found)} times in {sum(history.seconds):.1f} s", file=report)
    if found:
        print(f"{min(found):.3f} bits per character on the last tenth of the text, held out", file=report, flush=True)
    return min(found, default=None)


def _start(writer: CharacterModel) -> str:
    """Return what stands in for a prompt: the end of a line, or the most frequent character."""
    return "\n" if "\n" in writer.vocabulary else writer.vocabulary.tokens[0]

"""``fastrnn generate``: train a model of characters on text, or take one from a file, and let it write.

What it writes goes to standard output, all else to standard error.
"""

import sys
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from fastrnn._validation import positive_float
from fastrnn.cli.files import check_encoding, check_paths, check_writable, json_line, named, or_nowhere, text_of
from fastrnn.language import CharacterModel, load, train
from fastrnn.language.model import expect_known
from fastrnn.language.training import expect_text
from fastrnn.trainer import Checkpoint, CheckpointError
from fastrnn.trainer.history import INTERRUPTED

TRAINING = ("cell", "hidden_size", "num_layers", "epochs", "checkpoint", "resume", "encoding", "save")  # options


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--train", "text", metavar="FILE", help="Learn from this text, and from each further FILE.")
@click.option("--model", metavar="PATH", help="Use the model in this file instead of training one.")
@click.option("--prompt", help="What the text begins with.  [default: an empty line]")
@click.option("--length", type=click.IntRange(1, 10**8), default=500, show_default=True, help="Characters to write.")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, show_default=True, help="0: the likeliest ones.")
@click.option("--top-k", type=click.IntRange(1), help="How many of the likeliest characters may follow.")
@click.option(
    "--cell", type=click.Choice(["lstm", "gru", "rnn"]), default="lstm", show_default=True, help="Recurrent cell."
)
@click.option(
    "--hidden", "hidden_size", type=click.IntRange(1, 10**4), default=256, show_default=True, help="Units of a layer."
)
@click.option(
    "--layers", "num_layers", type=click.IntRange(1, 100), default=1, show_default=True, help="Recurrent layers."
)
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
    /,
    files: tuple[str, ...],
    text: str | None,
    model: str | None,
    prompt: str | None,
    length: int,
    temperature: float,
    top_k: int | None,
    seed: int,
    save: str | None,
    as_json: bool,
    encoding: str,
    **training: Any,
) -> None:
    """Train a network on text, character by character, and let it go on from a prompt.

    Either --train or --model is needed. FILE may be - for standard input. The last tenth of the text is held out, to
    measure what has been learnt in bits per character. Ctrl-C ends the training; --save keeps what there is by then,
    and --checkpoint with --resume goes on with it.
    """
    _check_options(context, text, model, files)
    _check_writing(prompt, temperature)
    check_encoding("--encoding", encoding)
    directory = training["checkpoint"]
    _check_checkpoint(directory, resume=training["resume"])
    own = () if directory is None else (directory, Checkpoint(directory).path)
    check_writable(*files, *own, *(() if text is None else (text,)), save=save)

    bits = None
    if text is None:
        writer = _load(str(model), prompt)
    else:
        learnt = _read((text, *files), encoding)
        expect_known("--prompt", prompt or "", learnt)
        writer, bits = _train(learnt, save, np.random.default_rng([seed, 0]), training)

    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k}
    written = writer.generate(prompt or _start(writer), length, **options, seed=np.random.default_rng([seed, 1]))
    found = {"prompt": prompt or "", "text": written, **options, "seed": seed, "bits_per_character": bits}
    print(json_line(found) if as_json else f"{prompt or ''}{written}", flush=True)


# ---- before any work ----


def _check_options(context: click.Context, text: str | None, model: str | None, files: tuple[str, ...]) -> None:
    """See that there is one thing to write with, and that the options are of use with it."""
    if (text is None) == (model is None):
        raise click.UsageError("expected --train FILE or --model PATH, and not both")
    check_paths(train=text, model=model)
    if text is not None:
        return
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in TRAINING and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if given or files:
        name = [*given, *files][0]
        raise click.UsageError(f"{name} is for training, and --model does without: leave one of them out")


def _check_writing(prompt: str | None, temperature: float) -> None:
    """Find what would fail when the model is to write."""
    positive_float("--temperature", temperature, zero=True)  # NaN and infinity are in every range
    if prompt == "":
        raise click.UsageError("--prompt: expected at least one character, got none")


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


def _train(
    text: str, save: str | None, rng: np.random.Generator, training: dict[str, Any]
) -> tuple[CharacterModel, float | None]:
    """Train a model, say what it took and save it; also return its bits per character, None before the first epoch."""
    report = or_nowhere(sys.stderr)
    try:
        writer, history = train(text, **training, seed=rng, file=report)
    except CheckpointError as error:
        hint = "expected the text, --cell, --hidden, --layers and --epochs of the training that is to go on"
        raise click.UsageError(f"--resume: {hint}; {error}") from None
    bits = history.validation_metrics.get("bits_per_character", [])
    print(writer.model.summary(), file=report)
    times = f"{len(bits)} time{'s' * (len(bits) != 1)} in {sum(history.seconds):.1f} s"
    print(f"read {len(text):,} characters, {len(writer.vocabulary)} different ones, {times}", file=report)
    if bits:
        print(f"{min(bits):.3f} bits per character on the last tenth of the text, held out", file=report, flush=True)
    if save:
        writer.save(save)
        print(f"saved to {save}", file=report, flush=True)
    if history.stopped == INTERRUPTED:
        raise KeyboardInterrupt
    return writer, min(bits, default=None)


def _start(writer: CharacterModel) -> str:
    """Return what stands in for a prompt: the end of a line, or the most frequent character."""
    return "\n" if "\n" in writer.vocabulary else writer.vocabulary.tokens[0]

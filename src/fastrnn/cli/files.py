"""The files and streams that commands read and write: what is wrong with one is found before any work, and named.

``-`` is standard input. Text is decoded as it arrives, so that a pipe can be followed.
"""

import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click

from fastrnn.detector.scanning import TextError, read_text


def check_paths(**paths: str | None) -> None:
    """Find out before any work that a path is empty; the option's name comes with it."""
    for name, path in paths.items():
        if path == "":
            raise click.UsageError(f"--{name}: expected a path, got nothing")


def check_writable(*others: str | Path, **paths: str | None) -> None:
    """Find out before any work that a file can't be written; the option's name comes with its path.

    It would be lost too if it were another file that is written, or one of the others, which are read, say.
    """
    check_paths(**paths)
    taken = {os.path.realpath(other) for other in others if other != "-"}
    for name, path in paths.items():
        if path is None:
            continue
        option = f"--{name}"
        real = Path(os.path.realpath(path))  # through links, as in writing
        parent = real.parent if os.path.islink(path) else Path(path).parent
        if not parent.is_dir():
            raise click.UsageError(f"{option}: {parent}: no such directory")
        if not _is_file_or_free(path) or not _takes_files(parent):
            raise click.UsageError(f"{option}: {path}: can't be written")
        if str(real) in taken:
            raise click.UsageError(f"{option}: {path}: also read or written as something else; expected another path")
        taken.add(str(real))


def _is_file_or_free(path: str) -> bool:
    """Return whether a regular file can take this name; raises OSError if none can, as it is too long, say."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return True


def _takes_files(directory: Path) -> bool:
    """Return whether a file can be made there: access rights don't tell of all directories."""
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def check_picture(option: str, path: str | None) -> None:
    """Find out before any work that a picture that is wanted can't be drawn: no Matplotlib, or not its format."""
    if path is None:
        return
    from fastrnn.plots import check_format  # noqa: PLC0415 - an extra

    try:
        check_format(path)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def check_encoding(option: str, encoding: str) -> None:
    """Find out before any work that there is no such encoding."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise click.UsageError(f"{option}: unknown encoding {encoding!r}") from None


def check_readable(name: str, encoding: str) -> None:
    """See that a file can be opened and starts as text; what can be read only once (a pipe) is left alone."""
    with named(name):
        mode = 0 if name == "-" else os.stat(name).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return
    for _ in islice(text_of(name, encoding), 2):  # to the end of a short file
        pass


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except TextError as error:
        raise TextError(f"{shown(name)}: {error}") from None
    except OSError as error:
        raise OSError(f"{shown(name)}: {error.strerror or error}") from None


def shown(name: str) -> str:
    """Return the name by which messages call a file."""
    return "<stdin>" if name == "-" else name


def text_of(name: str, encoding: str) -> Iterator[str]:
    """Yield a file's text, or that of standard input, as it arrives."""
    with named(name):
        if name == "-":
            if sys.stdin is None:
                raise OSError("closed: there is nothing to read")
            yield from read_text(sys.stdin.buffer, encoding)
        else:
            with open(name, "rb") as file:
                yield from read_text(file, encoding)


def or_nowhere(stream: TextIO | None) -> TextIO:
    """Return a standard stream, or where it is closed one that swallows everything."""
    return stream or open(os.devnull, "w")


def json_line(tree: Any) -> str:
    """Return JSON that standard output has the characters for."""
    plain = (getattr(sys.stdout, "encoding", None) or "ascii").lower() != "utf-8"
    return json.dumps(tree, ensure_ascii=plain)

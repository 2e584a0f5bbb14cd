"""Runs the command line: in this process, or as the installed script in one of its own."""

import contextlib
import io
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

from fastrnn.cli.main import main

SCRIPT = str(Path(sysconfig.get_path("scripts")) / "fastrnn")


class Result(NamedTuple):
    """How the command ended and what it said."""

    status: int
    out: str
    err: str


def run(*args):
    """Run the command in this process; whatever it raises but SystemExit is an error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(list(args), prog_name="fastrnn")
    return Result(ended.value.code, out.buffer.getvalue().decode(), err.buffer.getvalue().decode())

"""The command line: ``fastrnn detect``, ``forecast``, ``generate``, ``bench`` and ``info``.

Whatever goes wrong ends in one line on standard error and exit status 2; an interrupt ends in 130.
"""

import contextlib
import os
import signal
import sys
from typing import Any

import click

import fastrnn
from fastrnn.cli.bench import bench
from fastrnn.cli.detect import detect
from fastrnn.cli.forecast import forecast
from fastrnn.cli.generate import generate


class _OneLine(click.Group):
    """A group whose errors are one line, whoever raises them."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a terminal may lack a character
        try:
            status = super().main(*args, **{**kwargs, "standalone_mode": False})
            if sys.stdout is not None:
                sys.stdout.flush()
        except (KeyboardInterrupt, click.Abort):
            _fail("interrupted", 130)
        except click.exceptions.NoArgsIsHelpError as error:
            print(error.format_message())
            sys.exit(2)
        except click.ClickException as error:
            _fail(error.format_message(), 2)
        except MemoryError:
            _fail("out of memory", 2)
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error), 2)
        except (ValueError, ImportError, FloatingPointError) as error:
            _fail(str(error), 2)
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # what can't be written must not be tried again when Python exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if sys.stderr is not None:  # or it would go to standard output
        with contextlib.suppress(OSError):
            print(f"fastrnn: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(status)


@click.group(cls=_OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(fastrnn.__version__, prog_name="fastrnn")
def main() -> None:
    """Recurrent neural networks on the CPU."""


@main.command()
def info() -> None:
    """Print versions, the instructions in use, BLAS and thread counts."""
    fastrnn.show_config()


main.add_command(detect)
main.add_command(forecast)
main.add_command(generate)
main.add_command(bench)


def run() -> None:
    """Run the command line as a process of its own."""
    if hasattr(signal, "SIGPIPE"):  # when the reader of our output goes away, go quietly, as other commands do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main(prog_name="fastrnn")

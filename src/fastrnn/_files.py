"""Files that are written whole or not at all, whatever ends the writing."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".fastrnn-{}.part"  # the name of a file that is being written
Path_ = str | os.PathLike[str]


def write_whole(path: Path_, content: bytes) -> None:
    """Replace a file's content, or leave everything as it was: write beside it, sync, rename."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path}: not a regular file")
    target = Path(os.path.realpath(path))  # through links, so that they stay
    try:
        name = str(target.parent / TEMPORARY.format(secrets.token_hex(8)))
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            os.chmod(name, target.stat().st_mode & 0o777)
        os.replace(name, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
        raise

"""The progress bar of a training."""

import sys
import time
from typing import Any, TextIO

from fastrnn.trainer.history import History


class Progress:
    """Counts updates, and shows the loss, the metrics, samples per second and the time left.

    Parameters
    ----------
    epochs : int
    steps : int or None
        In an epoch, if that is known.
    verbose : {0, 1}
        0 writes nothing.
    file : text file, optional
        Standard error if not given.
    done : int
        How many were made before.
    """

    def __init__(self, epochs: int, steps: int | None, verbose: int, file: TextIO | None, done: int = 0) -> None:
        from tqdm.auto import tqdm  # noqa: PLC0415 - it brings asyncio along, longer to import than all of fastrnn

        file = sys.stderr if file is None else file
        off = not verbose or file is None or getattr(file, "closed", False)  # as a process's standard error may be
        terminal = not off and file is not None and getattr(file, "isatty", bool)()
        self._interval = 0.1 if terminal else 10.0  # redrawn seldom in a log
        total = None if steps is None else epochs * steps
        self._bar: Any = tqdm(
            total=total, initial=done, unit="batch", disable=off, file=file, mininterval=self._interval,
            dynamic_ncols=True,
        )  # fmt: skip
        self._off, self._epochs = off, epochs
        self._samples, self._began, self._shown = 0, time.perf_counter(), 0.0

    def epoch(self, number: int) -> None:
        """Begin an epoch."""
        self._bar.set_description(f"epoch {number}/{self._epochs}", refresh=False)

    def batch(self, samples: int, loss: float) -> None:
        """Count one batch."""
        self._samples += samples
        now = time.perf_counter()
        if not self._off and now - self._shown > self._interval:
            self._shown = now
            self._bar.set_postfix_str(f"loss={loss:.3g}, {self._rate(now)}", refresh=False)
        self._bar.update()

    def show(self, history: History) -> None:
        """Show the numbers of an epoch that has ended."""
        if not self._off:
            names = {"validation_loss": "validation"}
            numbers = [f"{names.get(name, name)}={value:.3g}" for name, value in history.latest().items()]
            now = time.perf_counter()
            due = now - self._shown > self._interval  # an epoch may take a millisecond
            self._bar.set_postfix_str(", ".join([*numbers, self._rate(now)]), refresh=due)
            self._shown = now if due else self._shown

    def _rate(self, now: float) -> str:
        return f"{self._samples / max(now - self._began, 1e-9):.3g} samples/s"

    def __enter__(self) -> "Progress":
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the bar."""
        self._bar.close()

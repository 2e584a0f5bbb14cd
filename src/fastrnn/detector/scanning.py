"""Let a detector read text of any size in constant memory, and say where it found the word."""

import codecs
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from scipy.special import expit, logit

from fastrnn._validation import positive_float
from fastrnn.detector.training import Detector

CONTEXT = 40  # characters shown on each side
BLOCK = 1 << 16  # bytes read at a time


class TextError(ValueError):
    """Input that is not text in the expected encoding."""


class Detection(NamedTuple):
    """One place where the detector fired.

    Attributes
    ----------
    line, column : int
        Where the word starts, counted in lines and characters from 1.
    probability : float
        The network's output.
    context : str
        The word with up to 40 characters on each side, within its line.
    """

    line: int
    column: int
    probability: float
    context: str


class _Hit(NamedTuple):
    """A detection whose context is still to come; positions count characters from the start of the text."""

    line: int
    line_start: int
    end: int  # of the character at which the detector fired
    probability: float


def read_text(file: BinaryIO, encoding: str = "utf-8") -> Iterator[str]:
    """Yield a binary file's text as it arrives, lines ended by a newline alone.

    Raises
    ------
    TextError
        If there is nothing in it, a NUL byte (binary data), or bytes that are not in this encoding.
    """
    name = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)("strict"), translate=True)
    seen = 0
    while True:
        block = file.read1(BLOCK) if hasattr(file, "read1") else file.read(BLOCK)
        seen += len(block)
        if seen == 0:
            raise TextError("the file is empty: there is nothing to read")
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            at = seen - len(error.object) + error.start
            raise TextError(f"not {encoding} text: {error.reason} at byte {at}; --encoding names another") from None
        except UnicodeError as error:
            raise TextError(f"not {encoding} text: {error}; --encoding names another") from None
        if "\0" in text:
            raise TextError("binary data (a NUL character), expected text; --encoding names another than utf-8")
        if text:
            yield text
        if not block:
            return


def scan(detector: Detector, chunks: Iterable[str], *, threshold: float = 0.9) -> Iterator[Detection]:
    """Read a text character by character through the detector's stream.

    Parameters
    ----------
    detector : Detector
    chunks : iterable of str
        The text, cut anywhere.
    threshold : float
        The output above which the word counts as detected.

    Returns
    -------
    iterator of Detection
        In the order of the text, each as soon as its context is complete.
    """
    return _scan(detector, chunks, float(logit(positive_float("threshold", threshold, below=1.0))))


def _scan(detector: Detector, chunks: Iterable[str], limit: float) -> Iterator[Detection]:
    """Yield where the logit exceeds the limit."""
    stream, width = detector.model.stream(), len(detector.letters.target)
    text, base = "", 0  # the text not yet done with, and the position of its first character
    line, line_start = 1, 0
    waiting: deque[_Hit] = deque()
    for chunk in chunks:
        start = base + len(text)
        text += chunk
        outputs = stream.run(detector.letters.one_hot(detector.letters.encode(chunk)))[:, 0]
        newlines = [match.start() for match in re.finditer("\n", chunk)]
        before = 0  # newlines passed in this chunk
        for i in np.flatnonzero(outputs > limit):
            while before < len(newlines) and newlines[before] < i:
                line_start = start + newlines[before] + 1
                before += 1
            waiting.append(_Hit(line + before, line_start, start + int(i), float(expit(outputs[i]))))
        if newlines:
            line += len(newlines)
            line_start = start + newlines[-1] + 1
        while waiting and _complete(waiting[0], text, base):
            yield _detection(waiting.popleft(), text, base, width)
        keep = (waiting[0].end if waiting else base + len(text)) - width - CONTEXT
        text, base = text[max(0, keep - base) :], max(base, keep)
    for hit in waiting:
        yield _detection(hit, text, base, width)


def _complete(hit: _Hit, text: str, base: int) -> bool:
    """Return whether the context to the right of a hit has arrived."""
    after = hit.end + 1 - base
    return len(text) - after >= CONTEXT or "\n" in text[after:]


def _detection(hit: _Hit, text: str, base: int, width: int) -> Detection:
    """Return the detection of a hit, given the text around it."""
    start = max(hit.end - width + 1, hit.line_start)
    left = max(start - CONTEXT, hit.line_start, base) - base
    right = text.find("\n", hit.end - base, hit.end + 1 + CONTEXT - base)
    stop = right if right >= 0 else hit.end + 1 + CONTEXT - base
    return Detection(hit.line, start - hit.line_start + 1, hit.probability, text[left:stop])

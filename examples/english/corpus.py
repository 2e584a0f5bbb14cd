"""The English of `char_lm` and `next_word`: what Python's ``help()`` says about the language.

It is in every CPython, as ``pydoc_data.topics``. Some topics say again what others have said, so each paragraph counts
once: a held-out part must not be a copy of what was learnt.
"""

import platform
from pydoc_data.topics import topics
from typing import NamedTuple

SOURCE = f"CPython {platform.python_version()}"


class Parts(NamedTuple):
    """A text cut in its order: what is learnt from, what choices are made by, what results are measured on."""

    train: str
    validation: str
    test: str


def corpus(size: int | None = None) -> Parts:
    """Return eight tenths, one tenth and one tenth of the text, or of its first so many characters."""
    paragraphs = (paragraph for name in sorted(topics) for paragraph in topics[name].strip().split("\n\n"))
    text = "\n\n".join(dict.fromkeys(paragraphs))[:size]
    tenth = len(text) // 10
    return Parts(text[: 8 * tenth], text[8 * tenth : 9 * tenth], text[9 * tenth :])

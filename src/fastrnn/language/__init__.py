"""A model of text: from the characters so far, how likely each character is to be the next.

`model` has what it reads, writes and keeps in a file; `training` fits one to a text.
"""

from fastrnn.language.model import CharacterModel, expect_known, load
from fastrnn.language.training import NEEDED, expect_text, train

__all__ = ["NEEDED", "CharacterModel", "expect_known", "expect_text", "load", "train"]

"""A model of text: from the characters so far, how likely each character is to be the next.

`train` fits a `CharacterModel` to a text. It can then measure other texts, go on from a prompt and be kept in a file,
from which `load` reads it again. ``fastrnn generate`` is this as a command.
"""

from fastrnn.language.model import CharacterModel, load
from fastrnn.language.training import train

__all__ = ["CharacterModel", "load", "train"]

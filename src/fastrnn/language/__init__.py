"""A model of text: from the characters so far, how likely each character is to be the next.

`model` has what it reads, writes and keeps in a file; `training` fits one to a text.
"""

from fastrnn.language.model import CharacterModel, load
from fastrnn.language.training import train

__all__ = ["CharacterModel", "load", "train"]

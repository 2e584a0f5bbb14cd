"""What a picture of a model is made of: boxes, words and arrows, in inches. Nothing of Matplotlib here."""

from dataclasses import dataclass, field
from typing import NamedTuple

SMALL, NORMAL, LARGE = 8.0, 9.0, 13.0  # sizes of type in points: weights, boxes, inputs and outputs
HEIGHT = 0.34  # of a box

Point = tuple[float, float]


class Word(NamedTuple):
    """A piece of text."""

    text: str
    at: Point
    size: float
    align: str  # left: begins there; right: ends there; center


class Box(NamedTuple):
    """A box with text in its middle."""

    text: str
    at: Point
    width: float


class Arrow(NamedTuple):
    """An arrow along two points, or along a Bézier curve of four; a line where it has no head."""

    points: tuple[Point, ...]
    head: bool


@dataclass
class Picture:
    """What there is to draw."""

    boxes: list[Box] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def word(self, text: str, at: Point, size: float = SMALL, align: str = "center") -> None:
        """Add a word."""
        self.words.append(Word(text, at, size, align))

    def arrow(self, *points: Point) -> None:
        """Add an arrow."""
        self.arrows.append(Arrow(points, head=True))

    def line(self, *points: Point) -> None:
        """Add a line."""
        self.arrows.append(Arrow(points, head=False))


def width_of(text: str, size: float = SMALL) -> float:
    """Return about how wide a text is: its widest line, without the signs of mathematical text."""
    plain = text.replace("$", "").replace("_", "") if "$" in text else text
    return max(len(line) for line in plain.split("\n")) * size * 0.62 / 72

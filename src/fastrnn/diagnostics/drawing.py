"""draw: a picture of a model, folded, and unfolded over a few steps."""

import os
from typing import Any

from fastrnn._validation import positive_int
from fastrnn.diagnostics.layout import Panel
from fastrnn.diagnostics.marks import HEIGHT, LARGE, NORMAL, Picture
from fastrnn.diagnostics.rows import rows_of
from fastrnn.layers import Sequential
from fastrnn.plots import figure, finish

INK, FACE, NAME = "#222222", "#e8eef7", "#8a2f2f"
TITLE = 0.4  # height of the line of titles, in inches
BETWEEN = 0.7  # from panel to panel


def draw(model: Sequential, steps: int = 3, path: str | os.PathLike[str] | None = None) -> Any:
    """Draw a model folded, with loops where a layer remembers, and unfolded over a few steps.

    The weights that an arrow multiplies by stand beside it, under their names in ``model.parameters()``; biases are not
    shown. Where nothing is written an arrow hands on what it comes from.

    Parameters
    ----------
    model : Sequential
        Without time in it, it is drawn once.
    steps : int
        How many steps to unfold.
    path : path, optional
        Of a picture file; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if it was written to a file.

    Raises
    ------
    TypeError, ValueError
        If the model is no `Sequential`, ``steps`` no int of at least 1, or the suffix unknown.
    ImportError
        If there is no Matplotlib.

    Examples
    --------
    >>> import fastrnn
    >>> model = fastrnn.Sequential(fastrnn.RNN(2, 3), fastrnn.Linear(3, 1))
    >>> fastrnn.draw(model, steps=3, path="model.png")
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {type(model).__name__}")
    steps = positive_int("steps", steps)
    rows = rows_of(model)
    panels = [Panel(rows, timed=model.timed[0], columns=1, folded=True, left=0.2)]
    titles = [""]
    if model.recurrent:
        titles = ["folded", f"unfolded over {steps} step{'s' * (steps > 1)}"]
        left = panels[0].right + BETWEEN
        panels.append(Panel(rows, timed=model.timed[0], columns=steps, folded=False, left=left))
    pictures = [panel.fill() for panel in panels]
    width, height = panels[-1].right + 0.2, max(picture.height for picture in pictures) + TITLE
    drawing = figure(figsize=(width, height))
    drawing.set_layout_engine("none")  # places are in inches, and must stay there
    axes = drawing.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    for panel, picture, title in zip(panels, pictures, titles, strict=True):
        _put(axes, picture)
        axes.text((panel.x[0] + panel.x[-1]) / 2, height - 0.2, title, size=LARGE, ha="center", va="center", color=INK)
    return finish(drawing, path)


def _put(axes: Any, picture: Picture) -> None:
    """Draw a picture into axes that count in inches."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: PLC0415 - an extra
    from matplotlib.path import Path  # noqa: PLC0415

    codes = {2: [Path.MOVETO, Path.LINETO], 4: [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]}
    for arrow in picture.arrows:
        path = Path(arrow.points, codes[len(arrow.points)])
        style = "-|>" if arrow.head else "-"
        axes.add_patch(FancyArrowPatch(path=path, arrowstyle=style, mutation_scale=9, color=INK, linewidth=0.9))
    for box in picture.boxes:
        corner = box.at[0] - box.width / 2, box.at[1] - HEIGHT / 2
        style = "round,pad=0,rounding_size=0.06"
        axes.add_patch(FancyBboxPatch(corner, box.width, HEIGHT, boxstyle=style, facecolor=FACE, edgecolor=INK))
        axes.text(*box.at, box.text, size=NORMAL, ha="center", va="center", color=INK)
    blank = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    for word in picture.words:
        colour = INK if word.size == LARGE else NAME
        axes.text(*word.at, word.text, size=word.size, ha=word.align, va="center", color=colour, bbox=blank)

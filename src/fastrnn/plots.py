"""Pictures, by Matplotlib (the extra ``plot``)."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn.serialization import write_whole
from fastrnn.trainer import History


def figure(**options: Any) -> Any:
    """Return a Matplotlib figure that belongs to no window.

    Raises
    ------
    ImportError
        If there is no Matplotlib.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("plots need Matplotlib: pip install 'fastrnn[plot]'") from error
    return Figure(layout="constrained", **options)


def check_format(path: str | os.PathLike[str]) -> str:
    """Return the picture format that a path's suffix names.

    Raises
    ------
    ValueError
        If Matplotlib can't write it.
    ImportError
        If there is no Matplotlib.
    """
    known = figure().canvas.get_supported_filetypes()
    suffix = Path(path).suffix.lstrip(".").lower()
    if suffix not in known:
        raise ValueError(f"path: expected a suffix among {', '.join(sorted(known))}, got {os.fspath(path)!r}")
    return suffix


def loss_curve(history: History, path: str | os.PathLike[str], *, title: str = "Training") -> None:
    """Draw the loss of every batch and epoch, on a logarithmic axis, and write it to a picture file.

    Parameters
    ----------
    history : History
    path : path
        Its suffix chooses the format: png, svg, pdf.
    title : str
    """
    check_format(path)
    drawing = figure(figsize=(7, 4))
    axes = drawing.add_subplot()
    epochs = np.arange(1, len(history.loss) + 1)
    steps = np.linspace(0, len(history.loss), len(history.batch_loss), endpoint=False)
    axes.plot(steps, history.batch_loss, label="each training batch", linewidth=0.8, color="0.75")
    axes.plot(epochs - 0.5, history.loss, label="training", marker="o", markersize=4, color="C0")
    if history.validation_loss:
        axes.plot(epochs, history.validation_loss, label="validation", marker="s", markersize=4, color="C1")
    axes.legend()
    scale = "log" if any(loss > 0 for loss in history.loss) else "linear"
    axes.set(title=title, xlabel="epoch", ylabel="loss", yscale=scale)
    axes.grid(alpha=0.3, which="both")
    write(drawing, path)


def write(drawing: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, whole or not at all; the path's suffix chooses the format."""
    picture = BytesIO()
    drawing.savefig(picture, format=check_format(path), dpi=150)
    write_whole(path, picture.getvalue())

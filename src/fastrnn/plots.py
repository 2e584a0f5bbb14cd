"""Pictures, by Matplotlib (the extra ``plot``)."""

import os
from io import BytesIO
from pathlib import Path
from typing import Any

from fastrnn.serialization import write_whole
from fastrnn.trainer import History


def _figure(**options: Any) -> Any:
    """Return a Matplotlib figure that belongs to no window."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError("plots need Matplotlib: pip install 'fastrnn[plot]'") from error
    return Figure(layout="constrained", **options)


def loss_curve(history: History, path: str | os.PathLike[str], *, title: str = "Training") -> None:
    """Draw the loss against the epoch, on a logarithmic axis, and write it to a picture file.

    Parameters
    ----------
    history : History
    path : path
        Its suffix chooses the format: png, svg, pdf.
    title : str
    """
    figure = _figure(figsize=(7, 4))
    axes = figure.add_subplot()
    epochs = range(1, len(history.loss) + 1)
    mark = {"marker": "o", "markersize": 3}
    axes.plot(epochs, history.loss, label="training", **mark)
    if history.validation_loss:
        axes.plot(epochs, history.validation_loss, label="validation", **mark)
        axes.legend()
    axes.set(title=title, xlabel="epoch", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    picture = BytesIO()
    kind = Path(path).suffix.lstrip(".").lower() or "png"
    try:
        figure.savefig(picture, format=kind, dpi=150)
    except ValueError as error:
        raise ValueError(f"plot: {path}: Matplotlib can't write .{kind} files ({error})") from None
    write_whole(path, picture.getvalue())

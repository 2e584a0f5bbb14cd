"""Pictures, by Matplotlib (the extra ``plot``)."""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from fastrnn._files import write_whole
from fastrnn.trainer import History
from fastrnn.trainer.rates import RangeTest


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
    _draw_loss(axes, history)
    axes.set(title=title, xlabel="epoch")
    write(drawing, path)


def _draw_loss(axes: Any, history: History) -> None:
    """Draw the loss of every batch and epoch, on a logarithmic axis if any of it is positive."""
    steps = np.linspace(0, len(history.loss), len(history.batch_loss), endpoint=False)
    axes.plot(steps, history.batch_loss, label="each training batch", linewidth=0.8, color="0.75")
    _draw_epochs(axes, history.loss, history.validation_loss)
    scale = "log" if any(loss > 0 for loss in history.loss) else "linear"
    axes.set(ylabel="loss", yscale=scale)


def _draw_epochs(axes: Any, training: Sequence[float], validation: Sequence[float]) -> None:
    """Draw one value an epoch: training's in the middle of it, as its mean is, validation's at its end."""
    axes.plot(np.arange(len(training)) + 0.5, training, label="training", marker="o", markersize=4, color="C0")
    if len(validation):
        axes.plot(np.arange(len(validation)) + 1, validation, label="validation", marker="s", markersize=4, color="C1")
    axes.legend()
    axes.grid(alpha=0.3, which="both")


def training(history: History, path: str | os.PathLike[str] | None = None) -> Any:
    """Draw a history: a panel for the loss, one for each metric, one for the learning rate.

    Parameters
    ----------
    history : History
        Panels of what it does not have are left out.
    path : path, optional
        Of a picture file; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if it was written to a file.
    """
    metrics, held_out, rates = history.metrics, history.validation_metrics, history.learning_rate
    names = list(dict.fromkeys([*metrics, *held_out]))
    count = 1 + len(names) + bool(rates)
    drawing = figure(figsize=(7, 1 + 2.5 * count))
    panels = drawing.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    _draw_loss(panels[0], history)
    for axes, name in zip(panels[1:], names, strict=False):
        _draw_epochs(axes, metrics.get(name, []), held_out.get(name, []))
        axes.set(ylabel=name)
    if rates:
        panels[-1].step(np.arange(len(rates) + 1), [*rates, rates[-1]], where="post", color="C2")
        panels[-1].set(ylabel="learning rate", yscale="log" if min(rates) > 0 else "linear")
        panels[-1].grid(alpha=0.3, which="both")
    panels[-1].set(xlabel="epoch")
    return finish(drawing, path)


def range_test(found: RangeTest, path: str | os.PathLike[str] | None = None) -> Any:
    """Draw the loss over the learning rate, with the suggestion marked.

    Parameters
    ----------
    found : RangeTest
        From `Trainer.find_learning_rate`.
    path : path, optional
        Of a picture file; its suffix chooses the format.

    Returns
    -------
    matplotlib.figure.Figure or None
        None if it was written to a file.
    """
    drawing = figure(figsize=(7, 4))
    axes = drawing.add_subplot()
    axes.plot(found.rates, found.losses)
    axes.axvline(found.suggestion, color="C1", linestyle="--", label=f"suggestion: {found.suggestion:.2g}")
    axes.set(title="Learning-rate range test", xlabel="learning rate", ylabel="loss, smoothed", xscale="log")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    return finish(drawing, path)


def finish(drawing: Any, path: str | os.PathLike[str] | None) -> Any:
    """Return a figure where there is no path, else write it there."""
    if path is None:
        return drawing
    return write(drawing, path)


def write(drawing: Any, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, whole or not at all; the path's suffix chooses the format."""
    picture = BytesIO()
    drawing.savefig(picture, format=check_format(path), dpi=150)
    write_whole(path, picture.getvalue())

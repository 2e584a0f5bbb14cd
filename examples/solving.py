"""What examples share that train on fresh sequences until a task is solved, and count how many it took."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from common import Row


class Run(NamedTuple):
    """What one training came to.

    Attributes
    ----------
    curve : list of float
        How well it was doing after every so many training sequences.
    every : int
        So many.
    solved : bool
        Whether it ended because the task was solved, not because the sequences it may take were used up.
    wrong, tested : int
        How many sequences of a fresh test set came out wrong, and how many it had.
    """

    curve: list[float]
    every: int
    solved: bool
    wrong: int
    tested: int

    @property
    def sequences(self) -> int:
        """How many training sequences it took."""
        return self.every * len(self.curve)


def rows_of(
    task: str,
    runs: Sequence[Run],
    seconds: Sequence[float],
    *,
    limit: int,
    mean: int | None = None,
    wrong: float | None = None,
    published: str = "",
    published_wrong: str = "",
) -> list[Row]:
    """Return the rows of one task: solved or not, after how many sequences, and how well it does on others.

    Parameters
    ----------
    task : str
    runs : sequence of Run
    seconds : sequence of float
        What each took.
    limit : int
        Below which the number of sequences is to stay.
    mean : int, optional
        Below which their mean is to stay.
    wrong : float, optional
        Below which the share of wrong test sequences is to stay, in per cent.
    published, published_wrong : str
        Figures of the literature: of the number of sequences, and of how many were wrong.
    """
    counts = [run.sequences for run in runs]
    shares = [100 * run.wrong / run.tested for run in runs]
    solved = [float(run.solved) for run in runs]
    fewer = f"< {limit:,}" if mean is None else f"mean < {mean:,}, worst < {limit:,}"
    reached = all(solved) and max(counts) < limit and (mean is None or sum(counts) < mean * len(counts))
    measure = f"% wrong of {runs[0].tested:,} fresh ones"
    few, met = ("", None) if wrong is None else (f"< {wrong}", max(shares) < wrong)
    return [
        Row(task, "solved", solved, "all", all(solved), worst=min),
        Row("", "training sequences", counts, fewer, reached, seconds=seconds, published=published),
        Row("", measure, shares, few, met, published=published_wrong),
    ]


def draw_runs(axes: Any, runs: Sequence[Run], published: int | None) -> None:
    """Draw the curve of each run, a dot where it solved the task or a cross where not, and a line at what is published.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    runs : sequence of Run
    published : int, optional
        How many sequences the literature took.
    """
    for i, run in enumerate(runs):
        count = run.every * np.arange(1, len(run.curve) + 1)
        axes.plot(count, run.curve, color=f"C{i}", linewidth=1)
        axes.plot(count[-1], run.curve[-1], "o" if run.solved else "x", color=f"C{i}", markersize=5, zorder=3)
    if published is not None:
        axes.axvline(published, color="0.3", linestyle="--")
        label = f"LSTM of 1997: {published:,}"
        axes.annotate(
            label, (published, 0.5), (-3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
            rotation=90, ha="right", va="center",
        )  # fmt: skip
    axes.set(xlabel="training sequences", xscale="log")
    axes.grid(alpha=0.3)

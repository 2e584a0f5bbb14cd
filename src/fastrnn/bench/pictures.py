"""The picture of a run: ratios by shape for each cell and kind of work, ratios of training, and a roofline."""

import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from fastrnn.bench.cases import ALONE, CELLS, KINDS, LOOPS
from fastrnn.bench.contestants import PEERS
from fastrnn.bench.results import Result, Run
from fastrnn.plots import figure, write

SIGNS = dict(zip(PEERS, "xX+PD", strict=True))
SIGNS |= {"pytorch DataLoader": "<", "pytorch slices": ">", "pytorch foreach=False": "v", "pytorch fused": "^"}
COLOURS = {"rnn": "C0", "lstm": "C1", "gru": "C2", "tdnn": "C3"}
MARKERS = {"infer": "o", "train": "s", "stream": "^", "generate": "*", "loop": "D"}
TITLES = {
    "infer": "inference",
    "train": "training",
    "stream": "one step of a stream",
    "generate": "generating",
    "loop": "update in PyTorch's loop",
}
PANELS = [*([(cell, kind) for cell in CELLS] for kind in KINDS), list(ALONE), list(LOOPS)]  # three in each row
HEIGHT = 4.4  # inches of a row
TRAINING = 5.2  # of the row of training, whose cases have longer names
ROOFLINE = 5.0


def draw(run: Run, path: str | os.PathLike[str]) -> None:
    """Draw a run's float32 cases and write the picture, whole or not at all.

    Parameters
    ----------
    run : Run
    path : path
        Its suffix chooses the format: png, svg, pdf.
    """
    counts = [k for k in run.threads() if run.chosen(threads=k)]
    heights = (HEIGHT * len(PANELS), TRAINING, ROOFLINE)
    drawing = figure(figsize=(15, sum(heights)))
    above, middle, below = drawing.subfigures(3, 1, height_ratios=heights)
    _ratios(above, run, counts)
    _training(middle, run)
    panels = below.subplots(1, max(1, len(counts)), squeeze=False, sharex=True, sharey=True)[0]
    for axes, threads in zip(panels, counts, strict=False):
        _roofline(axes, run, threads)
    write(drawing, path)


# ---- ratios ----


def _ratios(part: Any, run: Run, counts: Sequence[int]) -> None:
    """Draw a panel for each kind of work and cell: one place for each shape, the best peer's ratio in front."""
    part.suptitle("Time of each peer / time of fastrnn: above 1, fastrnn is ahead")
    panels = part.subplots(len(PANELS), len(CELLS), squeeze=False, sharey="row")
    for row, pairs in zip(panels, PANELS, strict=True):
        for axes, pair in zip(row, pairs, strict=True):
            _panel(axes, [r for r in run.chosen() if (r.case.cell, r.case.kind) == pair], counts)
            axes.set_title(f"{pair[0]}, {TITLES[pair[1]]}", fontsize=10)
        row[0].set_ylabel("peer / fastrnn")
    _legend(part)


def _training(part: Any, run: Run) -> None:
    """Draw a panel for epochs, one for the steps of optimisers, and one for what the trainer adds to an epoch."""
    part.suptitle("Training")
    left, middle, right = part.subplots(1, 3)
    for axes, work, title in ((left, "epoch", "epoch"), (middle, "optimizer", "step of an optimiser")):
        _panel(axes, run.chosen(work), run.threads())
        low, high = axes.get_ylim()
        axes.set(ylim=(min(low, 0.5), max(high, 8)), ylabel="peer / fastrnn")  # over a decade: ticks 1, 10
        axes.set_title(title, fontsize=10)
    _shares(right, run.chosen("overhead"), run.threads())
    _legend(part)


def _shares(axes: Any, results: Sequence[Result], counts: Sequence[int]) -> None:
    """Draw the share of each epoch that is spent outside the model's own work."""
    places = {name: i for i, name in enumerate(dict.fromkeys(_label(result) for result in results))}
    for i, threads in enumerate(counts):
        own = [r for r in results if r.threads == threads and r.outside is not None]
        at = [places[_label(result)] + 0.15 * (2 * i - len(counts) + 1) for result in own]
        axes.plot(at, [100 * (result.outside or 0) for result in own], "o", color=f"C{i}", markersize=7)
    axes.set(ylim=(0, None), ylabel="per cent of fastrnn's epoch")
    axes.set_title("outside record and backward of the model", fontsize=10)
    _name_places(axes, places)


def _legend(part: Any) -> None:
    """Put one legend for all panels below them."""
    handles = {label: line for axes in part.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    if handles:
        part.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles), fontsize=9)


def _panel(axes: Any, results: Sequence[Result], counts: Sequence[int]) -> None:
    places = {name: i for i, name in enumerate(dict.fromkeys(_label(result) for result in results))}
    for i, threads in enumerate(counts):
        own = [r for r in results if r.threads == threads and r.ratio() is not None]
        at = [places[_label(result)] + 0.15 * (2 * i - len(counts) + 1) for result in own]
        label = f"best peer, {threads} thread{'s' * (threads > 1)}" if own else None
        axes.plot(at, [result.ratio() for result in own], "o", color=f"C{i}", label=label, markersize=7, zorder=3)
        for name, marker in SIGNS.items():
            others = [(x, r.ratio(name)) for x, r in zip(at, own, strict=True) if name in r.values]
            label = name if others and i == 0 else None
            axes.plot(
                [x for x, _ in others],
                [y for _, y in others],
                marker,
                color="0.6",
                label=label,
                markersize=5,
                zorder=2,
                linestyle="",
            )
    axes.axhline(1, color="0.3", linewidth=1)
    axes.set(yscale="log")
    _name_places(axes, places)
    if all(result.ratio() is None for result in results):
        axes.text(0.5, 0.5, "nothing to compare", transform=axes.transAxes, ha="center", va="center", color="0.5")


def _name_places(axes: Any, places: Mapping[str, int]) -> None:
    axes.set_xlim(-0.6, max(len(places), 1) - 0.4)
    axes.set_xticks(range(len(places)), places, rotation=50, ha="right", rotation_mode="anchor", fontsize=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both", axis="y")
    axes.grid(alpha=0.3, which="major", axis="x")


def _label(result: Result) -> str:
    """Return what tells a case apart within its panel."""
    return " ".join(result.case.name.split()[2:])


# ---- roofline ----


def _roofline(axes: Any, run: Run, threads: int) -> None:
    """Draw the rate of every case over how often a weight that was read is used, and the peak."""
    results = [result for result in run.chosen(threads=threads) if result.rate]
    for cell, kind in chain.from_iterable(PANELS):
        own = [result for result in results if (result.case.cell, result.case.kind) == (cell, kind)]
        axes.plot(
            [result.case.intensity for result in own],
            [(result.rate or 0) / 1e9 for result in own],
            MARKERS[kind],
            color=COLOURS[cell],
            label=f"{cell}, {TITLES[kind]}" if own else None,
            alpha=0.8,
        )
    peak = run.peak(threads, "float32")
    if peak:
        axes.axhline(peak / 1e9, color="0.3", label=f"peak of fused multiply-adds, {peak / 1e9:.0f} GFLOP/s")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="operations of a forward call per byte of weights that it reads",
        ylabel="fastrnn, GFLOP/s",
    )
    axes.set_title(f"Roofline, {threads} thread{'s' * (threads > 1)}", fontsize=10)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    if results:
        axes.legend(fontsize=8, loc="lower right")

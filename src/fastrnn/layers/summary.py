"""The table that `Sequential.summary` prints."""

from collections.abc import Sequence
from itertools import chain

from fastrnn.layers.base import Layer


def summary(layers: Sequence[Layer], sizes: Sequence[int], timed: Sequence[bool]) -> str:
    """Return a table: layers, output shapes, parameters, multiplications by weights a step.

    Parameters
    ----------
    layers : sequence of Layer
    sizes, timed : sequence
        Of each layer's output: the number of features, and whether there is an axis of time.
    """
    rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiplications a step")]
    totals = [0, 0]
    for i, (layer, size, time) in enumerate(zip(layers, sizes, timed, strict=True)):
        counts = sum(a.size for a in layer.parameters().values()), layer.multiplications()
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        shape = f"(N, T, {size})" if time else f"(N, {size})"
        rows.append((f"{i} {_short(layer)}", shape, *(f"{c:,}" for c in counts)))
    rows.append(("total", "", *(f"{total:,}" for total in totals)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["{:{}}  {:{}}  {:>{}}  {:>{}}".format(*chain(*zip(row, widths, strict=True))) for row in rows]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _short(layer: Layer) -> str:
    """Return the layer's type and the arguments that change its shape."""
    hide = {"dtype", "bias", "batch_first"}
    arguments = ", ".join(f"{value}" for name, value in layer.config().items() if name not in hide)
    return f"{type(layer).__name__}({arguments})"

"""The table that `Sequential.summary` prints, and what other tables of layers need."""

from collections.abc import Sequence

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
        rows.append((f"{i} {short_name(layer)}", shape, *(f"{c:,}" for c in counts)))
    rows.append(("total", "", *(f"{total:,}" for total in totals)))
    lines = aligned(rows, left=2)
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> list[str]:
    """Return the rows of a table as lines of one width, so many columns flush left and the others flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    marks = "<" * left + ">" * (len(widths) - left)
    return [
        "  ".join(f"{cell:{mark}{width}}" for cell, mark, width in zip(row, marks, widths, strict=True)) for row in rows
    ]


def short_name(layer: Layer) -> str:
    """Return the layer's type and the arguments that change its shape."""
    hide = {"dtype", "bias", "batch_first"}
    arguments = ", ".join(f"{value}" for name, value in layer.config().items() if name not in hide)
    return f"{type(layer).__name__}({arguments})"

"""What a picture of a model shows, bottom to top: one row for each layer, and how it hangs together with others."""

from collections.abc import Iterator
from typing import NamedTuple

from fastrnn.layers import TDNN, Jordan, Last, Layer, Sequential
from fastrnn.layers.recurrent import Recurrent


class Row(NamedTuple):
    """A row of boxes, one for each step if there is time."""

    text: str  # in the boxes
    timed: bool
    up: str = ""  # the weights on the arrows from below; "" for none
    across: str = ""  # the weights on the arrows from one step to the next; "" where nothing is carried
    state: str = ""  # the initial state, as mathematical text
    fed_back: bool = False  # whether what is carried comes from the row above, as a Jordan network's output does
    bidirectional: bool = False
    window: tuple[int, ...] = (0,)  # which steps of the row below a step sees, counted from itself
    last_only: bool = False  # whether, of a row that takes time away, only the last step counts

    def reverse(self, name: str) -> str:
        """Return what the reversed direction's weights of this name are called, or the name where there is none."""
        return f"{name}_reverse" if self.bidirectional and name else name


def rows_of(model: Sequential) -> list[Row]:
    """Return the rows of a model."""
    return [row for i, layer in enumerate(model.layers) for row in _rows(str(i), layer, model)]


def _rows(i: str, layer: Layer, model: Sequential) -> Iterator[Row]:
    size, timed = model.sizes[int(i) + 1], model.timed[int(i) + 1]
    name = type(layer).__name__
    if isinstance(layer, Recurrent):
        state = ", ".join(f"${part}_0$" for part in layer._state_names)
        for k in range(layer.num_layers):
            up, across = f"{i}.weight_ih_l{k}", f"{i}.weight_hh_l{k}"
            yield Row(f"{name} {layer.hidden_size}", timed, up, across, state, bidirectional=layer.bidirectional)
    elif isinstance(layer, Jordan):
        hidden, output = f"{name}, hidden {layer.hidden_size}", f"{name}, output {layer.outputs}"
        yield Row(hidden, timed, f"{i}.weight_ih", f"{i}.weight_hh", "$y_0$", fed_back=True)
        yield Row(output, timed, f"{i}.weight_ho")
    elif isinstance(layer, TDNN):
        ahead = 0 if layer.causal else layer.context // 2
        window = tuple(ahead - k * layer.dilation for k in range(layer.window))
        yield Row(f"{name} {size}, window {layer.window}", timed, f"{i}.weight", window=window)
    else:
        up = "\n".join(f"{i}.{part}" for part, array in layer.parameters().items() if array.ndim > 1)
        yield Row(f"{name} {size}" if up else name, timed, up, last_only=isinstance(layer, Last))

"""The gradient of one loss at the last step, path by path.

Unfold a stack of recurrent layers over time: node (l, t) is the state of layer l after step t, and an arrow leads
from it to (l, t+1), the same layer a step later, and to (l+1, t), the layer above. The chain rule says that

    ∂E_T/∂W = Σ over paths from a node (l, t) where W enters to the node (L, T) where E_T is measured

of the product of the derivatives along the path. With one layer these are the T terms of the lesson's sum over i;
with two layers s → z over two steps, the gradient of the input weights of s is a sum of exactly three paths.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastrnn.reference.cells import Cell
from fastrnn.reference.sequence import Tape, contributions, forward

Array = NDArray[np.float64]


class Path(NamedTuple):
    """One term of the sum."""

    nodes: tuple[tuple[int, int], ...]  # (layer, step), both from 0, from where the weight enters to the loss
    gradient: Array  # shaped like the parameter


def gradient_by_path(
    cell: Cell, x: Array, layers: list[dict[str, Array]], grad_last: Array, parameter: str, layer: int = 0
) -> list[Path]:
    """Return the terms of dE_T/d(parameter of one layer), which add up to what BPTT gives.

    Their number grows like a binomial coefficient: C(T - 1 + L, L) for the lowest of L layers.

    Parameters
    ----------
    cell : Cell
        The cell of every layer.
    x : (T, N, I)
    layers : list of dict
        Parameters of each layer, lowest first, as in `forward`; the initial states are zero.
    grad_last : (N, H)
        dE_T/dh_T of the topmost layer.
    parameter : str
        Its name within the layer, ``"weight_ih"`` for instance.
    layer : int
        Which layer it belongs to.
    """
    tapes: list[Tape] = []
    for w in layers:
        zero = np.zeros((x.shape[1], w["weight_hh"].shape[1]))
        x, tape = forward(cell, x, (zero,) * cell.states, w)
        tapes.append(tape)

    found: list[Path] = []

    def walk(node: tuple[int, int], grad_state: tuple[Array, ...], rest: tuple[tuple[int, int], ...]) -> None:
        at, t = node
        tape, w, nodes = tapes[at], layers[at], (node, *rest)
        step = cell.step_backward(tape.saved[t], tape.states[t], grad_state, w)
        if at == layer:
            found.append(Path(nodes, contributions(step, tape.x[t], w)[parameter]))
        if t > 0:
            walk((at, t - 1), step.state, nodes)
        if at > layer:
            below = step.x_part @ w["weight_ih"]
            walk((at - 1, t), (below, *(np.zeros_like(below) for _ in grad_state[1:])), nodes)

    zeros = tuple(np.zeros_like(grad_last) for _ in range(cell.states - 1))
    walk((len(layers) - 1, len(tapes[-1].x) - 1), (grad_last, *zeros), ())
    return found

"""The NumPy reference: float64, one step at a time. What it finds is what the others are compared with."""

from typing import Any

import numpy as np

from fastrnn import reference
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Slow, states
from fastrnn.bench.data import Data, direction, named

CELLS = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}  # their names there
Tapes = list[list[reference.Tape]]  # of each layer, of each of its directions


class Reference(Slow):
    """Stacks the reference's layers, D directions in each; of a stream it runs all steps at once."""

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - NumPy's BLAS decides
        self.case, self.cell, self.lengths = case, reference.CELLS[CELLS[case.cell]], given.lengths
        self.x, self.grad = given.x.astype(np.float64), given.grad.astype(np.float64)
        self.state = [part.astype(np.float64) for part in given.state]
        weights = {name: array.astype(np.float64) for name, array in given.weights.items()}
        self.weights = [[direction(weights, k, d) for d in range(case.directions)] for k in range(case.layers)]

    def forward(self) -> tuple[dict[str, Array], Tapes]:
        """Return output and final states, and the tapes."""
        x, tapes = self.x, Tapes()
        starts = zip(*self.state, strict=True)
        for layer in self.weights:
            runs = [
                reference.forward(self.cell, x, next(starts), weights, self.lengths, reverse=bool(d))
                for d, weights in enumerate(layer)
            ]
            x = np.concatenate([output for output, _ in runs], axis=-1)
            tapes.append([tape for _, tape in runs])
        ends = zip(*(reference.final_state(tape) for layer in tapes for tape in layer), strict=True)
        return {"output": x, **states(map(np.stack, ends), "{}_n")}, tapes

    def backward(self, tape: Tapes) -> dict[str, Array]:
        """Return the gradients of x, the initial state and all parameters; those of the final state are zero."""
        grad, starts, grads = self.grad, list[Any](), dict[str, Array]()
        nothing = tuple(np.zeros_like(part[0]) for part in self.state)
        for k, layer in reversed(list(enumerate(self.weights))):
            parts = np.split(grad, self.case.directions, axis=-1)
            found = [
                reference.backward(self.cell, one, part, nothing, weights)
                for one, part, weights in zip(tape[k], parts, layer, strict=True)
            ]
            grad = np.sum([one.x for one in found], axis=0)
            starts = [one.state for one in found] + starts
            for d, one in enumerate(found):
                grads |= named(one.parameters, k, d)
        return {"x": grad, **states(map(np.stack, zip(*starts, strict=True)), "{}_0"), **grads}

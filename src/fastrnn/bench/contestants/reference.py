"""The NumPy reference: float64, one step at a time. What it finds is what the others are compared with."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastrnn import reference
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import PARAMETERS, Data

CELLS = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}  # their names there


class Reference(Contestant):
    """Stacks the reference's layers; of a stream it runs all steps at once."""

    name = "reference"

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - NumPy's BLAS decides
        self.case, self.cell, self.lengths = case, reference.CELLS[CELLS[case.cell]], given.lengths
        self.x, self.grad = given.x.astype(np.float64), given.grad.astype(np.float64)
        self.state = [part.astype(np.float64) for part in given.state]
        self.weights = [
            {name: given.weights[f"{name}_l{k}"].astype(np.float64) for name in PARAMETERS} for k in range(case.layers)
        ]

    def call(self) -> Any:
        """Run the case."""
        return self.arrays()

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        found, tapes = self.forward()
        return self.backward(tapes) if self.case.kind == "train" else found

    def forward(self) -> tuple[dict[str, Array], list[reference.Tape]]:
        """Return output and final states, and the tape of each layer."""
        x, tapes = self.x, []
        for k, weights in enumerate(self.weights):
            start = tuple(part[k] for part in self.state)
            x, tape = reference.forward(self.cell, x, start, weights, self.lengths)
            tapes.append(tape)
        ends = zip(*map(reference.final_state, tapes), strict=True)
        return {"output": x, **states(map(np.stack, ends), "{}_n")}, tapes

    def backward(self, tapes: list[reference.Tape]) -> dict[str, Array]:
        """Return the gradients of x, the initial state and all parameters; those of the final state are zero."""
        grad, starts, grads = self.grad, [], dict[str, Array]()
        nothing = tuple(np.zeros_like(part[0]) for part in self.state)
        for k, weights in reversed(list(enumerate(self.weights))):
            found = reference.backward(self.cell, tapes[k], grad, nothing, weights)
            grad = found.x
            starts.append(found.state)
            grads |= {f"{name}_l{k}": array for name, array in found.parameters.items()}
        return {"x": grad, **states(map(np.stack, zip(*reversed(starts), strict=True)), "{}_0"), **grads}

"""The NumPy reference: float64, one step at a time. What it finds is what the others are compared with."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fastrnn import reference
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import PARAMETERS, Data

NAMES = {"rnn": "rnn_tanh"}  # of the cells in the reference, where they differ


class Reference(Contestant):
    """Runs ragged rows in segments: between two ends of rows, all those that are still running."""

    name = "reference"

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - NumPy's BLAS decides
        self.case, self.cell = case, reference.CELLS[NAMES.get(case.cell, case.cell)]
        self.x, self.grad = given.x.astype(np.float64), given.grad.astype(np.float64)
        self.state = [part.astype(np.float64) for part in given.state]
        self.weights = [
            {name: given.weights[f"{name}_l{k}"].astype(np.float64) for name in PARAMETERS} for k in range(case.layers)
        ]
        self.lengths = np.full(case.N, case.T) if given.lengths is None else given.lengths

    @classmethod
    def refuses(cls, case: Case) -> str | None:
        """Say which cells there are not."""
        known = NAMES.get(case.cell, case.cell) in reference.CELLS
        return None if known else f"the reference has no {case.cell}"

    def call(self) -> Any:
        """Run the case; of a stream, all steps."""
        return self.arrays()

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        found, tapes = self.forward()
        return self.backward(tapes) if self.case.kind == "train" else found

    def forward(self) -> tuple[dict[str, Array], list[Any]]:
        """Return output and final states, and the tapes: of each layer, of each segment."""
        x, tapes = self.x, list[Any]()
        final = [part.copy() for part in self.state]
        for k, weights in enumerate(self.weights):
            output = np.zeros((*x.shape[:2], self.case.H))
            tapes.append([])
            for steps, rows in self._segments():
                state = tuple(part[k, rows].copy() for part in final)  # the tape keeps it
                part_of_output, tape = reference.forward(self.cell, x[steps, rows], state, weights)
                output[steps, rows] = part_of_output
                tapes[k].append((tape, steps, rows))
                for part, end in zip(final, tape.states[-1], strict=True):
                    part[k, rows] = end
            x = output
        return {"output": x, **states(final, "{}_n")}, tapes

    def backward(self, tapes: list[Any]) -> dict[str, Array]:
        """Return the gradients of x, the initial state and all parameters; those of the final state are zero."""
        grad, grads = self.grad, dict[str, Array]()
        grad_state = [np.zeros_like(part) for part in self.state]
        for k, weights in reversed(list(enumerate(self.weights))):
            below = np.zeros((*grad.shape[:2], self.case.inputs[k]))
            totals = {name: np.zeros_like(array) for name, array in weights.items()}
            for tape, steps, rows in reversed(tapes[k]):
                state = tuple(part[k, rows] for part in grad_state)
                found = reference.backward(self.cell, tape, grad[steps, rows], state, weights)
                below[steps, rows] = found.x
                for part, start in zip(grad_state, found.state, strict=True):
                    part[k, rows] = start
                for name, array in found.parameters.items():
                    totals[name] += array
            grads |= {f"{name}_l{k}": array for name, array in totals.items()}
            grad = below
        return {"x": grad, **states(grad_state, "{}_0"), **grads}

    def _segments(self) -> Iterator[tuple[slice, Any]]:
        """Yield ranges of steps, and the rows that run in them; all of them as a slice, which copies nothing."""
        for start, stop in pairwise([0, *np.unique(self.lengths)]):
            running = np.flatnonzero(self.lengths > start)
            yield slice(start, stop), slice(None) if len(running) == len(self.lengths) else running

"""fastrnn itself, as its users call it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

import fastrnn
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import Data

JORDAN = 16  # outputs


class FastRNN(Contestant):
    """Layers for sequences; a stream of a model for single steps.

    Parameters
    ----------
    case, given, threads
        As of every contestant.
    **options
        The layer's, besides those that the case asks for.
    """

    name = "fastrnn"

    def __init__(self, case: Case, given: Data, threads: int, **options: Any) -> None:
        fastrnn.set_num_threads(threads)
        layer_type = getattr(fastrnn, case.cell.upper())
        self.case, self.given, self.tape = case, given, None
        options |= {"bidirectional": case.bidirectional, "dtype": case.dtype}
        self.layer: Any = layer_type(case.I, case.H, case.layers, **options)
        self.layer.load_state_dict(given.weights)
        self.state: Any = given.state if case.cell == "lstm" else given.state[0]
        self.rng = np.random.default_rng(0)
        self.more: dict[str, Any] = {} if given.lengths is None else {"lengths": given.lengths}
        if case.kind == "stream":
            self._begin()
            self.call = partial(self.stream.step, given.x[-1, 0], self.out)  # type: ignore[method-assign]

    def call(self) -> Any:
        """Run a sequence, with gradients if the case is one of training."""
        return self._train() if self.case.kind == "train" else self.layer(self.given.x, self.state, **self.more)

    def _train(self) -> Any:
        """Record into the memory of the tape before, and play it backwards."""
        more = {**self.more, "seed": self.rng, "reuse": self.tape}
        _, _, self.tape = self.layer.record(self.given.x, self.state, **more)
        return self.layer.backward(self.tape, self.given.grad)

    def _begin(self) -> None:
        """Begin a stream at the initial state."""
        start = [part[:, 0] for part in self.given.state]
        self.stream = fastrnn.Sequential(self.layer).stream((tuple(start) if len(start) > 1 else start[0],))
        self.out = np.empty(self.case.H, self.case.dtype)

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        if self.case.kind == "stream":
            return {"output": np.stack([self.stream.step(x[0]) for x in self.given.x])[:, None]}
        result = self.call()
        if self.case.kind == "train":
            return {"x": result.x, **states(self._parts(result.state), "{}_0"), **result.parameters}
        return {"output": result[0], **states(self._parts(result[1]), "{}_n")}

    @staticmethod
    def _parts(state: Any) -> tuple[Array, ...]:
        return state if isinstance(state, tuple) else (state,)


class FastJordan(Contestant):
    """Jordan's network of as many hidden units, which is fed back what it has put out; not compared with anything."""

    name = "fastrnn"

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case, self.x = case, given.x
        self.tape: Any = None
        self.layer = fastrnn.Jordan(case.I, case.H, JORDAN, dtype=case.dtype, seed=0)
        self.grad = np.ascontiguousarray(given.grad[..., :JORDAN])

    def call(self) -> Any:
        """Run a sequence, with gradients if the case is one of training."""
        if self.case.kind == "infer":
            return self.layer(self.x)
        _, _, self.tape = self.layer.record(self.x, reuse=self.tape)
        return self.layer.backward(self.tape, self.grad)

    def arrays(self) -> Mapping[str, Array]:
        """Return what a call finds."""
        found = self.call()
        return {"output": found[0]} if self.case.kind == "infer" else {"x": found.x, **found.parameters}

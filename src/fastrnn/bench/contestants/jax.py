"""JAX: a jitted scan over the steps, the input's product before it; gradients by ``jax.vjp``, jitted too."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import PARAMETERS, Data, direction


class JAX(Contestant):
    """Ragged rows keep their state once they have ended, in a scan over all steps."""

    name = "jax"
    needs = ("jax",)

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - set before it is imported
        self.jax: Any = import_module("jax")
        self.case, array = case, self.jax.numpy.asarray
        self.x, self.grad = array(given.x), array(given.grad)
        self.state = tuple(map(array, given.state))
        self.weights = {name: array(value) for name, value in given.weights.items()}
        self.running = array(np.arange(case.T)[:, None] < (case.T if case.lengths is None else case.lengths))
        self.run = self.jax.jit(self._train if case.kind == "train" else self._forward)
        if case.kind == "stream":
            self.step = self.x[-1:]

    @classmethod
    def refuses(cls, case: Case) -> str | None:
        """Double precision is a setting of the whole process, which would slow nothing but is not asked for."""
        return None if case.dtype == "float32" else "compared in float32 alone"

    def call(self) -> Any:
        """Run a sequence or one step, and wait for it."""
        if self.case.kind == "stream":
            output, self.state = self.run(self.weights, self.step, self.state)
            return output.block_until_ready()
        more = (self.grad,) if self.case.kind == "train" else ()
        return self.jax.block_until_ready(self.run(self.weights, self.x, self.state, *more))

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        if self.case.kind == "stream":
            outputs = []
            for t in range(self.case.T):
                self.step = self.x[t : t + 1]
                outputs.append(np.asarray(self.call())[0])
            return {"output": np.stack(outputs)}
        found = self.call()
        if self.case.kind == "train":
            weights, x, state = found
            return {"x": np.asarray(x), **states(state, "{}_0"), **{name: np.asarray(w) for name, w in weights.items()}}
        return {"output": np.asarray(found[0]), **states(found[1], "{}_n")}

    def _forward(self, weights: Any, x: Any, state: Any) -> Any:
        """Return output and final state of the stack."""
        np_, ends, starts = self.jax.numpy, [], zip(*state, strict=True)
        for k in range(self.case.layers):
            outputs = []
            for d in range(self.case.directions):
                end, output = self._layer(direction(weights, k, d), x, next(starts), reverse=bool(d))
                ends.append(end)
                outputs.append(output)
            x = np_.concatenate(outputs, axis=-1)
        return x, tuple(np_.stack(parts) for parts in zip(*ends, strict=True))

    def _train(self, weights: Any, x: Any, state: Any, grad: Any) -> Any:
        """Return the gradients of weights, x and state."""
        _, pull = self.jax.vjp(lambda *given: self._forward(*given)[0], weights, x, state)
        return pull(grad)

    def _layer(self, w: Any, x: Any, state: Any, *, reverse: bool) -> Any:
        """Return final state and output of one direction."""
        w_ih, w_hh, b_ih, b_hh = (w[name] for name in PARAMETERS)
        z = x @ w_ih.T + b_ih

        def step(state: Any, given: Any) -> Any:
            z_t, running = given
            new = CELLS[self.case.cell](self.jax, z_t, state[0] @ w_hh.T + b_hh, state)
            if self.case.ragged:
                new = tuple(self.jax.numpy.where(running[:, None], *pair) for pair in zip(new, state, strict=True))
            return new, new[0]

        return self.jax.lax.scan(step, state, (z, self.running[: len(x)]), reverse=reverse)


def _rnn(jax: Any, z: Any, r: Any, state: Any) -> Any:  # noqa: ARG001
    return (jax.numpy.tanh(z + r),)


def _lstm(jax: Any, z: Any, r: Any, state: Any) -> Any:
    i, f, g, o = jax.numpy.split(z + r, 4, axis=-1)
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru(jax: Any, z: Any, r: Any, state: Any) -> Any:
    (zr, zz, zn), (rr, rz, rn) = (jax.numpy.split(part, 3, axis=-1) for part in (z, r))
    update = jax.nn.sigmoid(zz + rz)
    new = jax.numpy.tanh(zn + jax.nn.sigmoid(zr + rr) * rn)
    return (update * state[0] + (1 - update) * new,)


CELLS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}

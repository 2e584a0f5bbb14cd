"""Training in NumPy and float64, as one would write it on paper: what all contestants are compared with.

T steps, N rows, H units, K outputs; S = T·N steps of rows that one update sees.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn import reference
from fastrnn.bench.data import direction
from fastrnn.bench.training import CLIP, COMPARED, RATE, SYMBOLS, Epoch
from fastrnn.bench.training_data import SEED, Lesson, Updates

Array = NDArray[Any]
Arrays = dict[str, Array]
State = tuple[Array, ...]


class Adam:
    """Kingma & Ba 2015, algorithm 1.

    m ← β₁ m + (1-β₁) g,  v ← β₂ v + (1-β₂) g²,  w ← w - α m̂ / (√v̂ + ε),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)
    """

    beta1, beta2, eps = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Arrays) -> None:
        self.parameters, self.t = parameters, 0
        self.m = {name: np.zeros_like(w) for name, w in parameters.items()}
        self.v = {name: np.zeros_like(w) for name, w in parameters.items()}

    def step(self, gradients: Arrays) -> None:
        """Change the parameters in place."""
        self.t += 1
        for name, g in gradients.items():
            self.m[name] = self.beta1 * self.m[name] + (1 - self.beta1) * g
            self.v[name] = self.beta2 * self.v[name] + (1 - self.beta2) * g**2
            m, v = self.m[name] / (1 - self.beta1**self.t), self.v[name] / (1 - self.beta2**self.t)
            self.parameters[name] -= RATE * m / (np.sqrt(v) + self.eps)


def parameters(given: Updates) -> Arrays:
    """Return the parameters after the steps that are compared."""
    adam = Adam({name: w.astype(np.float64) for name, w in given.parameters.items()})
    for gradients in given.gradients:
        adam.step({name: g.astype(np.float64) for name, g in gradients.items()})
    return adam.parameters


def losses(case: Epoch, given: Lesson) -> Arrays:
    """Return the loss at each of the updates that are compared, from before it."""
    cell = reference.CELLS[case.cell]
    weights = direction(given.weights["recurrent"], 0, 0) | given.weights["linear"]
    if "embedding" in given.weights:
        weights["embedding"] = given.weights["embedding"]["weight"]
    adam = Adam({name: w.astype(np.float64) for name, w in weights.items()})
    start: State = (np.zeros((case.N, case.H)),) * cell.states
    state, found = start, list[float]()
    for x, y in islice(_batches(case, given), COMPARED):
        state = tuple(part[: x.shape[1]] for part in (start if case.series else state))
        loss, gradients, state = _update(case, adam.parameters, x, y, state)
        norm = np.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
        adam.step({name: g * min(1.0, CLIP / norm) for name, g in gradients.items()})
        found.append(loss)
    return {"losses": np.array(found)}


def _batches(case: Epoch, given: Lesson) -> Iterator[tuple[Array, Array]]:
    """Yield what each update sees, steps first: ids (T, N) twice, or (T, N, features) and (T, N, 1)."""
    if case.series:
        order = np.random.default_rng(SEED).permutation(case.size)
        cuts: list[Any] = [order[i : i + case.N] for i in range(0, case.size, case.N)]
    else:
        cuts = [(slice(None), slice(i, i + case.T)) for i in range(0, given.x.shape[1], case.T)]
    for cut in cuts:
        yield given.x[cut].swapaxes(0, 1), given.y[cut].swapaxes(0, 1)


def _update(case: Epoch, w: Arrays, x: Array, y: Array, state: State) -> tuple[float, Arrays, State]:
    """Return the loss, the gradient of every parameter, and the state after the last step."""
    cell = reference.CELLS[case.cell]
    own = {name: w[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    table = w.get("embedding", np.eye(SYMBOLS))
    vectors = x.astype(np.float64) if case.series else table[x]  # (T, N, I)
    h, tape = reference.forward(cell, vectors, state, own)  # (T, N, H)
    output = h @ w["weight"].T + w["bias"]  # (T, N, K)
    loss, grad = _squared(output, y) if case.series else _cross_entropy(output, y)
    nothing = tuple(np.zeros_like(part) for part in state)
    found = reference.backward(cell, tape, grad @ w["weight"], nothing, own)
    gradients = {**found.parameters, "bias": grad.sum((0, 1)), "weight": np.einsum("tnk,tnh->kh", grad, h)}
    if "embedding" in w:
        gradients["embedding"] = np.zeros_like(table)
        np.add.at(gradients["embedding"], x, found.x)
    return loss, gradients, reference.final_state(tape)


def _squared(output: Array, y: Array) -> tuple[float, Array]:
    """Return the mean of (output - y)² and its gradient."""
    error = output - y
    return float((error**2).mean()), 2 * error / error.size


def _cross_entropy(output: Array, y: Array) -> tuple[float, Array]:
    """Return the mean of -log softmax(output)_y over S steps and its gradient, (softmax(output) - e_y) / S."""
    z = output - output.max(-1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(-1, keepdims=True))
    return -float(np.take_along_axis(logs, y[..., None], -1).mean()), (np.exp(logs) - np.eye(SYMBOLS)[y]) / y.size

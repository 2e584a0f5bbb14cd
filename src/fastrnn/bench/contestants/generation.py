"""A model of characters that is fed what it draws: embedding, LSTM, linear layer, one sequence.

Drawing at random differs from library to library; what is compared is what each finds likeliest, step after step.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

import fastrnn
from fastrnn import reference
from fastrnn.bench.cases import VOCABULARY, Case
from fastrnn.bench.contestants.base import Array, Contestant, Slow
from fastrnn.bench.data import Data, direction

COMPARED = 50  # steps


class FastGeneration(Contestant):
    """``model.generate``."""

    name = "fastrnn"

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case, self.prompt = case, given.x
        embedding, lstm = fastrnn.Embedding(VOCABULARY, case.I), fastrnn.LSTM(case.I, case.H)
        linear = fastrnn.Linear(case.H, VOCABULARY)
        embedding.load_state_dict({"weight": given.weights["embedding"]})
        lstm.load_state_dict({name: given.weights[name] for name in lstm.parameters()})
        linear.load_state_dict({name: given.weights[name] for name in linear.parameters()})
        self.model = fastrnn.Sequential(embedding, lstm, linear)

    def call(self) -> Array:
        """Return T characters drawn at random."""
        return self._generate(self.case.T, 1.0)

    def _generate(self, steps: int, temperature: float) -> Array:
        return self.model.generate(self.prompt, steps, temperature=temperature, seed=0)

    def arrays(self) -> Mapping[str, Array]:
        """Return the likeliest characters."""
        return {"ids": self._generate(COMPARED, 0.0)}


class TorchGeneration(Contestant):
    """The usual loop, under ``inference_mode``: softmax and multinomial at every step."""

    name = "pytorch"
    needs = ("torch",)

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.torch.set_num_threads(threads)
        nn, tensor = self.torch.nn, self.torch.from_numpy
        self.case, self.prompt = case, tensor(given.x)[None]
        self.embedding, self.linear = nn.Embedding(VOCABULARY, case.I), nn.Linear(case.H, VOCABULARY)
        self.lstm = nn.LSTM(case.I, case.H, batch_first=True)
        weights = {name: tensor(array) for name, array in given.weights.items()}
        self.embedding.load_state_dict({"weight": weights["embedding"]})
        for layer in (self.lstm, self.linear):
            layer.load_state_dict({name: weights[name] for name, _ in layer.named_parameters()})

    def call(self) -> Any:
        """Return T characters drawn at random."""
        return self._generate(self.case.T, 1.0)

    def _generate(self, steps: int, temperature: float) -> Any:
        ids, x, state = [], self.prompt, None
        with self.torch.inference_mode():
            for _ in range(steps):
                output, state = self.lstm(self.embedding(x), state)
                logits = self.linear(output[:, -1])
                if temperature == 0:
                    x = logits.argmax(-1, keepdim=True)
                else:
                    x = self.torch.multinomial(self.torch.softmax(logits / temperature, -1), 1)
                ids.append(x)
            return self.torch.cat(ids, 1)[0]

    def arrays(self) -> Mapping[str, Array]:
        """Return the likeliest characters."""
        return {"ids": self._generate(COMPARED, 0.0).numpy()}


class SlowGeneration(Slow):
    """The reference's LSTM, a step at a time."""

    def __init__(self, case: Case, given: Data, threads: int) -> None:  # noqa: ARG002 - NumPy's BLAS decides
        self.case, self.prompt = case, given.x
        weights = {name: array.astype(np.float64) for name, array in given.weights.items()}
        self.embedding, self.weight, self.bias = (weights[name] for name in ("embedding", "weight", "bias"))
        self.lstm = direction(weights, 0, 0)

    def forward(self) -> tuple[dict[str, Array], None]:
        """Return the likeliest characters, the first of T."""
        cell, ids, x = reference.CELLS["lstm"], list[int](), self.prompt
        state: tuple[Array, ...] = (np.zeros((1, self.case.H)),) * 2
        for _ in range(self.case.T):
            output, tape = reference.forward(cell, self.embedding[x][:, None], state, self.lstm)
            state = reference.final_state(tape)
            ids.append(int(np.argmax(self.weight @ output[-1, 0] + self.bias)))
            x = np.array(ids[-1:])
        return {"ids": np.array(ids[:COMPARED])}, None

    def backward(self, tape: None) -> dict[str, Array]:  # noqa: ARG002
        """Return nothing: what is drawn has no gradient."""
        return {}

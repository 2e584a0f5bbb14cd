"""An epoch of training: fastrnn's trainer, and the loop that PyTorch's users write, with batches from two places."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

import fastrnn
from fastrnn.bench.contestants.base import Array, Contestant
from fastrnn.bench.training import CLIP, COMPARED, RATE, SYMBOLS, Epoch
from fastrnn.bench.training_data import SEED, Lesson


class FastEpoch(Contestant):
    """``Trainer.fit``; every call is a training of one epoch, that goes on from the weights of the one before."""

    name = "fastrnn"

    def __init__(self, case: Epoch, given: Lesson, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case, self.given = case, given
        layers: dict[str, Any] = {"one-hot": fastrnn.OneHot(SYMBOLS)} if case.model == "one-hot" else {}
        if "embedding" in given.weights:
            layers["embedding"] = fastrnn.Embedding(SYMBOLS, case.H)
        layers["recurrent"] = getattr(fastrnn, case.cell.upper())(case.inputs, case.H)
        layers["linear"] = fastrnn.Linear(case.H, case.outputs)
        for name, weights in given.weights.items():
            layers[name].load_state_dict(weights)
        self.model = fastrnn.Sequential(*layers.values())
        self.trainer = fastrnn.Trainer(
            self.model,
            loss="mse" if case.series else "cross_entropy",
            optimizer=fastrnn.Adam(RATE),
            clip_norm=CLIP,
            tbptt=None if case.series else case.T,
            seed=SEED,
        )

    def call(self) -> list[float]:
        """Return the loss at every update."""
        return self._fit(self.given.x, self.given.y)

    def _fit(self, x: Array, y: Array) -> list[float]:
        return self.trainer.fit(x, y, epochs=1, batch_size=self.case.N, verbose=0).batch_loss

    def arrays(self) -> Mapping[str, Array]:
        """Return the first losses."""
        steps = None if self.case.series else COMPARED * self.case.T  # of a text no more, as that takes seconds
        found = self._fit(self.given.x[:, :steps], self.given.y[:, :steps])
        return {"losses": np.array(found[:COMPARED])}


class TorchEpoch(Contestant):
    """The loop; ``loss.item()`` at every update, for the curve. Samples come first, the state is detached."""

    needs = ("torch",)

    def __init__(self, case: Epoch, given: Lesson, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.functional: Any = import_module("torch.nn.functional")
        self.torch.set_num_threads(threads)
        nn, self.case = self.torch.nn, case
        self.recurrent = getattr(nn, case.cell.upper())(case.inputs, case.H, batch_first=True)
        self.linear = nn.Linear(case.H, case.outputs)
        layers = {"recurrent": self.recurrent, "linear": self.linear}
        if "embedding" in given.weights:
            self.embedding = layers["embedding"] = nn.Embedding(SYMBOLS, case.H)
        for name, layer in layers.items():
            layer.load_state_dict({key: self.torch.from_numpy(w) for key, w in given.weights[name].items()})
        self.parameters = [w for layer in layers.values() for w in layer.parameters()]
        self.optimizer = self.torch.optim.Adam(self.parameters, lr=RATE)
        self.x, self.y = self.torch.from_numpy(given.x), self.torch.from_numpy(given.y)
        self.rng = np.random.default_rng(SEED)

    @abstractmethod
    def batches(self) -> Iterable[tuple[Any, Any]]:
        """Return the batches of an epoch."""

    def call(self) -> list[float]:
        """Return the loss at every update."""
        return self._train(self.batches())

    def _train(self, batches: Iterable[tuple[Any, Any]]) -> list[float]:
        losses, state = [], None
        for x, y in batches:
            self.optimizer.zero_grad()
            output, state = self.recurrent(self._vectors(x), state)
            loss = self._loss(self.linear(output), y)
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
            self.optimizer.step()
            losses.append(loss.item())
            state = None if self.case.series else tuple(part.detach() for part in state)
        return losses

    def _vectors(self, x: Any) -> Any:
        """Return what the recurrent layer sees, (N, T, I)."""
        if self.case.model == "one-hot":
            return self.functional.one_hot(x, SYMBOLS).float()
        return self.embedding(x) if self.case.model == "embedding" else x

    def _loss(self, output: Any, y: Any) -> Any:
        if self.case.series:
            return self.functional.mse_loss(output, y)
        return self.functional.cross_entropy(output.flatten(0, 1), y.flatten())

    def arrays(self) -> Mapping[str, Array]:
        """Return the first losses."""
        return {"losses": np.array(self._train(islice(self.batches(), COMPARED)))}


class TorchLoader(TorchEpoch):
    """``DataLoader``, in the process itself: of a ``TensorDataset``, or of a data set of windows."""

    name = "pytorch DataLoader"

    def batches(self) -> Iterable[tuple[Any, Any]]:
        """Return the loader."""
        made: Any = import_module("torch.utils.data")
        if not self.case.series:
            return made.DataLoader(_Windows(self.x, self.y, self.case.T), batch_size=None)  # type: ignore[no-any-return]
        sampler = _Order(len(self.x), self.rng)
        return made.DataLoader(made.TensorDataset(self.x, self.y), self.case.N, sampler=sampler)  # type: ignore[no-any-return]


class TorchSlices(TorchEpoch):
    """Tensors cut by hand."""

    name = "pytorch slices"

    def batches(self) -> Iterator[tuple[Any, Any]]:
        """Yield windows, or rows in random order."""
        if not self.case.series:
            for start in range(0, self.x.shape[1], self.case.T):
                window = slice(start, start + self.case.T)
                yield self.x[:, window], self.y[:, window]
            return
        order = self.torch.from_numpy(self.rng.permutation(len(self.x)))
        for rows in order.split(self.case.N):
            yield self.x[rows], self.y[rows]


class _Windows:
    """A data set whose items are whole batches: ids (N, T) and those that follow."""

    def __init__(self, x: Any, y: Any, T: int) -> None:
        self.x, self.y, self.T = x, y, T

    def __len__(self) -> int:
        return math.ceil(int(self.x.shape[1]) / self.T)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        window = slice(i * self.T, (i + 1) * self.T)
        return self.x[:, window], self.y[:, window]


class _Order:
    """A sampler that draws by NumPy, as fastrnn does, so that everybody's batches are the same."""

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.count, self.rng = count, rng

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(self.rng.permutation(self.count).tolist())

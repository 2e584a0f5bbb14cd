"""One step of Adam: fastrnn's, and PyTorch's in the ways in which it can be built for the CPU."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import fastrnn
from fastrnn.bench.contestants.base import Array, Contestant
from fastrnn.bench.training import RATE, Step
from fastrnn.bench.training_data import Updates


class FastAdam(Contestant):
    """``Adam.update``."""

    name = "fastrnn"

    def __init__(self, case: Step, given: Updates, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        self.case, self.given = case, given
        self.parameters = {name: w.copy() for name, w in given.parameters.items()}
        self.optimizer = fastrnn.Adam(RATE)

    def call(self) -> None:
        """Do a step."""
        self.optimizer.update(self.parameters, self.given.gradients[0])

    def arrays(self) -> Mapping[str, Array]:
        """Return the parameters after some steps."""
        for gradients in self.given.gradients:
            self.optimizer.update(self.parameters, gradients)
        return {name: w.copy() for name, w in self.parameters.items()}


class TorchAdam(Contestant):
    """``torch.optim.Adam`` as it is built without further arguments."""

    name = "pytorch"
    needs = ("torch",)
    options: ClassVar[dict[str, bool]] = {}

    def __init__(self, case: Step, given: Updates, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.torch.set_num_threads(threads)
        self.case, self.given = case, given
        tensors = {name: self.torch.from_numpy(w.copy()) for name, w in given.parameters.items()}
        self.parameters = {name: self.torch.nn.Parameter(w) for name, w in tensors.items()}
        self.optimizer = self.torch.optim.Adam(self.parameters.values(), lr=RATE, **self.options)
        self._take(given.gradients[0])

    def _take(self, gradients: Mapping[str, Array]) -> None:
        for name, w in self.parameters.items():
            w.grad = self.torch.from_numpy(gradients[name])

    def call(self) -> None:
        """Do a step."""
        self.optimizer.step()

    def arrays(self) -> Mapping[str, Array]:
        """Return the parameters after some steps."""
        for gradients in self.given.gradients:
            self._take(gradients)
            self.optimizer.step()
        return {name: w.detach().numpy().copy() for name, w in self.parameters.items()}


class TorchAdamLoop(TorchAdam):
    """A loop over the tensors."""

    name = "pytorch foreach=False"
    options: ClassVar[dict[str, bool]] = {"foreach": False}


class TorchAdamFused(TorchAdam):
    """One kernel for each tensor."""

    name = "pytorch fused"
    options: ClassVar[dict[str, bool]] = {"fused": True}

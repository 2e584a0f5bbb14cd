"""An update in a training loop of PyTorch: by torch.nn's module, and by the one of fastrnn.torch in its place."""

from collections.abc import Mapping
from typing import Any

import fastrnn
from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array
from fastrnn.bench.contestants.pytorch import PyTorch
from fastrnn.bench.data import Data

RATE = 1e-9  # so small that thousands of updates leave the weights what they are


class TorchLoop(PyTorch):
    """Forward, a loss whose gradient is the one that is given, backward, and Adam."""

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        super().__init__(case, given, threads)
        self.optimizer = self.torch.optim.Adam(self.layer.parameters(), lr=RATE)

    def call(self) -> Any:
        """Run one update."""
        self.optimizer.zero_grad()
        (self._forward()[0] * self.grad).sum().backward()
        self.optimizer.step()

    def arrays(self) -> Mapping[str, Array]:
        """Return the parameters' gradients."""
        self.call()
        return {name: weight.grad.numpy() for name, weight in self.layer.named_parameters()}


class FastTorchLoop(TorchLoop):
    """The same loop."""

    name = "fastrnn"

    def modules(self) -> Any:
        """Return where the layers are from."""
        from fastrnn import torch  # noqa: PLC0415 - an extra

        return torch

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        fastrnn.set_num_threads(threads)
        super().__init__(case, given, threads)

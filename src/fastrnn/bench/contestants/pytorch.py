"""PyTorch on the CPU: torch.nn's layers, inference under ``inference_mode``."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.base import Array, Contestant, states
from fastrnn.bench.data import Data


class PyTorch(Contestant):
    """Ragged rows are packed, and unpacked again, within what is timed."""

    name = "pytorch"
    needs = ("torch",)
    packs = True

    def __init__(self, case: Case, given: Data, threads: int) -> None:
        self.torch: Any = import_module("torch")
        self.rnn: Any = import_module("torch.nn.utils.rnn")
        self.torch.set_num_threads(threads)
        self.case = case
        tensor, train = self.torch.from_numpy, case.kind == "train"
        layer_type = getattr(self.modules(), case.cell.upper())
        options = {"bidirectional": case.bidirectional, "dtype": getattr(self.torch, case.dtype)}
        self.layer = layer_type(case.I, case.H, case.layers, **options)
        self.layer.load_state_dict({name: tensor(array) for name, array in given.weights.items()})
        self.x = tensor(given.x).requires_grad_(train)
        self.parts = [tensor(part).requires_grad_(train) for part in given.state]
        self.grad = tensor(given.grad)
        self.lengths = None if given.lengths is None or not self.packs else tensor(given.lengths)
        if case.kind == "stream":
            self.step, self.carried = tensor(given.x[-1:]), self._state()

    def modules(self) -> Any:
        """Return where the layers are from."""
        return self.torch.nn

    def call(self) -> Any:
        """Run a sequence or one step."""
        if self.case.kind == "train":
            inputs = [self.x, *self.parts, *self.layer.parameters()]
            return self.torch.autograd.grad(self._forward()[0], inputs, self.grad)
        with self.torch.inference_mode():
            if self.case.kind == "stream":
                output, self.carried = self.layer(self.step, self.carried)
                return output
            return self._forward()

    def _state(self) -> Any:
        return tuple(self.parts) if len(self.parts) > 1 else self.parts[0]

    def _forward(self) -> Any:
        if self.lengths is None:
            return self.layer(self.x, self._state())
        packed = self.rnn.pack_padded_sequence(self.x, self.lengths, enforce_sorted=False)
        output, state = self.layer(packed, self._state())
        return self.rnn.pad_packed_sequence(output, total_length=self.case.T)[0], state

    def arrays(self) -> Mapping[str, Array]:
        """Return what is compared."""
        if self.case.kind == "stream":
            return {"output": self._steps()}
        result = self.call()
        if self.case.kind == "train":
            grads = [part.numpy() for part in result]
            names = [name for name, _ in self.layer.named_parameters()]
            n = len(self.parts) + 1
            return {"x": grads[0], **states(grads[1:n], "{}_0"), **dict(zip(names, grads[n:], strict=True))}
        output, state = result
        return {"output": output.numpy(), **self._final(state)}

    def _final(self, state: Any) -> dict[str, Array]:
        return states(state if isinstance(state, tuple) else (state,), "{}_n")

    def _steps(self) -> Array:
        """Return the output of all steps, one call each."""
        outputs = []
        for t in range(self.case.T):
            self.step = self.x[t : t + 1]
            outputs.append(self.call().numpy()[0])
        return np.stack(outputs)


class PyTorchPadded(PyTorch):
    """Runs ragged rows to the end of the longest: more work, and final states that are not those asked for.

    What it finds before a row's end is right, and so are the gradients, since none arrive after it.
    """

    name = "pytorch padded"
    packs = False

    def _final(self, state: Any) -> dict[str, Array]:  # noqa: ARG002
        return {}

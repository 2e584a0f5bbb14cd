"""The contestants: one class each, all given the same weights and data. A peer is any but fastrnn and its reference."""

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.adam import FastAdam, TorchAdam, TorchAdamFused, TorchAdamLoop
from fastrnn.bench.contestants.base import Contestant, Slow
from fastrnn.bench.contestants.epochs import FastEpoch, TorchLoader, TorchSlices
from fastrnn.bench.contestants.fits import FastEstimator, FastTrainer
from fastrnn.bench.contestants.generation import FastGeneration, SlowGeneration, TorchGeneration
from fastrnn.bench.contestants.jax import JAX
from fastrnn.bench.contestants.onnxruntime import ONNXRuntime, ONNXRuntimeBound
from fastrnn.bench.contestants.ours import FastRNN
from fastrnn.bench.contestants.pytorch import PyTorch, PyTorchPadded
from fastrnn.bench.contestants.reference import Reference
from fastrnn.bench.contestants.tdnn import FastTDNN, SlowTDNN, TorchConv1d
from fastrnn.bench.training import AnyCase, Epoch, Fitting, Step

__all__ = ["CONTESTANTS", "PEERS", "Contestant", "Reference", "entrants", "slow"]

PEERS: dict[str, type[Contestant]] = {c.name: c for c in (PyTorch, PyTorchPadded, ONNXRuntime, ONNXRuntimeBound, JAX)}
CONTESTANTS: dict[str, type[Contestant]] = {FastRNN.name: FastRNN, **PEERS}


def entrants(case: AnyCase) -> dict[str, type[Contestant]]:
    """Return who enters a case.

    Of recurrent layers everyone, and variants where there is a state to keep, or something to pad whose end is not
    where a direction begins.
    """
    if isinstance(case, Epoch):
        return {c.name: c for c in (FastEpoch, TorchLoader, TorchSlices)}
    if isinstance(case, Step):
        return {c.name: c for c in (FastAdam, TorchAdam, TorchAdamLoop, TorchAdamFused)}
    if isinstance(case, Fitting):
        return {c.name: c for c in (FastEstimator, FastTrainer)}
    if case.cell == "tdnn":
        return {c.name: c for c in (FastTDNN, TorchConv1d)}
    if case.kind == "generate":
        return {c.name: c for c in (FastGeneration, TorchGeneration)}
    left_out = set() if case.ragged and not case.bidirectional else {PyTorchPadded.name}
    left_out |= set() if case.kind == "stream" else {ONNXRuntimeBound.name}
    return {name: contestant for name, contestant in CONTESTANTS.items() if name not in left_out}


def slow(case: Case) -> type[Slow]:
    """Return whose results on a case count as the truth."""
    return SlowTDNN if case.cell == "tdnn" else SlowGeneration if case.kind == "generate" else Reference

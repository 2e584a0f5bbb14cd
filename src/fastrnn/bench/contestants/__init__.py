"""The contestants: one class each, all given the same weights and data. A peer is any but fastrnn and its reference."""

from fastrnn.bench.cases import Case
from fastrnn.bench.contestants.adam import FastAdam, TorchAdam, TorchAdamFused, TorchAdamLoop
from fastrnn.bench.contestants.base import Contestant, Slow
from fastrnn.bench.contestants.epochs import FastEpoch, TorchLoader, TorchSlices
from fastrnn.bench.contestants.fits import FastEstimator, FastTrainer
from fastrnn.bench.contestants.generation import FastGeneration, SlowGeneration, TorchGeneration
from fastrnn.bench.contestants.jax import JAX
from fastrnn.bench.contestants.loops import FastTorchLoop, TorchLoop
from fastrnn.bench.contestants.onnxruntime import ONNXRuntime, ONNXRuntimeBound
from fastrnn.bench.contestants.ours import FastRNN
from fastrnn.bench.contestants.pytorch import PyTorch, PyTorchPadded
from fastrnn.bench.contestants.reference import Reference
from fastrnn.bench.contestants.tdnn import FastTDNN, SlowTDNN, TorchConv1d
from fastrnn.bench.training import AnyCase, Epoch, Fitting, Step

__all__ = ["CONTESTANTS", "PEERS", "Contestant", "Reference", "entrants", "slow"]

PEERS: dict[str, type[Contestant]] = {c.name: c for c in (PyTorch, PyTorchPadded, ONNXRuntime, ONNXRuntimeBound, JAX)}
CONTESTANTS: dict[str, type[Contestant]] = {FastRNN.name: FastRNN, **PEERS}
OWN: dict[str, tuple[type[Contestant], ...]] = {  # of kinds of work that not everyone enters
    Epoch.kind: (FastEpoch, TorchLoader, TorchSlices),
    Step.kind: (FastAdam, TorchAdam, TorchAdamLoop, TorchAdamFused),
    Fitting.kind: (FastEstimator, FastTrainer),
    "loop": (FastTorchLoop, TorchLoop),
    "generate": (FastGeneration, TorchGeneration),
}


def entrants(case: AnyCase) -> dict[str, type[Contestant]]:
    """Return who enters a case.

    Of recurrent layers everyone, and variants where there is a state to keep, or something to pad whose end is not
    where a direction begins.
    """
    own = (FastTDNN, TorchConv1d) if case.cell == "tdnn" else OWN.get(case.kind)
    if own is not None or not isinstance(case, Case):
        return {contestant.name: contestant for contestant in own or ()}
    left_out = set() if case.ragged and not case.bidirectional else {PyTorchPadded.name}
    left_out |= set() if case.kind == "stream" else {ONNXRuntimeBound.name}
    return {name: contestant for name, contestant in CONTESTANTS.items() if name not in left_out}


def slow(case: Case) -> type[Slow]:
    """Return whose results on a case count as the truth."""
    return SlowTDNN if case.cell == "tdnn" else SlowGeneration if case.kind == "generate" else Reference

"""gradient_flow: how far a gradient gets, back in time and down through the layers.

T steps, N sequences, K outputs, D distances.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import Seed, as_generator, as_real
from fastrnn.diagnostics.fading import Fading
from fastrnn.diagnostics.probe import Probe, padded
from fastrnn.gradcheck import in_double
from fastrnn.layers import Sequential, Tape
from fastrnn.layers.summary import aligned
from fastrnn.losses import Loss, as_loss
from fastrnn.plots import figure, finish

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How far the gradient of a model's loss gets.

    Attributes
    ----------
    time : dict of Fading
        By the state's name, ``0.h_l0``, ``0.c_l0``, ``0.h_l0_reverse``, or ``0.y`` of a `Jordan`: ‖∂E_T/∂s_{T-d}‖ at
        distances d = 1…T, a mean over the sequences that are as long.
    depth : Fading or None
        ‖∂E/∂y‖ of the layers that multiply by weights, last to first; y is such a layer's output, at all steps of all
        samples. None where there is one only.
    layers : dict of float
        The same norm by every layer, first to last.
    """

    time: dict[str, Fading]
    depth: Fading | None
    layers: dict[str, float]

    def __str__(self) -> str:
        """Return two tables: over time, and over depth."""
        parts = []
        if self.time:
            rows = [("state", "verdict", "rate a step", "below 1 % at")]
            rows += [(name, one.verdict, f"{one.rate:.3g}", _horizon(one)) for name, one in self.time.items()]
            parts.append("\n".join(aligned(rows, left=2)))
        norms = list(self.layers.values())
        factors = [a / b if b else np.nan for a, b in zip(norms, [*norms[1:], norms[-1]], strict=True)]
        rows = [("layer", "gradient by its output", "factor", "of the last")]
        for name, norm, factor in reversed(list(zip(self.layers, norms, factors, strict=True))):
            rows.append((name, f"{norm:.3g}", f"{factor:.3g}", f"{norm / norms[-1] if norms[-1] else np.nan:.3g}"))
        parts.append("\n".join(aligned(rows, left=1)))
        if self.depth is not None:
            parts.append(f"over depth: {self.depth.verdict}, {self.depth.rate:.3g} a layer")
        return "\n\n".join(parts)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the norms against distance in time and against depth, on logarithmic axes.

        Parameters
        ----------
        path : path, optional
            Of a picture file; its suffix chooses the format.

        Returns
        -------
        matplotlib.figure.Figure or None
            None if it was written to a file.
        """
        panels = [self._plot_time] * bool(self.time) + [self._plot_depth]
        widths = [6.0] * (len(panels) - 1) + [max(6.0, 0.4 * len(self.layers))]
        drawing = figure(figsize=(sum(widths), 4.5))
        places = drawing.subplots(1, len(panels), squeeze=False, width_ratios=widths)[0]
        for panel, axes in zip(panels, places, strict=True):
            panel(axes)
            axes.set_yscale("log")
            axes.grid(alpha=0.3)
        return finish(drawing, path)

    def _plot_time(self, axes: Any) -> None:
        for name, one in self.time.items():
            axes.plot(one.distance, _drawn(one.norm), label=f"{name}: {one.verdict}", linewidth=1.5)
        axes.set(title="Back in time", xlabel="distance T - t in steps", ylabel="norm of ∂E/∂(state at t)")
        axes.legend(fontsize=8)

    def _plot_depth(self, axes: Any) -> None:
        verdict = f": {self.depth.verdict}" if self.depth is not None else ""
        axes.plot(range(len(self.layers)), _drawn(np.array([*self.layers.values()])), marker="o")
        axes.set(title=f"Down through the layers{verdict}", ylabel="norm of ∂E/∂(output of the layer)")
        axes.set_xticks(range(len(self.layers)), list(self.layers), rotation=45, ha="right", fontsize=8)


def _drawn(norm: Array) -> Array:
    """Return the norms with gaps where a logarithmic axis has no place for them."""
    return np.where(norm > 0, norm, np.nan)


def _horizon(one: Fading) -> str:
    """Return the distance at which less than 1 % is left; "~" where it lies beyond what was measured."""
    if np.isinf(one.horizon):
        return "never"
    return f"~ {one.horizon:,.0f}" if one.horizon > one.distance[-1] else f"{one.horizon:,.0f}"


def gradient_flow(
    model: Sequential,
    x: Any,
    y: Any = None,
    loss: str | Loss | None = None,
    *,
    lengths: ArrayLike | None = None,
    seed: Seed = 0,
) -> GradientFlow:
    """Measure how a gradient fades or grows, back in time and down through the layers.

    E_T is a loss at the last step of each sequence alone, so that whatever arrives at an earlier step has come back
    through time. Of a reversed direction the last step is the first: there E_1 is taken, and the distance counted from
    there. Where the model pools over time, E is a loss of what it makes of all steps.

    Parameters
    ----------
    model : Sequential
        Of any layers; time is measured for `RNN`, `LSTM`, `GRU` and `Jordan`. It is not changed.
    x : array_like (N, T, F), or list of arrays (T_i, F)
        Sequences as long as those that the model has to learn from; ids, or samples without time, as it takes them.
    y : array_like, or list of arrays, optional
        Targets, as `Trainer.fit` takes them: of every step where the output has steps, of which those of the last are
        used.
    loss : str or Loss, optional
        Of `fastrnn.losses`. Without y and loss E = Σ r·y_T over the samples, with a random unit vector r (K,): all
        directions are alike to it, and no Softmax at the end makes it constant.
    lengths : array_like of int (N,), optional
        How many steps of each sequence count; all if not given.
    seed : int or numpy.random.Generator
        Of r, and of layers that draw random numbers in training, as they do here.

    Returns
    -------
    GradientFlow
        ``print`` it, or ``.plot()`` it. "vanishing" is what has lost 99 % at the largest distance, "exploding" what
        has grown a hundredfold.

    Raises
    ------
    TypeError, ValueError
        If the model is no `Sequential`, x does not fit it, or only one of y and loss is given.

    Notes
    -----
    ``s_t`` is what a layer hands from step t to its own next step; what the layer above sees of it at step t is not
    counted (Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013). A float64 copy is measured, so that a
    gradient can be seen to vanish where float32 has no numbers left.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> model = fastrnn.Sequential(fastrnn.RNN(4, 32, init="pytorch", seed=0), fastrnn.Linear(32, 1, seed=0))
    >>> x = np.random.default_rng(0).normal(size=(16, 60, 4))
    >>> fading = fastrnn.gradient_flow(model, x).time["0.h_l0"]
    >>> fading.verdict, float(fading.horizon)  # nine steps back less than 1 % is left
    ('vanishing', 9.0)
    """
    if (y is None) != (loss is None):
        raise ValueError(f"y, loss: expected both or neither, got {'loss' if y is None else 'y'} alone")
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {type(model).__name__}")
    probe = Probe(in_double(model))  # type: ignore[arg-type]
    array, ends = probe.batch(x, lengths)
    target = None if y is None else _targets(y)
    rng = as_generator(seed)
    output, _, tape = probe.model.record(array, lengths=ends, seed=rng if probe.model.random else None)
    probe.expect_finite()
    error = _Error(output, target, loss, rng, at_steps=probe.model.timed[-1])
    time = {}
    if ends is not None and any(place.layer.recurrent for place in probe.places):
        time = _over_time(probe, tape, error, ends)
    probe.model.backward(tape, error.gradient(None if ends is None else ends - 1))
    layers = {place.name: float(np.linalg.norm(place.tap.gradient)) for place in probe.places}
    return GradientFlow(time, _over_depth(probe, layers), layers)


def _targets(y: Any) -> NDArray[Any]:
    """Return targets as one array; those of a list of sequences padded."""
    ragged = isinstance(y, (list, tuple)) and all(isinstance(one, np.ndarray) and one.ndim for one in y)
    return padded(y)[0] if ragged and len(y) else as_real("y", y, None)


class _Error:
    """E at one step of each sequence, or of the whole output where it has no steps."""

    def __init__(
        self,
        output: Array,
        target: NDArray[Any] | None,
        loss: str | Loss | None,
        rng: np.random.Generator,
        *,
        at_steps: bool,
    ) -> None:
        self.output, self.target, self.at_steps = output, target, at_steps
        self.loss = None if loss is None else as_loss(loss)
        direction = rng.standard_normal(output.shape[-1])
        self.direction = direction / np.linalg.norm(direction)
        steps = output.shape[: 1 + at_steps]
        if target is not None and target.shape[: len(steps)] != steps:
            raise ValueError(f"y: expected {steps} as the first axes, got shape {target.shape}")

    def gradient(self, at: NDArray[np.int64] | None) -> Array:
        """Return dE/d(output), zero but at step ``at`` (N,) of each sequence."""
        where = (np.arange(len(self.output)), at) if self.at_steps else ...
        result = np.zeros_like(self.output)
        result[where] = self.direction
        if self.loss is not None and self.target is not None:
            result[where] = self.loss(np.ascontiguousarray(self.output[where]), self.target[where])[1]
        return result


def _over_time(probe: Probe, tape: Tape, error: _Error, ends: NDArray[np.int64]) -> dict[str, Fading]:
    """Return how the gradient fades by the name of the state; the reversed direction's by a loss at its last step."""
    found = probe.model.backward(tape, error.gradient(ends - 1), norms=True).state_norms or {}
    time = dict(_by_state(probe, found))
    if error.at_steps and any(name.endswith("_reverse") for name in time):
        found = probe.model.backward(tape, error.gradient(ends * 0), norms=True).state_norms or {}
        time |= {name: norms for name, norms in _by_state(probe, found) if name.endswith("_reverse")}
    return {name: _by_distance(norms, ends, reverse=name.endswith("_reverse")) for name, norms in time.items()}


def _by_state(probe: Probe, found: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Yield norms (N, T) by the state's name in the model, first layer to last."""
    for p, place in enumerate(probe.places):
        for part in [name.split(".")[1] for name in found if name.startswith(f"{2 * p}.")]:
            yield from probe.directions(place, part, found)


def _by_distance(norms: Array, ends: NDArray[np.int64], *, reverse: bool) -> Fading:
    """Return the mean over sequences of norms (N, T), by the state that each step began with, at each distance."""
    distance = np.arange(1, ends.max() + 1)
    there = distance <= ends[:, None]  # (N, D)
    step = np.broadcast_to(distance - 1, there.shape) if reverse else ends[:, None] - distance
    along = np.take_along_axis(norms, np.where(there, step, 0), axis=1)
    return Fading(distance, np.where(there, along, 0).sum(axis=0) / there.sum(axis=0))


def _over_depth(probe: Probe, layers: dict[str, float]) -> Fading | None:
    """Return how the gradient fades from layer to layer, of those that multiply by weights."""
    norms = [layers[place.name] for place in reversed(probe.places) if place.layer.multiplications()]
    return Fading(np.arange(len(norms)), np.array(norms)) if len(norms) > 1 else None

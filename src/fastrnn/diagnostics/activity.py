"""saturation and dead_relus: units that hardly respond any more, or not at all.

T steps, N sequences, H units.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import steps_that_count
from fastrnn.diagnostics.probe import Place, Probe
from fastrnn.layers import Layer, ReLU, Sequential, Sigmoid, Tanh
from fastrnn.layers.base import Array
from fastrnn.layers.summary import aligned
from fastrnn.plots import figure, finish

Shares = NDArray[np.float64]
LIMITS = {"sigmoid": (0.05, 0.95), "tanh": (-0.95, 0.95)}  # beyond which there are σ' < 0.05 and tanh' < 0.1
# Which of the values in a trace an activation has made; what an LSTM's c is squashed to is tanh(c)
ACTIVATIONS = {
    "lstm": {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid", "c": "tanh"},
    "gru": {"r": "sigmoid", "z": "sigmoid", "n": "tanh"},
    "gru_before": {"r": "sigmoid", "z": "sigmoid", "n": "tanh"},
    "rnn_tanh": {"h": "tanh"},
    "rnn_sigmoid": {"h": "sigmoid"},
}
LAYERS: dict[type[Layer], str] = {Tanh: "tanh", Sigmoid: "sigmoid"}


@dataclass(frozen=True, eq=False)
class Saturation:
    """How often gates and activations are near their limits.

    Attributes
    ----------
    low, high : dict of ndarray (H,)
        By the name of what it is, ``0.f_l0`` of a gate or ``1 Tanh()`` of a layer, for each unit: at which share of the
        steps of all samples it is below 0.05 (a sigmoid's) or -0.95 (a tanh's), and above 0.95.
    gates : dict of ndarray (N, T, H)
        The values over time of the recurrent layers' gates, zero beyond a sequence's length.
    lengths : ndarray (N,) or None
    """

    low: Mapping[str, Shares]
    high: Mapping[str, Shares]
    gates: Mapping[str, Array]
    lengths: NDArray[np.int64] | None

    def share(self, name: str) -> float:
        """Return the share of saturated values over all units."""
        return float((self.low[name] + self.high[name]).mean())

    def __str__(self) -> str:
        """Return a table."""
        rows = [("activation", "units", "saturated", "low", "high", "units nearly always")]
        for name, low in self.low.items():
            high, stuck = self.high[name], int((low + self.high[name] > 0.95).sum())
            shares = f"{self.share(name):.1%}", f"{low.mean():.1%}", f"{high.mean():.1%}"
            rows.append((name, str(len(low)), *shares, str(stuck)))
        return "\n".join(aligned(rows, left=1))

    def plot(self, path: str | os.PathLike[str] | None = None, sample: int = 0) -> Any:
        """Draw the gates of one sample over time, a heat map for each.

        Parameters
        ----------
        path : path, optional
            Of a picture file; its suffix chooses the format.
        sample : int
            Which of the samples.

        Returns
        -------
        matplotlib.figure.Figure or None
            None if it was written to a file.

        Raises
        ------
        ValueError
            If there is no gate, or no such sample.
        """
        if not self.gates or self.lengths is None:
            raise ValueError("plot: this model has no gates; there is nothing over time to draw")
        if not 0 <= sample < len(self.lengths):
            raise ValueError(f"sample: expected 0 to {len(self.lengths) - 1}, got {sample}")
        rows: dict[str, list[str]] = {}
        for name in self.gates:
            rows.setdefault(re.sub(r"\.\w+?_", " ", name), []).append(name)  # a row for each layer and direction
        columns = max(map(len, rows.values()))
        drawing = figure(figsize=(1 + 3.4 * columns, 0.6 + 2.6 * len(rows)))
        panels = drawing.subplots(len(rows), columns, squeeze=False)
        for places, names in zip(panels, rows.values(), strict=True):
            for axes, name in zip_longest(places, names):
                if name is None:
                    axes.set_axis_off()
                else:
                    self._plot_gate(axes, name, self.gates[name][sample, : self.lengths[sample]])
        return finish(drawing, path)

    def _plot_gate(self, axes: Any, name: str, values: Array) -> None:
        """Draw one gate (T, H) as a heat map, units over steps."""
        both_signs = bool((values < 0).any())
        picture = axes.imshow(
            values.T,
            aspect="auto",
            cmap="RdBu_r" if both_signs else "viridis",
            vmin=-1 if both_signs else 0,
            vmax=1,
            interpolation="nearest",
        )
        axes.set_title(f"{name}: {self.share(name):.0%} saturated", fontsize=10)
        axes.set(xlabel="step", ylabel="unit")
        axes.figure.colorbar(picture, ax=axes)


def saturation(model: Sequential, x: Any, *, lengths: ArrayLike | None = None) -> Saturation:
    """Find out how often gates and activations are near their limits, where they hardly let a gradient through.

    Parameters
    ----------
    model : Sequential
        Looked at: the gates of `LSTM` and `GRU`, what these squash by tanh (g, n, and tanh(c) under the name c), the
        states of `RNN` with tanh or sigmoid, and `Tanh` and `Sigmoid` layers.
    x : array_like (N, T, F), or list of arrays (T_i, F)
        Samples, as the model takes them.
    lengths : array_like of int (N,), optional
        How many steps of each sequence count; all if not given.

    Returns
    -------
    Saturation
        ``print`` it, or ``.plot()`` it.

    Raises
    ------
    TypeError, ValueError
        If the model is no `Sequential`, or x does not fit it.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> model = fastrnn.Sequential(fastrnn.Linear(1, 2, seed=0), fastrnn.Tanh())
    >>> model.parameters()["0.weight"][:] = [[0.1], [9.0]]
    >>> found = fastrnn.saturation(model, np.ones((5, 1)))
    >>> {name: high.tolist() for name, high in found.high.items()}  # how often each unit is at its upper limit
    {'1 Tanh()': [0.0, 1.0]}
    """
    probe, gates, ends = _run(model, x, lengths)
    low, high = {}, {}
    kept: dict[str, Array] = {}
    for place in probe.places:
        for name, kind, values, rows in _squashed(probe, place, gates, ends):
            least, most = LIMITS[kind]
            low[name], high[name] = (rows < least).mean(axis=0), (rows > most).mean(axis=0)
            if values is not None:
                kept[name] = values
    return Saturation(low, high, kept, ends)


def _run(model: Sequential, x: Any, lengths: ArrayLike | None) -> tuple[Probe, dict[str, Array], Any]:
    """Run over x and return a probe whose taps have seen it, what its layers trace, and the sequences' lengths."""
    probe = Probe(model)
    array, ends = probe.batch(x, lengths)
    trace = probe.model.trace(array, lengths=ends)
    probe.expect_finite()
    return probe, trace, ends


def _squashed(
    probe: Probe, place: Place, trace: Mapping[str, Array], ends: Any
) -> Iterator[tuple[str, str, Array | None, Array]]:
    """Yield of what activations have made at one place the name, the kind, values (N, T, H) if gates, and rows."""
    kind = LAYERS.get(type(place.layer))
    if kind is not None:
        yield place.name, kind, None, place.tap.output.reshape(-1, place.tap.output.shape[-1])
    for part, gate_kind in ACTIVATIONS.get(getattr(place.layer, "cell", ""), {}).items():
        for name, values in probe.directions(place, part, trace):
            squashed = np.tanh(values) if part == "c" else values
            yield name, gate_kind, squashed, squashed[steps_that_count(ends, values.shape[1])]


# ---- dead units ----


@dataclass(frozen=True, eq=False)
class DeadUnits:
    """ReLUs that never fire.

    Attributes
    ----------
    units : dict of ndarray of int
        Which units of a layer are 0 at every step of every sample, by the layer's name: ``1 ReLU()``, or ``0.h_l0`` of
        an `RNN`.
    sizes : dict of int
        How many units there are.
    """

    units: Mapping[str, NDArray[np.intp]]
    sizes: Mapping[str, int]

    def __str__(self) -> str:
        """Return a table."""
        rows = [("layer", "units", "dead")]
        rows += [(name, str(self.sizes[name]), str(len(dead))) for name, dead in self.units.items()]
        return "\n".join(aligned(rows, left=1))


def dead_relus(model: Sequential, x: Any, *, lengths: ArrayLike | None = None) -> DeadUnits:
    """Find the ReLUs that are 0 for all of x: no gradient reaches their weights, so they stay so.

    Parameters
    ----------
    model : Sequential
        Looked at: `ReLU` layers, and the states of `RNN` with ReLU.
    x, lengths
        As for `saturation`.

    Returns
    -------
    DeadUnits

    Raises
    ------
    TypeError, ValueError
        If the model is no `Sequential`, or x does not fit it.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> model = fastrnn.Sequential(fastrnn.Linear(1, 3, seed=0), fastrnn.ReLU())
    >>> model.parameters()["0.bias"][:] = [9, -9, 9]
    >>> fastrnn.dead_relus(model, np.ones((5, 1))).units
    {'1 ReLU()': array([1])}
    """
    probe, trace, _ = _run(model, x, lengths)
    fired = {}
    for place in probe.places:
        if isinstance(place.layer, ReLU):
            fired[place.name] = _ever(place.tap.output)
        if getattr(place.layer, "cell", "") == "rnn_relu":
            fired |= {name: _ever(values) for name, values in probe.directions(place, "h", trace)}
    return DeadUnits(
        {name: np.flatnonzero(~ever) for name, ever in fired.items()}, {n: len(a) for n, a in fired.items()}
    )


def _ever(values: Array) -> NDArray[np.bool_]:
    """Return which of the units (..., H) is ever above 0."""
    return np.asarray((values > 0).reshape(-1, values.shape[-1]).any(axis=0))

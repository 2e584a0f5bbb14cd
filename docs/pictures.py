"""Draw the pictures of the tutorial that need no training: `make pictures` writes docs/pictures/*.png."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

import fastrnn
from fastrnn.plots import figure, write

HERE = Path(__file__).parent / "pictures"
SEED = 0


def elman() -> Any:
    """Draw an Elman network, folded and unfolded."""
    return fastrnn.draw(fastrnn.Sequential(fastrnn.Elman(2, 4), fastrnn.Linear(4, 1)), steps=3)


def tdnn() -> Any:
    """Draw a network with a window of three steps."""
    return fastrnn.draw(fastrnn.Sequential(fastrnn.TDNN(2, 4, window=3), fastrnn.Linear(4, 1)), steps=4)


def jordan() -> Any:
    """Draw a Jordan network."""
    return fastrnn.draw(fastrnn.Sequential(fastrnn.Jordan(2, 4, 1)), steps=3)


def two_layers() -> Any:
    """Draw the two recurrent layers s and z whose gradient has three paths over two steps."""
    return fastrnn.draw(fastrnn.Sequential(fastrnn.Elman(2, 3), fastrnn.Elman(3, 3)), steps=2)


def activations() -> Any:
    """Draw each activation and its slope, which backward gives."""
    drawing = figure(figsize=(8, 3))
    x = np.linspace(-5, 5, 401)
    panels = drawing.subplots(1, 3)
    for axes, layer in zip(panels, (fastrnn.Sigmoid(), fastrnn.Tanh(), fastrnn.ReLU()), strict=True):
        y, _, tape = layer.record(x)
        axes.plot(x, y, label="φ(x)")
        axes.plot(x, layer.backward(tape, np.ones_like(x)).x, label="φ'(x)")
        axes.set(title=type(layer).__name__, xlabel="x", ylim=(-1.1, 2))
        axes.grid(alpha=0.3)
    panels[0].legend()
    return drawing


def depth() -> Any:
    """Draw the gradient from layer to layer in stacks of twelve."""
    drawing = figure(figsize=(7, 3.5))
    axes = drawing.add_subplot()
    x = np.random.default_rng(SEED).normal(size=(256, 32))
    for activation, init in ((fastrnn.Sigmoid, "glorot"), (fastrnn.Tanh, "glorot"), (fastrnn.ReLU, "he")):
        rng = np.random.default_rng(SEED)
        hidden = [part for _ in range(12) for part in (fastrnn.Linear(32, 32, init=init, seed=rng), activation())]
        model = fastrnn.Sequential(*hidden, fastrnn.Linear(32, 1, seed=rng))
        found = fastrnn.gradient_flow(model, x).depth
        axes.plot(found.distance, found.norm / found.norm[0], marker=".", label=f"{activation.__name__}, {init}")
    axes.set(title="Twelve layers, before training", yscale="log")
    axes.set(xlabel="layers back from the output", ylabel="‖∂E/∂(output of the layer)‖, relative")
    axes.legend()
    axes.grid(alpha=0.3)
    return drawing


def flow() -> Any:
    """Draw the gradient over the distance in time, of several cells before training."""
    drawing = figure(figsize=(7, 4))
    axes = drawing.add_subplot()
    x = np.random.default_rng(SEED).normal(size=(32, 100, 4))
    cells = {
        "Elman, sigmoid": (fastrnn.Elman(4, 32, nonlinearity="sigmoid", seed=SEED), "h"),
        "Elman, tanh": (fastrnn.Elman(4, 32, init="pytorch", seed=SEED), "h"),
        "Elman, tanh, orthogonal": (fastrnn.Elman(4, 32, seed=SEED), "h"),
        "GRU, chrono": (fastrnn.GRU(4, 32, init=fastrnn.Chrono(100), seed=SEED), "h"),
        "LSTM, forget bias 1": (fastrnn.LSTM(4, 32, seed=SEED), "c"),
        "LSTM, chrono": (fastrnn.LSTM(4, 32, init=fastrnn.Chrono(100), seed=SEED), "c"),
    }
    for name, (layer, state) in cells.items():
        model = fastrnn.Sequential(layer, fastrnn.Linear(32, 1, seed=SEED))
        found = fastrnn.gradient_flow(model, x).time[f"0.{state}_l0"]
        axes.plot(found.distance, found.norm / found.norm[0], label=name)
    axes.axhline(0.01, color="0.5", linestyle="--", linewidth=0.8)
    axes.set(title="How much of the gradient is left, before training", yscale="log", ylim=(1e-8, 10))
    axes.set(xlabel="steps back, T - t", ylabel="‖∂E_T/∂s_t‖, relative")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    return drawing


PICTURES: tuple[Callable[[], Any], ...] = (elman, tdnn, jordan, two_layers, activations, depth, flow)


@click.command(help=__doc__)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=HERE, help="Where to.")
def main(out: Path) -> None:
    """Draw all of them."""
    out.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        write(picture(), out / f"{picture.__name__}.png")


if __name__ == "__main__":
    main()

"""What explodes: the same training with and without clipping.

A network of 32 rectified units that starts from the identity (Le, Jaitly & Hinton 2015) is to say the sum of 50 random
numbers, over √50, so that a constant has the error 1. Its gradient is a sum over 50 steps of products of up to 50
Jacobians, and large from the start; one update with it, by plain gradient descent, makes these Jacobians larger than 1,
and the next gradient is larger still, until no number can hold it or the network learns nothing more. Scaling the
gradient back cures it, whether it is the norm of the parameters' gradients that is bounded (Pascanu, Mikolov & Bengio
2013) or that of ∂E/∂s_t on its way back, step by step. All three have the same first weights, the same data and the
same learning rate, 0.005.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

STEPS = 50
CLIPPING: dict[str, dict[str, float | None]] = {
    "no clipping": {"clip_norm": None},
    "global norm ≤ 0.3": {"clip_norm": 0.3},
    "norm of ∂E/∂s_t ≤ 0.00003": {"clip_norm": None, "clip_state": 3e-5},
}


def sums(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return random numbers, (count, STEPS, 1), and their sums over √STEPS, (count, 1)."""
    numbers = rng.normal(size=(count, STEPS, 1)).astype(np.float32)
    return numbers, numbers.sum(axis=1) / np.sqrt(STEPS)


def learn(seed: int, clipping: str, updates: int) -> tuple[np.ndarray, float]:
    """Return the loss and the gradient's norm of each update, (2, updates made), and the error on fresh sequences."""
    rng = np.random.default_rng(seed)
    elman = fastrnn.Elman(1, 32, nonlinearity="relu", init="identity", seed=rng)
    model = fastrnn.Sequential(elman, fastrnn.Last(), fastrnn.Linear(32, 1, seed=rng))
    trainer = fastrnn.Trainer(model, "mse", fastrnn.SGD(5e-3), seed=rng, **CLIPPING[clipping])
    curves = []
    for _ in range(updates):
        try:
            loss = trainer.step(*sums(32, rng))
        except FloatingPointError:  # the loss or a gradient is not finite any more: nothing left to train
            break
        curves.append((loss, trainer.gradient_norm))
    return np.transpose(curves), trainer.evaluate(*sums(1000, rng))


def main(options: Options) -> None:
    """Train with each kind of clipping; compare how large the loss gets, and where it ends."""
    updates = 200 if options.quick else 600
    jobs = [(seed, clipping, updates) for clipping in CLIPPING for seed in range(options.seeds)]
    outcomes, seconds = each(learn, jobs, options)
    runs = {name: outcomes[i * options.seeds : (i + 1) * options.seeds] for i, name in enumerate(CLIPPING)}
    times = np.reshape(seconds, (len(CLIPPING), options.seeds))
    rows = [row(name, found, time, options.quick) for (name, found), time in zip(runs.items(), times, strict=True)]
    lengths = [curves.shape[1] for curves, _ in runs["no clipping"]]
    text = f"Updates before the loss was no number any more, without clipping (of {updates}): "
    report("exploding", rows, draw(runs), options, text + ", ".join(map(str, lengths)) + ".")


def row(name: str, found: list[tuple[np.ndarray, float]], seconds: np.ndarray, quick: bool) -> Row:
    """Return the row of one kind of clipping."""
    task = f"sum of {STEPS}, Elman 32, {name}"
    if name == "no clipping":
        largest = [curves[0].max() for curves, _ in found]
        return Row(task, "largest loss", largest, "> 10 in each: it explodes", min(largest) > 10, min, list(seconds))
    limit = 0.3 if quick else 0.2
    errors = [error for _, error in found]
    met = max(errors) <= limit
    return Row(task, "squared error", errors, f"≤ {limit} in each (a constant: 1)", met, seconds=list(seconds))


def draw(runs: dict[str, list[tuple[np.ndarray, float]]]) -> Any:
    """Draw loss and gradient norm over the updates, cut off where they leave all bounds."""
    drawing = figure(figsize=(11, 6.5))
    places = drawing.subplots(2, len(runs), sharex=True, sharey="row")
    for (name, found), column in zip(runs.items(), places.T, strict=True):
        for curves, _ in found:
            end = curves.shape[1]
            broken = end < max(other.shape[1] for others in runs.values() for other, _ in others)
            for axes, curve in zip(column, curves, strict=True):
                axes.plot(np.arange(1, end + 1), curve, linewidth=0.7, alpha=0.8)
                if broken:
                    axes.plot(end, curve[-1], marker="x", color="C3", markersize=8)
        column[0].set_title(name)
        column[1].set_xlabel("update")
        for axes in column:
            axes.set(xscale="log", yscale="log")
            axes.grid(alpha=0.3)
    places[0, 0].set(ylabel="squared error", ylim=(1e-2, 1e6))
    places[1, 0].set(ylabel="norm of the gradient\nbefore its norm is clipped", ylim=(1e-2, 1e8))
    drawing.suptitle("One line a seed; at a cross the next loss or gradient is not finite")
    return drawing


if __name__ == "__main__":
    main(read_options())

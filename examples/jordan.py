"""Jordan and Elman, or whether the output is the memory that is needed.

A Jordan network is fed its last output, an Elman network its last hidden state. Two tasks over random bits tell them
apart. A toggle turns its output over whenever a 1 arrives: the next output follows from the input and the last output.
The other task is to give back the bit of two steps before, of which the last output says nothing. What a Jordan network
is fed is known in training, so it can be taught: the right output is fed in place of its own, each step is then
learnt by itself and no gradient goes back through time (Jordan 1986, "Attractor dynamics and parallelism in a
connectionist sequential machine"; teacher forcing: Williams & Zipser 1989). Untaught, trained through time on its own
outputs, it is free to hide in their size what their rounding does not show.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

T, LONG = 20, 500  # steps in training and in testing
UNITS = 8
EVERY = 25  # updates between tests
SOLVED = 0.999
NETWORKS = ["Jordan, taught", "Jordan, untaught", "Elman"]


class Taught(fastrnn.Model):
    """A Jordan network that is fed the targets."""

    def __init__(self, jordan: fastrnn.Jordan) -> None:
        self.jordan, self.dtype = jordan, jordan.dtype

    def record(self, x: Any, state: Any = None) -> tuple[np.ndarray, None, Any]:  # noqa: ARG002 - always from its start
        """Return the outputs (N, T, 1) for bits and targets (N, T, 1)."""
        bits, targets = x
        output, _, tape = self.jordan.record(bits, teacher=targets)
        return output, None, self._tape(tape)

    def backward(self, tape: Any, grad_output: np.ndarray, grad_state: Any = None) -> fastrnn.Gradients:  # noqa: ARG002
        """Return the gradients of a step's own error alone."""
        grads = self.jordan.backward(self._open(tape), grad_output)
        return fastrnn.Gradients(grads.x, None, self.named("jordan", grads.parameters))


def toggle(bits: np.ndarray) -> np.ndarray:
    """Return an output that each 1 turns over."""
    return np.cumsum(bits, axis=1) % 2


def recall(bits: np.ndarray) -> np.ndarray:
    """Return the bit of two steps before, 0 at the start."""
    return np.pad(bits[:, :-2], ((0, 0), (2, 0), (0, 0)))


TASKS = {"toggle": toggle, "two steps before": recall}


def build(network: str, rng: np.random.Generator) -> tuple[fastrnn.Model, Callable[[np.ndarray], np.ndarray]]:
    """Return what is trained, and what gives outputs (N, T, 1) for bits (N, T, 1) alone."""
    if network == "Elman":
        model = fastrnn.Sequential(
            fastrnn.Elman(1, UNITS, seed=rng), fastrnn.Linear(UNITS, 1, seed=rng), fastrnn.Sigmoid()
        )
        return model, model
    taught = network == "Jordan, taught"
    jordan = fastrnn.Jordan(1, UNITS, 1, output_activation="sigmoid", batch_first=taught, seed=rng)
    if taught:
        return Taught(jordan), lambda bits: jordan(bits)[0]
    model = fastrnn.Sequential(jordan)
    return model, model


def learn(seed: int, task: str, network: str, updates: int) -> np.ndarray:
    """Train; return the share of outputs on the right side of 0.5 over 100 long sequences, after every 25 updates."""
    rng = np.random.default_rng(seed)
    model, run = build(network, rng)
    trainer = fastrnn.Trainer(model, "squared_error", fastrnn.Adam(2e-2), seed=rng)
    fresh = np.random.default_rng([seed, 1]).integers(2, size=(100, LONG, 1))
    shares = []
    for update in range(1, updates + 1):
        bits = rng.integers(2, size=(16, T, 1))
        wanted = TASKS[task](bits)
        trainer.step((bits, wanted) if network == "Jordan, taught" else bits, wanted)
        if update % EVERY == 0:
            shares.append(np.mean((run(fresh) > 0.5) == TASKS[task](fresh)))
    return np.array(shares)


def main(options: Options) -> None:
    """Train each network on each task, once a seed."""
    updates = 200 if options.quick else 1500
    cases = [(task, network) for task in TASKS for network in NETWORKS]
    runs, seconds = each(learn, [(s, *case, updates) for case in cases for s in range(options.seeds)], options)
    count = options.seeds
    shares = {case: np.stack(runs[i * count : (i + 1) * count]) for i, case in enumerate(cases)}
    times = {case: seconds[i * count : (i + 1) * count] for i, case in enumerate(cases)}
    needed = {network: updates_needed(shares["toggle", network], updates) for network in NETWORKS}
    rows = []
    for case in cases:
        last = shares[case][:, -1]
        target, met, worst = "", None, min
        if case == ("two steps before", "Jordan, taught"):
            target, met, worst = "no seed above 0.55 (a guess: 0.5)", max(last) <= 0.55, max
        elif case in (("toggle", "Jordan, taught"), ("two steps before", "Elman")):
            target, met = f"worst ≥ {SOLVED}", min(last) >= SOLVED
        rows.append(Row(", ".join(case), f"right outputs over {LONG} steps", last, target, met, worst, times[case]))
    for network in NETWORKS:
        first = network == NETWORKS[0]
        rows.append(
            Row(
                f"toggle, {network}",
                f"updates until {SOLVED:.1%} are right, at most {updates:,}",
                needed[network],
                target="worst below Elman's best" if first else "",
                met=max(needed[network]) < min(needed["Elman"]) if first else None,
            )
        )
    report("jordan", rows, draw(shares), options)


def updates_needed(shares: np.ndarray, most: int) -> list[int]:
    """Return after how many updates each seed had solved it; the most that there were if it had not."""
    return [EVERY * (1 + int(np.argmax(one >= SOLVED))) if one.max() >= SOLVED else most for one in shares]


def draw(shares: dict[tuple[str, str], np.ndarray]) -> Any:
    """Draw right outputs over updates: a line a seed."""
    drawing = figure(figsize=(10, 4))
    parts = drawing.subplots(1, len(TASKS), sharey=True)
    for axes, task in zip(parts, TASKS, strict=True):
        for color, network in enumerate(NETWORKS):
            lines = shares[task, network].T
            updates = EVERY * np.arange(1, len(lines) + 1)
            axes.plot(updates, lines, color=f"C{color}", linewidth=0.8, alpha=0.5)
            axes.plot(updates, lines.mean(axis=1), color=f"C{color}", linewidth=2, label=network)
        axes.set(xlabel="update", ylim=(0.45, 1.02))
        axes.set_title({"toggle": "A 1 turns the output over"}.get(task, "The bit of two steps before"))
    parts[0].set_ylabel("right outputs")
    parts[1].legend(loc="center right")
    return drawing


if __name__ == "__main__":
    main(read_options())

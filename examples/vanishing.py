"""What vanishes: a symbol to be remembered, by an Elman network, a GRU and an LSTM.

One of eight symbols comes at every step. The first one bears a mark, and has to be named at the end, a lag later. An
Elman network learns this for short lags; with longer ones the gradient that comes back from the end is too small
among the noise of the distractors to show the way (Hochreiter 1991; Bengio, Simard & Frasconi 1994; lags of 1,000 are
from Hochreiter & Schmidhuber 1997, section 5.2). GRU and LSTM start with gates that stay open for as long as the lag
(chrono initialisation, Tallec & Ollivier 2018), and learn all of them.

All have 32 units and the same 2,000 updates of 32 sequences, by Adam with clipping at norm 1, and stop early when 20
successive batches, each of fresh sequences, and then 500 fresh sequences had no error. Learnt means at most 1 % wrong
of 1,000 further fresh sequences. The Elman network gets two starts, each with the better of two learning rates: small
random weights, U(±1/√32), whose gradient fades by half a step, and the random rotations that are the default here, with
which it fades so slowly that the network gets further than the lesson's 8 to 10 steps.
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

SYMBOLS = 8
HIDDEN = 32
LAGS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
SMALL, ROTATION = "Elman, small random weights", "Elman, orthogonal weights"
RATES = {SMALL: 1e-2, ROTATION: 3e-3, "GRU": 2e-2, "LSTM": 1e-2}
COLOURS = dict(zip(RATES, ("C3", "C1", "C2", "C0"), strict=True))


def sequences(count: int, lag: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return random symbols, the first marked, (count, lag + 1, 9); and which the first is, (count,)."""
    symbols = rng.integers(SYMBOLS, size=(count, lag + 1))
    marked = np.zeros((count, lag + 1, 1), np.float32)
    marked[:, 0] = 1
    return np.concatenate([np.eye(SYMBOLS, dtype=np.float32)[symbols], marked], axis=-1), symbols[:, 0]


def network(cell: str, lag: int, rng: np.random.Generator) -> fastrnn.Sequential:
    """Return a network as it starts."""
    size = SYMBOLS + 1, HIDDEN
    if cell in (SMALL, ROTATION):
        layer = fastrnn.Elman(*size, init="pytorch" if cell == SMALL else "orthogonal", seed=rng)
    else:  # four times the lag: most units then keep most of what they have for as long as the lag
        layer = getattr(fastrnn, cell)(*size, init=fastrnn.Chrono(4 * lag), seed=rng)
    return fastrnn.Sequential(layer, fastrnn.Last(), fastrnn.Linear(HIDDEN, SYMBOLS, seed=rng))


def learn(seed: int, cell: str, lag: int, updates: int) -> tuple[float, int]:
    """Return the share of fresh sequences that come out wrong, and the updates made."""
    rng = np.random.default_rng(seed)
    optimizer = fastrnn.Adam(RATES[cell])
    trainer = fastrnn.Trainer(network(cell, lag, rng), "cross_entropy", optimizer, metrics=["accuracy"], seed=rng)

    def batches() -> Any:
        return (sequences(32, lag, rng) for _ in range(20))

    def faultless(trainer: fastrnn.Trainer, history: Any) -> bool:
        # Batches are counted before their update, and one update may undo what was learnt: so the weights as they are
        return history.metrics["accuracy"][-1] == 1 and trainer.score(*sequences(500, lag, rng))["accuracy"] == 1

    trainer.fit(batches, epochs=updates // 20, callbacks=[faultless], verbose=0)
    return 1 - trainer.score(*sequences(1000, lag, rng))["accuracy"], trainer.updates


def flow(seed: int, cell: str, lag: int) -> np.ndarray:
    """Return ‖∂E_T/∂s_(T-d)‖ at d = 1…lag, before training, as a share of that at d = 1."""
    rng = np.random.default_rng(seed)
    fading = fastrnn.gradient_flow(network(cell, lag, rng), sequences(16, lag, rng)[0]).time
    norm = fading["0.c_l0" if cell == "LSTM" else "0.h_l0"].norm[:lag]
    return norm / norm[0]


def main(options: Options) -> None:
    """Train each cell at each lag; measure how the gradient fades."""
    lags, updates = ((5, 50), 500) if options.quick else (LAGS, 2000)
    few = min(3, options.seeds)
    jobs = [
        (seed, cell, lag, updates)
        for lag in reversed(lags)  # the longest trainings first, so that no process is left with one at the end
        for cell in RATES
        for seed in range(options.seeds if lag >= 1000 and cell in ("GRU", "LSTM") else few)
    ]
    outcomes, seconds = each(learn, jobs, options)
    found: dict[tuple[str, int], list[tuple[float, int, float]]] = {}  # wrong, updates and seconds of each seed
    for (_, cell, lag, _), outcome, second in zip(jobs, outcomes, seconds, strict=True):
        found.setdefault((cell, lag), []).append((*outcome, second))
    flows = {cell: np.stack([flow(seed, cell, lags[-1]) for seed in range(few)]) for cell in RATES}
    rows = [gated(cell, lag, found[cell, lag]) for cell in ("LSTM", "GRU") for lag in lags[-2:]]
    rows += [elman(cell, lags, found) for cell in (ROTATION, SMALL)]
    report("vanishing", rows, draw(lags, found, flows), options, table(lags, found))


def gated(cell: str, lag: int, runs: list[tuple[float, int, float]]) -> Row:
    """Return the row of a gated cell at a long lag."""
    wrong, _, seconds = zip(*runs, strict=True)
    measure = "share wrong of 1,000 sequences"
    return Row(f"{cell} 32, lag {lag:,}", measure, wrong, "≤ 0.01 in each", max(wrong) <= 0.01, seconds=seconds)


def elman(cell: str, lags: tuple[int, ...], found: dict[tuple[str, int], Any]) -> Row:
    """Return the row of an Elman network: how far each seed gets."""
    longest = [
        max((lag for lag in lags if found[cell, lag][seed][0] <= 0.01), default=0)
        for seed in range(len(found[cell, lags[0]]))
    ]
    task = cell.replace("Elman", "Elman 32")
    return Row(task, "longest lag learnt", longest, "5 to 20", all(5 <= lag <= 20 for lag in longest), worst=min)


def table(lags: tuple[int, ...], found: dict[tuple[str, int], list[tuple[float, int, float]]]) -> str:
    """Return how many seeds learnt what, and in how many updates, side by side."""

    def cell_of(runs: list[tuple[float, int, float]]) -> str:
        learnt = [updates for wrong, updates, _ in runs if wrong <= 0.01]
        return f"{len(learnt)} of {len(runs)}" + (f" ({np.mean(learnt):.0f})" if learnt else "")

    lines = ["Seeds that learnt it (and their mean number of updates):", "", f"| lag | {' | '.join(RATES)} |"]
    lines.append("|---" * (len(RATES) + 1) + "|")
    lines += [f"| {lag:,} | {' | '.join(cell_of(found[cell, lag]) for cell in RATES)} |" for lag in lags]
    return "\n".join(lines)


def draw(lags: tuple[int, ...], found: dict[tuple[str, int], Any], flows: dict[str, np.ndarray]) -> Any:
    """Draw what was learnt against the lag, and how the gradient fades: thin lines are seeds."""
    drawing = figure(figsize=(12, 4.5))
    right, fading = drawing.subplots(1, 2)
    for cell, colour in COLOURS.items():
        shares = [[1 - wrong for wrong, *_ in found[cell, lag]] for lag in lags]
        over = {"linestyle": "--", "zorder": 3} if cell == "GRU" else {}  # the LSTM's line, which would hide it
        right.plot(lags, [np.mean(share) for share in shares], marker="o", color=colour, label=cell, **over)
        for lag, share in zip(lags, shares, strict=True):
            right.plot([lag] * len(share), share, linestyle="", marker=".", color=colour, alpha=0.4)
        distance = np.arange(1, lags[-1] + 1)
        fading.plot(distance, flows[cell].T, color=colour, linewidth=0.7, alpha=0.5)
        fading.plot(distance, np.exp(np.log(flows[cell] + 1e-300).mean(axis=0)), color=colour, label=cell, **over)
    right.axhline(1 / SYMBOLS, color="0.5", linestyle="--", label="guessing")
    right.set(xscale="log", xlabel="lag in steps", ylabel="right of 1,000 fresh sequences", ylim=(0, 1.05))
    right.set_xticks(lags, [f"{lag:,}" for lag in lags], minor=False)
    right.minorticks_off()
    right.set_title("What is learnt in 2,000 updates")
    right.legend(fontsize=8, loc="center right")
    fading.set(xscale="log", yscale="log", ylim=(1e-12, 30), xlabel="T - t in steps")
    fading.set(ylabel="‖∂E_T/∂s_t‖, as a share of that one step back", title="The gradient before training")
    fading.grid(alpha=0.3)
    return drawing


if __name__ == "__main__":
    main(read_options())

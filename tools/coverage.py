"""How many values in a hundred lie in the intervals of `fastrnn forecast`, which should hold ninety.

    python tools/coverage.py                  252 synthetic series, one thread, some minutes
    python tools/coverage.py --series 50      50 of each kind and length

A model is trained as the command does it, but for the number of networks, on a series whose next twelve values are
known. Beside its intervals stand those that take the measured errors for known exactly (the normal quantile).
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np

import fastrnn
from fastrnn.forecasting import Plan, train_and_test

HORIZON = 12
LENGTHS = (40, 80, 160, 320)
Draw = Callable[[int, np.random.Generator], np.ndarray]


def autoregression(*phi: float) -> Draw:
    """Return what draws a series y_t = Σ φ_i y_{t-i} + ε_t around 10, long after its beginning."""

    def draw(count: int, rng: np.random.Generator) -> np.ndarray:
        y = rng.normal(size=count + 200)
        for t in range(len(phi), len(y)):
            y[t] += sum(one * y[t - 1 - i] for i, one in enumerate(phi))
        return 10 + y[200:]

    return draw


def walk(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random walk."""
    return 100 + np.cumsum(rng.normal(size=count))


def drift(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return a random walk with a drift of half a standard deviation."""
    return 100 + np.cumsum(0.5 + rng.normal(size=count))


def season(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return a trend, a season of twelve and noise."""
    t = np.arange(count)
    return 50 + 0.2 * t + 5 * np.sin(2 * np.pi * t / 12) + rng.normal(size=count)


def growth(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return a season that grows with the level."""
    t = np.arange(count)
    return np.exp(4 + 0.01 * t + 0.2 * np.sin(2 * np.pi * t / 12) + 0.05 * rng.normal(size=count))


KINDS: dict[str, Draw] = {
    "walk": walk,
    "drift": drift,
    "AR(1)": autoregression(0.8),
    "cycle, AR(2)": autoregression(1.4, -0.7),
    "season": season,
    "growth": growth,
    "noise": autoregression(),
}


def covered(length: int, draw: Draw, rng: np.random.Generator, networks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the next values lie in the intervals, and in those by the normal quantile, (HORIZON,) each."""
    y = draw(length + HORIZON, rng)
    known, to_come = y[:length], y[length:]
    model, _ = train_and_test(known, HORIZON, Plan(members=networks), seed=rng, verbose=0)
    found = (one.forecast(known, HORIZON) for one in (model, model._replace(freedom=())))
    ours, normal = ((one.lower <= to_come) & (to_come <= one.upper) for one in found)
    return ours, normal


def lines(series: int, networks: int) -> Iterator[str]:
    """Yield the rows of a table: what the intervals hold, and in brackets those by the normal quantile."""
    yield f"{'':14}" + "".join(f"{length:>14}" for length in LENGTHS)
    held: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {length: [] for length in LENGTHS}
    for k, (name, draw) in enumerate(KINDS.items()):
        cells = []
        for length in LENGTHS:
            rngs = (np.random.default_rng([i, length, k]) for i in range(series))
            found = [covered(length, draw, rng, networks) for rng in rngs]
            held[length] += found
            cells.append(_cell(found))
        yield f"{name:14}" + "".join(cells)
    yield f"{'all':14}" + "".join(_cell(held[length]) for length in LENGTHS)
    every = [pair for own in held.values() for pair in own]
    yield f"{len(every)} series: {_cell(every).strip()}"


def _cell(found: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Return percentages of what is held."""
    ours, normal = 100 * np.mean(found, axis=(0, 2))
    return f"{ours:7.1f} ({normal:.0f})".rjust(14)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=9, help="of each kind and length")
    parser.add_argument("--networks", type=int, default=1)
    options = parser.parse_args()
    fastrnn.set_num_threads(1)
    for line in lines(options.series, options.networks):
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""A time-delay network sees its window and no further.

Random bits arrive one at a time, and at every step the network is asked for the one that came k steps before. A TDNN
with a window of w inputs knows the answer for k < w and nothing beyond, however long it trains: what is asked for is no
longer among its inputs. Recurrent networks of the same width keep it in their state (window: Waibel et al. 1989; state:
Elman 1990; gated: Hochreiter & Schmidhuber 1997).
"""

from typing import Any

import numpy as np

import fastrnn
from common import Options, Row, each, read_options, report
from fastrnn.plots import figure

T = 40
UNITS = 24
LAGS = [(0, 3), (4, 7), (8, 12)]
WINDOWS = {"TDNN, window 4": 4, "TDNN, window 8": 8}
NETWORKS = [*WINDOWS, "Elman", "LSTM"]


def build(network: str, rng: np.random.Generator) -> fastrnn.Sequential:
    """Return a model of 24 hidden units that gives the logit of a bit at every step."""
    if network in WINDOWS:
        hidden = [fastrnn.TDNN(1, UNITS, WINDOWS[network], seed=rng), fastrnn.Tanh()]
    else:
        hidden = [(fastrnn.Elman if network == "Elman" else fastrnn.LSTM)(1, UNITS, seed=rng)]
    return fastrnn.Sequential(*hidden, fastrnn.Linear(UNITS, 1, seed=rng))


def delayed_bits(count: int, lag: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return bits (count, T, 1) and those of lag steps before, NaN at the start."""
    bits = rng.integers(2, size=(count, T, 1)).astype(np.float32)
    earlier = np.full_like(bits, np.nan)
    earlier[:, lag:] = bits[:, : T - lag]
    return bits, earlier


def learn(seed: int, network: str, lag: int, updates: int) -> float:
    """Train on fresh bits at every update; return how many of 500 other sequences' bits are recalled, as a share."""
    rng = np.random.default_rng(seed)
    model = build(network, rng)
    trainer = fastrnn.Trainer(model, fastrnn.losses.BCE(ignore=np.nan), fastrnn.Adam(2e-2), seed=rng)
    for _ in range(updates):
        trainer.step(*delayed_bits(16, lag, rng))
    bits, earlier = delayed_bits(500, lag, rng)
    return float(np.mean((model.predict(bits) > 0) == earlier, where=~np.isnan(earlier)))


def main(options: Options) -> None:
    """Train every network on every lag, once a seed."""
    count = options.seeds
    groups, updates, limit = ([(3,), (7,), (8,)], 250, 0.9) if options.quick else (LAGS, 500, 0.95)
    cases = [(network, lag) for network in NETWORKS for lags in groups for lag in lags]
    jobs = [(seed, *case, updates) for case in cases for seed in range(count)]
    results, seconds = each(learn, jobs, options)
    shares = dict(zip(cases, np.reshape(results, (-1, count)), strict=True))
    times = dict(zip(cases, np.reshape(seconds, (-1, count)), strict=True))
    rows = []
    for network in NETWORKS:
        for lags in groups:
            values = np.mean([shares[network, lag] for lag in lags], axis=0)
            seen = lags[-1] < WINDOWS.get(network, T)
            rows.append(
                Row(
                    f"{network}: {lags[0]} to {lags[-1]} steps back",
                    "share of bits recalled",
                    values,
                    target=f"worst ≥ {limit}" if seen else "no seed above 0.52 (a guess: 0.5)",
                    met=min(values) >= limit if seen else max(values) <= 0.52,
                    worst=min if seen else max,
                    seconds=np.mean([times[network, lag] for lag in lags], axis=0),
                )
            )
    report("tdnn_window", rows, draw(shares), options)


def draw(shares: dict[tuple[str, int], np.ndarray]) -> Any:
    """Draw the share of bits recalled over the lag: every seed's as a dot, their mean as a line."""
    drawing = figure(figsize=(8, 4))
    axes = drawing.add_subplot()
    lags = sorted({lag for _, lag in shares})
    for i, network in enumerate(NETWORKS):
        place = np.array(lags) + 0.12 * (i - 1.5)  # side by side
        values = np.array([shares[network, lag] for lag in lags])
        axes.plot(place, values, ".", color=f"C{i}", alpha=0.5)
        axes.plot(place, values.mean(axis=1), color=f"C{i}", label=network)
    for i, window in enumerate(WINDOWS.values()):
        axes.axvline(window - 0.5, color=f"C{i}", linestyle=":")
    axes.axhline(0.5, color="0.6", linestyle="--", linewidth=0.8)
    axes.annotate("a guess", (0, 0.5), (0, 4), textcoords="offset points", color="0.4")
    axes.set(xlabel="steps back", ylabel="share of bits recalled", ylim=(0.45, 1.03), xticks=lags)
    axes.set_title("A time-delay network sees its window (dotted: its end) and no further")
    axes.legend(loc="center left")
    return drawing


if __name__ == "__main__":
    main(read_options())

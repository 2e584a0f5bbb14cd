"""Movement in a video.

A shape goes to and fro in front of a camera: it stands, walks or runs. Shape, size, brightness, place, direction and
how far it goes before it turns are random, and there is noise. So no single frame tells, and which places it has been
to does not tell walking from running: what counts is the order. A small convolutional network in plain PyTorch looks at
each frame, and `fastrnn.torch.LSTM` at what that makes of the frames, 16 of 16 × 16 pixels; after every frame from the
second on it says which it is. The same network without the LSTM is asked after each frame alone, and of the mean over
the frames so far, which has no order. Every batch is made afresh; a test is 1,000 videos more. The training is an
ordinary loop of PyTorch. With `torch.nn.LSTM` in the place of ours it has the same losses in float64. In float32 it has
until a rounding turns one of the ReLUs on or off, as does the last bit of one weight.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from common import Options, Row, each, each_seed, read_options, report
from fastrnn.plots import figure

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit("video needs PyTorch: pip install 'fastrnn[torch]'")

import fastrnn.torch

CLASSES = ("standing", "walking", "running")
SPEEDS = ((0.0, 0.0), (0.4, 0.9), (1.4, 2.4))  # pixels a frame, from and to
T, SIZE = 16, 16  # frames, pixels a side
NOISE = 0.15
BATCH = 32
FEATURES = 32
OURS, THEIRS, FRAME, MEAN = "fastrnn.torch.LSTM", "torch.nn.LSTM", "one frame", "mean over frames"


class Run(NamedTuple):
    """What came of one training."""

    losses: np.ndarray  # of every update
    accuracy: np.ndarray  # (T,): the share of the test videos that are right after each frame
    probabilities: np.ndarray  # (N, T, 3): of the first test videos


# ---- videos ----


def videos(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return videos (N, T, 1, SIZE, SIZE) in float32, and what is going on in them (N,)."""
    classes = rng.integers(len(CLASSES), size=count)
    slowest, fastest = np.array(SPEEDS)[classes].T
    centre = path(rng.uniform(slowest, fastest), rng).astype(np.float32)[..., None, None, :]  # (N, T, 1, 1, 2)
    pixels = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1)  # (SIZE, SIZE, 2): column, row
    across, down = np.moveaxis(np.abs(pixels.astype(np.float32) - centre), -1, 0)  # (N, T, SIZE, SIZE)
    shape, radius, light = (  # (N, 1, 1, 1)
        one.astype(np.float32)[:, None, None, None]
        for one in (rng.integers(3, size=count), rng.uniform(2.0, 3.0, count), rng.uniform(0.6, 1.0, count))
    )
    ways = [np.hypot(across, down), np.maximum(across, down), across + down]  # to the centre of a disc, square, rhomb
    distance = np.select([shape == k for k in range(3)], ways)
    frames = light * np.clip(radius - distance + 0.5, 0, 1)  # edges one pixel wide
    frames += NOISE * rng.standard_normal(frames.shape, np.float32)
    return frames[:, :, None], classes


def path(speed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return where shapes of these speeds (N,) are, (N, T, 2): to and fro on a straight line, from anywhere on it."""
    count = len(speed)
    angle, length = rng.uniform(0, 2 * np.pi, count), rng.uniform(6.0, 9.0, count)
    gone = rng.uniform(0, 2 * length) + speed * np.arange(T)[:, None]  # (T, N)
    place = np.abs(gone % (2 * length) - length) - length / 2  # from -length/2 to length/2
    middle = rng.uniform(SIZE / 2 - 2, SIZE / 2 + 1, (count, 2))
    return middle[:, None] + place.T[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)[:, None]


# ---- the network and its training, in plain PyTorch ----


class Watcher(nn.Module):
    """Logits after each frame, (N, T, 3), of videos (N, T, 1, SIZE, SIZE)."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.eye = nn.Sequential(
            *(nn.Conv2d(1, 8, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(SIZE * SIZE // 2, FEATURES, bias=False), nn.BatchNorm1d(FEATURES)),
        )
        recurrent = {OURS: fastrnn.torch.LSTM, THEIRS: nn.LSTM}.get(kind)
        self.memory = recurrent and recurrent(FEATURES, FEATURES, batch_first=True)
        self.head = nn.Sequential(nn.Linear(FEATURES, FEATURES), nn.ReLU(), nn.Linear(FEATURES, len(CLASSES)))

    def forward(self, frames: Any) -> Any:
        """Look at each frame, then at their order, or not."""
        seen = self.eye(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])  # (N, T, FEATURES)
        if self.memory is not None:
            seen, _ = self.memory(seen)
        elif self.kind == MEAN:
            seen = seen.cumsum(dim=1) / torch.arange(1, T + 1)[:, None]
        return self.head(seen)


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Let PyTorch draw from a seed and use one thread, as fastrnn does in an example; then all is as it was."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    seed: int, kind: str, updates: int, stop: int, dtype: Any, *, nudged: bool = False
) -> tuple[Watcher, np.ndarray]:
    """Train until an update; return the network, and the loss of every update.

    The videos are the same whatever the kind, and so are the first weights of the two LSTMs; of one that is nudged, a
    weight differs in its last bit.
    """
    rng = np.random.default_rng(seed)
    model = Watcher(kind).to(dtype)
    if nudged:
        with torch.no_grad():
            weight = model.memory.weight_hh_l0[:1, :1]
            weight.copy_(weight.nextafter(torch.tensor(torch.inf)))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    losses = []
    for _ in range(stop):
        frames, classes = map(torch.from_numpy, videos(BATCH, rng))
        logits = model(frames.to(dtype))[:, 1:]  # after one frame nobody can tell
        targets = classes[:, None].expand(-1, T - 1)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return model.eval(), np.array(losses)


def learn(seed: int, kind: str, updates: int, tested: int) -> Run:
    """Train to the end, and test."""
    with repeatable(seed):
        model, losses = train(seed, kind, updates, updates, torch.float32)
        return Run(losses, *watch(model, tested, seed))


def compare(seed: int, updates: int, first: int) -> tuple[float, np.ndarray]:
    """Return how far the ``first`` losses of the two LSTMs are apart in float64, and those of a nudged one."""
    losses = []
    for kind in (OURS, THEIRS):
        with repeatable(seed):
            losses.append(train(seed, kind, updates, first, torch.float64)[1])
    with repeatable(seed):
        _, nudged = train(seed, THEIRS, updates, first, torch.float32, nudged=True)
    return largest(losses[0], losses[1], first), nudged


def largest(losses: np.ndarray, others: np.ndarray, first: int) -> float:
    """Return the largest difference of the ``first`` losses of two trainings."""
    return float(np.abs(losses[:first] - others[:first]).max())


def watch(model: nn.Module, tested: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracy on fresh videos after each frame, (T,), and the first videos' probabilities."""
    frames, classes = test_videos(tested, seed)
    with torch.no_grad():
        probabilities = model(torch.from_numpy(frames)).softmax(dim=-1).numpy()  # (N, T, 3)
    return (probabilities.argmax(axis=-1) == classes[:, None]).mean(axis=0), probabilities[:50]


def test_videos(tested: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the videos of a test: none that a training has."""
    return videos(tested, np.random.default_rng([seed, 1]))


# ---- results ----


def main(options: Options) -> None:
    """Train with our LSTM, with PyTorch's, and without, once a seed each."""
    updates, tested, first = (60, 200, 10) if options.quick else (300, 1000, 50)
    kinds = OURS, THEIRS, FRAME, MEAN
    jobs = [(seed, kind, updates, tested) for kind in kinds for seed in range(options.seeds)]
    results, times = each(learn, jobs, options)
    runs = {kind: results[k * options.seeds :][: options.seeds] for k, kind in enumerate(kinds)}
    seconds = {kind: times[k * options.seeds :][: options.seeds] for k, kind in enumerate(kinds)}
    limit = 0.5 if options.quick else 0.99
    final = {kind: [run.accuracy[-1] for run in runs[kind]] for kind in kinds}
    compared, _ = each_seed(compare, options, updates, first)
    apart = [found for found, _ in compared]
    rows = [
        Row(
            f"moving shapes, CNN and {OURS}",
            f"share right of {tested:,} test videos, after {T} frames",
            final[OURS],
            target=f"worst ≥ {limit}",
            met=min(final[OURS]) >= limit,
            worst=min,
            seconds=seconds[OURS],
        ),
        Row(f"CNN and {THEIRS}", "share right", final[THEIRS], worst=min, seconds=seconds[THEIRS]),
        Row(
            "the two LSTMs in float64",
            f"largest difference of the first {first} losses",
            apart,
            target="≤ 1e-10",
            met=max(apart) <= 1e-10,
        ),
        Row(
            "in float32",
            "the same",
            [largest(ours.losses, other.losses, first) for ours, other in zip(runs[OURS], runs[THEIRS], strict=True)],
        ),
        Row(
            f"{THEIRS} twice in float32, a weight nudged by its last bit",
            "the same",
            [largest(run.losses, nudged, first) for run, (_, nudged) in zip(runs[THEIRS], compared, strict=True)],
        ),
        Row(f"the CNN alone, {FRAME}", "share right", final[FRAME], worst=min, seconds=seconds[FRAME]),
        Row(f"the CNN alone, {MEAN}", "share right", final[MEAN], worst=min, seconds=seconds[MEAN]),
    ]
    report("video", rows, draw(runs, tested), options)


def draw(runs: dict[str, list[Run]], tested: int) -> Any:
    """Draw some frames of a video of each class with what the first LSTM thought, and the accuracy over time."""
    frames, classes = test_videos(tested, 0)
    shown = range(0, T, 2)
    drawing = figure(figsize=(12, 7.5))
    above, below = drawing.subfigures(2, height_ratios=(1, 1.1))
    above.suptitle("Every other frame of three test videos, and the probability that seed 0's LSTM gives to the truth")
    cells = above.subplots(len(CLASSES), len(shown))
    for k, name in enumerate(CLASSES):
        n = np.flatnonzero(classes == k)[0]
        for cell, t in zip(cells[k], shown, strict=True):
            cell.imshow(frames[n, t, 0], cmap="gray", vmin=-0.5, vmax=1.2)
            cell.set(xticks=[], yticks=[], xlabel=f"{runs[OURS][0].probabilities[n, t, k]:.2f}")
            if k == 0:
                cell.set_title(f"frame {t + 1}", fontsize=9)
        cells[k, 0].set_ylabel(name)
    axes = below.subplots()
    watched = np.arange(1, T + 1)
    for color, (kind, own) in zip(("C0", "C1", "C2", "C3"), runs.items(), strict=True):
        accuracy = np.stack([run.accuracy for run in own])  # (seeds, T)
        axes.plot(watched, accuracy.T, color=color, linewidth=0.5, alpha=0.4)
        style = {OURS: "-", THEIRS: ":"}.get(kind, "--")
        axes.plot(watched, accuracy.mean(axis=0), style, color=color, linewidth=2.5, label=kind)
    axes.axhline(1 / len(CLASSES), color="0.6", linewidth=1, label="guessing")
    axes.set(xlabel="frames watched", ylabel="share of the test videos right", ylim=(0.25, 1.02), xlim=(1, T))
    axes.set_title(f"{tested:,} test videos a seed; thick: the mean of {len(runs[OURS])} seeds, thin: each")
    below.legend(loc="outside lower center", ncols=len(runs) + 1)
    return drawing


if __name__ == "__main__":
    main(read_options())

"""What is asked of a run, as data: bounds on quantities of cases. `judging` holds a run to them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastrnn.bench.cases import CELLS, Case
from fastrnn.bench.results import Result, Run
from fastrnn.bench.training import CHARACTERS, FITS, SERIES, STEPS, Epoch

Quantity = Callable[[Run, Result], float | None]
Test = Callable[[Any], bool]  # of a case of the kind that the target's work is on


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on one quantity of some cases.

    Attributes
    ----------
    text : str
        What is asked of, in words.
    bound : float
    cases : callable
        Whether it is for a case.
    quantity : callable
        What is bounded; by default the ratio best peer / fastrnn.
    peers : tuple of str, optional
        Who has to have been measured; if not given, all those that can run the case.
    work : str
        Of which jobs.
    dtype : str
    at_least : bool
        Whether the bound is one from below.
    mean : bool
        Whether it is on the geometric mean, not on the worst case.
    threads : tuple of int
        The thread counts for which it is asked.
    """

    text: str
    bound: float
    cases: Test
    quantity: Quantity = lambda _, result: result.ratio()
    peers: tuple[str, ...] | None = None
    work: str = "compare"
    dtype: str = "float32"
    at_least: bool = True
    mean: bool = False
    threads: tuple[int, ...] = (1, 2)


WITH_TORCH = ("pytorch",)
LOOPS = ("pytorch DataLoader", "pytorch slices")


# ---- quantities ----


def against(name: str) -> Quantity:
    """Return the ratio of another's value to ours."""
    return lambda _, result: result.ratio(name)


def relative(name: str) -> Quantity:
    """Return the ratio of our value to another's."""

    def quantity(_: Run, result: Result) -> float | None:
        ratio = result.ratio(name)
        return 1 / ratio if ratio else None

    return quantity


def speedup(run: Run, result: Result) -> float | None:
    """Return our time with one thread over that with more."""
    alone = [one.ours for one in run.chosen(threads=1) if one.case == result.case]
    return alone[0] / result.ours if alone and alone[0] and result.ours else None


def share(run: Run, result: Result) -> float | None:
    """Return the part of the peak that we reach."""
    return run.share(result)


def over(**simpler: Any) -> Quantity:
    """Return PyTorch's time over ours, divided by the same of the case with some fields replaced."""

    def quantity(run: Run, result: Result) -> float | None:
        case = replace(result.case, **simpler)
        usual = [one.ratio("pytorch") for one in run.chosen(threads=result.threads) if one.case == case]
        ratio = result.ratio("pytorch")
        return ratio / usual[0] if ratio and usual and usual[0] else None

    return quantity


def microseconds(_: Run, result: Result) -> float | None:
    """Return our time."""
    return None if result.ours is None else result.ours * 1e6


def outside(_: Run, result: Result) -> float | None:
    """Return the share of an epoch that is spent outside the model's record and backward."""
    return result.outside


# ---- cases ----


def every(case: Case) -> bool:
    """Accept all plain cases; what else there is has targets of its own."""
    return case.plain


def bidirectional(case: Case) -> bool:
    """Accept dense bidirectional cases."""
    return case.bidirectional and not case.ragged


def stacked(case: Case) -> bool:
    """Accept cases of two layers that have a plain one to be compared with."""
    return case.layers == 2 and not case.plain


def in_a_loop(case: Case) -> bool:
    """Accept updates in PyTorch's loop."""
    return case.kind == "loop"


def only(
    cells: Sequence[str] = CELLS,
    kinds: Sequence[str] = ("infer", "train"),
    N: Sequence[int] = (1, 10**9),
    H: Sequence[int] = (1, 10**9),
    ragged: bool = False,
) -> Test:
    """Return a test of plain cases; of N and H the smallest and the largest are given."""

    def test(case: Case) -> bool:
        fits = case.plain and N[0] <= case.N <= N[1] and H[0] <= case.H <= H[1]
        return fits and case.cell in cells and case.kind in kinds and case.ragged == ragged

    return test


def both(text: str, infer: float, train: float, **test: Any) -> Iterator[Target]:
    """Yield two targets that differ in the bound, for inference and for training."""
    for kind, bound in (("infer", infer), ("train", train)):
        yield Target(f"{text}, {kind}", bound, only(kinds=(kind,), **test))


def streams(smallest: int, largest: int, bound: float) -> Target:
    """Return a target for one step of a stream."""
    test = only(kinds=("stream",), H=(smallest, largest))
    name = "onnxruntime"
    return Target(f"stream step, H={smallest}…{largest}, against ONNX Runtime", bound, test, against(name), (name,))


def means(cell: str, infer: float, train: float) -> Iterator[Target]:
    """Yield targets for the geometric means of one cell, streams not among them."""
    for kind, bound in (("infer", infer), ("train", train)):
        cases = [only((cell,), (kind,), ragged=ragged) for ragged in (False, True)]
        yield Target(f"geometric mean, {cell}, {kind}", bound, lambda c, t=cases: any(f(c) for f in t), mean=True)  # type: ignore[misc]


def beside_torch(text: str, bound: float, cases: Test, quantity: Quantity | None = None) -> Target:
    """Return a target for a quantity, by default PyTorch's time over ours, that needs PyTorch alone."""
    return Target(text, bound, cases, quantity or against("pytorch"), WITH_TORCH)


def options() -> Iterator[Target]:
    """Yield targets for what comes to a plain layer: our time over that without it."""
    bounds = {"bidirectional": 2.1, "two layers": 2.1, "recurrent dropout": 1.15, "zoneout": 1.15, "jordan": 1.5}
    cases = {"recurrent dropout": only(kinds=("train",)), "jordan": only(("rnn",))}
    for name, bound in bounds.items():
        text = "jordan over elman" if name == "jordan" else f"{name} over without"
        yield Target(text, bound, cases.get(name, every), against(name), (), "options", at_least=False)


def training(text: str, epochs: Sequence[Epoch], ratio: float, share: float) -> Iterator[Target]:
    """Yield targets for epochs of one kind: the faster PyTorch loop's time over ours, and the trainer's own share."""

    def cases(case: Epoch) -> bool:
        return case in epochs

    yield Target(f"epoch of {text}, against PyTorch's loops", ratio, cases, peers=LOOPS, work="epoch")
    yield Target(f"epoch of {text}, share outside kernels", share, cases, outside, (), work="overhead", at_least=False)


def steps() -> Iterator[Target]:
    """Yield targets for a step of Adam."""
    for text, name, bound, cases in (("default", "pytorch", 2, STEPS[:1]), ("fused=True", "pytorch fused", 1, STEPS)):
        words = "40 tensors, " if len(cases) == 1 else ""
        test = cases.__contains__
        yield Target(f"adam step, {words}against PyTorch's {text}", bound, test, against(name), (name,), "optimizer")


# ---- targets ----

ONE, MANY = (1, 1), (16, 10**9)
SMALL, LARGE = (1, 256), (500, 10**9)
NEAR_THE_PEAK = only(("lstm",), ("infer",), (64, 64), (500, 512))

TARGETS: tuple[Target, ...] = (
    Target("geometric mean of all plain cases", 2.0, every, mean=True),
    *(target for cell in CELLS for target in means(cell, 1.8, 1.7)),
    Target("any single plain case", 1.0, every),
    *both("rnn, N=1, H<=32", 4, 5, cells=("rnn",), N=ONE, H=(1, 32)),
    *both("lstm and gru, N=1, H<=32", 3, 5, cells=("lstm", "gru"), N=ONE, H=(1, 32)),
    *both("rnn, N=1, H=128", 2, 2, cells=("rnn",), N=ONE, H=(128, 128)),
    *both("lstm and gru, N=1, H=128", 1.6, 2, cells=("lstm", "gru"), N=ONE, H=(128, 128)),
    *both("N=1, H=512", 1.3, 1.3, N=ONE, H=(512, 512)),
    *both("lstm, N>=16, H<=256", 1.2, 1.2, cells=("lstm",), N=MANY, H=SMALL),
    *both("lstm, N>=16, H>=500", 1.15, 1.12, cells=("lstm",), N=MANY, H=LARGE),
    *both("rnn and gru, N>=16, H<=256", 1.4, 1.5, cells=("rnn", "gru"), N=MANY, H=SMALL),
    *both("rnn and gru, N>=16, H>=500", 1.2, 1.2, cells=("rnn", "gru"), N=MANY, H=LARGE),
    beside_torch("ragged, against PyTorch packed", 4, only(ragged=True)),
    beside_torch("ragged bidirectional, against PyTorch packed", 4, lambda case: case.bidirectional and case.ragged),
    beside_torch("bidirectional, against PyTorch, over the plain case", 1, bidirectional, over(bidirectional=False)),
    beside_torch("two layers, against PyTorch, over the plain case", 1, stacked, over(layers=1)),
    beside_torch("tdnn, against PyTorch's conv1d", 1.2, lambda case: case.cell == "tdnn"),
    beside_torch("generating characters, against PyTorch", 10, lambda case: case.kind == "generate"),
    beside_torch("fastrnn.torch in PyTorch's loop, over the kernels' ratio", 0.9, in_a_loop, over(kind="train")),
    *options(),
    streams(8, 32, 12),
    streams(64, 64, 8),
    streams(128, 128, 4),
    Target(
        "share of the FMA peak, lstm, infer, N=64, H≈512",
        0.8,
        only(["lstm"], ["infer"], (64, 64), (500, 512)),
        share,
        (),
    ),
    Target("µs of a stream step, H=32", 0.5, only(kinds=("stream",), H=(32, 32)), microseconds, (), at_least=False),
    Target("2 threads over 1, N>=16, H>=128", 1.75, only(N=MANY, H=(128, 10**9)), speedup, (), threads=(2,)),
    Target("2 threads over 1, N=1, H=512", 2, only(N=ONE, H=(512, 512)), speedup, (), threads=(2,)),
    Target("ragged over dense, per real step", 1.3, every, relative("dense"), (), "padding", at_least=False),
    Target("training memory over PyTorch's", 1, every, relative("pytorch"), WITH_TORCH, "memory", at_least=False),
    Target("subnormal gradients over normal ones", 1.05, every, relative("normal"), (), "subnormals", at_least=False),
    *training("characters", CHARACTERS, 1.5, 0.05),
    *training("series", (SERIES,), 4, 0.2),
    *steps(),
    Target("estimator over trainer", 1.1, FITS.__contains__, relative("trainer"), ("trainer",), "fit", at_least=False),
    Target("float64, against PyTorch", 1, every, against("pytorch"), WITH_TORCH, dtype="float64"),
)

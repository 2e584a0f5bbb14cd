"""What is run: cells, kinds of work and shapes. T steps, N rows, I inputs, H hidden units."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CELLS = ("rnn", "lstm", "gru")
KINDS = ("infer", "train", "stream")
# Every pair of cell and kind beyond these: a TDNN keeps no state, a model of characters is an LSTM, and in PyTorch's
# loop cells are compared that were compared without it.
ALONE = (("tdnn", "infer"), ("tdnn", "train"), ("lstm", "generate"))
LOOPS = tuple((cell, "loop") for cell in CELLS)
OTHERS = (*ALONE, *LOOPS)
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
WINDOW = 5  # steps that a TDNN sees
VOCABULARY = 80  # classes of the model that generates

Shape = tuple[int, int, int, int]

DENSE: tuple[Shape, ...] = (
    (1000, 1, 8, 8),
    (1000, 1, 16, 32),
    (100, 1, 32, 128),
    (25, 1, 512, 512),
    (150, 4, 256, 256),
    (100, 32, 64, 64),
    (150, 16, 256, 256),
    (100, 32, 128, 128),
    (629, 32, 128, 128),
    (50, 64, 500, 500),
    (25, 64, 512, 512),
    (25, 32, 1024, 1024),
)
RAGGED: tuple[Shape, ...] = ((200, 32, 64, 64), (200, 32, 256, 256))
STACKED: Shape = (100, 32, 128, 256)  # the two-layer LSTM among the plain cases
EXTENDED: tuple[Shape, ...] = ((100, 32, 128, 128), (1000, 1, 16, 32))  # what comes to a plain layer is timed there
GENERATED: Shape = (1000, 1, 64, 128)
STREAMS: tuple[Shape, ...] = ((100, 1, 1, 8), (100, 1, 1, 16), (100, 1, 1, 32), (100, 1, 32, 64), (100, 1, 32, 128))

# One shape for each regime of the targets, and where two threads are compared with one.
QUICK: tuple[Shape, ...] = ((1000, 1, 16, 32), (100, 1, 32, 128), (25, 1, 512, 512), (100, 32, 64, 64))
QUICK_LARGE: Shape = (25, 64, 512, 512)
QUICK_STREAMS = STREAMS[2:]
QUICK_EXTENDED: Shape = EXTENDED[1]  # whose plain case is in QUICK


@dataclass(frozen=True, slots=True)
class Case:
    """One cell, one kind of work, one shape.

    Attributes
    ----------
    cell : {"rnn", "lstm", "gru", "tdnn"}
        The Elman cell with tanh, the LSTM, the GRU that resets after the product; a window over time with H outputs.
    kind : {"infer", "train", "stream", "generate", "loop"}
        Forward; forward and all gradients; one step a call, where T is how many steps are compared; T steps of a
        model of characters that is fed what it draws; an update in a training loop of PyTorch: forward, loss,
        backward and Adam.
    layers : int
        Layers, each fed by the one below.
    ragged : bool
        Whether sequences have lengths of their own, uniform in T/20…T.
    dtype : {"float32", "float64"}
    bidirectional : bool
        Whether each layer also runs from the last step to the first.
    """

    cell: str
    kind: str
    T: int
    N: int
    I: int  # noqa: E741 - the field's name
    H: int
    layers: int = 1
    ragged: bool = False
    dtype: str = "float32"
    bidirectional: bool = False

    @property
    def shape(self) -> Shape:
        """T, N, I and H of what one call runs."""
        return (1 if self.kind == "stream" else self.T, self.N, self.I, self.H)

    @property
    def name(self) -> str:
        """A name in words, unique among the cases."""
        words = [self.cell, self.kind, "({},{},{},{})".format(*self.shape)]
        words += [f"{self.layers} layers"] * (self.layers > 1) + ["bidirectional"] * self.bidirectional
        words += ["ragged"] * self.ragged
        return " ".join(words + [self.dtype] * (self.dtype != "float32"))

    @property
    def trains(self) -> bool:
        """Whether there are gradients."""
        return self.kind in ("train", "loop")

    @property
    def plain(self) -> bool:
        """Whether it counts for what is asked of all cases together, as opposed to having targets of its own."""
        stacked = self.layers > 1 and self.shape != STACKED
        return not (self.bidirectional or stacked) and (self.cell, self.kind) not in OTHERS

    @property
    def lengths(self) -> NDArray[np.int64] | None:
        """How many steps each row has, the first all T; None if all rows have."""
        if not self.ragged:
            return None
        lengths = np.random.default_rng(self.T).integers(max(1, self.T // 20), self.T, self.N, endpoint=True)
        lengths[0] = self.T
        return lengths

    @property
    def row_steps(self) -> int:
        """How many steps of single rows one call has to compute."""
        T, N, _, _ = self.shape
        lengths = self.lengths
        return T * N if lengths is None else int(lengths.sum())

    @property
    def directions(self) -> int:
        """One or two."""
        return 1 + self.bidirectional

    @property
    def inputs(self) -> list[int]:
        """How many inputs each layer has."""
        return [self.I] + [self.directions * self.H] * (self.layers - 1)

    @property
    def flops(self) -> int:
        """Operations in the products of one call; the gradients need each product twice more."""
        return 2 * self.row_steps * sum(self._weights) * (3 if self.trains else 1)

    @property
    def intensity(self) -> float:
        """Operations for each byte of weights that a forward call reads: the input's once, the others every step."""
        once, every_step = self._weights
        read = once + self.shape[0] * every_step
        return 2 * self.row_steps * (once + every_step) / (read * np.dtype(self.dtype).itemsize)

    @property
    def _weights(self) -> tuple[int, int]:
        """How many weights multiply what is known before the first step, and how many wait for the step before."""
        if self.cell == "tdnn":
            return WINDOW * self.I * self.H, 0
        units = self.directions * GATES[self.cell] * self.H
        once, every_step = units * sum(self.inputs), units * self.H * self.layers
        if self.kind == "generate":  # x is what the step before has drawn
            return 0, once + every_step + self.H * VOCABULARY
        return once, every_step

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def float64(case: Case) -> Case:
    """Return the same case in double precision."""
    return replace(case, dtype="float64")


def full() -> Iterator[Case]:
    """Yield every case; neighbours share a shape, so that they can share what they are compared with."""
    for cell in CELLS:
        sequences: list[tuple[Shape, dict[str, Any]]] = [(shape, {}) for shape in DENSE]
        sequences += [((50, 16, 1760, 1760), {})] * (cell == "rnn")
        sequences += [(STACKED, {"layers": 2})] * (cell == "lstm")
        sequences += [(shape, {"ragged": True}) for shape in RAGGED]
        sequences += [(shape, more) for shape in EXTENDED for more in ({"bidirectional": True}, {"layers": 2})]
        sequences += [(shape, {"bidirectional": True, "ragged": True}) for shape in RAGGED]
        yield from (Case(cell, kind, *shape, **more) for shape, more in sequences for kind in ("infer", "train"))
        yield from (Case(cell, "stream", *shape) for shape in STREAMS)
    yield from (Case("tdnn", kind, *shape) for shape in EXTENDED for kind in ("infer", "train"))
    yield Case("lstm", "generate", *GENERATED)
    yield from loops(DENSE, EXTENDED)


def loops(shapes: Sequence[Shape], others: Sequence[Shape]) -> Iterator[Case]:
    """Yield updates in PyTorch's loop of LSTMs of some shapes, packed ones too, and of the other cells of others."""
    yield from (Case("lstm", "loop", *shape) for shape in shapes)
    yield Case("lstm", "loop", *RAGGED[0], ragged=True)
    yield from (Case(cell, "loop", *shape) for cell in ("rnn", "gru") for shape in others)


def quick(threads: int) -> Iterator[Case]:
    """Yield each regime once: all of them with one thread, with more only those whose speed-up is asked for."""
    for cell in CELLS:
        shapes = (*QUICK, QUICK_LARGE) if threads == 1 else (QUICK[2], QUICK_LARGE) if cell == "lstm" else ()
        yield from (Case(cell, kind, *shape) for shape in shapes for kind in ("infer", "train"))
        if threads == 1:
            yield from (Case(cell, kind, *RAGGED[0], ragged=True) for kind in ("infer", "train"))
            yield from (Case(cell, "stream", *shape) for shape in QUICK_STREAMS)
    if threads == 1:
        extended: list[tuple[Shape, dict[str, Any]]] = [
            (QUICK_EXTENDED, {"bidirectional": True}),
            (QUICK_EXTENDED, {"layers": 2}),
            (RAGGED[0], {"bidirectional": True, "ragged": True}),
        ]
        yield from (Case("lstm", kind, *shape, **more) for shape, more in extended for kind in ("infer", "train"))
        yield from (Case("tdnn", kind, *QUICK_EXTENDED) for kind in ("infer", "train"))
        yield Case("lstm", "generate", *GENERATED)
        yield from loops(QUICK, (QUICK_EXTENDED,))

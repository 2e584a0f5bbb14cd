"""What is run of training: an epoch from its first batch to its last update, a step of an optimiser alone, a whole fit.

A fit is that of an estimator for scikit-learn, and of the trainer that is inside it.
"""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from fastrnn.bench.cases import GATES, Case

SYMBOLS = 96  # of a text: line feeds and printable ASCII
FEATURES = 4  # of a series
RATE, CLIP = 1e-3, 1.0  # Adam's learning rate, and the gradient's largest norm
COMPARED = 20  # updates, or steps of an optimiser, of which results are compared before anything is timed

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: data, forward, loss, backward, clipping by the global norm, Adam.

    Attributes
    ----------
    model : {"one-hot", "embedding", "series"}
        An LSTM that foretells the characters of a text, which comes to it one-hot or through an embedding of H; or a
        GRU with a number to tell at every step of a series. Behind either a linear layer.
    size : int
        Characters of the text, or sequences.
    T : int
        Steps from update to update: a window of the text (truncated BPTT), or a whole sequence.
    N : int
        Rows: streams into which the text is cut, or sequences in a batch.
    H : int
    """

    model: str
    size: int
    T: int
    N: int
    H: int

    kind: ClassVar[str] = "epoch"
    dtype: ClassVar[str] = "float32"

    @property
    def series(self) -> bool:
        """Whether its samples are sequences, as opposed to one text."""
        return self.model == "series"

    @property
    def cell(self) -> str:
        """The recurrent layer."""
        return "gru" if self.series else "lstm"

    @property
    def inputs(self) -> int:
        """How many inputs the recurrent layer has."""
        return {"one-hot": SYMBOLS, "embedding": self.H, "series": FEATURES}[self.model]

    @property
    def outputs(self) -> int:
        """How many outputs the linear layer has."""
        return 1 if self.series else SYMBOLS

    @property
    def name(self) -> str:
        """A name in words, unique among the cases."""
        return f"{self.cell} epoch {self.model}, {self.size} {'sequences' if self.series else 'characters'}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of Adam for all parameters of a model, whose gradients are there.

    Attributes
    ----------
    model : {"40 tensors", "characters"}
        Forty of (H, H); or the embedding, LSTM and linear layer of a model of characters, H wide.
    H : int
    """

    model: str
    H: int

    kind: ClassVar[str] = "optimizer"
    dtype: ClassVar[str] = "float32"
    cell: ClassVar[str] = "none"

    @property
    def shapes(self) -> Shapes:
        """The shape of each parameter, by name."""
        H, units = self.H, GATES["lstm"] * self.H
        if self.model == "40 tensors":
            return {f"weight_{i}": (H, H) for i in range(40)}
        lstm: Shapes = {"weight_ih": (units, H), "weight_hh": (units, H), "bias_ih": (units,), "bias_hh": (units,)}
        return {"embedding": (SYMBOLS, H), **lstm, "weight": (SYMBOLS, H), "bias": (SYMBOLS,)}

    @property
    def name(self) -> str:
        """A name in words, unique among the cases."""
        return f"adam step {self.model}, {self.H} wide"

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Fitting:
    """A training from its beginning, by an estimator for scikit-learn and by the trainer that is inside it.

    Attributes
    ----------
    model : {"classifier", "tagger"}
        A GRU with a label for each of many sequences in one array; or one for each step of sequences of different
        lengths, uniform in T/20…T.
    size : int
        Sequences.
    T : int
        Steps, at most.
    N : int
        Sequences in a batch.
    H : int
    epochs : int
    """

    model: str
    size: int
    T: int
    N: int
    H: int
    epochs: int

    kind: ClassVar[str] = "fit"
    dtype: ClassVar[str] = "float32"
    cell: ClassVar[str] = "gru"
    inputs: ClassVar[int] = FEATURES
    outputs: ClassVar[int] = 2

    @property
    def ragged(self) -> bool:
        """Whether sequences have lengths of their own."""
        return self.model == "tagger"

    @property
    def name(self) -> str:
        """A name in words, unique among the cases."""
        return f"{self.cell} fit {self.model}, {self.size} sequences, {self.epochs} epochs"

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


AnyCase = Case | Epoch | Step | Fitting

CHARACTERS = tuple(Epoch(model, 500_000, T=64, N=32, H=256) for model in ("one-hot", "embedding"))
SERIES = Epoch("series", 1000, T=200, N=32, H=32)
EPOCHS = (*CHARACTERS, SERIES)
QUICK_EPOCHS = (*(Epoch(epoch.model, 50_000, epoch.T, epoch.N, epoch.H) for epoch in CHARACTERS), SERIES)
STEPS = (Step("40 tensors", 32), Step("characters", 256))
FITS = tuple(Fitting(model, 1000, T=100, N=32, H=32, epochs=5) for model in ("classifier", "tagger"))


def case_of(work: str, fields: dict[str, Any]) -> AnyCase:
    """Return the case that `to_json` described; the work tells which kind of case that is."""
    types: dict[str, type[Epoch | Step | Fitting]]
    types = {"epoch": Epoch, "overhead": Epoch, "optimizer": Step, "fit": Fitting}
    return types.get(work, Case)(**fields)

"""The protocol that every layer follows, and what its methods hand on.

A layer holds parameters and nothing else: what backward needs travels in an explicit `Tape`, so one layer can
be used by many threads, and a tape can be played backwards twice.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn import _elementwise
from fastrnn._validation import as_real, expect_shape, rows_of_stream

if TYPE_CHECKING:
    from fastrnn.layers.stream import LayerStream

Array = NDArray[Any]
State = Any  # None for stateless layers; an array, or a tuple of arrays, for the others
Shapes = Iterator[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Tape:
    """What one `record` leaves for one layer's `backward`.

    Attributes
    ----------
    layer : Layer
        Whose tape it is.
    saved : object
        The layer's own; never changed after recording. None once its buffers were given to another tape.
    fingerprint : int
        Digest of the parameters at the time of recording.
    """

    layer: "Layer"
    saved: Any
    fingerprint: int


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """What `backward` returns.

    Attributes
    ----------
    x : ndarray or None
        dE/dx, shaped like the input; None where the input is ids.
    state : ndarray, tuple of ndarray or None
        dE/d(initial state), in the form of the layer's state.
    parameters : dict
        dE/d(parameter) by the names of `Layer.parameters`.
    state_norms : dict of ndarray, or None
        Of a recurrent layer, if asked for: see `Recurrent.backward`.
    """

    x: Any  # an array, or None; of a model of several inputs a tuple
    state: State = None
    parameters: dict[str, Array] = field(default_factory=dict)
    state_norms: dict[str, Array] | None = None


class Layer(ABC):
    """Base of all layers.

    A layer of one's own defines `record` and `backward`, and if it has parameters puts them into
    ``self._parameters`` and yields their shapes from `parameter_shapes`. Whatever is not defined here
    follows from these.

    Attributes
    ----------
    dtype : numpy.dtype or None
        Of parameters and output; None for layers that take on that of their input.
    recurrent : bool
        Whether it mixes over time: the first axis of its input is time, (T, N, F) or (T, F). Where sequences have
        different lengths, `forward` and `record` also get ``lengths``, and padding is not to be read.
    pools : bool
        Whether it takes time away, (T, N, F) → (N, F). It gets ``lengths`` likewise.
    repeats : bool
        Whether it adds time, (N, F) → (T, N, F).
    takes_ids : bool
        Whether its input is whole numbers, whose gradient is None.
    random : bool
        Whether `record` draws random numbers; then it also gets ``seed``: an int, a generator or None.
    recycles : bool
        Whether `record` takes ``reuse``: an earlier tape, whose buffers may be overwritten, or None.
    """

    dtype: np.dtype[Any] | None = None
    recurrent = False
    pools = False
    repeats = False
    takes_ids = False
    random = False
    recycles = False
    _parameters: Mapping[str, Array] = {}

    # ---- the protocol ----

    @abstractmethod
    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, State, Tape]:
        """Return ``(output, final state, tape)``; the output is read-only, as the tape may share it."""

    @abstractmethod
    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:
        """Return the gradients of a loss, given its gradients by the output and by the final state."""

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, State]:
        """Return ``(output, final state)`` and keep nothing: `record` without the tape.

        Raises
        ------
        TypeError
            If the layer is random: nothing is drawn here, so that it must say itself what it does instead.
        """
        if self.random:
            raise TypeError(f"{type(self).__name__}: record draws random numbers, so forward has to be defined too")
        output, state, _ = self.record(x, state)
        return output, state

    def __call__(self, x: ArrayLike) -> Any:
        """Return the output alone; recurrent layers return ``(output, state)``."""
        return self.forward(x)[0]

    def stream(self, state: State = None, batch_size: int | None = None) -> "LayerStream":
        """Return a runner that takes the input of one sequence, or of N, step by step and carries the state."""
        rows_of_stream(batch_size)
        from fastrnn.layers.stream import ForwardStream  # noqa: PLC0415 - stream.py needs this module

        return ForwardStream(self, state)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as JSON can hold them, to build the same layer again."""
        return {}

    def output_size(self, input_size: int) -> int:
        """Return the number of output features; raise ValueError if the layer can't take ``input_size``."""
        return input_size

    # ---- parameters ----

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:  # noqa: ARG003
        """Yield the name and shape of each parameter of a layer with this `config`, allocating nothing."""
        return iter(())

    def parameters(self) -> dict[str, Array]:
        """Return the parameters by name: the layer's own arrays, which may be changed in place."""
        return dict(self._parameters)

    def state_dict(self) -> dict[str, Array]:
        """Return copies of the parameters by name."""
        return {name: array.copy() for name, array in self.parameters().items()}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike]) -> None:
        """Copy parameters in, all or none.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape differs.
        TypeError
            If a value is not made of real numbers.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"state_dict: expected a mapping from names to arrays, got {type(state_dict).__name__}")
        own = self.parameters()
        missing, unknown = sorted(own.keys() - state_dict.keys()), sorted(state_dict.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"state_dict: missing {missing}, unknown {unknown}; this layer has {list(own)}")
        new = {name: as_real(name, state_dict[name], array.dtype, copy=True) for name, array in own.items()}
        for name, array in own.items():
            expect_shape(name, new[name], array.shape)
        for name, array in own.items():
            array[...] = new[name]

    def fingerprint(self) -> int:
        """Return a digest of the parameters' values."""
        return _elementwise.fingerprint(self.parameters().values())

    def multiplications(self) -> int:
        """Return how many products with weights one step of one sequence takes (biases are added only)."""
        return sum(array.size for array in self.parameters().values() if array.ndim >= 2)

    # ---- for those who write layers ----

    def _watched(self) -> int:
        """Return a digest of the parameters that this layer's own tapes must find unchanged."""
        return self.fingerprint()

    def _tape(self, saved: Any) -> Tape:
        return Tape(self, saved, self._watched())

    def _own(self, tape: Tape, argument: str = "tape") -> Any:
        """Return what was saved, if this tape is this layer's and has not ended."""
        if not isinstance(tape, Tape) or tape.layer is not self:
            raise ValueError(f"{argument}: expected one that this {type(self).__name__} recorded, got {tape!r:.80}")
        if tape.saved is None:
            raise RuntimeError(f"{argument}: its buffers were given to another by record(reuse=...)")
        return tape.saved

    def _open(self, tape: Tape) -> Any:
        """Return what was saved, if the tape is this layer's and the parameters are still those."""
        saved = self._own(tape)
        if tape.fingerprint != self._watched():
            raise RuntimeError("tape: the parameters have changed since it was recorded; call record() again")
        return saved

    def _recycle(self, tape: Tape) -> Any:
        """Return what was saved in a tape that ends with this."""
        saved = self._own(tape, "reuse")
        object.__setattr__(tape, "saved", None)
        return saved

    def __repr__(self) -> str:
        """Return the call that would build this layer."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.config().items())})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an independent copy."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__dict__)
        copy._parameters = {name: array.copy() for name, array in self._parameters.items()}
        return copy


def input_features(layer: Layer) -> int | None:
    """Return the number of input features that a layer insists on, or of ids that it knows, if any."""
    config = layer.config()
    names = ("input_size", "in_features", "features", "num_embeddings", "num_classes")
    return next((int(config[name]) for name in names if name in config), None)


def read_only(array: Array) -> Array:
    """Return a view that can't be written through, for outputs that a tape shares."""
    view = array.view()
    view.flags.writeable = False
    return view

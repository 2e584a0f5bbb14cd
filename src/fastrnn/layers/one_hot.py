"""OneHot: a one in the place of each id."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_dtype, as_ids, as_real, expect_shape, positive_int
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.lookup import Picked
from fastrnn.layers.stream import LayerStream


def _write(ids: NDArray[np.intp], out: Array) -> Array:
    """Write the one-hot vectors (..., V) of ids (...) to ``out``, which is contiguous."""
    out[...] = 0
    flat = out.reshape(-1, out.shape[-1])
    flat[np.arange(len(flat)), ids.reshape(-1)] = 1
    return out


class _OneHotStream:
    """One-hot vectors, straight into the output; the model's stream has checked the ids."""

    def run(self, x: Array, out: Array) -> None:
        _write(x, out)


class OneHot(Layer):
    """Vectors with a one in the place of each id: y_v = 1 where x = v, else 0; (...) → (..., V).

    In a `Sequential`, an `RNN`, `LSTM` or `GRU` right behind it takes the ids themselves: W_ih x is a column of W_ih,
    so the vectors are never made and nothing is multiplied.

    Parameters
    ----------
    num_classes : int
        V, how many ids there are: 0 to V - 1.
    dtype : {"float32", "float64"}

    Notes
    -----
    No parameters. Ids have no gradient: ``Gradients.x`` is None.
    """

    takes_ids = True
    picks = True  # see lookup.py

    def __init__(self, num_classes: int, *, dtype: str = "float32") -> None:
        self.num_classes = positive_int("num_classes", num_classes)
        self.dtype: np.dtype[Any] = as_dtype(dtype)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"num_classes": self.num_classes, "dtype": self.dtype.name}

    def output_size(self, input_size: int) -> int:
        """Return ``num_classes``; the input's size is the number of ids."""
        if input_size != self.num_classes:
            raise ValueError(f"OneHot takes ids below {self.num_classes}, but gets {input_size} features")
        return self.num_classes

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(y, None)``.

        Raises
        ------
        TypeError
            If x is not made of whole numbers.
        ValueError
            If one of them is no id: ``x: expected ids from 0 to 27, got 31``.
        """
        ids = self._ids(x)
        return _write(ids, np.empty((*ids.shape, self.num_classes), self.dtype)), None

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(y, None, tape)``."""
        y, _ = self.forward(x)
        return read_only(y), None, self._tape(y.shape)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """Return no gradients, as there is nothing to have one."""
        expect_shape("grad_output", as_real("grad_output", grad_output, self.dtype), self._open(tape))
        return Gradients(None)

    def pick(self, x: ArrayLike) -> tuple[Picked, Any]:
        """Return what stands for the output: see lookup.py."""
        ids = np.array(self._ids(x))  # a copy: a tape must not see later changes
        return Picked(None, ids, self.num_classes), ids.shape

    def backward_picked(self, saved: Any, grad_rows: Array | None) -> Gradients:  # noqa: ARG002
        """Return no gradients."""
        return Gradients(None)

    def _ids(self, x: ArrayLike) -> NDArray[np.intp]:
        return as_ids("x", x, self.num_classes)

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return a runner."""
        return _OneHotStream()

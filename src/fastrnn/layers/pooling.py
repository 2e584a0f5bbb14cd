"""Layers that take time away, or add it: the last step, both ends, the mean, the maximum; a vector at every step.

T steps, N sequences, F features. Sequences come as (T, N, F), or as (T, F) without a batch axis.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_float, as_real, checked_lengths, expect_shape, positive_int
from fastrnn.layers.base import Array, Gradients, Layer, State, Tape, read_only
from fastrnn.layers.ragged import is_step, lengths_of_one
from fastrnn.layers.stream import LayerStream, refuse_stream


def as_sequences(x: ArrayLike) -> Array:
    """Return x as (T, N, F) or (T, F), with at least one step."""
    array = as_float("x", x)
    if array.ndim not in (2, 3) or len(array) == 0:
        raise ValueError(f"x: expected shape (T, N, F) or (T, F) with at least one step, got {array.shape}")
    return array


class _Pooling(Layer):
    """y (N, F) from x (T, N, F)."""

    pools = True

    def __call__(self, x: ArrayLike, *, lengths: ArrayLike | None = None) -> Array:
        """Return one vector for each sequence.

        Parameters
        ----------
        x : array_like (T, N, F) or (T, F)
        lengths : array_like of int (N,), optional
            How many steps of each sequence count; what lies beyond is never read. All T if not given.

        Returns
        -------
        ndarray (N, F) or (F,)

        Raises
        ------
        ValueError, TypeError
            If x is no such array, or a length is not from 1 to T.
        """
        return self.forward(x, lengths=lengths)[0]

    def forward(
        self,
        x: ArrayLike,
        state: State = None,  # noqa: ARG002
        *,
        lengths: ArrayLike | None = None,
    ) -> tuple[Array, None]:
        """Return ``(y, None)``."""
        return self._pool(as_sequences(x), lengths)[0], None

    def record(
        self,
        x: ArrayLike,
        state: State = None,  # noqa: ARG002
        *,
        lengths: ArrayLike | None = None,
    ) -> tuple[Array, None, Tape]:
        """Return ``(y, None, tape)``."""
        array = as_sequences(x)
        y, where = self._pool(array, lengths)
        return read_only(y), None, self._tape((array.shape, array.dtype, where))

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """Return dE/dx, zero where a step has no share in the output."""
        shape, dtype, where = self._open(tape)
        dy = as_real("grad_output", grad_output, dtype)
        expect_shape("grad_output", dy, shape[1:])
        dx = np.zeros(shape, dtype)
        self._spread(dx, dy, where)
        return Gradients(dx)

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Raise ValueError: there is no output before a sequence has ended."""
        refuse_stream(self, "its output needs whole sequences")

    def _pool(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Any]:
        """Return y, and what `_spread` needs to know of where it came from."""
        raise NotImplementedError

    def _spread(self, dx: Array, dy: Array, where: Any) -> None:
        """Write dE/dx to zeros dx (T, N, F)."""
        raise NotImplementedError


class Last(_Pooling):
    """The last step of each sequence: y_n = x_{T_n, n}."""

    def _pool(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Any]:
        if lengths is None:
            return x[-1].copy(), -1
        if x.ndim == 2:
            raise lengths_of_one(x.shape)
        where = checked_lengths(lengths, len(x), x.shape[1]) - 1, np.arange(x.shape[1])
        return x[where], where

    def _spread(self, dx: Array, dy: Array, where: Any) -> None:
        dx[where] = dy


class Ends(Last):
    """Where both directions of a bidirectional layer have ended: y_n = [x_{T_n, n}[:H] | x_{1, n}[H:]], F = 2H.

    The forward direction has seen the whole sequence at its last step, the reversed one at its first.

    Examples
    --------
    >>> import fastrnn, numpy as np
    >>> gru = fastrnn.GRU(3, 4, bidirectional=True, seed=0)
    >>> output, h_n = gru(np.ones((6, 2, 3)))  # steps first
    >>> np.array_equal(fastrnn.Ends()(output), np.concatenate([h_n[0], h_n[1]], axis=-1))
    True
    """

    def output_size(self, input_size: int) -> int:
        """Return F; raise ValueError unless it is even."""
        if input_size % 2:
            raise ValueError(f"x: expected 2H features, those of two directions, got {input_size}")
        return input_size

    def _pool(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Any]:
        H = self.output_size(x.shape[-1]) // 2
        y, where = super()._pool(x, lengths)
        y[..., H:] = x[0, ..., H:]
        return y, where

    def _spread(self, dx: Array, dy: Array, where: Any) -> None:
        H = dy.shape[-1] // 2
        dx[..., :H][where] = dy[..., :H]
        dx[0, ..., H:] = dy[..., H:]


class MeanOverTime(_Pooling):
    """The mean over the steps of each sequence: y_n = Σ_t x_{t,n} / T_n."""

    def _pool(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Any]:
        steps = np.ones((len(x), *[1] * (x.ndim - 1)), bool) if lengths is None else is_step(lengths, x)
        share = steps / steps.sum(axis=0, dtype=x.dtype)  # (T, N, 1): of each step in the mean
        total = x.sum(axis=0, where=steps, dtype=np.float64)  # many steps of float32 would lose digits
        return (total * share[0]).astype(x.dtype), share

    def _spread(self, dx: Array, dy: Array, where: Any) -> None:
        np.multiply(where, dy, out=dx)


class MaxOverTime(_Pooling):
    """The maximum over the steps of each sequence, for each feature: y_n = max_t x_{t,n}.

    Where several steps share the maximum, the gradient goes to the first of them.
    """

    def _pool(self, x: Array, lengths: ArrayLike | None) -> tuple[Array, Any]:
        valid = x if lengths is None else np.where(is_step(lengths, x), x, -np.inf)
        where: NDArray[np.intp] = valid.argmax(axis=0)[None]  # NaN counts as the largest
        return np.take_along_axis(x, where, axis=0)[0], where

    def _spread(self, dx: Array, dy: Array, where: Any) -> None:
        np.put_along_axis(dx, where, dy[None], axis=0)


class Repeat(Layer):
    """One vector at every step: y_t = x, (N, F) → (T, N, F), (F,) → (T, F).

    Parameters
    ----------
    steps : int
        T.
    """

    repeats = True

    def __init__(self, steps: int) -> None:
        self.steps = positive_int("steps", steps)

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"steps": self.steps}

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(y, None)``."""
        array = as_float("x", x)
        if array.ndim not in (1, 2):
            raise ValueError(f"x: expected shape (N, F) or (F,), got {array.shape}")
        return np.repeat(array[None], self.steps, axis=0), None

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(y, None, tape)``."""
        y, _ = self.forward(x)
        return read_only(y), None, self._tape((y.shape, y.dtype))

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dx = Σ_t dy_t."""
        shape, dtype = self._open(tape)
        dy = as_real("grad_output", grad_output, dtype)
        expect_shape("grad_output", dy, shape)
        return Gradients(dy.sum(axis=0))

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Raise ValueError: a stream takes one step for each that it gives."""
        refuse_stream(self, "it makes many steps of one")

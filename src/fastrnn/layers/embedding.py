"""Embedding: a vector for each id."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from fastrnn._validation import (
    BLANK,
    Seed,
    as_dtype,
    as_generator,
    as_ids,
    as_real,
    expect_shape,
    positive_int,
    shown,
)
from fastrnn.layers.base import Array, Gradients, Layer, Shapes, State, Tape, read_only
from fastrnn.layers.lookup import MOST, Picked, those_used
from fastrnn.layers.stream import LayerStream


class _EmbeddingStream:
    """Rows of the table, straight into the output; the model's stream has checked the ids."""

    def __init__(self, weight: Array) -> None:
        self._weight = weight

    def run(self, x: Array, out: Array) -> None:
        np.take(self._weight, x, axis=0, out=out, mode="clip")  # "raise" would copy


class Embedding(Layer):
    """A table of vectors: y = weight[x], of whole numbers of any shape; (...) → (..., E).

    In a `Sequential`, an `RNN`, `LSTM` or `GRU` right behind it multiplies each vector that occurs once, not once for
    each place where it does.

    Parameters
    ----------
    num_embeddings : int
        V, how many ids there are: 0 to V - 1.
    embedding_dim : int
        E.
    padding_idx : int, optional
        An id whose vector starts at 0 and has no gradient; negative ones count from the end.
    dtype : {"float32", "float64"}
    seed : int or numpy.random.Generator, optional
        Of the initial vectors: N(0, 1).

    Notes
    -----
    Parameter, as in PyTorch: ``weight`` (V, E). Ids have no gradient: ``Gradients.x`` is None.
    """

    takes_ids = True
    picks = True  # see lookup.py

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.num_embeddings = positive_int("num_embeddings", num_embeddings)
        self.embedding_dim = positive_int("embedding_dim", embedding_dim)
        self.padding_idx = self._padding(padding_idx)
        self.dtype: np.dtype[Any] = as_dtype(dtype)
        shape = self.num_embeddings, self.embedding_dim
        weight = np.zeros(shape) if seed is BLANK else as_generator(seed).standard_normal(shape)
        if self.padding_idx is not None:
            weight[self.padding_idx] = 0
        self._parameters = {"weight": weight.astype(self.dtype)}

    def _padding(self, index: int | None) -> int | None:
        """Return the id counted from 0."""
        if index is None:
            return None
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)):
            raise TypeError(f"padding_idx: expected None or an int, got {shown(index)}")
        V = self.num_embeddings
        if not -V <= index < V:
            raise ValueError(f"padding_idx: expected {-V} to {V - 1}, got {shown(index)}")
        return int(index) % V

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shape of weight."""
        yield "weight", (config["num_embeddings"], config["embedding_dim"])

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "num_embeddings": self.num_embeddings,
            "embedding_dim": self.embedding_dim,
            "padding_idx": self.padding_idx,
            "dtype": self.dtype.name,
        }

    def output_size(self, input_size: int) -> int:
        """Return ``embedding_dim``; the input's size is the number of ids."""
        if input_size != self.num_embeddings:
            raise ValueError(f"Embedding takes ids below {self.num_embeddings}, but gets {input_size} features")
        return self.embedding_dim

    def multiplications(self) -> int:
        """Return 0: vectors are looked up."""
        return 0

    def forward(self, x: ArrayLike, state: State = None) -> tuple[Array, None]:  # noqa: ARG002
        """Return ``(y, None)``.

        Raises
        ------
        TypeError
            If x is not made of whole numbers.
        ValueError
            If one of them is no id: ``x: expected ids from 0 to 27, got 31``.
        """
        return self._parameters["weight"][as_ids("x", x, self.num_embeddings)], None

    def record(self, x: ArrayLike, state: State = None) -> tuple[Array, None, Tape]:  # noqa: ARG002
        """Return ``(y, None, tape)``."""
        ids = np.array(as_ids("x", x, self.num_embeddings))  # a copy: the tape must not see later changes
        return read_only(self.forward(ids)[0]), None, self._tape(ids)

    def backward(self, tape: Tape, grad_output: ArrayLike, grad_state: State = None) -> Gradients:  # noqa: ARG002
        """dweight[v] = Σ dy over the places where x is v; none for the padding."""
        ids = self._open(tape)
        dy = as_real("grad_output", grad_output, self.dtype)
        expect_shape("grad_output", dy, (*ids.shape, self.embedding_dim))
        flat, rows = ids.reshape(-1), dy.reshape(-1, self.embedding_dim)
        places = np.argsort(flat, kind="stable")  # by id, and of one id in order: sums do not depend on anything else
        ends = np.cumsum(np.bincount(flat, minlength=self.num_embeddings))
        one_hot = scipy.sparse.csr_array(  # (V, S), one for each place in the row of its id
            (np.ones(flat.size, self.dtype), places, np.concatenate([[0], ends])), (self.num_embeddings, flat.size)
        )
        return self._gradients(np.asarray(one_hot @ rows))

    def _gradients(self, grad: Array) -> Gradients:
        """Return those of the weight (V, E), none of the padding."""
        if self.padding_idx is not None:
            grad[self.padding_idx] = 0
        return Gradients(None, None, {"weight": grad})

    def pick(self, x: ArrayLike) -> tuple[Picked, Any] | None:
        """Return what stands for the output, and which ids occur: see lookup.py."""
        ids = as_ids("x", x, self.num_embeddings)
        used, places = those_used(ids, self.num_embeddings)
        if len(used) > MOST * ids.size:
            return None
        return Picked(self._parameters["weight"][used], places, self.embedding_dim), used

    def backward_picked(self, saved: Any, grad_rows: Array | None) -> Gradients:
        """Return the gradients, given which ids occur and the gradients of their vectors."""
        grad = np.zeros((self.num_embeddings, self.embedding_dim), self.dtype)
        grad[saved] = grad_rows
        return self._gradients(grad)

    def stream(self, state: State = None, batch_size: int | None = None) -> LayerStream:  # noqa: ARG002
        """Return a runner with a snapshot of the table."""
        return _EmbeddingStream(self._parameters["weight"].copy())

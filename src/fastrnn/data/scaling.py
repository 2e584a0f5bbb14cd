"""Normalisation, feature by feature, fitted on the training part alone. S rows, F features."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastrnn._validation import as_float, expect_features, expect_shape, one_of, pieces, real_array, shown
from fastrnn.data.checks import Array, as_columns, is_list_of_arrays
from fastrnn.data.moments import Moments, moments_in, rows_of

METHODS = ("standard", "minmax")
FORMAT = 1


class Normalizer:
    """Brings each feature to a common scale: (x - offset) / scale.

    Parameters
    ----------
    method : {"standard", "minmax"}
        To mean 0 and standard deviation 1, or to [0, 1]. A feature that is constant becomes 0.

    Attributes
    ----------
    count : int
        Rows seen by `fit`; 0 before.
    mean, std, minimum, maximum : ndarray (F,)
        Of these rows, in float64; std divides by the count.
    offset, scale : ndarray (F,)
        mean and std, or minimum and maximum - minimum; where a feature is constant, that constant and 1.

    Examples
    --------
    >>> from fastrnn.data import Normalizer
    >>> train = [[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]]
    >>> normalizer = Normalizer("minmax").fit(train)
    >>> normalizer.transform([[1.0, 5.0], [6.0, 7.0]])
    array([[0.25, 0.  ],
           [1.5 , 2.  ]])
    """

    def __init__(self, method: str = "standard") -> None:
        self.method = one_of("method", method, METHODS)
        self._moments: Moments | None = None

    # ---- fitting ----

    def fit(self, x: ArrayLike | Sequence[Array], lengths: ArrayLike | None = None) -> Self:
        """Take offset and scale from data, which should be those that are trained on.

        Parameters
        ----------
        x : array_like (..., F), or a list of arrays (T_i, F)
            At least one row. Read in pieces, so a memory-mapped array may be larger than memory.
        lengths : array_like of int (N,), optional
            With x (N, T, F): how many steps of each sequence count.

        Returns
        -------
        Normalizer
            Itself.

        Raises
        ------
        ValueError, TypeError
            If a number that counts is not finite (the message says at which sample and step), or the shapes do not
            fit. What was fitted before is left as it was.
        """
        self._moments = self._seen(None, x, lengths)
        return self

    def partial_fit(self, x: ArrayLike | Sequence[Array], lengths: ArrayLike | None = None) -> Self:
        """Take in more data, as if they had been in the same array as those before; otherwise as `fit`."""
        self._moments = self._seen(self._moments, x, lengths)
        return self

    def _seen(self, moments: Moments | None, x: Any, lengths: ArrayLike | None) -> Moments:
        """Return the moments of all that was seen before and of x."""
        try:
            with np.errstate(over="raise"):
                for rows in rows_of(x, lengths, None if moments is None else len(moments.mean)):
                    part = Moments.of(rows)
                    moments = part if moments is None else moments.merged(part)
        except FloatingPointError:
            raise ValueError("x: some values are too large, their squares are not finite") from None
        if moments is None:
            raise ValueError("x: expected at least one row, got none")
        return moments

    # ---- what was fitted ----

    @property
    def count(self) -> int:
        """How many rows were seen."""
        return 0 if self._moments is None else self._moments.rows

    @property
    def mean(self) -> Array:
        """Mean of each feature, (F,)."""
        return self._fitted().mean.copy()

    @property
    def std(self) -> Array:
        """Standard deviation of each feature, (F,)."""
        moments = self._fitted()
        return np.asarray(np.sqrt(moments.squares / moments.rows))

    @property
    def minimum(self) -> Array:
        """The least number of each feature, (F,)."""
        return self._fitted().minimum.copy()

    @property
    def maximum(self) -> Array:
        """The largest number of each feature, (F,)."""
        return self._fitted().maximum.copy()

    @property
    def offset(self) -> Array:
        """What is subtracted, (F,)."""
        # the mean of equal numbers is rounded, so it need not be that number
        return np.where(self._constant(), self.minimum, self.mean if self.method == "standard" else self.minimum)

    @property
    def scale(self) -> Array:
        """What is then divided by, (F,)."""
        spread = self.std if self.method == "standard" else self.maximum - self.minimum
        return np.where(self._constant() | (spread == 0), 1.0, spread)  # squares of tiny numbers underflow

    def _constant(self) -> Array:
        return np.asarray(self.minimum == self.maximum)

    def _fitted(self) -> Moments:
        if self._moments is None:
            raise ValueError("this Normalizer has seen no data; call fit first")
        return self._moments

    # ---- using it ----

    def transform(self, x: ArrayLike | Sequence[Array], out: Array | None = None) -> Any:
        """Return (x - offset) / scale.

        Parameters
        ----------
        x : array_like (..., F), or a list of arrays (T_i, F)
            NaN stays NaN.
        out : ndarray, optional
            Where the result goes, shaped like x: the array itself, or a memory-mapped one if it is larger than memory.

        Returns
        -------
        ndarray or list of ndarray
            Shaped like x; float64 if ``numpy.asarray(x)`` is, else float32.

        Raises
        ------
        ValueError, TypeError
            If nothing was fitted, or x has another number of features.
        """
        offset, scale = self.offset, self.scale
        return _mapped("x", x, out, len(offset), lambda rows: (rows - offset) / scale)

    def inverse_transform(self, x: ArrayLike | Sequence[Array], out: Array | None = None) -> Any:
        """Return x · scale + offset, which undoes `transform`; arguments and errors are the same."""
        offset, scale = self.offset, self.scale
        return _mapped("x", x, out, len(offset), lambda rows: rows * scale + offset)

    def select(self, columns: ArrayLike) -> "Normalizer":
        """Return the Normalizer of some features, as for the predictions of a model that does not tell all of them.

        Parameters
        ----------
        columns : int or sequence of int
            In this order; a column may come several times, such as ``[0] * horizon``.
        """
        moments, result = self._fitted(), Normalizer(self.method)
        chosen = as_columns("columns", columns, len(moments.mean))
        result._moments = Moments(moments.rows, *(array[chosen] for array in moments[1:]))
        return result

    # ---- description and files ----

    def to_json(self) -> str:
        """Return all of it as JSON: exact, and fit for an entry in a model file's metadata."""
        moments = self._fitted()
        arrays = {name: array.tolist() for name, array in zip(Moments._fields[1:], moments[1:], strict=True)}
        return json.dumps({"format": FORMAT, "method": self.method, "count": moments.rows, **arrays})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` described; raise ValueError if the text is anything else."""
        try:
            entries = json.loads(text)
            if entries["format"] != FORMAT:
                raise ValueError(f"expected format {FORMAT}, got {shown(entries['format'])}")
            result = cls(entries["method"])
            result._moments = moments_in(entries)
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise ValueError(f"text: expected the JSON of a Normalizer ({type(error).__name__}: {error})") from None
        return result

    def __repr__(self) -> str:
        """Return the method and what was seen."""
        if self._moments is None:
            return f"Normalizer({self.method!r})"
        return f"Normalizer({self.method!r}, {len(self.mean)} features, fitted on {self.count} rows)"


def _mapped(name: str, x: Any, out: Array | None, features: int, function: Callable[[Array], Array]) -> Any:
    """Apply a function to rows in float64, piece by piece."""
    if is_list_of_arrays(x):
        if out is not None:
            raise ValueError("out: expected None with a list, which gives a list of new arrays")
        return [_mapped(f"{name}[{i}]", one, None, features, function) for i, one in enumerate(x)]
    array = real_array(name, x)
    expect_features(name, array, features, range(1, 64), f"(..., {features})")
    if out is None:
        out = np.empty(array.shape, as_float(name, array[:0]).dtype)
    elif out.dtype.kind != "f":
        raise TypeError(f"out: expected floating-point numbers, got dtype {out.dtype}")
    expect_shape("out", out, array.shape)
    source, target = np.atleast_2d(array), np.atleast_2d(out)
    for piece in pieces(source):
        target[piece] = function(source[piece].astype(np.float64))
    return out

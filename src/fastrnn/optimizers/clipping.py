"""Clipping of gradients, by their joint norm or element by element."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn import _clipping
from fastrnn._validation import positive_float

Array = NDArray[Any]


def clip_by_global_norm(gradients: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients in place so that their joint Euclidean norm is at most ``limit``; return it from before.

    g ← g · limit / ‖g‖ where ‖g‖ > limit (Pascanu, Mikolov & Bengio 2013). PyTorch divides by ‖g‖ + 1e-6 instead, so
    that its result is shorter by that share. Squares are added in float64, in an order that depends neither on the CPU
    nor on the number of threads.

    Parameters
    ----------
    gradients : mapping of str to ndarray
        float32 or float64.
    limit : float
        Above 0; infinite: only the norm is wanted.

    Returns
    -------
    float
        The norm from before. Where it is NaN or infinite, nothing has been scaled.

    Raises
    ------
    ValueError, TypeError
        If the limit is not such a number, or a gradient not such an array, or one that cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.optimizers import clip_by_global_norm
    >>> g = {"w": np.array([3.0]), "b": np.array([4.0])}
    >>> clip_by_global_norm(g, 1.0)
    5.0
    >>> g
    {'w': array([0.6]), 'b': array([0.8])}
    """
    limit = _limit(limit)
    arrays = list(gradients.values())
    found: float = _named(gradients, lambda: _clipping.norm(arrays))
    if limit < found < math.inf:
        _named(gradients, lambda: _clipping.scale(arrays, limit / found))
    return found


def clip_by_value(gradients: Mapping[str, Array], limit: float) -> None:
    """Bring every element of the gradients within [-limit, limit], in place; NaN stays NaN.

    Parameters
    ----------
    gradients : mapping of str to ndarray
        float32 or float64.
    limit : float
        Above 0.

    Raises
    ------
    ValueError, TypeError
        If the limit is not such a number, or a gradient not such an array, or one that cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.optimizers import clip_by_value
    >>> g = {"w": np.array([3.0, -0.5])}
    >>> clip_by_value(g, 1.0)
    >>> g
    {'w': array([ 1. , -0.5])}
    """
    limit = _limit(limit)
    _named(gradients, lambda: _clipping.clamp(list(gradients.values()), limit))


def _limit(limit: float) -> float:
    return math.inf if isinstance(limit, float) and limit == math.inf else positive_float("limit", limit)


def _named(gradients: Mapping[str, Array], work: Callable[[], Any]) -> Any:
    """Do some work on the gradients; if they are not what it takes, say which of them."""
    try:
        return work()
    except (BufferError, TypeError, ValueError):
        for name, g in gradients.items():
            if not isinstance(g, np.ndarray) or g.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
                kind = g.dtype if isinstance(g, np.ndarray) else type(g).__name__
                raise TypeError(f"gradients: expected a float32 or float64 array for {name!r}, got {kind}") from None
            if not g.flags.writeable:
                raise ValueError(f"gradients: expected arrays that can be written, {name!r} is read-only") from None
        raise

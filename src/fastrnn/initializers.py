"""Initial weights: of one matrix, and by name of all parameters of a recurrent layer.

The rows of a recurrent layer's parameters are G blocks of H, one for each gate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastrnn._validation import as_real, expect_shape, one_of, positive_int, shown

Array = NDArray[np.float64]
Shape = tuple[int, ...]


# ---- of one matrix ----


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return a matrix with orthonormal columns or rows, whichever are fewer.

    A random rotation keeps the length of the state (Saxe, McClelland & Ganguli 2014), so that a recurrent
    network neither fades nor explodes at the start.
    """
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # makes the distribution uniform over rotations
    return q if rows >= columns else q.T


def uniform(rng: np.random.Generator, shape: Shape, limit: float) -> Array:
    """Return U(-limit, limit)."""
    return rng.uniform(-limit, limit, shape)


def glorot_uniform(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return U(-a, a) with a = √(6 / (rows + columns)) (Glorot & Bengio 2010)."""
    return uniform(rng, (rows, columns), np.sqrt(6.0 / (rows + columns)))


def he_uniform(rng: np.random.Generator, rows: int, columns: int) -> Array:
    """Return U(-a, a) with a = √(6 / columns), which keeps the signal's size through ReLU (He et al. 2015).

    PyTorch's ``kaiming_uniform_(nonlinearity="relu")``: half of the units are off, so the others weigh double.
    """
    return uniform(rng, (rows, columns), np.sqrt(6.0 / columns))


def identity(rows: int, columns: int) -> Array:
    """Return ones on the diagonal and zeros elsewhere: a state that stays as it is (Le, Jaitly & Hinton 2015)."""
    return np.eye(rows, columns)


DENSE: dict[str, Callable[[np.random.Generator, int, int], Array]] = {
    "glorot": glorot_uniform,
    "he": he_uniform,
    "orthogonal": orthogonal,
}


# ---- of a recurrent layer ----


@dataclass(frozen=True)
class Gates:
    """What a recurrent layer's blocks of rows are."""

    count: int  # G
    size: int  # H
    forget: int | None  # which block the forget gate's is, if there is one; the input gate's is the first then
    update: int | None  # which is that of a gate z with h_t = (1 - z) ∘ n + z ∘ h_{t-1}, if there is one

    def rows(self, block: int) -> slice:
        """Return the rows of one gate."""
        return slice(block * self.size, (block + 1) * self.size)

    def each(self, draw: Callable[[int, int], Array], shape: Shape) -> Array:
        """Return a matrix whose blocks are drawn one by one, each with its own number of rows and columns."""
        return np.concatenate([draw(self.size, shape[1]) for _ in range(self.count)])


class Initializer(Protocol):
    """Makes the initial parameters of a recurrent layer."""

    def __call__(self, rng: np.random.Generator, shapes: Mapping[str, Shape], gates: Gates) -> dict[str, Array]:
        """Return an array for each shape, under its name.

        Parameters
        ----------
        rng : numpy.random.Generator
            Where all randomness comes from.
        shapes : mapping
            ``weight_ih_l0`` (G·H, I), ``weight_hh_l0`` (G·H, H), ``bias_ih_l0`` and ``bias_hh_l0`` (G·H,), and so on
            for further layers (``_l1``) and the other direction (``_l0_reverse``).
        gates : Gates
        """
        ...


def _forget_bias(name: str, shape: Shape, gates: Gates) -> Array:
    """Return 0, but 1 for the forget gate's ``bias_ih`` (Gers et al. 2000; Jozefowicz et al. 2015)."""
    values = np.zeros(shape)
    if gates.forget is not None and name.startswith("bias_ih"):
        values[gates.rows(gates.forget)] = 1.0
    return values


def _orthogonal(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:
    if name.startswith("bias"):
        return _forget_bias(name, shape, gates)
    draw = orthogonal if name.startswith("weight_hh") else glorot_uniform
    return gates.each(lambda rows, columns: draw(rng, rows, columns), shape)


def _glorot(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:
    if name.startswith("bias"):
        return _forget_bias(name, shape, gates)
    return gates.each(lambda rows, columns: glorot_uniform(rng, rows, columns), shape)


def _he(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:
    if name.startswith("bias"):
        return _forget_bias(name, shape, gates)
    return gates.each(lambda rows, columns: he_uniform(rng, rows, columns), shape)


def _identity(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:
    if name.startswith("bias"):
        return np.zeros(shape)
    return gates.each(identity, shape) if name.startswith("weight_hh") else rng.normal(0.0, 0.001, shape)


def _pytorch(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:  # noqa: ARG001 - all are alike
    return uniform(rng, shape, 1.0 / np.sqrt(gates.size))


def _keras(rng: np.random.Generator, name: str, shape: Shape, gates: Gates) -> Array:
    if name.startswith("bias"):
        return _forget_bias(name, shape, gates)
    # Keras's matrices are (I, G·H) and (H, G·H): these, transposed. It treats the gates of one as one matrix.
    return (orthogonal if name.startswith("weight_hh") else glorot_uniform)(rng, *shape)


NAMED: dict[str, Callable[[np.random.Generator, str, Shape, Gates], Array]] = {
    "orthogonal": _orthogonal,
    "glorot": _glorot,
    "he": _he,
    "identity": _identity,
    "pytorch": _pytorch,
    "keras": _keras,
}


@dataclass(frozen=True)
class Chrono:
    """Biases that let a gated layer remember for as long as the data want (Tallec & Ollivier 2018, arXiv:1804.11188).

    A forget gate that stays at σ(b) forgets within about 1 + e^b steps. So its bias is b = log u, u ~ U(1, T_max - 1)
    for each unit by itself, and the input gate's is -b. The GRU's update gate z, with h_t = (1 - z) ∘ n + z ∘ h_{t-1},
    gets b. All else is as in `base`.

    Parameters
    ----------
    max_steps : int
        T_max, how many steps the longest dependency spans; at least 2.
    base : {"orthogonal", "glorot", "he", "identity", "pytorch", "keras"}
        For everything but these biases.

    Raises
    ------
    ValueError, TypeError
        If ``max_steps`` is no int of at least 2, or ``base`` no such name.
    """

    max_steps: int
    base: str = "orthogonal"

    def __post_init__(self) -> None:
        """Check the arguments."""
        object.__setattr__(self, "max_steps", positive_int("max_steps", self.max_steps))
        if self.max_steps < 2:
            raise ValueError(f"max_steps: expected at least 2, got {self.max_steps}")
        one_of("base", self.base, tuple(NAMED))

    def __call__(self, rng: np.random.Generator, shapes: Mapping[str, Shape], gates: Gates) -> dict[str, Array]:
        """Return the initial parameters; see `Initializer`."""
        if gates.forget is None and gates.update is None:
            raise ValueError(f"init: {self!r} sets the bias of a forget or an update gate, and there is neither")
        if not any(name.startswith("bias_ih") for name in shapes):
            raise ValueError(f"init: {self!r} needs bias=True")
        values = _named(self.base)(rng, shapes, gates)
        for name, array in values.items():
            if name.startswith("bias_ih"):
                self._set(array, np.log(rng.uniform(1.0, self.max_steps - 1.0, gates.size)), gates)
            elif name.startswith("bias_hh"):  # what counts is the sum of the two
                self._set(array, np.zeros(gates.size), gates)
        return values

    @staticmethod
    def _set(bias: Array, log_u: Array, gates: Gates) -> None:
        """Put log u into the blocks of one bias (G·H,) that keep the old state, and -log u into the input gate's."""
        if gates.forget is not None:
            bias[gates.rows(gates.forget)] = log_u
            bias[gates.rows(0)] = -log_u
        if gates.update is not None:
            bias[gates.rows(gates.update)] = log_u


def _named(name: str) -> Initializer:
    """Return the initializer of a name in the table."""

    def draw(rng: np.random.Generator, shapes: Mapping[str, Shape], gates: Gates) -> dict[str, Array]:
        return {parameter: NAMED[name](rng, parameter, shape, gates) for parameter, shape in shapes.items()}

    return draw


def as_initializer(init: str | Initializer) -> Initializer:
    """Return the initializer of a name, or the one given.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If it is neither a name nor an initializer.
    """
    if isinstance(init, str):
        if init == "chrono":
            raise ValueError("init: 'chrono' needs to know how many steps to span: pass fastrnn.Chrono(max_steps)")
        return _named(one_of("init", init, tuple(NAMED)))
    if isinstance(init, type) or not callable(init):
        raise TypeError(f"init: expected a name or an initializer such as fastrnn.Chrono(max_steps), got {shown(init)}")
    return init


def initial_parameters(
    init: str | Initializer,
    rng: np.random.Generator,
    shapes: Mapping[str, Shape],
    *,
    gates: int,
    hidden_size: int,
    forget_gate: int | None,
    update_gate: int | None,
) -> dict[str, Array]:
    """Return the initial parameters of a recurrent layer, in float64.

    Parameters
    ----------
    init : str or Initializer
        How, by name or by an initializer of one's own:

        - ``"orthogonal"``: from the input Glorot uniform (Glorot & Bengio 2010), within the recurrence orthogonal (Saxe
          et al. 2014), both for each gate by itself; biases 0, but 1 for the forget gate (Gers et al. 2000;
          Jozefowicz et al. 2015).
        - ``"glorot"``: the same, but Glorot uniform within the recurrence too.
        - ``"he"``: He uniform (He et al. 2015, arXiv:1502.01852) from the input and within the recurrence, for ReLU;
          biases as in ``"orthogonal"``.
        - ``"identity"``: the identity within the recurrence of each gate, N(0, 0.001²) from the input, biases 0: an
          IRNN, if the nonlinearity is ReLU (Le, Jaitly & Hinton 2015, arXiv:1504.00941).
        - ``"pytorch"``: all U(-1/√H, 1/√H), biases too, as in PyTorch.
        - ``"keras"``: as ``"orthogonal"``, but the gates of a matrix taken for one matrix, as in Keras.
        - ``fastrnn.Chrono(max_steps)``: biases for long dependencies (Tallec & Ollivier 2018).
    rng : numpy.random.Generator
    shapes : mapping
        Names and shapes of the parameters; see `Initializer`.
    gates, hidden_size : int
        G and H.
    forget_gate : int or None
        Which gate is an LSTM's forget gate, gate 0 being its input gate.
    update_gate : int or None
        Which gate is a GRU's z.

    Returns
    -------
    dict
        An array for each name in ``shapes``, in that order.

    Raises
    ------
    ValueError
        If the name is unknown, the initializer does not suit the layer, or it gives other names or shapes than asked,
        or numbers that are not finite.
    TypeError
        If ``init`` is neither a name nor an initializer, or it gives no mapping from names to arrays of real numbers.
    """
    values = as_initializer(init)(rng, shapes, Gates(gates, hidden_size, forget_gate, update_gate))
    if not isinstance(values, Mapping):
        raise TypeError(f"init: expected a mapping from names to arrays, got {shown(values)}")
    if values.keys() != shapes.keys():
        raise ValueError(f"init: expected arrays named {list(shapes)}, got {list(values)}")
    return {name: _checked(f"init: {name}", values[name], shape) for name, shape in shapes.items()}


def _checked(name: str, values: ArrayLike, shape: Shape) -> Array:
    """Return initial values as an array, if they are finite and of this shape."""
    array: Array = as_real(name, values, np.float64)
    expect_shape(name, array, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array

"""RNN, also called Elman: the "simple" recurrent network."""

from collections.abc import Mapping
from typing import Any

from fastrnn._validation import Seed, one_of
from fastrnn.layers.recurrent import Recurrent


class RNN(Recurrent):
    """Elman's "simple" recurrent network (Elman 1990), stacked.

    ``h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)``

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Layers, each fed by the one below.
    nonlinearity : {"tanh", "sigmoid", "relu"}
        φ.
    bias : bool
        Whether there are biases; they start at 0.
    batch_first : bool
        Whether x and output are (N, T, ·) instead of (T, N, ·).
    dtype : {"float32", "float64"}
        Of parameters and output; input is cast to it.
    seed : int or numpy.random.Generator, optional
        Of the initial weights: Glorot uniform from the input, orthogonal within the recurrence.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.nonlinearity = one_of("nonlinearity", nonlinearity, ("tanh", "sigmoid", "relu"))
        super().__init__(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dtype=dtype, seed=seed
        )

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        return f"rnn_{config['nonlinearity']}"

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().config(), "nonlinearity": self.nonlinearity}


Elman = RNN

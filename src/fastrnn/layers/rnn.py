"""RNN, also called Elman: the "simple" recurrent network."""

from collections.abc import Mapping
from typing import Any, Unpack

from fastrnn._validation import one_of
from fastrnn.layers.building import Options
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
    **options
        ``bias``, ``batch_first``, ``dropout``, ``bidirectional``, ``recurrent_dropout``, ``zoneout``, ``init``,
        ``dtype`` and ``seed``: see `Recurrent`. The biases start at 0.
    """

    takes_picked = True  # see lookup.py

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        **options: Unpack[Options],
    ) -> None:
        self.nonlinearity = one_of("nonlinearity", nonlinearity, ("tanh", "sigmoid", "relu"))
        super().__init__(input_size, hidden_size, num_layers, **options)

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        return f"rnn_{config['nonlinearity']}"

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().config(), "nonlinearity": self.nonlinearity}


Elman = RNN

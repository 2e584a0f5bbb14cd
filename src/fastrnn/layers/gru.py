"""GRU: the gated recurrent unit."""

from collections.abc import Mapping
from typing import Any, Unpack

from fastrnn._validation import a_bool
from fastrnn.layers.building import Options
from fastrnn.layers.recurrent import Recurrent


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014), stacked.

    ``r, z = σ(…)``, ``n = tanh(W_in x_t + b_in + r (W_hn h_{t-1} + b_hn))``, ``h_t = (1 - z) n + z h_{t-1}``

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Layers, each fed by the one below.
    reset_after : bool
        Whether the reset gate comes after the recurrent product of n, as in PyTorch and cuDNN, or before it, as
        published: ``n = tanh(W_in x_t + b_in + W_hn (r h_{t-1}) + b_hn)``.
    **options
        ``bias``, ``batch_first``, ``dropout``, ``bidirectional``, ``recurrent_dropout``, ``zoneout``, ``init``,
        ``dtype`` and ``seed``: see `Recurrent`. The biases start at 0.
    """

    _update_gate = 1
    takes_picked = True  # see lookup.py

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        reset_after: bool = True,
        **options: Unpack[Options],
    ) -> None:
        self.reset_after = a_bool("reset_after", reset_after)
        super().__init__(input_size, hidden_size, num_layers, **options)

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        return "gru" if config["reset_after"] else "gru_before"

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().config(), "reset_after": self.reset_after}

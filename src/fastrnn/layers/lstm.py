"""LSTM: long short-term memory."""

from collections.abc import Mapping
from typing import Any

from fastrnn.layers.recurrent import Recurrent


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000), stacked.

    ``i, f, o = σ(…)``, ``g = tanh(…)``, ``c_t = f c_{t-1} + i g``, ``h_t = o tanh(c_t)``; the state is ``(h, c)``.

    Parameters
    ----------
    input_size, hidden_size : int
        I and H.
    num_layers : int
        Layers, each fed by the one below.
    **options
        ``bias``, ``batch_first``, ``dropout``, ``bidirectional``, ``recurrent_dropout``, ``zoneout``, ``init``,
        ``dtype`` and ``seed``: see `Recurrent`. The forget gate's ``bias_ih`` starts at 1, the other biases at 0.
    """

    _state_names = ("h", "c")
    _forget_gate = 1
    takes_picked = True  # see lookup.py

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "lstm"

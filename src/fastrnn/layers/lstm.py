"""LSTM: long short-term memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastrnn.layers.base import Array
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
        ``bias``, ``batch_first``, ``dropout``, ``bidirectional``, ``recurrent_dropout``, ``zoneout``, ``dtype`` and
        ``seed``: see `Recurrent`. The forget gate's ``bias_ih`` starts at 1 (Gers et al. 2000; Jozefowicz et al. 2015),
        the other biases at 0.
    """

    _state_names = ("h", "c")

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "lstm"

    def _initial(self, rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Array:
        """Return the initial values of all recurrent layers, but 1 for the forget gate's bias."""
        values = super()._initial(rng, name, shape)
        if name.startswith("bias_ih"):
            values[self.hidden_size : 2 * self.hidden_size] = 1.0
        return values

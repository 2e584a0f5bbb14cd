"""GRU: the gated recurrent unit."""

from collections.abc import Mapping
from typing import Any

from fastrnn._validation import Seed, a_bool
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
        reset_after: bool = True,
        bias: bool = True,
        batch_first: bool = False,
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.reset_after = a_bool("reset_after", reset_after)
        super().__init__(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dtype=dtype, seed=seed
        )

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        return "gru" if config["reset_after"] else "gru_before"

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().config(), "reset_after": self.reset_after}

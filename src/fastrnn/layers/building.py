"""How recurrent layers are built: what their constructors take, and their parameters.

I inputs, H hidden units, G gates, L layers, D directions.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypedDict

import numpy as np

from fastrnn import _kernels
from fastrnn._validation import BLANK, Seed, a_bool, a_rate, as_dtype, as_generator, as_real, positive_int, shown
from fastrnn.initializers import Initializer, as_initializer, initial_parameters
from fastrnn.layers.axes import OverTime
from fastrnn.layers.base import Array, Shapes
from fastrnn.layers.stack import Rates, Stack

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@cache
def _names(k: int, reverse: bool) -> tuple[str, ...]:
    """Return the names of the parameters of one direction of layer k."""
    return tuple(f"{name}_l{k}{'_reverse' if reverse else ''}" for name in NAMES)


class Options(TypedDict, total=False):
    """What all recurrent layers take besides their sizes; see `Recurrent`."""

    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    recurrent_dropout: float
    zoneout: float | tuple[float, float]
    init: str | Initializer
    dtype: str
    seed: Seed


class Built(OverTime):
    """A recurrent layer that does nothing yet; see `fastrnn.layers.Recurrent`."""

    _state_names: tuple[str, ...] = ("h",)
    _forget_gate: int | None = None  # which of the gates, for initialisers
    _update_gate: int | None = None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        init: str | Initializer = "orthogonal",
        dtype: str = "float32",
        seed: Seed = None,
    ) -> None:
        self.input_size = positive_int("input_size", input_size)
        self.hidden_size = positive_int("hidden_size", hidden_size)
        self.num_layers = positive_int("num_layers", num_layers)
        self.bias = a_bool("bias", bias)
        self.batch_first = a_bool("batch_first", batch_first)
        self.bidirectional = a_bool("bidirectional", bidirectional)
        self.outputs = self.hidden_size * (1 + self.bidirectional)
        self.dropout = a_rate("dropout", dropout)
        if self.dropout and self.num_layers == 1:
            raise ValueError(f"dropout: expected 0 with num_layers=1, got {dropout}; it is what happens between layers")
        self.recurrent_dropout = a_rate("recurrent_dropout", recurrent_dropout)
        self.zoneout = self._zoneout(zoneout)
        self.dtype = as_dtype(dtype)
        self.cell = self._cell_of(self.config())  # its name in the kernels' table
        self._names = [_names(k, bool(d)) for k in range(self.num_layers) for d in range(1 + self.bidirectional)]
        self._stack = self._make_stack()
        self.random = self._stack.rates.any()
        init = as_initializer(init)
        shapes = dict(self.parameter_shapes(self.config()))
        if seed is BLANK:
            self._parameters = {name: np.zeros(shape, self.dtype) for name, shape in shapes.items()}
            return
        drawn = initial_parameters(
            init,
            as_generator(seed),
            shapes,
            gates=_kernels.CELLS[self.cell].gates,
            hidden_size=self.hidden_size,
            forget_gate=self._forget_gate,
            update_gate=self._update_gate,
        )
        self._parameters = {
            name: as_real(f"init: {name}", array, self.dtype, copy=True) for name, array in drawn.items()
        }

    def _zoneout(self, zoneout: float | tuple[float, float]) -> tuple[float, ...]:
        """Return one rate for each state."""
        states = self._state_names
        rates = zoneout if isinstance(zoneout, (tuple, list)) else [zoneout] * len(states)
        if len(rates) != len(states):
            raise ValueError(f"zoneout: expected one number for each of {', '.join(states)}, got {shown(zoneout)}")
        return tuple(a_rate("zoneout", rate) for rate in rates)

    def _make_stack(self) -> Stack:
        rates = Rates(self.dropout, self.recurrent_dropout, (*self.zoneout, 0.0)[:2])
        return Stack(self.cell, self.hidden_size, self.num_layers, bidirectional=self.bidirectional, rates=rates)

    # ---- parameters ----

    @classmethod
    def _cell_of(cls, config: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @classmethod
    def parameter_shapes(cls, config: Mapping[str, Any]) -> Shapes:
        """Yield the shapes of ``weight_ih_l0 (G·H, I)``, ``weight_hh_l0 (G·H, H)``, ``bias_ih_l0 (G·H,)`` and so on.

        Those of the reversed direction, if there is one, follow each layer's as ``…_l0_reverse``.
        """
        H, directions = config["hidden_size"], 1 + a_bool("bidirectional", config.get("bidirectional", False))
        units = _kernels.CELLS[cls._cell_of(config)].gates * H
        for k in range(positive_int("num_layers", config["num_layers"])):
            for reverse in range(directions):
                names = _names(k, bool(reverse))
                yield names[0], (units, directions * H if k else config["input_size"])
                yield names[1], (units, H)
                if config["bias"]:
                    yield names[2], (units,)
                    yield names[3], (units,)

    def _weights(self) -> list[list[Array | None]]:
        """Return weight_ih, weight_hh, bias_ih, bias_hh of each direction of each layer; None for missing biases."""
        get = self._parameters.get
        return [[get(name) for name in names] for names in self._names]

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments; of the later ones, those that are not left at their defaults."""
        later = {
            "dropout": self.dropout,
            "bidirectional": self.bidirectional,
            "recurrent_dropout": self.recurrent_dropout,
            "zoneout": list(self.zoneout) if any(self.zoneout) else 0.0,
        }
        return {
            "input_size": self.input_size,
            "hidden_size": self.hidden_size,
            "num_layers": self.num_layers,
            "bias": self.bias,
            "batch_first": self.batch_first,
            **{name: value for name, value in later.items() if value},
            "dtype": self.dtype.name,
        }

    def _state_shape(self, rows: int) -> tuple[int, ...]:
        return len(self._names), rows, self.hidden_size

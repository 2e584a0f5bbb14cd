"""A stack of recurrent layers at work: layer upon layer, direction by direction, on packed rows.

N sequences, S rows of all their steps, I inputs, H hidden units, L layers, D directions (1, or 2: forwards and
reversed). The time loops are in the kernels.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastrnn import _elementwise, _kernels
from fastrnn._kernels import Zoneout
from fastrnn._memory import empty
from fastrnn.layers.base import Array
from fastrnn.layers.lookup import Picked
from fastrnn.layers.ragged import Dense

Arrays = tuple[Array | None, Array | None, Array | None, Array | None]  # h, c, saved, fed
Weights = Sequence[Array | None]  # weight_ih (G·H, I), weight_hh (G·H, H), bias_ih (G·H,), bias_hh (G·H,) or None
States = list[Array]  # h and, where the cell has it, c: (L·D, N, H)


class Rates(NamedTuple):
    """How likely what is dropped, or kept at its old value."""

    dropout: float = 0.0  # elements of what one layer hands to the next
    recurrent: float = 0.0  # units of h on their way into the recurrent product, the same at all steps of a sequence
    zoneout: tuple[float, ...] = (0.0, 0.0)  # elements of h and of c

    def any(self) -> bool:
        """Whether there is chance in it at all."""
        return self.dropout > 0 or self.recurrent > 0 or max(self.zoneout) > 0


class Direction(NamedTuple):
    """One direction of one layer, recorded."""

    h: Array  # (N+S, H), rows 2H apart where two directions share an array
    c: Array | None  # (N+S, H)
    saved: Array | None  # (S, saves, H)
    fed: Array | None  # (N+S, H): keep ∘ h
    keep: Array | None  # (N, H): recurrent dropout
    zoneout: Zoneout | None


class LayerTape(NamedTuple):
    """One layer, recorded."""

    x: Array | Picked  # (S, I), after dropout; rows of a table are only picked by the first layer of a stack
    seed: int | None  # of that dropout
    directions: tuple[Direction, ...]
    output: Array  # (S, D·H)


class Watch(NamedTuple):
    """What is done to the gradient that flows back through the states; [0] of h, [1] of c."""

    bounds: tuple[float, float]  # its largest norm for a sequence and a step
    norms: list[Array]  # (L·D, S) of each state that there is, out: its norms before that; empty: not wanted

    def norms_of(self, i: int) -> tuple[Array | None, Array | None]:
        """Return where those of one direction of one layer go."""
        own = [norms[i] for norms in self.norms]
        return own[0] if own else None, own[1] if len(own) == 2 else None


class Stack:
    """How a stack is built, without its parameters."""

    def __init__(self, cell: str, hidden_size: int, layers: int, *, bidirectional: bool, rates: Rates) -> None:
        self.cell, self.H, self.L, self.D, self.rates = cell, hidden_size, layers, 1 + bidirectional, rates
        self.info = _kernels.CELLS[cell]
        expected = Zoneout(rates.zoneout[0], rates.zoneout[1], None)
        self.expected = expected if max(rates.zoneout) > 0 else None

    # ---- forward ----

    def forward(
        self,
        weights: Sequence[Weights],
        batch: Dense,
        x: Array | Picked,
        states: States,
        *,
        record: bool = False,
        rng: np.random.Generator | None = None,
        spare: Sequence[LayerTape] = (),
    ) -> tuple[Array, States, list[LayerTape]]:
        """Run all layers.

        Parameters
        ----------
        weights : sequence of L·D
        batch : Dense
        x : (S, I), or rows (S,) of a table
        states : list of (L·D, N, H)
        record : bool
            Whether to return tapes.
        rng : numpy.random.Generator, optional
            What dropout and zoneout draw from; without it nothing is dropped, and zoneout takes its expected value.
        spare : sequence of LayerTape
            Whose buffers may be overwritten.

        Returns
        -------
        output : (S, D·H)
        states : list of (L·D, N, H)
            The final ones.
        tapes : list of LayerTape
            Empty unless recorded.
        """
        tapes: list[LayerTape] = []
        final = [np.empty_like(part) for part in states]
        for k in range(self.L):
            x, seed = self._drop(x, rng) if k and rng is not None else (x, None)
            output, arrays = self._room(batch, states[0].dtype, spare[k] if spare else None)
            ran = []
            for d in range(self.D):
                i = k * self.D + d
                start = [batch.sort(part[i]) for part in states]
                one = self._direction(weights[i], batch, x, start, d == 1, arrays[d], rng, record)
                final[0][i] = batch.unsort(batch.final(one.h, d == 1))
                if one.c is not None:
                    final[1][i] = batch.unsort(batch.final(one.c, d == 1) if record else one.c)
                ran.append(one)
            y = batch.output(ran[0].h, False) if output is None else self._beside(batch, ran, output)
            if record:
                tapes.append(LayerTape(x, seed, tuple(ran), y))
            x = y
        return y, final, tapes

    def _drop(self, x: Array | Picked, rng: np.random.Generator) -> tuple[Array | Picked, int | None]:
        """Return what one layer hands to the next, and the seed of what was dropped."""
        if not self.rates.dropout or isinstance(x, Picked):
            return x, None
        out, seed = empty(x.shape, x.dtype), draw_seed(rng)
        _elementwise.drop(x, out, self.rates.dropout, seed)
        return out, seed

    def _room(self, batch: Dense, dtype: Any, old: LayerTape | None) -> tuple[Array | None, list[Arrays]]:
        """Return an array for the output (S, 2H) of two directions, and for each direction its h, c, saved, fed."""
        arrays: list[Arrays] = [one[:4] for one in old.directions] if old else [(None, None, None, None)] * self.D
        if self.D == 1:
            return None, arrays
        S, N, H = batch.size, batch.rows, self.H
        extra = 0 if batch.counts is not None else N  # rows of all steps equal: both directions' outputs fall together
        wide = None if old is None else old.output.base
        if wide is None or wide.shape != (N + S + extra, 2 * H) or wide.dtype != dtype:
            wide = empty((N + S + extra, 2 * H), dtype)
        arrays[0] = (wide[: N + S, :H], *arrays[0][1:])
        if batch.counts is None:
            arrays[1] = (wide[N:, H:], *arrays[1][1:])
        return wide[N : N + S], arrays

    def _direction(
        self,
        weights: Weights,
        batch: Dense,
        x: Array | Picked,
        start: States,
        reverse: bool,
        arrays: Arrays,
        rng: np.random.Generator | None,
        record: bool,
    ) -> Direction:
        """Run one direction of one layer from a state (N, H) of each kind; an empty batch has nothing to run."""
        h_0, c_0 = start[0], start[1] if len(start) == 2 else None
        keep, zoneout = (None, self.expected) if rng is None else self._chance(h_0, rng)
        if batch.rows == 0:
            saved = np.empty((0, self.info.saves, self.H), h_0.dtype) if self.info.saves and record else None
            return Direction(h_0, c_0, saved, None, keep, zoneout)
        rows, x_row = _rows(x)
        ran = _kernels.FORWARD[h_0.dtype](
            self.cell, rows, h_0, c_0, *weights, record=record, x_row=x_row, counts=batch.counts, reverse=reverse,
            keep=keep, zoneout=zoneout, reuse=arrays,
        )  # fmt: skip
        return Direction(*ran, keep, zoneout)

    def _chance(self, h_0: Array, rng: np.random.Generator) -> tuple[Array | None, Zoneout | None]:
        """Draw what one direction of one layer keeps of h (N, H), and the seed of its zoneout."""
        keep = None
        if self.rates.recurrent:
            keep = np.ones_like(h_0)
            _elementwise.drop(keep, keep, self.rates.recurrent, draw_seed(rng))
        return keep, self.expected and self.expected._replace(seed=draw_seed(rng))

    def _beside(self, batch: Dense, ran: list[Direction], output: Array) -> Array:
        """Bring the outputs of two directions side by side, (S, 2H), where they are not already."""
        if batch.rows:
            for d, one in enumerate(ran):
                batch.output(one.h, d == 1, output[:, d * self.H : (d + 1) * self.H])
        return output

    # ---- backward ----

    def backward(
        self,
        weights: Sequence[Weights],
        batch: Dense,
        tapes: Sequence[LayerTape],
        dy: Array,
        grad_states: States,
        watch: Watch | None = None,
        *,
        want_x: bool = True,
    ) -> tuple[Array | None, list[list[Array | None]]]:
        """Backpropagate through all layers.

        Parameters
        ----------
        weights, batch
            As for `forward`.
        tapes : sequence of LayerTape
        dy : (S, D·H)
            dE/d(output).
        grad_states : list of (L·D, N, H)
            dE/d(final states) in, dE/d(initial states) out.
        watch : Watch, optional
        want_x : bool
            Whether to compute dx.

        Returns
        -------
        dx : (S, I), or of a table (R, I); None where that is one-hot, or not wanted
        gradients : list of L·D lists
            Of the parameters, in the order of ``weights``.
        """
        grads: list[list[Array | None]] = [[] for _ in weights]
        dx: Array | None = None
        for k in reversed(range(self.L)):
            tape, dx = tapes[k], None
            for d in range(self.D):
                i = k * self.D + d
                end = [batch.sort(part[i]) for part in grad_states]
                part = dy if self.D == 1 else dy[:, d * self.H : (d + 1) * self.H]
                dx, begin, grads[i] = self._backward(
                    weights[i], batch, tape, d, part, end, dx, watch, i, want_x=k > 0 or want_x
                )
                for state, grad in zip(grad_states, begin, strict=False):
                    state[i] = batch.unsort(grad)
            if k:
                assert dx is not None  # only what the first layer takes may be one-hot
                if tape.seed is not None:
                    _elementwise.drop(dx, dx, self.rates.dropout, tape.seed)
                dy = dx
        return dx, grads

    def _backward(
        self,
        weights: Weights,
        batch: Dense,
        tape: LayerTape,
        d: int,
        dy: Array,
        end: States,
        add_to: Array | None,
        watch: Watch | None,
        i: int,
        *,
        want_x: bool,
    ) -> tuple[Array | None, States, list[Array | None]]:
        """Return dE/dx, dE/d(initial states) and dE/d(parameters) of one direction of one layer."""
        dh_n, dc_n = end[0], end[1] if len(end) == 2 else None
        rows, x_row = _rows(tape.x)
        if batch.rows == 0:
            none = [None if array is None else np.zeros_like(array) for array in weights]
            return None if rows is None else np.zeros_like(rows), end, none
        one = tape.directions[d]
        watching = {} if watch is None else {"bounds": watch.bounds, "norms": watch.norms_of(i)}
        dx, dh_0, dc_0, *dw = _kernels.BACKWARD[dy.dtype](
            self.cell, rows, *one[:4], *weights[:2], weights[2] is not None, dy, dh_n, dc_n, x_row=x_row,
            counts=batch.counts, reverse=d == 1, keep=one.keep, zoneout=one.zoneout, add_to=add_to, want_x=want_x,
            **watching,
        )  # fmt: skip
        return dx, [dh_0] if dc_0 is None else [dh_0, dc_0], dw


def _rows(x: Array | Picked) -> tuple[Array | None, Array | None]:
    """Return x and x_row as the kernels take them."""
    return (x.rows, x.ids) if isinstance(x, Picked) else (x, None)


def draw_seed(rng: np.random.Generator) -> int:
    """Return a seed for `_elementwise.drop` or for zoneout."""
    return int(rng.integers(2**63))

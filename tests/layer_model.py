"""Recurrent layers put together by hand of passes of the reference, with the masks that the layers draw; no tests.

T steps, N sequences, F features of whatever it is, L layers, D directions.
"""

import numpy as np

from fastrnn import reference

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Draws:
    """What is dropped, drawn as `record(seed=)` draws: a seed for each mask, rows in the order of the kernels.

    Without a seed nothing is dropped, and zoneout has its expected value.
    """

    def __init__(self, layer, lengths, seed):
        self.layer, self.lengths, self.order = layer, lengths, np.argsort(-lengths, kind="stable")
        self.rng = None if seed is None else np.random.default_rng(seed)

    def dropped(self, rows, columns, rate):
        return reference.dropped(int(self.rng.integers(2**63)), rows, columns, rate)

    def of_steps(self, mask):
        """Return a mask of packed rows (S, F) as (T, N, F)."""
        result = np.zeros((self.lengths.max(), len(self.lengths), mask.shape[1]))
        rows = iter(mask)
        for t in range(len(result)):
            for n in self.order:
                if t < self.lengths[n]:
                    result[t, n] = next(rows)
        return result

    def dropout(self, width):
        """Return what the input of a layer is multiplied by, (T, N, F) or 1."""
        rate = self.layer.dropout
        if not rate or self.rng is None:
            return 1.0
        return (1 - self.of_steps(self.dropped(self.lengths.sum(), width, rate))) / (1 - rate)

    def keep(self):
        """Return the mask of recurrent dropout (N, H), or None."""
        rate, N = self.layer.recurrent_dropout, len(self.lengths)
        if not rate or self.rng is None:
            return None
        mask = np.empty((N, self.layer.hidden_size))
        mask[self.order] = 1 - self.dropped(N, self.layer.hidden_size, rate)
        return mask / (1 - rate)

    def zoneout(self):
        """Return zoneout as the reference takes it, or None."""
        rates = self.layer.zoneout
        if not any(rates):
            return None
        if self.rng is None:
            return tuple(np.full((1, 1, 1), rate) for rate in rates)
        seed, S, H = int(self.rng.integers(2**63)), self.lengths.sum(), self.layer.hidden_size
        return tuple(
            self.of_steps(reference.dropped(seed + i, S, H, rate).astype(float)) for i, rate in enumerate(rates)
        )


class Model:
    """A layer's forward and backward pass, time-major: x (T, N, I), states a list of (L·D, N, H)."""

    def __init__(self, layer, x, states, lengths, seed=None):
        self.cell = reference.CELLS[layer.cell]
        self.suffixes = [
            [f"_l{k}{suffix}" for suffix in ("", "_reverse")[: 1 + layer.bidirectional]]
            for k in range(layer.num_layers)
        ]
        self.parameters = {name: array.astype(np.float64) for name, array in layer.parameters().items()}
        self.tapes, self.dropout = {}, []
        draws, i, T = Draws(layer, lengths, seed), 0, lengths.max()
        self.steps, y = len(x), x[:T]
        for k, pair in enumerate(self.suffixes):
            self.dropout.append(draws.dropout(y.shape[-1]) if k else 1.0)
            halves, y = [], y * self.dropout[k]
            for suffix in pair:
                chance = {"keep": draws.keep(), "zoneout": draws.zoneout()}
                start = tuple(part[i] for part in states)
                output, self.tapes[suffix] = reference.forward(
                    self.cell, y, start, self.weights(suffix), lengths, reverse=suffix.endswith("reverse"), **chance
                )
                halves.append(output)
                i += 1
            y = np.concatenate(halves, axis=-1)
        self.output = self.with_padding(y)
        ends = [reference.final_state(tape) for tape in self.tapes.values()]
        self.final = [np.stack(parts) for parts in zip(*ends, strict=True)]

    def weights(self, suffix):
        """Return the parameters of one direction of one layer."""
        return {name: self.parameters[name + suffix] for name in NAMES if name + suffix in self.parameters}

    def with_padding(self, array):
        """Return an array (T', N, ·) of the longest sequence's steps with those that x has besides."""
        return np.concatenate([array, np.zeros((self.steps - len(array), *array.shape[1:]))])

    def backward(self, dy, d_states, clip=None):
        """Return the gradients of x, states and parameters by name, and norms as a list of (L·D, T, N)."""
        found = {}
        dy = dy[: len(next(iter(self.tapes.values())).x)]
        order = list(self.tapes)
        for pair, dropout in zip(self.suffixes[::-1], self.dropout[::-1], strict=True):
            for suffix, half in zip(pair, np.split(dy, len(pair), axis=-1), strict=True):
                end = tuple(part[order.index(suffix)] for part in d_states)
                w = self.weights(suffix)
                found[suffix] = reference.backward(self.cell, self.tapes[suffix], half, end, w, clip=clip)
            dy = sum(found[suffix].x for suffix in pair) * dropout
        parameters = {name + suffix: g for suffix in order for name, g in found[suffix].parameters.items()}
        states = [np.stack(parts) for parts in zip(*(found[suffix].state for suffix in order), strict=True)]
        norms = [np.stack(parts) for parts in zip(*(found[suffix].norms for suffix in order), strict=True)]
        padded = [np.concatenate([part, np.zeros((len(part), self.steps - part.shape[1], part.shape[2]))], 1)
                  for part in norms]  # fmt: skip
        return self.with_padding(dy), states, parameters, padded

"""One call of a recurrent module, without its tensors.

T steps, N sequences, S rows of all steps, H hidden units, L layers, D directions.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from fastrnn._kernels import CELLS
from fastrnn.layers.ragged import Dense, Ragged

Weight = TypeVar("Weight")


class Call(NamedTuple):
    """What is to be run.

    Attributes
    ----------
    cell : str
        In the kernels' table; PyTorch's function of that name does the same.
    layers, directions, hidden_size : int
        L, D and H.
    bias : bool
        Whether each direction of each layer has biases.
    dropout : float
        Probability with which an element that one layer hands to the next is dropped; 0 but in training.
    batch : Dense
        How the rows of all steps lie.
    """

    cell: str
    layers: int
    directions: int
    hidden_size: int
    bias: bool
    dropout: float
    batch: Dense

    @property
    def states(self) -> int:
        """How many states the cell has: 2 for h and c, 1 for h."""
        return CELLS[self.cell].states

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(L·D, N, H)."""
        return self.layers * self.directions, self.batch.rows, self.hidden_size

    def by_direction(self, weights: Sequence[Weight]) -> list[Sequence[Weight | None]]:
        """Return weight_ih, weight_hh, bias_ih, bias_hh of each direction of each layer; None for missing biases."""
        if self.bias:
            return [weights[i : i + 4] for i in range(0, len(weights), 4)]
        return [[*weights[i : i + 2], None, None] for i in range(0, len(weights), 2)]


def packed(batch_sizes: Tensor, rows: int) -> Dense:
    """Return how the rows (S, ·) of a PackedSequence lie.

    Raises
    ------
    ValueError
        If the batch sizes do not add up to so many rows, or a step has more than the one before.
    """
    counts = batch_sizes.numpy()
    if (counts[1:] > counts[:-1]).any() or counts[-1] < 1 or counts.sum() != rows:
        raise ValueError(
            "input: expected a PackedSequence whose batch_sizes fall from step to step and add up to the "
            f"{rows} rows of data, got {counts}; torch.nn.utils.rnn.pack_padded_sequence makes one"
        )
    N = int(counts[0])
    if counts[-1] == N:
        return Dense(len(counts), N)
    return Ragged(len(counts), np.searchsorted(-counts, -np.arange(N)))  # a sequence's steps: those of more than n rows

"""The slow twin: every cell and its backpropagation through time, as one would write them on paper.

NumPy alone, float64, one step at a time, no sharing with the kernels. What the kernels compute is held to this,
and this is held to finite differences. `gradient_by_path` takes the sum of BPTT apart into its terms.
"""

from fastrnn.reference.cells import CELLS, Cell
from fastrnn.reference.elman import Elman
from fastrnn.reference.gru import GRU, GRUBefore
from fastrnn.reference.jordan import Jordan
from fastrnn.reference.lstm import LSTM
from fastrnn.reference.masks import dropped
from fastrnn.reference.paths import Path, gradient_by_path
from fastrnn.reference.sequence import Gradients, Tape, backward, final_state, forward

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "Cell",
    "Elman",
    "GRUBefore",
    "Gradients",
    "Jordan",
    "Path",
    "Tape",
    "backward",
    "dropped",
    "final_state",
    "forward",
    "gradient_by_path",
]

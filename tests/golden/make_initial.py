"""Writes initial.npz: the initial parameters of layers with a seed. Run once, before layers took initialisers by name.

The file is kept as it is: a seed has to go on giving the same model. Do not make it anew to mend a test.
"""

from pathlib import Path

import numpy as np

import fastrnn

PATH = Path(__file__).parent / "initial.npz"
SIZES = (3, 4, 2)  # input_size, hidden_size, num_layers
LAYERS = {"rnn": fastrnn.RNN, "lstm": fastrnn.LSTM, "gru": fastrnn.GRU}
SEED = 7


def main():
    """Write ``name/parameter`` for each of the layers."""
    arrays = {}
    for name, build in LAYERS.items():
        parameters = build(*SIZES, dtype="float64", seed=SEED).parameters()
        arrays |= {f"{name}/{key}": array for key, array in parameters.items()}
    np.savez_compressed(PATH, **arrays)


if __name__ == "__main__":
    main()

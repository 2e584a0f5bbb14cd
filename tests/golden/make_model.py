"""Writes model-format1.safetensors and what it must give. Run once, with the fastrnn that introduced the format.

The files are kept as they are for ever: every later fastrnn has to load them. Do not make them anew to mend a test.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import save

import fastrnn

HERE = Path(__file__).parent


def main():
    """Write the model, and its output for a stored input beside it."""
    rng = np.random.default_rng(1)
    model = fastrnn.Sequential(
        fastrnn.LSTM(3, 2, 2), fastrnn.Tanh(), fastrnn.RNN(2, 3, nonlinearity="sigmoid", bias=False),
        fastrnn.RNN(3, 2, nonlinearity="relu"), fastrnn.Linear(2, 2), fastrnn.ReLU(), fastrnn.Linear(2, 2, bias=False),
    )  # fmt: skip
    for array in model.parameters().values():
        array[...] = rng.uniform(-1, 1, array.shape)
    fastrnn.Trainer(model, "cross_entropy")  # sets the link
    model.save(HERE / "model-format1.safetensors", {"word": "golden", "note": "größer"})
    x = rng.standard_normal((2, 5, 3)).astype(np.float32)
    y = np.ascontiguousarray(model(x))  # safetensors writes the memory as it lies, whatever the strides
    (HERE / "model-format1-output.safetensors").write_bytes(save({"x": x, "y": y}))


if __name__ == "__main__":
    main()

"""Export the labelled sequences that the examples ship: examples/data/japanese_vowels.npz and basic_motions.npz.

Run it where aeon is installed, which brings these data sets along; fastrnn itself needs no aeon:

    python -m pip install 'aeon==1.6.0' && python tools/export_data.py

examples/data/SOURCES.md tells whose they are; examples/common.py reads them.
"""

from pathlib import Path

import aeon
import numpy as np
from aeon.datasets import load_basic_motions, load_japanese_vowels

DATA = Path(__file__).parents[1] / "examples" / "data"
SETS = {"japanese_vowels": load_japanese_vowels, "basic_motions": load_basic_motions}


def part(x, names, classes):
    """Return the values of all sequences, one below another (ΣT, F), their lengths (N,) and class numbers (N,)."""
    values = np.concatenate([np.asarray(one).T for one in x]).astype(np.float32)  # aeon's are (F, T)
    lengths = np.array([np.shape(one)[1] for one in x], dtype=np.int16)
    return {"values": values, "lengths": lengths, "labels": np.searchsorted(classes, names).astype(np.int8)}


def export(name, load):
    """Write NAME.npz: the training part, the test part as the archive has it, and the names of the classes."""
    train, test = load(split="train"), load(split="test")
    classes = np.unique(train[1]).astype(str)
    arrays = {
        f"{prefix}_{key}": array
        for prefix, (x, names) in (("train", train), ("test", test))
        for key, array in part(x, names, classes).items()
    }
    np.savez_compressed(DATA / f"{name}.npz", classes=classes, **arrays)


if __name__ == "__main__":
    for name, load in SETS.items():
        export(name, load)
        size = (DATA / f"{name}.npz").stat().st_size
        print(f"{name}.npz: {size / 1e3:.0f} kB, from aeon {aeon.__version__}")
